// Live reads: what they give, and in what order, whoever appends meanwhile.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Gap, PersistentStream, type StreamRecord, TrimmedError, type WriterReadOptions } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { failure } from './support/errors.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { all, appendEach, damage, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'

const small = { fileSize: '1MiB', blockSize: '4KiB' } as const
/** Tells its seq, and has a length that depends on it. */
const bytesOf = (seq: number) => Buffer.alloc(4 + ((seq * 7919) % 3000), `${seq};`)

test('every record once and in order, in files that change, to readers of every kind', {
  timeout: 60_000,
}, async () => {
  const opened = await stream(folder(), small)
  const before = 300
  for (let seq = 0; seq < before; seq += 1) void opened.append(bytesOf(seq))
  await opened.flush()
  const total = 6000
  const check = (from: number) => {
    let next = from
    return ({ seq, data }: StreamRecord) => {
      if (seq !== next || !bytesOf(seq).equals(data)) throw new Error(`record ${seq} where ${next} should be`)
      next += 1
    }
  }
  const one = async (from: number, options: WriterReadOptions, delay = 0) => {
    const see = check(from)
    for await (const record of opened.read({ live: true, to: total, ...options })) {
      see(record)
      if (delay > 0 && record.seq % 100 === 0) await pause(delay)
    }
    return 'done'
  }
  const many = async (from: number, options: WriterReadOptions, delay = 0) => {
    const see = check(from)
    for await (const records of opened.readBatches({ live: true, limit: total - from, ...options })) {
      records.forEach(see)
      if (delay > 0) await pause(delay)
    }
    return 'done'
  }
  const readers = [
    one(0, {}),
    one(0, { copy: true, cache: 'keep' }),
    one(0, {}, 3),
    one(150, { from: 150, visibility: 'written' }),
    one(before, { from: 'end' }),
    one(before, { from: 'end' }, 1),
    one(4000, { from: 4000, limit: 2000 }),
    one(0, { from: new Date(0), onGap: () => {} }),
    many(0, {}),
    many(0, { visibility: 'written' }, 1),
    many(before, { from: 'end', copy: true }, 5),
    many(before, { from: 'end', visibility: 'written' }),
  ]
  const write = async () => {
    let seq = before
    while (seq < total) {
      const count = Math.min(1 + (seq % 97), total - seq)
      const records = range(seq, seq + count).map(bytesOf)
      seq += count
      if (seq % 3 === 0) await opened.appendMany(records)
      else {
        for (const record of records) if (!opened.write(record)) await opened.ready()
        if (seq % 5 === 0) await opened.flush()
        if (seq % 7 === 0) await pause(1)
      }
    }
    await opened.flush()
  }
  await write()
  expect(readdirSync(opened.directory).length).toBeGreaterThan(6)
  expect(await Promise.all(readers)).toEqual(readers.map(() => 'done'))
})

test('to, limit, and places that are not there yet', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 5)
  const seqs = (options: WriterReadOptions) => seqsOf(opened.read({ live: true, ...options }))
  // What is there already is enough.
  expect(await seqs({ to: 3 })).toEqual([0, 1, 2])
  expect(await seqs({ limit: 2, from: 1 })).toEqual([1, 2])
  expect(await seqs({ limit: 0 })).toEqual([])
  expect(await seqs({ from: 9, to: 9 })).toEqual([])
  expect(await seqs({ from: 9, to: 4 })).toEqual([])
  expect(await seqs({ from: 'end', to: 5 })).toEqual([])
  expect(await seqs({ to: 0 })).toEqual([])
  // What is not is waited for.
  const waiting = [
    seqs({ to: 8 }),
    seqs({ from: 'end', to: 8 }),
    seqs({ from: 'end', limit: 2 }),
    seqs({ from: 7, limit: 1 }),
    seqs({ from: 6, to: 8, visibility: 'written' }),
    opened.readBatches({ live: true, from: 3, limit: 4 }),
  ] as const
  const batches = all(waiting[5])
  expect(await Promise.race([...waiting.slice(0, 5), batches, pause(30, 'none')])).toBe('none')
  await appendEach(opened, 5)
  expect(await Promise.all(waiting.slice(0, 5))).toEqual([range(0, 8), [5, 6, 7], [5, 6], [7], [6, 7]])
  expect((await batches).flat().map(({ seq }) => seq)).toEqual([3, 4, 5, 6])
})

