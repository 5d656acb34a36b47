/**
 * Keeps the event loop alive while something is pending that it does not know of. One timer for all: the threadsafe
 * functions themselves are weak.
 *
 * @internal
 */

import { clearInterval, setInterval } from 'node:timers'

/** Also keeps them from being collected as garbage. */
const holders = new Set<object>()
let timer: NodeJS.Timeout | undefined
/** It never does anything: the longest time there is. */
const INTERVAL_MS = 2 ** 31 - 1

/** From now on the process stays. May be called again. @internal */
export function hold(holder: object): void {
  holders.add(holder)
  if (holders.size > 1) return
  if (timer === undefined) timer = setInterval(() => {}, INTERVAL_MS)
  else timer.ref()
}

/** To be called when nothing is pending. @internal */
export function release(holder: object): void {
  if (holders.delete(holder) && holders.size === 0) timer?.unref()
}

/** When nobody will hold any more: a stream is closed. @internal */
export function rest(): void {
  if (holders.size > 0) return
  clearInterval(timer)
  timer = undefined
}
