// BlockFile.load, front to back, of a file of which nothing is in the page cache.

import { measureBlocks } from '../lib/rounds.mjs'

const MiB = 1024 * 1024

const shapes = [
  { size: 1, operations: 8, turns: 16 },
  { size: 8, operations: 4, turns: 8 },
]

export const cases = shapes.map(({ size, ...shape }) => ({
  name: `load-${size}MiB`,
  title: `load ${size} MiB, cold`,
  note: '`ts` is `loadBytes`, into fresh memory',
  verb: 'load',
  bytes: size * MiB,
  blockShift: 16,
  targets: { rust: 0.95, ts: 0.8 },
  ...shape,
  measure: measureBlocks,
}))
