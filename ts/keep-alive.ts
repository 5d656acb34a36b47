/**
 * Keeps the event loop alive while something is pending that it does not know of. One timer for all: the threadsafe
 * functions themselves are weak.
 *
 * @internal
 */

import { performance } from 'node:perf_hooks'
import { clearInterval, setInterval } from 'node:timers'

/** Whoever has something pending. */
export interface Holder {
  /** Hands over what is to be committed before the process ends; nothing if it is not to be. */
  flushAtExit(): ((deadline: number) => void) | undefined
}

/** Also keeps them from being collected as garbage. */
const holders = new Set<Holder>()
let timer: NodeJS.Timeout | undefined
/** It never does anything: the longest time there is. */
const INTERVAL_MS = 2 ** 31 - 1

/** From now on the process stays. May be called again. @internal */
export function hold(holder: Holder): void {
  holders.add(holder)
  if (holders.size > 1) return
  if (timer === undefined) timer = setInterval(() => {}, INTERVAL_MS)
  else timer.ref()
}

/** To be called when nothing is pending. @internal */
export function release(holder: Holder): void {
  if (holders.delete(holder) && holders.size === 0) timer?.unref()
}

/** When nobody will hold any more: a stream is closed. @internal */
export function rest(): void {
  if (holders.size > 0) return
  clearInterval(timer)
  timer = undefined
}

/** How long the end of the process, or of the worker, is held up, by all streams together. */
const EXIT_MS = 2000
let hooked = false
/** When that is over, on the clock of `performance`. `undefined` until the end has begun. @internal */
export let exitDeadline: number | undefined

/**
 * From now on what is pending is committed when the process ends by itself or by `process.exit()`, or by an exception that
 * nobody has caught. One listener for all streams.
 *
 * @internal
 */
export function hookExit(): void {
  if (hooked) return
  hooked = true
  process.on('exit', () => {
    const deadline = performance.now() + EXIT_MS
    exitDeadline = deadline
    const waits = [...holders].map((holder) => holder.flushAtExit())
    for (const wait of waits) wait?.(deadline)
  })
}
