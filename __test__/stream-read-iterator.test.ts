// The iterators: calls that overtake each other, ends of every kind, and memory that belongs to the reader.

import { setTimeout as pause } from 'node:timers/promises'
import { ClosedError, PersistentStream, type RecordIterator, type StreamRecord } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { all, appendEach, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'

const DONE = { done: true, value: undefined }
const RECORDS = 20_000
const recordOf = (seq: number) => pattern(100 + (seq % 300), seq + 1)

/** With several runs of records: more than the first one and the one read ahead. */
async function large(root = folder()): Promise<PersistentStream> {
  const opened = await stream(root)
  for (let seq = 0; seq < RECORDS; seq += 1000) {
    await opened.appendMany(range(seq, seq + 1000).map(recordOf))
  }
  return opened
}

/** Descriptors on the files with records, the writer's own not counted. */
const readingOf = (opened: PersistentStream, before: string[]) =>
  openDescriptors(opened.directory).length - before.length

test('calls that do not wait for each other are answered in order', async () => {
  const opened = await large()
  const one = opened.read({ to: RECORDS })
  const many = opened.readBatches()
  const [records, batches] = await Promise.all([
    Promise.all(range(0, RECORDS + 3).map(() => one.next())),
    Promise.all(range(0, 50).map(() => many.next())),
  ])
  expect(records.slice(0, RECORDS).map(({ value }) => value?.seq)).toEqual(range(0, RECORDS))
  expect(records.slice(RECORDS)).toEqual([DONE, DONE, DONE])
  expect(batches.flatMap(({ value }) => value ?? []).map(({ seq }) => seq)).toEqual(range(0, RECORDS))
  // Some at once, some one by one.
  const mixed = opened.read()
  const seqs: (number | undefined)[] = []
  while (seqs.length < RECORDS) {
    const calls = range(0, 1 + (seqs.length % 700)).map(() => mixed.next())
    for (const call of calls) seqs.push((await call).value?.seq)
    seqs.push((await mixed.next()).value?.seq)
  }
  expect(seqs.slice(0, RECORDS)).toEqual(range(0, RECORDS))
})

test('return ends it, also in the middle of calls', async () => {
  const opened = await large()
  const before = openDescriptors(opened.directory)
  for (const wait of [0, 1, 5, 100, 5000]) {
    const iterator = opened.read()
    for (let count = 0; count < wait; count += 1) await iterator.next()
    const calls = range(0, 4000).map(() => iterator.next())
    expect(await iterator.return()).toEqual(DONE)
    expect(await iterator.return()).toEqual(DONE)
    const answers = await Promise.all(calls)
    const given = answers.filter(({ done }) => !done).length
    expect(answers.slice(0, given).map(({ value }) => value?.seq)).toEqual(range(wait, wait + given))
    expect(answers.slice(given).every(({ done }) => done === true)).toBe(true)
    expect(given).toBeLessThan(4000)
    expect(await iterator.next()).toEqual(DONE)
  }
  while (readingOf(opened, before) > 0) await pause(5)
  // Left before it began, and by every other way there is.
  expect(await opened.read().return()).toEqual(DONE)
  for await (const { seq } of opened.read()) if (seq === 3000) break
  await expect(
    (async () => {
      for await (const batch of opened.readBatches()) if (batch.length > 0) throw new Error('left')
    })(),
  ).rejects.toThrow('left')
  while (readingOf(opened, before) > 0) await pause(5)
  const iterator = opened.read()
  await iterator.next()
  if (process.platform === 'linux') expect(readingOf(opened, before)).toBeGreaterThan(0)
  await iterator[Symbol.asyncDispose]()
  expect(readingOf(opened, before)).toBe(0)
  expect(await iterator.next()).toEqual(DONE)
  expect(iterator[Symbol.asyncIterator]()).toBe(iterator)
  while (readingOf(opened, before) > 0) await pause(5)
})

test('nothing is held at the end', async () => {
  const opened = await large()
  const before = openDescriptors(opened.directory)
  const iterators = [opened.read(), opened.readBatches({ limit: 5000 }), opened.read({ to: 5000 }), opened.read()]
  for (const iterator of iterators) for await (const _ of iterator);
  while (readingOf(opened, before) > 0) await pause(5)
  for (const iterator of iterators) expect(await iterator.next()).toEqual(DONE)
})

test('abort at each point', async () => {
  const opened = await large()
  const reason = new Error('on purpose')
  expect(
    await opened
      .read({ signal: AbortSignal.abort(reason) })
      .next()
      .catch((error) => error),
  ).toBe(reason)
  for (const calls of [() => opened.get(0, { signal: AbortSignal.abort(reason) })]) {
    await expect(calls()).rejects.toBe(reason)
  }
  for (const count of [0, 1, 10, 999, 1000, 1500, 5000]) {
    for (const isWaiting of [false, true]) {
      const controller = new AbortController()
      const iterator = opened.read({ signal: controller.signal })
      for (let index = 0; index < count; index += 1) await iterator.next()
      const calls = isWaiting ? range(0, 3000).map(() => iterator.next()) : []
      const answers = Promise.allSettled(calls)
      controller.abort(reason)
      if (!isWaiting) await expect(iterator.next()).rejects.toBe(reason)
      const settled = await answers
      const failed = settled.filter((answer) => answer.status === 'rejected')
      if (isWaiting) expect(failed.map((answer) => answer.reason)).toEqual([reason])
      const at = settled.findIndex((answer) => answer.status === 'rejected')
      for (const answer of settled.slice(at + 1)) expect(answer).toMatchObject({ value: DONE })
      expect(await iterator.next()).toEqual(DONE)
    }
  }
  const controller = new AbortController()
  const slow = opened.search(
    () => {
      controller.abort(reason)
      return 0
    },
    { signal: controller.signal },
  )
  await expect(slow).rejects.toBe(reason)
  const { signal } = controller
  await expect(opened.verify({ signal })).rejects.toBe(reason)
  await expect(opened.search(() => 0, { signal })).rejects.toBe(reason)
})

test('return and abort do not wait for the disk', async () => {
  const opened = await stream(folder())
  for (let seq = 0; seq < 4; seq += 1) await opened.append(new Uint8Array(4 << 20).fill(seq))
  const reason = new Error('on purpose')
  let got = 0
  // All that read a stream take turns: what comes behind these has to wait.
  const gets = range(0, 40).map(async (index) => {
    await opened.get(index % 4)
    got += 1
  })
  const controller = new AbortController()
  const [left, aborted] = [opened.read(), opened.read({ signal: controller.signal })]
  const calls = [left.next(), left.next()]
  const failed = aborted.next().catch((error) => error)
  await pause(1)
  controller.abort(reason)
  expect(await left.return()).toEqual(DONE)
  expect(await Promise.all(calls)).toEqual([DONE, DONE])
  expect(await failed).toBe(reason)
  expect(got).toBeLessThan(30)
  await Promise.all(gets)
})

test('a signal that is used for long is not burdened', async () => {
  const opened = await large()
  const { signal } = new AbortController()
  let listeners = 0
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  await all(opened.read({ signal }))
  const left = opened.read({ signal })
  await left.next()
  const waiting = range(0, 5000).map(() => left.next())
  await left.return()
  await Promise.all(waiting)
  await opened.get(1, { signal })
  await pause(20)
  expect(listeners).toBe(0)
})

test('closing the stream ends what has not reached its end', async () => {
  const opened = await large()
  const [fresh, begun, waiting, ended, left] = range(0, 5).map(() => opened.read()) as RecordIterator<StreamRecord>[]
  if (!fresh || !begun || !waiting || !ended || !left) throw new Error('unreachable')
  await begun.next()
  await waiting.next()
  for await (const _ of ended);
  await left.next()
  const calls = range(0, 15_000).map(() => waiting.next())
  const verify = failure(opened.verify())
  const got = opened.get(5).catch((error) => expect(error).toBeInstanceOf(ClosedError))
  const answers = Promise.allSettled(calls)
  const closing = opened.close()
  for (const iterator of [fresh, begun]) {
    const error = await failure(iterator.next())
    expect(error).toBeInstanceOf(ClosedError)
    expect(error).toMatchObject({ message: 'stream is closed', path: opened.directory })
    expect(await iterator.next()).toEqual(DONE)
  }
  expect(await ended.next()).toEqual(DONE)
  expect(await left.return()).toEqual(DONE)
  expect(await left.next()).toEqual(DONE)
  const failed = (await answers).filter((answer) => answer.status === 'rejected')
  expect(failed.length).toBe(1)
  expect(failed[0]?.reason).toBeInstanceOf(ClosedError)
  expect(await verify).toBeInstanceOf(ClosedError)
  await got
  await closing
  expect(openDescriptors(opened.directory)).toEqual([])
  for (const call of [
    () => opened.read().next(),
    () => opened.readBatches({ from: 'end' }).next(),
    () => opened.get(0),
    () => opened.search(() => 0),
    () => opened.verify(),
  ]) {
    expect(await failure(call())).toBeInstanceOf(ClosedError)
  }
  expect(opened.oldestSeq).toBe(0)
})

test('close resolves when all that was asked for has settled', async () => {
  const opened = await stream(folder())
  // What is read of them takes longer than to close the stream.
  for (let seq = 0; seq < 2; seq += 1) await opened.append(new Uint8Array(48 << 20).fill(seq))
  await opened.append('small')
  const iterator = opened.read({ from: 2 })
  const calls = [
    ...range(0, 8).map((index) => opened.get(index % 2)),
    iterator.next(),
    iterator.next(),
    opened.readBatches().next(),
    opened.search(() => 0),
    opened.verify(),
  ]
  let settled = 0
  for (const call of calls) {
    call.then(
      () => {
        settled += 1
      },
      (error) => {
        expect(error).toBeInstanceOf(ClosedError)
        settled += 1
      },
    )
  }
  await opened.close()
  expect(settled).toBe(calls.length)
  expect(openDescriptors(opened.directory)).toEqual([])
})

test('closed behind the last record: that is the end', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 3)
  const [one, many, limited] = [opened.read(), opened.readBatches(), opened.read({ limit: 2 })]
  for (let count = 0; count < 3; count += 1) expect((await one.next()).done).toBe(false)
  expect((await many.next()).value?.length).toBe(3)
  for (let count = 0; count < 2; count += 1) expect((await limited.next()).done).toBe(false)
  await opened.close()
  for (const iterator of [one, many, limited]) expect(await iterator.next()).toEqual(DONE)
})

