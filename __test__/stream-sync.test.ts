// The twins of append, flush and close for exit and crash handlers: they settle everything before they return.

import { CapacityError, ClosedError, FileSequence, InvalidInputError, LockedError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { commitThreads, stream } from './support/streams.js'

test('appendSync is durable when it returns, behind all that came before', async () => {
  const opened = await stream(folder())
  const order: number[] = []
  const earlier = [opened.append('a'), opened.appendMany(['b', 'c'])]
  for (const promise of earlier) promise.then((seq) => order.push(seq))
  opened.write('d')
  expect(opened.appendSync('e')).toBe(4)
  expect(opened).toMatchObject({ durableSeq: 5, nextSeq: 5 })
  expect(opened.stats()).toMatchObject({ appends: 5, pendingAppends: 0, pendingBytes: 0 })
  expect(await Promise.all(earlier)).toEqual([0, 1])
  expect(order).toEqual([0, 1])
  expect(opened.appendSync('f')).toBe(5)
  expect(await opened.append('g')).toBe(6)
})

test('of a stream that is written, appendSync is', async () => {
  const opened = await stream(folder(), { durability: 'written', syncIntervalMs: 60_000 })
  expect(opened.appendSync('a')).toBe(0)
  expect(opened.durableSeq).toBe(0)
  opened.flushSync()
  expect(opened.durableSeq).toBe(1)
})

test('appendSync waits for room', async () => {
  const opened = await stream(folder(), { maxPendingBytes: 1000 })
  const waiting = opened.append(new Uint8Array(900))
  expect(opened.appendSync(new Uint8Array(900))).toBe(1)
  expect(await waiting).toBe(0)
})

test('a delay of commits does not hold it up', async () => {
  const opened = await stream(folder(), { commitDelayMs: 60_000 })
  const waiting = opened.append('a')
  expect(opened.appendSync('b')).toBe(1)
  expect(await waiting).toBe(0)
  opened.write('c')
  opened.flushSync()
  expect(opened.durableSeq).toBe(3)
})

test('flushSync settles what waits', async () => {
  const opened = await stream(folder())
  const seqs = [opened.append('a'), opened.append('b', { durability: 'written' }), opened.flush()]
  opened.flushSync()
  expect(opened.durableSeq).toBe(2)
  expect(await Promise.all(seqs)).toEqual([0, 1, undefined])
  opened.flushSync()
})

test('closeSync settles everything, and may be called again', async () => {
  const root = folder()
  const opened = await stream(root)
  const seqs = [opened.append('a'), opened.flush()]
  opened.closeSync()
  expect((await FileSequence.inspect(root, 'stream')).lock).toBeUndefined()
  expect(commitThreads()).toBe(0)
  opened.closeSync()
  await opened.close()
  expect(await Promise.all(seqs)).toEqual([0, undefined])
  expect(() => opened.appendSync('x')).toThrow(ClosedError)
  expect(() => opened.flushSync()).toThrow(ClosedError)
  expect(await failure(opened.append('x'))).toBeInstanceOf(ClosedError)
  expect((await stream(root)).recovery).toMatchObject({ previous: 'closed', records: { nextSeq: 1 } })
})

test('closeSync waits for a close that is under way', async () => {
  const root = folder()
  for (let round = 0; round < 20; round += 1) {
    const opened = await PersistentStream.open(root)
    const appended = opened.append('a')
    const closing = opened.close()
    if (round % 2 === 1) await null
    opened.closeSync()
    expect((await FileSequence.inspect(root, 'stream')).lock).toBeUndefined()
    await closing
    expect(await appended).toBe(round)
  }
})

test('errors are thrown as classes, with nothing taken', async () => {
  const root = folder()
  const opened = await stream(root, { fileSize: '1MiB' })
  expect(() => opened.appendSync(new Uint8Array(opened.maxRecordBytes + 1))).toThrow(CapacityError)
  expect(() => opened.appendSync(7 as unknown as string)).toThrow(InvalidInputError)
  expect(await failure(PersistentStream.open(root, { lockTimeoutMs: 0 }))).toBeInstanceOf(LockedError)
  expect(opened.appendSync('x')).toBe(0)
})