test('from a moment, past or to come', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 3)
  await pause(5)
  const middle = new Date()
  await appendEach(opened, 3)
  const soon = new Date(Date.now() + 150)
  for (const visibility of ['durable', 'written'] as const) {
    const past = opened.read({ live: true, from: middle, visibility, limit: 3 })
    expect(await seqsOf(past)).toEqual([3, 4, 5])
  }
  const later = [
    seqsOf(opened.read({ live: true, from: soon, limit: 2 })),
    seqsOf(opened.read({ live: true, from: soon, visibility: 'written', limit: 2 })),
  ]
  const early: number[] = []
  while (Date.now() <= soon.getTime()) {
    early.push(await opened.append('too early'))
    await pause(10)
  }
  expect(early.length).toBeGreaterThan(0)
  await opened.appendMany(['x', 'y', 'z'])
  const expected = (await all(opened.read())).filter(({ time }) => time >= soon.getTime()).slice(0, 2)
  const seqs = expected.map(({ seq }) => seq)
  expect(seqs[0]).toBeGreaterThanOrEqual(6)
  expect(await Promise.all(later)).toEqual([seqs, seqs])
})

test('a reader that nobody asks for a while holds nothing, and goes on where it was', { timeout: 60_000 }, async () => {
  const root = folder()
  const opened = await stream(root, small)
  const total = 4000
  for (let seq = 0; seq < total; seq += 1) void opened.append(bytesOf(seq))
  await opened.flush()
  // Those of the writer, when it has made its next file.
  await pause(1500)
  const held = openDescriptors(root).length
  const kinds = ['durable', 'written'] as const
  const readers = kinds.flatMap((visibility) =>
    [1, 700, 1500].map((count) => ({ count, records: opened.read({ live: true, visibility, limit: total + 500 }) })),
  )
  let next = 0
  for (const { count, records } of readers) {
    for (next = 0; next < count; next += 1) expect((await records.next()).value?.seq).toBe(next)
  }
  if (process.platform === 'linux') expect(openDescriptors(root).length).toBeGreaterThan(held)
  await pause(3500)
  expect(openDescriptors(root).length).toBe(held)
  const rest = readers.map(async ({ count, records }) => [count, await seqsOf(records)] as const)
  for (let seq = total; seq < total + 500; seq += 1) await opened.append(bytesOf(seq))
  for (const [count, seqs] of await Promise.all(rest)) expect(seqs).toEqual(range(count, total + 500))
})

test('a stream that is empty', async () => {
  const opened = await stream(folder())
  const readers = [{}, { from: 0 }, { from: 'end' }, { from: new Date(0) }] as const
  const found = readers.map((options) => seqsOf(opened.read({ live: true, limit: 2, ...options })))
  await pause(20)
  await opened.append('a')
  await pause(20)
  await opened.append('b')
  expect(await Promise.all(found)).toEqual(readers.map(() => [0, 1]))
})

test('calls of next that do not wait for each other', async () => {
  const opened = await stream(folder())
  const records = opened.read({ live: true })
  const asked = [records.next(), records.next(), records.next()]
  await opened.append('a')
  await opened.appendMany(['b', 'c'])
  const found = await Promise.all(asked)
  expect(found.map(({ value }) => (value === undefined ? '' : Buffer.from(value.data).toString()))).toEqual([
    'a',
    'b',
    'c',
  ])
  const more = [records.next(), records.next()]
  expect(await records.return()).toEqual({ done: true, value: undefined })
  expect(await Promise.all(more)).toEqual([
    { done: true, value: undefined },
    { done: true, value: undefined },
  ])
})