test('closed by a callback', async () => {
  const root = folder()
  await (await large(root)).close()
  const searched = await stream(root)
  const close = () => {
    void searched.close()
    return 0
  }
  expect(await failure(searched.search(close))).toBeInstanceOf(ClosedError)
  await searched.close()
  const verified = await stream(root)
  expect(await failure(verified.verify({ onProgress: () => void verified.close() }))).toBeInstanceOf(ClosedError)
  await verified.close()
  const encoding = {
    encode: (value: Uint8Array) => value,
    decode: (data: Uint8Array): Uint8Array => {
      void decoded.close()
      return data
    },
  }
  const decoded: PersistentStream<Uint8Array> = await PersistentStream.open(root, { encoding })
  const iterator = decoded.read()
  expect((await iterator.next()).value?.seq).toBe(0)
  expect(await failure(iterator.next())).toBeInstanceOf(ClosedError)
  await decoded.close()
})

test('views share memory, copies do not', async () => {
  const opened = await large()
  const views = await all(opened.read())
  const buffers = new Set(views.map(({ data }) => data.buffer))
  expect(buffers.size).toBeLessThan(20)
  expect(buffers.size).toBeGreaterThan(3)
  const copies = await all(opened.read({ copy: true }))
  expect(new Set(copies.map(({ data }) => data.buffer)).size).toBe(RECORDS)
  for (const { data } of copies.slice(0, 100)) expect(data.buffer.byteLength).toBe(data.length)
  // Long after: nobody but we has written there.
  await all(opened.readBatches())
  for (const { seq, data } of [...views, ...copies]) expect(same(data, recordOf(seq)), `${seq}`).toBe(true)
  for (const copy of copies) copy.data.fill(0)
  for (const { seq, data } of views) expect(same(data, recordOf(seq)), `${seq}`).toBe(true)
})

