/** Waiting for a lock that somebody else holds. */

import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { integer } from './arguments.js'
import { errorOf, isFailure } from './failure.js'
import type { Failure } from './native.js'

const DEFAULT_LOCK_TIMEOUT_MS = 50
const MOST_TIMEOUT_MS = 2 ** 31 - 1

/** The option `lockTimeoutMs`, in milliseconds. @internal */
export function lockTimeout(value: unknown): number {
  if (value === undefined) return DEFAULT_LOCK_TIMEOUT_MS
  return integer('options.lockTimeoutMs', value, 0, MOST_TIMEOUT_MS)
}

/**
 * Opens, and while somebody else holds the lock again and again, for `timeout` milliseconds. The waiting is done here,
 * not in native code: four openers that wait would occupy the whole thread pool, and the holder could not even close.
 *
 * @internal
 */
export async function whenUnlocked<T>(
  timeout: number,
  open: () => Promise<T | Failure>,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + timeout
  for (let wait = 1; ; wait = Math.min(wait * 2, 20)) {
    const outcome = await open()
    const left = deadline - performance.now()
    if (!isFailure(outcome)) return outcome
    if (outcome.code !== 'PSTREAM_LOCKED' || left <= 0) throw errorOf(outcome)
    if (signal?.aborted) throw signal.reason
    await pause(Math.min(wait, left))
  }
}