test('what is written is shown at once to those who ask, and when it is durable to the others', async () => {
  const opened = await stream(folder(), { durability: 'written', syncIntervalMs: 300 })
  const begin = performance.now()
  const took: Record<string, number> = {}
  const reader = async (visibility: 'durable' | 'written') => {
    const [first] = await all(opened.read({ live: true, from: 'end', limit: 1, visibility }))
    took[visibility] = performance.now() - begin
    if (visibility === 'durable') expect(opened.durableSeq).toBe(1)
    return first?.seq
  }
  const readers = [reader('durable'), reader('written')]
  await opened.append('x')
  // Nothing else is appended: it is the sync in the background that wakes the first.
  expect(await Promise.all(readers)).toEqual([0, 0])
  expect(took.written).toBeLessThan(Number(took.durable))
  expect(took.durable).toBeGreaterThanOrEqual(290)
})

test('encodings', async () => {
  const text = await PersistentStream.open(folder(), { encoding: 'utf8' })
  onTestFinished(() => text.close())
  const json = await PersistentStream.open<{ id: number }>(folder(), { encoding: 'json' })
  onTestFinished(() => json.close())
  const texts = [1, 2, 3].map(() => all(text.read({ live: true, from: 'end', limit: 2 })))
  const ids = [1, 2, 3].map(() => all(json.readBatches({ live: true, from: 'end', limit: 2 })))
  await text.append('grün')
  await json.append({ id: 1 })
  await pause(10)
  await text.append('')
  await json.append({ id: 2 })
  for (const found of await Promise.all(texts)) expect(found.map(({ data }) => data)).toEqual(['grün', ''])
  for (const found of await Promise.all(ids)) expect(found.flat().map(({ data }) => data.id)).toEqual([1, 2])
})

test('what a reader does with its records is nobody else’s business', async () => {
  const opened = await stream(folder())
  const intact = async (visibility: 'durable' | 'written') => {
    for await (const { seq, data } of opened.read({ live: true, limit: 300, visibility })) {
      expect(Buffer.from(data).toString()).toBe(`record ${seq}`)
      if (seq % 50 === 49) await pause(5)
    }
  }
  const spoiling = async () => {
    for await (const { data } of opened.read({ live: true, limit: 300 })) data.fill(0)
  }
  const taking = async () => {
    for await (const { seq, data } of opened.read({ live: true, limit: 300 })) {
      expect(Buffer.from(data).toString()).toBe(`record ${seq}`)
      structuredClone(data.buffer, { transfer: [data.buffer] })
    }
  }
  const readers = [intact('durable'), spoiling(), taking(), intact('durable'), intact('written'), taking()]
  for (let round = 0; round < 10; round += 1) {
    await opened.appendMany(range(round * 30, round * 30 + 30).map((seq) => `record ${seq}`))
    await pause(1)
  }
  await Promise.all(readers)
})

test('damage: told of once, and gone past, or the end of the read', async () => {
  const root = folder()
  const opened = await stream(root, { blockSize: '4KiB' })
  await appendEach(opened, 10)
  damage(root, 'record 4')
  const gaps: Gap[] = []
  const passing = seqsOf(opened.read({ live: true, limit: 12, onGap: (gap) => gaps.push(gap) }))
  const strict = opened.read({ live: true })
  for (const seq of range(0, 4)) expect((await strict.next()).value?.seq).toBe(seq)
  expect(await failure(strict.next())).toMatchObject({ code: 'PSTREAM_CORRUPT', fromSeq: 4, toSeq: 5 })
  expect(await strict.next()).toEqual({ done: true, value: undefined })
  // Long enough for what rests to rest.
  await pause(2500)
  await appendEach(opened, 3)
  expect(await passing).toEqual([...range(0, 4), ...range(5, 13)])
  expect(gaps.map(({ fromSeq, toSeq }) => [fromSeq, toSeq])).toEqual([[4, 5]])
})

