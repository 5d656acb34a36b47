// Opening and closing: one writer at a time, everything settles, and nothing keeps a process alive but what is pending.

import { ClosedError, FileSequence, LockedError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { run } from './support/children.js'
import { failure } from './support/errors.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { commitThreads, stream } from './support/streams.js'

test('one writer at a time', async () => {
  const root = folder()
  const first = await stream(root)
  expect(await failure(PersistentStream.open(root, { lockTimeoutMs: 0 }))).toBeInstanceOf(LockedError)
  const waiting = PersistentStream.open(root, { lockTimeoutMs: 10_000 })
  await first.append('x')
  await first.close()
  const second = await waiting
  expect(second.nextSeq).toBe(1)
  await second.close()
})

test('close settles everything, and may be called again', async () => {
  const root = folder()
  const opened = await stream(root, { maxPendingBytes: 1000 })
  const appends = [opened.append(new Uint8Array(500)), opened.appendMany(['1', '2']), opened.flush()]
  opened.write(new Uint8Array(900))
  const ready = failure(opened.ready())
  const closing = opened.close()
  expect(opened.close()).toBe(closing)
  expect(await ready).toBeInstanceOf(ClosedError)
  await closing
  expect(await Promise.all(appends)).toEqual([0, 1, undefined])
  for (const call of [
    () => opened.append('x'),
    () => opened.appendMany(['x']),
    () => opened.appendMany([]),
    () => opened.flush(),
    () => opened.ready(),
  ]) {
    const error = await failure(call())
    expect(error).toBeInstanceOf(ClosedError)
    expect(error).toMatchObject({ message: 'stream is closed', path: root })
  }
  expect(() => opened.write('x')).toThrow(ClosedError)
  await opened.close()
  await opened[Symbol.asyncDispose]()
  expect(opened).toMatchObject({ nextSeq: 4, durableSeq: 4, oldestSeq: 0 })
  expect(opened.stats()).toMatchObject({ appends: 4, pendingBytes: 0, pendingAppends: 0 })
  expect(commitThreads()).toBe(0)
  expect(openDescriptors(root)).toEqual([])
  expect((await FileSequence.inspect(root, 'stream')).lock).toBeUndefined()
})

test('an encoder that closes the stream, or appends to it', async () => {
  const root = folder()
  const inner: Promise<number>[] = []
  const encoding = {
    encode: (value: string): Uint8Array => {
      if (value === 'close') void opened.close()
      if (value === 'append') inner.push(opened.append('inner'))
      return Buffer.from(value)
    },
    decode: String,
  }
  const opened: PersistentStream<string> = await PersistentStream.open(root, { encoding })
  expect(await opened.append('append')).toBe(1)
  expect(await opened.appendMany(['one', 'append'])).toBe(3)
  expect(await Promise.all(inner)).toEqual([0, 2])
  expect(await failure(opened.append('close'))).toBeInstanceOf(ClosedError)
  await opened.close()
})

test('a pending append keeps the process alive; an open stream does not', () => {
  const script = `
    const stream = await PersistentStream.open(root, { commitDelayMs: 300 })
    stream.append('x').then((seq) => console.log('acknowledged', seq))`
  const { stdout, stderr, status } = run(script, folder())
  expect({ stdout, stderr, status }).toEqual({ stdout: 'acknowledged 0\n', stderr: '', status: 0 })
})

test('a process that ends by itself closes its streams', async () => {
  const root = folder()
  const script = `
    const stream = await PersistentStream.open(root, { durability: 'written', syncIntervalMs: 60000 })
    await stream.append('x')`
  expect(run(script, root)).toMatchObject({ stdout: '', stderr: '', status: 0 })
  expect((await stream(root)).recovery).toMatchObject({ previous: 'closed', records: { nextSeq: 1 } })
})

test('a process that exits in the middle does so as it was told to', async () => {
  const root = folder()
  for (let round = 0; round < 5; round += 1) {
    const script = `
      const stream = await PersistentStream.open(root)
      const seq = await stream.append('x')
      for (let index = 0; index < 1000; index += 1) stream.append(new Uint8Array(1000))
      setTimeout(() => { console.log(seq); process.exit(7) }, ${round})`
    const { stdout, status, signal } = run(script, root)
    expect({ status, signal }).toEqual({ status: 7, signal: null })
    const opened = await stream(root)
    expect(opened.nextSeq).toBeGreaterThan(Number(stdout))
    await opened.close()
  }
})

test('a stream that nobody has any more is closed, but not before its appends have settled', async () => {
  const script = `
    let settled = 0
    async function forget() {
      const stream = await PersistentStream.open(root, { commitDelayMs: 100 })
      for (let index = 0; index < 100; index += 1) stream.append('x').then(() => { settled += 1 })
    }
    await forget()
    for (let round = 0; round < 200; round += 1) {
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 10))
      const again = await PersistentStream.open(root, { lockTimeoutMs: 0 }).catch(() => undefined)
      if (again === undefined) continue
      console.log(settled, again.nextSeq, again.recovery.previous)
      await again.close()
      break
    }`
  expect(run(script, folder())).toMatchObject({ stdout: '100 100 closed\n', stderr: '' })
})

test('opened and closed over and over', async () => {
  const root = folder()
  for (let round = 0; round < 50; round += 1) {
    const opened = await PersistentStream.open(root, { fileSize: '1MiB', blockSize: '4KiB' })
    expect(await opened.append('x')).toBe(round)
    await opened.close()
  }
})
