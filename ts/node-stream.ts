/** What the streams of Node.js that we make have in common. */

import type { Readable, Writable } from 'node:stream'
import { integer } from './arguments.js'

/** Anything may be thrown, and be the reason of a signal; a stream of Node.js takes nothing false for an error. @internal */
export function thrown(what: unknown): Error {
  // Of another realm it is an error all the same.
  if (typeof what === 'object' && what !== null) return what as Error
  return new Error(`not an error was thrown: ${String(what)}`, { cause: what })
}

/**
 * Destroys the stream with the reason when the signal aborts. (The `signal` of Node.js's own streams puts an error of its
 * own around the reason.) Returns how to stop that.
 *
 * @internal
 */
export function destroyOnAbort(stream: Readable | Writable, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => {}
  const destroy = () => stream.destroy(thrown(signal.reason))
  if (signal.aborted) destroy()
  else signal.addEventListener('abort', destroy, { once: true })
  return () => signal.removeEventListener('abort', destroy)
}

/** `options.highWaterMark`. @internal */
export function highWaterMark(value: unknown, fallback: number): number {
  return value === undefined ? fallback : integer('options.highWaterMark', value, 0, 2 ** 31 - 1)
}