test('damage at the end of what there is, in what all read together', async () => {
  const root = folder()
  const opened = await stream(root, { blockSize: '4KiB', durability: 'written', syncIntervalMs: 60_000 })
  await opened.append('record 0')
  await opened.flush()
  const gaps: Gap[][] = [[], []]
  const passing = gaps.map((list) => seqsOf(opened.read({ live: true, limit: 3, onGap: (gap) => list.push(gap) })))
  const strict = [1, 2].map(() => failure(all(opened.read({ live: true }))))
  await pause(20)
  // They see nothing of it before it is durable.
  await opened.appendMany(['record 1', 'record 2'])
  await opened.append('record 3')
  damage(root, 'record 1')
  await opened.flush()
  await opened.append('record 4')
  await opened.flush()
  expect(await Promise.all(passing)).toEqual([
    [0, 3, 4],
    [0, 3, 4],
  ])
  for (const list of gaps) expect(list.map(({ fromSeq, toSeq }) => [fromSeq, toSeq])).toEqual([[1, 3]])
  for (const error of await Promise.all(strict)) expect(error).toMatchObject({ code: 'PSTREAM_CORRUPT', fromSeq: 1 })
})

if (process.platform === 'win32') console.log('skipped: a file that is read cannot be taken away under a reader')
test.runIf(process.platform !== 'win32')('records that are released in front of a slow reader', async () => {
  const root = folder()
  const opened = await stream(root, small)
  const records = opened.read({ live: true })
  const early = opened.read({ live: true, from: 2 })
  const fill = async (count: number) => {
    for (let index = 0; index < count; index += 1) await opened.append(Buffer.alloc(50_000, index))
  }
  await fill(1)
  expect((await records.next()).value?.seq).toBe(0)
  await fill(120)
  // As a trim would do it.
  const files = readdirSync(root).filter((name) => name.startsWith('stream.0'))
  expect(files.length).toBeGreaterThan(5)
  for (const name of files.sort().slice(0, 4)) rmSync(join(root, name))
  const trimmed = await failure(early.next())
  expect(trimmed).toBeInstanceOf(TrimmedError)
  let last = 0
  const error = await failure(
    (async () => {
      for await (const { seq } of { [Symbol.asyncIterator]: () => records }) last = seq
    })(),
  )
  expect(error).toMatchObject({ code: 'PSTREAM_TRIMMED' })
  const oldestSeq = Number(error.oldestSeq)
  expect(oldestSeq).toBeGreaterThan(last + 1)
  expect(trimmed.oldestSeq).toBe(oldestSeq)
  const newest = seqsOf(opened.read({ live: true, limit: 3, from: oldestSeq }))
  expect(await newest).toEqual(range(oldestSeq, oldestSeq + 3))
})

test('a reader that comes to what the others share, and falls behind again', async () => {
  const opened = await stream(folder())
  let seen = 0
  const follow = async () => {
    for await (const records of opened.readBatches({ live: true })) seen += records.length
  }
  const following = follow()
  const record = new Uint8Array(1024)
  const fill = async (rounds: number) => {
    for (let round = 0; round < rounds; round += 1) {
      const first = await opened.appendMany(Array(3000).fill(record))
      while (seen < first + 3000) await pause(1)
    }
  }
  await fill(4)
  // Of the last 4 MiB it is given what was read for the other one, and stops in the midst of them.
  for (const behind of [3700, 3300, 2900, 2500, 1500]) {
    const stop = opened.nextSeq - behind
    const slow = opened.readBatches({ live: true, from: stop - 6000 })
    let next = stop - 6000
    const step = async () => {
      for (const { seq } of (await slow.next()).value ?? []) {
        if (seq !== next) throw new Error(`record ${seq} where ${next} should be`)
        next += 1
      }
    }
    while (next < stop) await step()
    const end = opened.nextSeq + 9000
    await fill(3)
    while (next < end) await step()
    await slow.return()
  }
  await opened.close()
  await following
})
