// What the soak can be told to do wrong, so that it is seen to fail.

import { openSync } from 'node:fs'
import { devNull } from 'node:os'
import { Worker } from 'node:worker_threads'

const kept = []

const leaks = {
  memory: () => kept.push(Buffer.alloc(2 ** 20, 1)),
  heap: () => kept.push(Array.from({ length: 50_000 }, (_, index) => ({ index }))),
  descriptors: () => kept.push(openSync(devNull)),
  threads: () => kept.push(new Worker('setInterval(() => {}, 1000)', { eval: true })),
}

/** What a reader is given instead of the right thing. */
export const spoils = ['lost', 'twice', 'bytes']
export const breaks = [...Object.keys(leaks), ...spoils]

/** Leaks something ten times a second; a thread each second. */
export function leak(what) {
  if (leaks[what] === undefined) return
  setInterval(leaks[what], what === 'threads' ? 1000 : 100).unref()
}
