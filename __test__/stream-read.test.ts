// What was appended is read: every record once, in order, unchanged, from wherever one asks to whatever end.

import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { FileSequence, PersistentStream, StreamReader, TrimmedError } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { all, appendEach, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'

test('an empty stream', async () => {
  const opened = await stream(folder())
  expect(opened).toBeInstanceOf(StreamReader)
  for (const from of ['oldest', 'end', 0, 5, new Date(0), new Date()] as const) {
    expect(await all(opened.read({ from }))).toEqual([])
    expect(await all(opened.readBatches({ from }))).toEqual([])
  }
  expect(await opened.get(0)).toBeUndefined()
  expect(await opened.search(() => -1)).toBe(0)
  expect(await opened.verify()).toMatchObject({ records: 0, batches: 0, bytes: 0, gaps: [], ok: true })
})

test('append, read, close, open, read', async () => {
  const root = folder()
  const first = await stream(root)
  const before = Date.now()
  await first.append('one')
  await first.appendMany(['two', new Uint8Array(0), 'four'])
  const read = async (opened: PersistentStream) => {
    const records = await all(opened.read())
    expect(records.map(({ data }) => Buffer.from(data).toString())).toEqual(['one', 'two', '', 'four'])
    expect(records.map(({ seq }) => seq)).toEqual([0, 1, 2, 3])
    let last = before
    for (const record of records) {
      expect(Object.keys(record)).toEqual(['seq', 'time', 'data'])
      expect(Object.getPrototypeOf(record.data)).toBe(Uint8Array.prototype)
      expect(record.time).toBeGreaterThanOrEqual(last)
      last = record.time
    }
    expect(last).toBeLessThanOrEqual(Date.now())
    expect((await all(opened.readBatches())).flat()).toEqual(records)
    for (const record of records) expect(await opened.get(record.seq)).toEqual(record)
    expect(await opened.get(4)).toBeUndefined()
    expect(await opened.get(Number.MAX_SAFE_INTEGER)).toBeUndefined()
  }
  await read(first)
  await first.close()
  await read(await stream(root))
})

test('from, to and limit', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 20)
  await opened.appendMany(range(20, 60).map((index) => `record ${index}`))
  const seqs = (options: object) => seqsOf(opened.read(options))
  expect(await seqs({})).toEqual(range(0, 60))
  for (const from of [0, 1, 19, 20, 21, 40, 59, 60, 61, Number.MAX_SAFE_INTEGER]) {
    expect(await seqs({ from })).toEqual(range(from, 60))
    for (const to of [0, 1, from, Math.min(from + 1, 100), 20, 30, 60, Number.MAX_SAFE_INTEGER]) {
      expect(await seqs({ from, to })).toEqual(range(from, Math.min(to, 60)))
      const batches = await all(opened.readBatches({ from, to, limit: 7 }))
      expect(batches.flat().map(({ seq }) => seq)).toEqual(range(from, Math.min(to, 60, from + 7)))
    }
  }
  for (const limit of [0, 1, 25, 60, 61, Number.MAX_SAFE_INTEGER]) {
    expect(await seqs({ limit })).toEqual(range(0, Math.min(limit, 60)))
  }
  expect(await seqs({ from: 'oldest', to: 3 })).toEqual([0, 1, 2])
  expect(await seqs({ from: 'end' })).toEqual([])
  // An unknown key is nobody's.
  expect(await seqs({ from: 58, other: 1 })).toEqual([58, 59])
})

test('from a moment', async () => {
  const opened = await stream(folder())
  const times: number[] = []
  for (let round = 0; round < 6; round += 1) {
    await opened.appendMany(['x', 'y'])
    times.push((await opened.get(round * 2))?.time ?? 0)
    await pause(5)
  }
  for (const [round, time] of times.entries()) {
    expect(await seqsOf(opened.read({ from: new Date(time) }))).toEqual(range(round * 2, 12))
    expect(await seqsOf(opened.read({ from: new Date(time + 1) }))).toEqual(range(round * 2 + 2, 12))
  }
  expect(await seqsOf(opened.read({ from: new Date(-1) }))).toEqual(range(0, 12))
  expect(await seqsOf(opened.read({ from: new Date(8.64e15) }))).toEqual([])
  expect(await seqsOf(opened.read({ from: new Date(times[3] ?? 0), to: 9 }))).toEqual([6, 7, 8])
})

