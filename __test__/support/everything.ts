// What `fixtures/everything.mjs` leaves behind, wherever it has ended.

import { join } from 'node:path'
import { FileSequence, PersistentStream } from 'pstream'
import { expect } from 'vitest'

/** What it tells, in this order; -1 for what has not happened. */
export const NAMES = ['acknowledged', 'committed', 'handed', 'backups'] as const
export type Told = Record<(typeof NAMES)[number], number>

export function toldBy(numbers: Int32Array): Told {
  return Object.fromEntries(NAMES.map((name, index) => [name, numbers[index] ?? -1])) as Told
}

export interface How {
  /** Whether the streams were closed. */
  readonly previous: 'closed' | 'crashed'
  /** Whether code ran at the end, so that what was handed over and never submitted is committed, too. */
  readonly flushed: boolean
}

/** That the locks are free at once, and that all is there. */
export async function checkEverything(root: string, name: string, told: Told, { previous, flushed }: How) {
  const options = { fileSize: '1MiB', blockSize: '4KiB', lockTimeoutMs: 0 } as const
  const stream = await PersistentStream.open(root, { name, ...options })
  // Or it never came to be.
  if (stream.recovery.previous !== 'new' || told.acknowledged >= 0) expect(stream.recovery.previous).toBe(previous)
  expect(stream.nextSeq).toBeGreaterThan(told.acknowledged)
  expect((await stream.verify()).ok).toBe(true)
  const cursor = await stream.cursor('consumer')
  expect(cursor.position).toBeGreaterThan(told.committed)
  await cursor.close()
  await stream.close()

  const last = await PersistentStream.open(root, { name: `${name}-last`, ...options })
  if (flushed) expect(last.nextSeq).toBeGreaterThanOrEqual(told.handed)
  await last.close()

  const sequence = await FileSequence.open(root, { name: `${name}-files`, blockCount: 64, blockShift: 12 })
  await sequence.close()
  if (told.backups < 1) return
  const backup = await PersistentStream.open(join(root, `${name}-backup-${told.backups}`), { name, ...options })
  expect((await backup.verify()).ok).toBe(true)
  await backup.close()
}
