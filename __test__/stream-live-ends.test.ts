// How live reads end: by their signal, with their stream, by being left, and with the process. Nothing is left behind.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { PersistentStream, RecordIterator, WriterReadOptions } from 'pstream'
import { expect, test } from 'vitest'
import { prologue, run } from './support/children.js'
import { failure } from './support/errors.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { all, appendEach, range, seqsOf } from './support/records.js'
import { commitThreads, stream } from './support/streams.js'

const DONE = { done: true, value: undefined }
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

test('an option that is none', async () => {
  const opened = await stream(folder())
  for (const live of ['yes', 1, null, {}]) {
    const error = await failure(opened.read({ live } as unknown as WriterReadOptions).next())
    expect(error).toMatchObject({ code: 'PSTREAM_INVALID_INPUT', message: expect.stringContaining('options.live') })
  }
  expect(await seqsOf(opened.read({ live: false }))).toEqual([])
})

test('an abort: before, between, while it waits, while it reads', async () => {
  const opened = await stream(folder())
  await opened.appendMany(Array(100).fill(new Uint8Array(100_000)))
  for (const visibility of ['durable', 'written'] as const) {
    const reason = new Error('enough')
    const options = (signal: AbortSignal) => ({ live: true, visibility, signal }) as const
    const before = opened.read(options(AbortSignal.abort(reason)))
    expect(await rejection(before.next())).toBe(reason)
    expect(await before.next()).toEqual(DONE)

    const between = new AbortController()
    const reading = opened.read(options(between.signal))
    expect((await reading.next()).value?.seq).toBe(0)
    between.abort(reason)
    expect(await rejection(reading.next())).toBe(reason)
    expect(await reading.next()).toEqual(DONE)

    const during = new AbortController()
    const loading = opened.readBatches(options(during.signal)).next()
    during.abort(reason)
    expect(await rejection(loading)).toBe(reason)

    const controller = new AbortController()
    const waiting = [
      opened.read({ ...options(controller.signal), from: 'end' }).next(),
      opened.read({ ...options(controller.signal), from: 1000 }).next(),
      all(opened.readBatches(options(controller.signal))),
      all(opened.read({ ...options(controller.signal), from: new Date(Date.now() + 1e6) })),
    ]
    await pause(50)
    const begin = performance.now()
    controller.abort(reason)
    for (const promise of waiting) expect(await rejection(promise)).toBe(reason)
    expect(performance.now() - begin).toBeLessThan(1000)
  }
  expect(await opened.append('it goes on')).toBe(100)
})

test('closing the stream ends the loop', async () => {
  for (const close of ['close', 'closeSync'] as const) {
    const opened = await stream(folder())
    await appendEach(opened, 10)
    const looping = [
      seqsOf(opened.read({ live: true })),
      seqsOf(opened.read({ live: true, visibility: 'written' })),
      seqsOf(opened.read({ live: true, from: 'end' })),
      seqsOf(opened.read({ live: true, from: 50 })),
      seqsOf(opened.read({ live: true, from: new Date(Date.now() + 1e6) })),
    ]
    const behind = opened.read({ live: true })
    expect((await behind.next()).value?.seq).toBe(0)
    const unread = opened.read({ live: true })
    await pause(50)
    let ended = 0
    for (const loop of looping) void loop.then(() => (ended += 1))
    const closing = opened[close]()
    // There are records left, and they stay for the next reader.
    const rest = [behind.next(), unread.next(), unread.next()]
    await closing
    if (close === 'close') expect(ended).toBe(5)
    expect(await Promise.all(looping)).toEqual([range(0, 10), range(0, 10), [], [], []])
    expect(await Promise.all(rest)).toEqual([DONE, DONE, DONE])
    expect(await behind.next()).toEqual(DONE)
    expect(await failure(opened.read({ live: true }).next())).toMatchObject({ code: 'PSTREAM_CLOSED' })
  }
})

test('closing it while reads are under way', async () => {
  const root = folder()
  for (let round = 0; round < 10; round += 1) {
    const opened = await stream(root)
    if (round === 0) await opened.appendMany(Array(50).fill(new Uint8Array(100_000)))
    const looping = range(0, 6).map((index) =>
      seqsOf(opened.read({ live: true, from: index * 9, visibility: index % 2 ? 'durable' : 'written' })),
    )
    await pause(round)
    void opened.append('one more')
    await opened.close()
    for (const [index, seqs] of (await Promise.all(looping)).entries()) {
      expect(seqs).toEqual(range(index * 9, index * 9 + seqs.length))
    }
  }
  expect(openDescriptors(root)).toEqual([])
})

test('leaving the loop while it waits', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 3)
  const held = openDescriptors(root).length
  for await (const { seq } of opened.read({ live: true })) if (seq === 2) break
  for (const visibility of ['durable', 'written'] as const) {
    const records = opened.read({ live: true, visibility, from: 'end' })
    const asked = [records.next(), records.next()]
    await pause(10)
    expect(await records.return()).toEqual(DONE)
    expect(await Promise.all(asked)).toEqual([DONE, DONE])
  }
  {
    await using records = opened.readBatches({ live: true })
    expect((await records.next()).value?.length).toBe(3)
    void records.next()
  }
  await appendEach(opened, 3)
  await pause(20)
  expect(openDescriptors(root).length).toBe(held)
})