test('records of every size, over several files', { timeout: 60_000 }, async () => {
  const root = folder()
  const opened = await stream(root, { fileSize: '1MiB', blockSize: '4KiB', maxPendingBytes: '64MiB' })
  const most = opened.maxRecordBytes
  const sizes = [
    0,
    1,
    127,
    128,
    129,
    16_383,
    16_384,
    4000,
    65_536,
    262_143,
    262_144,
    262_145,
    most - 1,
    most,
    0,
    most,
    5,
  ]
  const records = sizes.map((size, index) => pattern(size, index + 1))
  await Promise.all(records.map((record) => opened.append(record)))
  expect(readdirSync(root).filter((name) => /^stream\.\d/.test(name)).length).toBeGreaterThan(3)
  const check = async (from: PersistentStream) => {
    const found = await all(from.read())
    expect(found.map(({ seq }) => seq)).toEqual(range(0, sizes.length))
    for (const [index, record] of records.entries()) {
      expect(same(found[index]?.data ?? new Uint8Array(9), record), `${sizes[index]}`).toBe(true)
      const got = await from.get(index)
      expect(same(got?.data ?? new Uint8Array(9), record), `${sizes[index]}`).toBe(true)
      expect(got?.data.buffer.byteLength).toBe(sizes[index])
    }
    const batches = (await all(from.readBatches({ from: 3, copy: true }))).flat()
    for (const { seq, data } of batches) expect(same(data, records[seq] ?? new Uint8Array(9))).toBe(true)
    expect(await from.verify()).toMatchObject({ records: sizes.length, ok: true })
  }
  await check(opened)
  await opened.close()
  await check(await stream(root, { fileSize: '1MiB', blockSize: '4KiB' }))
})

test('arrays have 1 to 1,024 records', async () => {
  const opened = await stream(folder())
  await opened.appendMany(range(0, 5000).map(() => 'x'))
  await Promise.all(range(0, 500).map(() => opened.append('y')))
  const batches = await all(opened.readBatches())
  expect(batches.length).toBeLessThan(10)
  for (const batch of batches) {
    expect(batch.length).toBeGreaterThan(0)
    expect(batch.length).toBeLessThanOrEqual(1024)
  }
  expect(batches.flat().map(({ seq }) => seq)).toEqual(range(0, 5500))
  // Batches of a record each, of different times.
  await appendEach(opened, 50)
  expect((await all(opened.readBatches({ from: 5500 }))).length).toBe(1)
})

test('encodings', async () => {
  const root = folder()
  const texts = ['', 'plain', 'grüße', '日本語', '😀', '\ufeffmarked', 'x'.repeat(70_000)]
  const utf8 = await PersistentStream.open(root, { name: 'utf8', encoding: 'utf8' })
  await utf8.appendMany(texts)
  expect((await all(utf8.read())).map(({ data }) => data)).toEqual(texts)
  expect((await all(utf8.readBatches({ copy: true }))).flat().map(({ data }) => data)).toEqual(texts)
  expect((await utf8.get(3))?.data).toBe('日本語')
  expect(await utf8.search(({ data }) => (data === '日本語' ? 0 : -1))).toBeGreaterThan(0)
  await utf8.close()

  const values = [null, 1, 'text', true, { some: ['json', { deep: 1.5 }] }, []]
  const json = await PersistentStream.open<unknown>(root, { name: 'json', encoding: 'json' })
  await json.appendMany(values)
  expect((await all(json.read())).map(({ data }) => data)).toEqual(values)
  expect((await json.get(4))?.data).toEqual(values[4])
  await json.close()

  const encoding = {
    encode: (value: number) => Buffer.from(`${value}`),
    decode: (data: Uint8Array) => Number(Buffer.from(data)),
  }
  const own = await PersistentStream.open(root, { name: 'own', encoding })
  await own.appendMany(range(0, 100))
  expect((await all(own.read())).map(({ data }) => data)).toEqual(range(0, 100))
  expect((await own.get(7))?.data).toBe(7)
  expect(await own.search(({ data }) => data - 55)).toBe(55)
  await own.close()
})

test('what cannot be decoded', async () => {
  const root = folder()
  const plain = await stream(root)
  await plain.appendMany(['1', '2', 'no JSON', '4'])
  await plain.close()
  const json = await PersistentStream.open<number>(root, { encoding: 'json' })
  for (const iterator of [json.read(), json.read({ copy: true })]) {
    expect([(await iterator.next()).value?.data, (await iterator.next()).value?.data]).toEqual([1, 2])
    const error = await failure(iterator.next())
    expect(error).toMatchObject({ code: 'PSTREAM_INVALID_INPUT', message: 'record 2 is not JSON', seq: 2 })
    expect(error.cause).toBeInstanceOf(SyntaxError)
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  }
  // What is in front of it is given first.
  const batches = json.readBatches()
  expect((await batches.next()).value?.map(({ data }) => data)).toEqual([1, 2])
  expect((await failure(batches.next())).seq).toBe(2)
  expect((await batches.next()).done).toBe(true)
  expect((await failure(json.get(2))).seq).toBe(2)
  expect((await failure(json.search(({ data }) => data - 4))).seq).toBe(2)
  expect((await all(json.read({ from: 3 }))).map(({ data }) => data)).toEqual([4])
  await json.close()

  const thrown = new RangeError('on purpose')
  const decode = () => {
    throw thrown
  }
  const own = await PersistentStream.open(root, { encoding: { encode: (value: Uint8Array) => value, decode } })
  await expect(own.read().next()).rejects.toBe(thrown)
  await expect(own.readBatches().next()).rejects.toBe(thrown)
  await expect(own.get(0)).rejects.toBe(thrown)
  await expect(own.search(() => 0)).rejects.toBe(thrown)
  await own.close()
})

