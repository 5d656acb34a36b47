// Who consumes a stream while it is written: live readers, cursors, what releases files. Targets: `most` or `least` of a
// figure.

import { measureCommits } from '../lib/consumers/commits.mjs'
import { measureCrowd } from '../lib/consumers/crowds.mjs'
import { measureIdle } from '../lib/consumers/idle.mjs'
import { latencies, measureLatency } from '../lib/consumers/latency.mjs'
import { measureThroughput, throughputs } from '../lib/consumers/throughput.mjs'
import { measureTrims, trims } from '../lib/consumers/trims.mjs'

const MiB = 1 << 20

export const cases = [
  {
    name: 'live-latency',
    title: 'from the acknowledgement to a live reader',
    figures: latencies(1),
    measure: measureLatency,
  },
  {
    name: 'live-latency-process',
    title: 'from the acknowledgement to a live reader in another process',
    elsewhere: true,
    figures: latencies(5),
    measure: measureLatency,
  },
  {
    name: 'live-idle',
    title: 'a process with a live reader of an idle stream of another process',
    figures: [
      { name: 'with a live reader: wake-ups', unit: '1/s', most: 5 },
      { name: 'without one: wake-ups', unit: '1/s' },
    ],
    measure: measureIdle,
  },
  {
    name: 'live-throughput',
    title: 'a live reader beside its writer, records of 256 bytes',
    figures: throughputs(1e6),
    measure: measureThroughput,
  },
  {
    name: 'live-1000',
    title: '1,000 live readers of one stream',
    readers: 1000,
    figures: [
      { name: 'memory each', unit: 'KiB', most: 8 },
      { name: 'memory each of the next thousand', unit: 'KiB' },
      { name: 'memory each of the next thousand, of objects', unit: 'KiB' },
      { name: 'reads from disk a commit', unit: '', most: 1 },
      { name: 'reads from disk a commit, one reader', unit: '' },
      { name: 'until all have a commit', unit: 'ms' },
    ],
    note: 'memory is what the resident set and `external` have grown by, with `--max-semi-space-size=1`; of objects, what the heap of V8 has in use and `external`',
    measure: measureCrowd,
  },
  {
    name: 'cursor-commit',
    title: 'commits of a cursor, 100,000 calls a second',
    perSecond: 1e5,
    figures: [
      { name: 'calls', unit: '1/s' },
      { name: 'synced writes', unit: '1/s' },
      { name: 'an awaited one, p50', unit: 'synced writes' },
      { name: 'an awaited one, p99', unit: 'synced writes', most: 3 },
      { name: 'fs.write each millisecond, p50', unit: 'synced writes' },
      { name: 'fs.write each millisecond, p99', unit: 'synced writes' },
      { name: 'in the first seconds of a process, p99', unit: 'synced writes' },
      { name: 'one alone, p50', unit: 'synced writes' },
      { name: 'a synced write', unit: 'ms' },
      { name: 'a synced write, p99', unit: 'synced writes' },
    ],
    note: 'a synced write is one of 4 KiB with `pwritev2(RWF_DSYNC)` into space that was written before, from Rust, in the same rounds; awaited is the last call of each millisecond, timed from the first; measured when V8 has compiled what it compiles, which takes some five seconds at this pace; `fs.write` is one slot, written by Node.js with `O_DSYNC` from its thread pool',
    measure: measureCommits,
  },
  {
    name: 'trim-1000',
    title: 'appends awaited one by one beside a trim',
    lengths: [
      { files: 1000, fileSize: MiB },
      { files: 32, fileSize: 64 * MiB },
    ],
    measure: measureTrims,
  },
].map((definition) => ({ ...definition, figures: definition.figures ?? trims(definition.lengths, 5) }))
