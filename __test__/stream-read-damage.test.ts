// Damage on disk: a reader throws, or tells of it and goes on behind it; nobody is given a wrong record.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CorruptionError, type Gap, type PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { all, appendEach, damage, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'

/** Enough for some blocks: opening looks at the last ones, and refuses what is damaged there. */
const COUNT = 250
const SMALL = { blockSize: '4KiB' } as const
const WITHOUT = (...gone: number[]) => range(0, COUNT).filter((seq) => !gone.includes(seq))

/** Records, each in a batch of its own, of which some are damaged while the stream is closed, or open. */
async function damaged(records: number[], isOpen: boolean): Promise<PersistentStream> {
  const root = folder()
  const first = await stream(root, SMALL)
  await appendEach(first, COUNT)
  if (!isOpen) await first.close()
  for (const seq of records) damage(root, `record ${seq}`)
  return isOpen ? first : stream(root, SMALL)
}

function expectDamage(error: unknown, opened: PersistentStream, from: number, to: number): void {
  expect(error).toBeInstanceOf(CorruptionError)
  expect(error).toMatchObject({ code: 'PSTREAM_CORRUPT', fromSeq: from, toSeq: to })
  const { file, path, block, position, message } = error as CorruptionError
  expect(path).toBe(join(opened.directory, file ?? ''))
  expect(file).toMatch(/^stream\.0001-/)
  expect(position).toBeGreaterThan(0)
  expect(block).toBeGreaterThanOrEqual(0)
  expect(message).toContain(file)
}

test.each([
  ['while it was closed', false],
  ['while it is open', true],
])('a record that was changed %s', async (_, isOpen) => {
  const opened = await damaged([7], isOpen)
  for (const iterator of [opened.read(), opened.read({ copy: true, onGap: 'throw' })]) {
    const seqs: number[] = []
    const error = await (async () => {
      for (;;) seqs.push((await iterator.next()).value?.seq ?? -1)
    })().catch((error) => error)
    expect(seqs).toEqual(range(0, 7))
    expectDamage(error, opened, 7, 8)
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  }
  async function theReader() {
    for await (const _ of opened.readBatches());
  }
  const error = await failure(theReader())
  expectDamage(error, opened, 7, 8)
  expect(error.stack).toContain('theReader')

  const gaps: Gap[] = []
  const seqs: number[] = []
  for await (const { seq } of opened.read({ onGap: (gap) => gaps.push({ ...gap, after: seqs.length } as Gap) })) {
    seqs.push(seq)
  }
  expect(seqs).toEqual(WITHOUT(7))
  expect(gaps).toMatchObject([{ fromSeq: 7, toSeq: 8, after: 7 }])
  expectDamage(gaps[0]?.cause, opened, 7, 8)

  expectDamage(await failure(opened.get(7)), opened, 7, 8)
  expect((await opened.get(6))?.seq).toBe(6)
  expect((await opened.get(8))?.seq).toBe(8)
  // What is not asked for is not in the way.
  expect(await seqsOf(opened.read({ to: 7 }))).toEqual(range(0, 7))
  expect(await seqsOf(opened.read({ from: 8 }))).toEqual(range(8, COUNT))
  expectDamage(await failure(all(opened.read({ from: 7 }))), opened, 7, 8)
  expect(await seqsOf(opened.read({ from: 7, limit: 2, onGap: () => {} }))).toEqual([8, 9])

  const report = await opened.verify()
  expect(report).toMatchObject({ records: COUNT - 1, ok: false, gaps: [{ fromSeq: 7, toSeq: 8 }] })
  expectDamage(report.gaps[0]?.cause, opened, 7, 8)
  // Writing goes on.
  expect(await opened.append('more')).toBe(COUNT)
  expect(await seqsOf(opened.read({ from: 8 }))).toEqual(range(8, COUNT + 1))
})

test('many gaps, in arrays, each in its place', async () => {
  const opened = await damaged([0, 1, 9, 20, 22], false)
  const met: unknown[] = []
  const onGap = ({ fromSeq, toSeq }: Gap) => void met.push([fromSeq, toSeq])
  for await (const batch of opened.readBatches({ onGap })) met.push(...batch.map(({ seq }) => seq))
  const expected = [[0, 2], ...range(2, 9), [9, 10], ...range(10, 20), [20, 21], 21, [22, 23], ...range(23, COUNT)]
  // Two that touch may be told of as one or as two.
  expect(met.filter((what) => typeof what === 'number')).toEqual(expected.filter((what) => typeof what === 'number'))
  const behind = COUNT - 13
  expect(met.slice(-behind)).toEqual(expected.slice(-behind))
  expect((await opened.verify()).records).toBe(COUNT - 5)
})