test('few records keep little memory', async () => {
  const opened = await stream(folder())
  await opened.appendMany(range(0, 10).map((index) => `record ${index}`))
  for (const { data } of await all(opened.read())) expect(data.buffer.byteLength).toBeLessThan(200)
  // Larger than what is lent at first.
  await opened.append(new Uint8Array(700_000))
  for (const { data } of await all(opened.read({ from: 10 }))) expect(data.buffer.byteLength).toBeLessThan(1_400_000)
})

test('memory is plain: for Blob, crypto, fetch and postMessage', async () => {
  const opened = await large()
  const [first] = (await all(opened.read({ limit: 1 }))) as [StreamRecord]
  expect(first.data.buffer).toBeInstanceOf(ArrayBuffer)
  expect(await new Blob([first.data]).arrayBuffer()).toEqual(new Uint8Array(recordOf(0)).buffer)
  expect((await crypto.subtle.digest('SHA-256', first.data)).byteLength).toBe(32)
  expect(await new Response(first.data).arrayBuffer()).toEqual(new Uint8Array(recordOf(0)).buffer)
})

test('memory that is given away, with what was not given of it yet', { timeout: 60_000 }, async () => {
  const opened = await large()
  for (const copy of [false, true]) {
    let seq = 0
    for await (const record of opened.read({ copy })) {
      expect(record.seq).toBe(seq)
      if (!same(record.data, recordOf(seq))) throw new Error(`record ${seq} is another one`)
      if (seq % 777 === 0) structuredClone(record.data.buffer, { transfer: [record.data.buffer] })
      seq += 1
    }
    expect(seq).toBe(RECORDS)
  }
  // At the very end, and of an array.
  for await (const batch of opened.readBatches()) {
    for (const { seq, data } of batch) if (!same(data, recordOf(seq))) throw new Error(`record ${seq} is another one`)
    const memory = batch[0]?.data.buffer
    if (memory !== undefined) structuredClone(memory, { transfer: [memory] })
  }
  // By a decoder, which is handed each record once.
  let decoded = 0
  const encoding = {
    encode: (value: number) => Buffer.from(`${value}`),
    decode: (data: Uint8Array<ArrayBuffer>): number => {
      decoded += 1
      const value = Number(Buffer.from(data).toString())
      structuredClone(data.buffer, { transfer: [data.buffer] })
      return value
    },
  }
  const greedy = await PersistentStream.open<number>(folder(), { encoding })
  onTestFinished(() => greedy.close())
  await greedy.appendMany(range(0, 50))
  expect((await all(greedy.read())).map(({ data }) => data)).toEqual(range(0, 50))
  expect((await all(greedy.readBatches())).flat().map(({ data }) => data)).toEqual(range(0, 50))
  expect(decoded).toBe(100)
})

