// What the process takes, and how long things take.

import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

function count(folder) {
  try {
    return readdirSync(folder).length
  } catch {
    // Not on Linux.
    return undefined
  }
}

/** In bytes, once everything that nobody has any more is collected; descriptors and threads on Linux only. */
export async function resources() {
  gc()
  // What is freed by finalizers is free in a later turn.
  await new Promise((resolve) => setImmediate(resolve))
  gc()
  const { rss, heapUsed: heap, external } = process.memoryUsage()
  return { rss, heap, external, descriptors: count('/proc/self/fd'), threads: count('/proc/self/task') }
}

/** Times in milliseconds, collected and asked for window by window. */
export class Times {
  #all = []

  add(time) {
    this.#all.push(time)
  }

  /** Those since the last call. */
  take() {
    const sorted = Float64Array.from(this.#all).sort()
    this.#all = []
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
    return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) }
  }
}

export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)]
}