test('what onGap throws ends the read, and what it does is done', async () => {
  const opened = await damaged([7, 20], false)
  const thrown = new Error('on purpose')
  const iterator = opened.read({
    onGap: () => {
      throw thrown
    },
  })
  for (let seq = 0; seq < 7; seq += 1) expect((await iterator.next()).value?.seq).toBe(seq)
  await expect(iterator.next()).rejects.toBe(thrown)
  expect(await iterator.next()).toEqual({ done: true, value: undefined })

  const left = opened.read({ onGap: () => void left.return() })
  expect(await seqsOf(left)).toEqual(range(0, 7))
  const controller = new AbortController()
  const aborted = opened.read({ signal: controller.signal, onGap: () => controller.abort(thrown) })
  await expect(all(aborted)).rejects.toBe(thrown)
  const closed = opened.read({ onGap: () => void opened.close() })
  expect((await failure(all(closed))).code).toBe('PSTREAM_CLOSED')
})

test('search', async () => {
  const opened = await damaged([20], false)
  const numberOf = ({ data }: { data: Uint8Array }) => Number(Buffer.from(data).toString().slice(7))
  for (const wanted of range(0, 40)) {
    const outcome = await opened.search((record) => numberOf(record) - wanted).catch((error) => error)
    // Whoever has to look at the damaged record is told.
    if (typeof outcome === 'number') expect(outcome).toBe(wanted)
    else expectDamage(outcome, opened, 20, 21)
  }
})

test('a file of many that is missing, salvaged', async () => {
  const root = folder()
  const shape = { fileSize: '1MiB', blockSize: '4KiB' } as const
  const first = await stream(root, shape)
  for (let seq = 0; seq < 80; seq += 1) await first.append(Buffer.alloc(50_000, seq))
  const verified = await first.verify()
  await first.close()
  const names = readdirSync(root).filter((name) => /^stream\.\d/.test(name))
  expect(names.length).toBeGreaterThan(3)
  rmSync(join(root, names.sort()[1] ?? ''))
  expect((await failure(stream(root, shape))).code).toBe('PSTREAM_CORRUPT')
  const opened = await stream(root, { ...shape, recovery: 'salvage' })
  const gaps: Gap[] = []
  const records = await all(opened.read({ onGap: (gap) => gaps.push(gap) }))
  for (const { seq, data } of records) expect(same(data, Buffer.alloc(50_000, seq))).toBe(true)
  const gone = range(0, 80).filter((seq) => records.every((record) => record.seq !== seq))
  expect(gone.length).toBeGreaterThan(5)
  expect(gaps.map(({ fromSeq, toSeq }) => [fromSeq, toSeq])).toEqual([[gone[0], (gone.at(-1) ?? 0) + 1]])
  expect(records.map(({ seq }) => seq)).toEqual(range(0, 80).filter((seq) => !gone.includes(seq)))
  expect(await failure(all(opened.read()))).toBeInstanceOf(CorruptionError)
  expect(await failure(opened.get(gone[0] ?? 0))).toBeInstanceOf(CorruptionError)
  expect(await opened.verify()).toMatchObject({ records: verified.records - gone.length, ok: false })
})

test('the last file damaged, salvaged: the gap is read past', async () => {
  const root = folder()
  const first = await stream(root)
  await appendEach(first, 40)
  await first.close()
  // Everything from record 10 on, the end of the stream with it.
  for (const seq of range(10, 40)) damage(root, `record ${seq}`)
  expect((await failure(stream(root))).code).toBe('PSTREAM_CORRUPT')
  const opened = await stream(root, { recovery: 'salvage' })
  const next = await opened.append('behind the damage')
  const gaps: Gap[] = []
  expect(await seqsOf(opened.read({ onGap: (gap) => gaps.push(gap) }))).toEqual([...range(0, 10), next])
  expect(gaps[0]?.fromSeq).toBe(10)
  expect(gaps.at(-1)?.toSeq).toBe(next)
  expect(await failure(all(opened.read()))).toBeInstanceOf(CorruptionError)
  expect((await opened.get(next))?.seq).toBe(next)
  expect(await failure(opened.get(15))).toBeInstanceOf(CorruptionError)
  expect(await opened.verify()).toMatchObject({ records: 11, ok: false })
})