test('a callback that calls back', async () => {
  const root = folder()
  const inner: Promise<unknown>[] = []
  const encoding = {
    encode: (value: string) => Buffer.from(value),
    decode: (data: Uint8Array): string => {
      if (inner.length < 3) inner.push(iterator.next())
      if (inner.length === 3) inner.push(iterator.return())
      return Buffer.from(data).toString()
    },
  }
  const opened = await PersistentStream.open<string>(root, { encoding })
  onTestFinished(() => opened.close())
  await opened.appendMany(['a', 'b', 'c', 'd'])
  const iterator: RecordIterator<StreamRecord<string>> = opened.read()
  const first = await iterator.next()
  expect(first.value).toMatchObject({ seq: 0, data: 'a' })
  await Promise.all(inner)
  expect(await iterator.next()).toEqual(DONE)
})

test('an iterator that nobody asks holds nothing, and goes on all the same', { timeout: 60_000 }, async () => {
  const opened = await large()
  const before = openDescriptors(opened.directory)
  const iterators = range(0, 20).map(() => opened.read())
  const counts = [0, 1, 2000, 4500, 19_999, 20_000]
  for (const [index, iterator] of iterators.entries()) {
    for (let seq = 0; seq < (counts[index % counts.length] ?? 0); seq += 1) await iterator.next()
  }
  const batches = opened.readBatches()
  const seqs = ((await batches.next()).value ?? []).map(({ seq }) => seq)
  if (process.platform === 'linux') expect(readingOf(opened, before)).toBeGreaterThan(0)
  await pause(2500)
  expect(readingOf(opened, before)).toBe(0)
  for (const [index, iterator] of iterators.entries()) {
    const from = counts[index % counts.length] ?? 0
    expect(await seqsOf(iterator)).toEqual(range(from, RECORDS))
  }
  for await (const batch of batches) seqs.push(...batch.map(({ seq }) => seq))
  expect(seqs).toEqual(range(0, RECORDS))
})

test('a thousand iterators', { timeout: 60_000 }, async () => {
  const opened = await stream(folder())
  await appendEach(opened, 100)
  const iterators = range(0, 1000).map((index) => opened.read({ from: index % 100 }))
  const [threads] = [openDescriptors(opened.directory).length]
  const firsts = await Promise.all(iterators.map((iterator) => iterator.next()))
  expect(firsts.map(({ value }) => value?.seq)).toEqual(range(0, 1000).map((index) => index % 100))
  // They share the one that is open.
  expect(openDescriptors(opened.directory).length).toBeLessThanOrEqual(threads + 1)
  const rests = await Promise.all(iterators.map((iterator) => seqsOf(iterator)))
  for (const [index, rest] of rests.entries()) expect(rest).toEqual(range((index % 100) + 1, 100))
})

test('the stack of an error shows who asked', async () => {
  const opened = await stream(folder())
  async function theCaller() {
    await opened.read({ from: -1 }).next()
  }
  expect((await failure(theCaller())).stack).toContain('theCaller')
  async function theReader() {
    for await (const _ of opened.read({ limit: -1 }));
  }
  expect((await failure(theReader())).stack).toContain('theReader')
})
