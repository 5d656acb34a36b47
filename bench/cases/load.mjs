// BlockFile.load, front to back, of a file of which nothing is in the page cache.

import { measureBlocks } from '../lib/rounds.mjs'

const MiB = 1024 * 1024

const shapes = [
  { size: 1, operations: 8, turns: 16, fresh: false },
  { size: 8, operations: 4, turns: 8, fresh: false },
  { size: 8, operations: 4, turns: 8, fresh: true },
]

export const cases = shapes.map(({ size, fresh, ...shape }) => ({
  name: `load-${size}MiB${fresh ? '-fresh' : ''}`,
  title: `load ${size} MiB, cold${fresh ? ', into fresh memory (loadBytes)' : ''}`,
  verb: 'load',
  how: fresh,
  bytes: size * MiB,
  blockShift: 16,
  targets: { rust: 0.95, ts: 0.8 },
  ...shape,
  measure: measureBlocks,
}))
