// BlockFile.store, awaited one after the other, into space that is reserved and was never written: what a new file is.

import { measureBlocks } from '../lib/rounds.mjs'

const KiB = 1024
const MiB = 1024 * KiB
const targets = { rust: 0.95, ts: 0.8 }
const notDurable = { crate: 'not durable: above a chunk of 8 MiB its data is not synced' }

// The cache is dropped every 4 MiB: where it fits, a slice holds a whole number of drops.
const shapes = [
  { size: '4KiB', bytes: 4 * KiB, blockShift: 12, operations: 128, turns: 8 },
  {
    size: '4KiB-prewritten',
    bytes: 4 * KiB,
    blockShift: 12,
    operations: 128,
    turns: 8,
    prewrite: true,
    title: 'store 4 KiB into pre-written space',
  },
  { size: '64KiB', bytes: 64 * KiB, blockShift: 16, operations: 64, turns: 8 },
  { size: '1MiB', bytes: MiB, blockShift: 16, operations: 4, turns: 24 },
  { size: '8MiB', bytes: 8 * MiB, blockShift: 16, operations: 1, turns: 24 },
  {
    size: '8MiB-pairs',
    bytes: 8 * MiB,
    blockShift: 16,
    operations: 1,
    turns: 24,
    how: 'pairs',
    title: 'store 8 MiB as 128 pairs of head and body',
  },
  { size: '64MiB', bytes: 64 * MiB, blockShift: 16, operations: 1, turns: 5, marks: notDurable },
  {
    size: '64MiB-pairs',
    bytes: 64 * MiB,
    blockShift: 16,
    operations: 1,
    turns: 5,
    how: 'pairs',
    marks: notDurable,
    title: 'store 64 MiB as 1024 pairs of head and body',
  },
]

export const cases = shapes.map(({ size, title, ...shape }) => ({
  name: `store-${size}`,
  title: title ?? `store ${size.replace(/(\d+)/, '$1 ')}`,
  verb: 'store',
  how: 'bytes',
  targets,
  ...shape,
  measure: measureBlocks,
}))