/** Waits until a process that runs this module has ended by itself. */
async function ended(script: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', prologue + script, ...args])
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data) => (stdout += data))
  child.stderr.on('data', (data) => (stderr += data))
  const timer = setTimeout(() => child.kill(), 15_000)
  const [status] = await once(child, 'close')
  clearTimeout(timer)
  return { stdout, stderr, status }
}

test('a read that waits does not keep the process alive, a timer that appends does', async () => {
  const script = `
    const stream = await PersistentStream.open(root)
    for (const visibility of ['durable', 'written']) for (const from of ['oldest', 'end']) (async () => {
      for await (const { seq } of stream.read({ live: true, from, visibility })) console.log(visibility, from, seq)
    })()
    setTimeout(() => stream.append('x'), 100)`
  const { stdout, stderr, status } = await ended(script, folder())
  expect(stdout.split('\n').sort()).toEqual([
    '',
    'durable end 0',
    'durable oldest 0',
    'written end 0',
    'written oldest 0',
  ])
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
})

test('workers, each with a stream and readers of its own, that end in the midst of it', {
  timeout: 60_000,
}, async () => {
  const root = folder()
  const source = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.entry).then(async ({ PersistentStream }) => {
      const stream = await PersistentStream.open(workerData.root, { name: 'w' + workerData.index })
      let given = 0
      for (let index = 0; index < 20; index += 1) (async () => {
        const options = { live: true, visibility: index % 2 ? 'written' : 'durable' }
        for await (const records of stream.readBatches(options)) given += records.length
      })()
      for (let seq = 0; seq < 2000; seq += 1) {
        await stream.append('x')
        if (seq === 100) parentPort.postMessage(given)
      }
      if (workerData.index % 2) process.exit(0)
      while (given < 40_000) await new Promise((resolve) => setTimeout(resolve, 1))
      await stream.close()
      parentPort.postMessage(given)
    })`
  const entry = import.meta.resolve('pstream')
  await Promise.all(
    range(0, 6).map(async (index) => {
      const worker = new Worker(source, { eval: true, workerData: { entry, root, index } })
      const [given] = await once(worker, 'message')
      expect(given).toBeGreaterThan(0)
      if (index >= 2) {
        await pause(index * 5)
        await worker.terminate()
        return
      }
      const total = index === 0 ? once(worker, 'message') : undefined
      const [code] = await once(worker, 'exit')
      expect(code).toBe(0)
      if (total !== undefined) expect((await total)[0]).toBe(40_000)
    }),
  )
  expect(commitThreads()).toBe(0)
  expect(openDescriptors(root)).toEqual([])
})

test('iterators that are dropped leave nothing behind', { timeout: 40_000 }, () => {
  const script = `
    const stream = await PersistentStream.open(root)
    await stream.appendMany(Array(1000).fill(new Uint8Array(300)))
    const dropped = []
    async function forget() {
      for (let index = 0; index < 60; index += 1) {
        const visibility = index % 2 ? 'written' : 'durable'
        const iterator = stream.read({ live: true, visibility, from: index % 3 ? 'oldest' : 'end' })
        dropped.push(new WeakRef(iterator))
        // Some were left, while they waited or not; some were dropped in the midst.
        if (index % 3 === 0) { const asked = iterator.next(); await iterator.return(); await asked }
        else for (let count = 0; count < index * 10; count += 1) await iterator.next()
      }
      for (let index = 0; index < 60; index += 1) {
        let count = 0
        for await (const _ of stream.read({ live: true })) if ((count += 1) > index * 16) break
      }
    }
    await forget()
    let left = 1
    for (let round = 0; round < 400 && left > 0; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      globalThis.gc()
      left = dropped.filter((ref) => ref.deref() !== undefined).length
    }
    console.log(left)
    await stream.close()`
  expect(run(script, folder())).toMatchObject({ stdout: '0\n', stderr: '', status: 0 })
})

/** Reads on and on, and counts. */
async function follow(records: RecordIterator<{ seq: number }>, seen: number[], index: number): Promise<void> {
  for await (const { seq } of records) {
    if (seq !== seen[index]) throw new Error(`record ${seq} where ${seen[index]} should be`)
    seen[index] = seq + 1
  }
}

test('two thousand readers', { timeout: 60_000 }, async () => {
  const root = folder()
  const opened: PersistentStream = await stream(root)
  await opened.append('before')
  const seen: number[] = Array(2000).fill(1)
  const readers = seen.map((_, index) => follow(opened.read({ live: true, from: 'end' }), seen, index))
  await pause(20)
  const [syncs, held] = [opened.stats().syncs, openDescriptors(root).length]
  for (let round = 0; round < 20; round += 1) {
    await opened.append('x')
    if (round % 4 === 0) await pause(5)
  }
  while (seen.some((next) => next < 21)) await pause(5)
  // Waking them writes nothing; a watermark may be among them.
  expect(opened.stats().syncs - syncs).toBeLessThan(23)
  // One file for all of them, if that.
  expect(openDescriptors(root).length).toBeLessThanOrEqual(held + 2)
  await opened.close()
  await Promise.all(readers)
  expect(seen.every((next) => next === 21)).toBe(true)
})