test('the end is that of the moment of the call', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 10)
  const iterator = opened.read()
  const beyond = opened.read({ to: 1000 })
  await appendEach(opened, 10)
  expect(await seqsOf(iterator)).toEqual(range(0, 10))
  expect(await seqsOf(beyond)).toEqual(range(0, 10))
  expect(await seqsOf(opened.read())).toEqual(range(0, 20))
})

test('what is written and not durable', async () => {
  const opened = await stream(folder(), { durability: 'written', syncIntervalMs: 60_000 })
  await opened.append('a')
  await opened.append('b')
  expect(opened.durableSeq).toBe(0)
  expect(await all(opened.read())).toEqual([])
  expect(await seqsOf(opened.read({ visibility: 'written' }))).toEqual([0, 1])
  expect((await all(opened.readBatches({ visibility: 'written' }))).flat().length).toBe(2)
  expect(await opened.get(0)).toBeUndefined()
  await opened.flush()
  expect(await seqsOf(opened.read())).toEqual([0, 1])
  expect((await opened.get(1))?.seq).toBe(1)
})

test('records that were released', async () => {
  const root = folder()
  const shape = { fileSize: '1MiB', blockSize: '4KiB' } as const
  const first = await stream(root, shape)
  for (let seq = 0; seq < 80; seq += 1) await first.append(Buffer.alloc(50_000, seq))
  await first.close()
  // As a trim would do it.
  const files = await FileSequence.open(root, { name: 'stream', blockCount: 256, blockShift: 12 })
  let released = 0
  for await (const file of files.retrieve()) {
    if (released < 2) await files.release(file)
    else await file.close()
    released += 1
  }
  await files.close()
  const opened = await stream(root, shape)
  const oldest = opened.oldestSeq
  expect(oldest).toBeGreaterThan(10)
  expect(await seqsOf(opened.read())).toEqual(range(oldest, 80))
  expect(await seqsOf(opened.read({ from: oldest, limit: 3 }))).toEqual(range(oldest, oldest + 3))
  expect(await seqsOf(opened.read({ from: new Date(0) }))).toEqual(range(oldest, 80))
  for (const seq of [0, oldest - 1]) {
    for (const call of [
      () => opened.read({ from: seq }).next(),
      () => opened.read({ from: seq, to: 1, onGap: () => {} }).next(),
      () => opened.readBatches({ from: seq }).next(),
      () => opened.get(seq),
    ]) {
      const error = await failure(call())
      expect(error).toBeInstanceOf(TrimmedError)
      expect(error).toMatchObject({ code: 'PSTREAM_TRIMMED', oldestSeq: oldest })
    }
  }
  expect((await opened.get(oldest))?.seq).toBe(oldest)
  expect(await opened.search(({ data }) => (data[0] ?? 0) - 70)).toBe(70)
  expect(await opened.search(() => 0)).toBe(oldest)
  expect(await opened.verify()).toMatchObject({ records: 80 - oldest, ok: true })
  await opened.close()
  expect(opened.oldestSeq).toBe(oldest)
})

test('read while others append', { timeout: 60_000 }, async () => {
  const opened = await stream(folder(), { fileSize: '1MiB', blockSize: '4KiB' })
  let isWriting = true
  const writer = async () => {
    for (let seq = 0; seq < 6000; ) {
      const list = range(seq, seq + 100).map((index) => opened.append(`record ${index}`.padEnd(1 + (index % 900), '.')))
      seq += (await Promise.all(list)).length
    }
    isWriting = false
  }
  const reader = async () => {
    let rounds = 0
    for (let from = 0; isWriting || from < 6000; rounds += 1) {
      const durable = opened.durableSeq
      for await (const { seq, data } of opened.read({ from })) {
        if (seq !== from) throw new Error(`${seq} in place of ${from}`)
        if (data.length < 1 + (seq % 900)) throw new Error(`record ${seq} is too short`)
        from += 1
      }
      expect(from).toBeGreaterThanOrEqual(durable)
    }
    return rounds
  }
  const [, ...rounds] = await Promise.all([writer(), reader(), reader(), reader()])
  expect(Math.min(...(rounds as number[]))).toBeGreaterThan(2)
})
