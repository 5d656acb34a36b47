// What is appended gets its seq in the order of the calls, and is there after a reopen.

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { BackpressureError, CapacityError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { find, stream } from './support/streams.js'

test('append, close, open again', async () => {
  const root = join(folder(), 'made', 'for', 'it')
  const first = await stream(root)
  expect(first).toMatchObject({ directory: root, name: 'stream', oldestSeq: 0, nextSeq: 0, durableSeq: 0 })
  expect(first.recovery).toMatchObject({
    previous: 'new',
    records: { oldestSeq: 0, nextSeq: 0 },
    gaps: [],
    leftovers: [],
  })
  expect(first.recovery.elapsedMs).toBeGreaterThan(0)
  expect(first.maxRecordBytes).toBeGreaterThan(67_000_000)
  expect(await first.append('one')).toBe(0)
  expect(await first.append(new Uint8Array(0))).toBe(1)
  expect(first).toMatchObject({ nextSeq: 2, durableSeq: 2 })
  expect(first.stats()).toMatchObject({
    ...{ appends: 2, bytes: 3, commits: 2, files: 1 },
    ...{ pendingBytes: 0, pendingAppends: 0 },
  })
  await first.close()
  expect(first).toMatchObject({ nextSeq: 2, durableSeq: 2 })
  const second = await stream(root)
  expect(second.recovery).toMatchObject({ previous: 'closed', records: { oldestSeq: 0, nextSeq: 2 } })
  expect(await second.append('three')).toBe(2)
})

test('several streams in a folder', async () => {
  const root = folder()
  const [one, two] = [await stream(root, { name: 'one' }), await stream(root, { name: 'two' })]
  expect([await one.append('1'), await one.append('2'), await two.append('1')]).toEqual([0, 1, 0])
})

test('100,000 appends in flight', async () => {
  const opened = await stream(folder())
  const promises = Array.from({ length: 100_000 }, (_, index) => opened.append(`record ${index}`))
  // An async function runs up to its first await: all are taken.
  expect(opened.nextSeq).toBe(100_000)
  expect(opened.stats().pendingAppends).toBe(100_000)
  const seqs = await Promise.all(promises)
  expect(seqs.every((seq, index) => seq === index)).toBe(true)
  expect(opened.stats()).toMatchObject({ appends: 100_000, pendingBytes: 0, pendingAppends: 0 })
  expect(opened.stats().commits).toBeLessThan(1000)
})

test('records of every size around the limits of an arena and of a batch, and a file of full size', async () => {
  const root = folder()
  const opened = await stream(root, { fileSize: '8MiB', maxPendingBytes: '64MiB' })
  const sizes = [0, 1, 127, 128, 16_383, 16_384, 65_536, 262_144, 1_048_570, 1_048_571, 1_048_576, 3 << 20, 1]
  const seqs = await Promise.all(sizes.map((size) => opened.append(new Uint8Array(size).fill(7))))
  expect(seqs).toEqual(sizes.map((_, index) => index))
  expect(await opened.append(new Uint8Array(opened.maxRecordBytes))).toBe(sizes.length)
  const error = await failure(opened.append(new Uint8Array(opened.maxRecordBytes + 1)))
  expect(error).toBeInstanceOf(CapacityError)
  expect(error.message).toContain(`maxRecordBytes is ${opened.maxRecordBytes}`)
  expect(await failure(opened.appendMany([new Uint8Array(5 << 20), new Uint8Array(5 << 20)]))).toBeInstanceOf(
    CapacityError,
  )
  // Nothing of it was taken.
  expect(await opened.append('last')).toBe(sizes.length + 1)
  await opened.close()
  expect((await stream(root)).nextSeq).toBe(sizes.length + 2)
})

test('the buffer belongs to the caller as soon as the call returns', async () => {
  const root = folder()
  const opened = await stream(root)
  const buffer = Buffer.from('before')
  const pending = [opened.append(buffer), opened.appendMany([buffer, buffer])]
  buffer.write('behind')
  await Promise.all(pending)
  await opened.close()
  expect(find(root, 'before')).toBeGreaterThan(0)
  expect(find(root, 'behind')).toBe(-1)
})

test('texts of every kind are their UTF-8', async () => {
  const root = folder()
  const opened = await stream(root)
  const texts = ['plain text', 'grüße', '日本語のテキスト', '😀😀😀😀', 'ü'.repeat(63), 'x'.repeat(5000)]
  await Promise.all(texts.map((text) => opened.append(text)))
  // Longer than the number of its characters says.
  expect(await opened.append('ü'.repeat(100))).toBe(texts.length)
  expect(await opened.append('€'.repeat(500_000))).toBe(texts.length + 1)
  await opened.close()
  for (const text of texts.slice(0, 5)) expect(find(root, text), text).toBeGreaterThan(0)
  expect((await stream(root)).nextSeq).toBe(texts.length + 2)
})

test('encodings', async () => {
  const root = folder()
  const utf8 = await PersistentStream.open(root, { name: 'utf8', encoding: 'utf8' })
  await utf8.append('a text')
  expect((await failure(utf8.append(new Uint8Array(1) as never))).code).toBe('PSTREAM_INVALID_INPUT')
  await utf8.close()
  expect(find(root, 'a text', 'utf8')).toBeGreaterThan(0)

  const json = await PersistentStream.open<unknown>(root, { name: 'json', encoding: 'json' })
  await json.append({ some: ['json', 1] })
  await json.append(null)
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  for (const bad of [undefined, () => 1, 1n, cyclic]) {
    expect((await failure(json.append(bad))).code).toBe('PSTREAM_INVALID_INPUT')
  }
  await json.close()
  expect(find(root, '{"some":["json",1]}', 'json')).toBeGreaterThan(0)

  const encoding = {
    encode: (value: number) => {
      if (value < 0) throw new RangeError('negative')
      return Buffer.from(`number ${value}`)
    },
    decode: (data: Uint8Array) => Number(Buffer.from(data).toString().slice(7)),
  }
  const own = await PersistentStream.open(root, { name: 'own', encoding })
  await own.append(5)
  await expect(own.append(-1)).rejects.toThrow(new RangeError('negative'))
  await own.close()
  expect(find(root, 'number 5', 'own')).toBeGreaterThan(0)
})

test('appendMany: the seq of the first, in one turn with others, and of nothing', async () => {
  const opened = await stream(folder())
  const promises = [
    opened.append('0'),
    opened.appendMany(['1', '2', '3']),
    opened.append('4'),
    opened.appendMany(['5']),
    opened.appendMany(['6', '7']),
    opened.append('8'),
  ]
  expect(await opened.appendMany([])).toBe(9)
  expect(await Promise.all(promises)).toEqual([0, 1, 4, 5, 6, 8])
  const { commits } = opened.stats()
  expect(await opened.appendMany([])).toBe(9)
  expect(opened.stats().commits).toBe(commits)
})

test('appendMany takes all or nothing', async () => {
  const opened = await stream(folder(), { maxPendingBytes: 1000 })
  const list = ['a', 'b', 5, 'd'] as string[]
  expect((await failure(opened.appendMany(list))).message).toContain('data[2]')
  expect(opened.nextSeq).toBe(0)
  const first = opened.append(new Uint8Array(500))
  expect(await failure(opened.appendMany([new Uint8Array(300), new Uint8Array(300)]))).toBeInstanceOf(BackpressureError)
  expect(opened.nextSeq).toBe(1)
  await first
  // More than the limit, but alone.
  expect(await opened.appendMany([new Uint8Array(3000), 'b'])).toBe(1)
})

test('levels, mixed in one turn', async () => {
  const root = folder()
  const opened = await stream(root, { durability: 'written', syncIntervalMs: 200 })
  expect(await opened.append('written')).toBe(0)
  expect(opened.durableSeq).toBe(0)
  // In the background, with nobody asking.
  while (opened.durableSeq < 1) await pause(10)
  await opened.append('written')
  expect(opened.durableSeq).toBe(1)
  await opened.flush()
  expect(opened.durableSeq).toBe(2)
  const mixed = [
    opened.append('w'),
    opened.append('d', { durability: 'durable' }),
    opened.append('w'),
    opened.appendMany(['d', 'd'], { durability: 'durable' }),
  ]
  expect(await Promise.all(mixed)).toEqual([2, 3, 4, 5])
  expect(opened.durableSeq).toBe(7)
  await opened.append('closing makes it durable')
  await opened.close()
  expect(opened.durableSeq).toBe(8)
})

test('write and flush', async () => {
  const opened = await stream(folder(), { maxPendingBytes: 1000 })
  expect(opened.write('first')).toBe(true)
  expect(opened.nextSeq).toBe(1)
  await opened.flush()
  expect(opened.durableSeq).toBe(1)
  expect(opened.write(new Uint8Array(900))).toBe(true)
  // `true` was a promise: it is taken, whatever its size.
  expect(opened.write(new Uint8Array(900))).toBe(false)
  expect(() => opened.write('refused')).toThrow(BackpressureError)
  await opened.ready()
  expect(opened.write('taken')).toBe(true)
  await opened.flush()
  expect(opened.nextSeq).toBe(4)
})

test('backpressure takes nothing, and ready waits until what was refused would be taken', async () => {
  const opened = await stream(folder(), { maxPendingBytes: '1KiB' })
  await opened.ready()
  const first = opened.append(new Uint8Array(600))
  const error = await failure(opened.append(new Uint8Array(600)))
  expect(error).toBeInstanceOf(BackpressureError)
  expect(error).toMatchObject({ code: 'PSTREAM_BACKPRESSURE', path: opened.directory })
  expect(opened.stats()).toMatchObject({ pendingBytes: 600, pendingAppends: 1 })
  expect(await failure(opened.append('x'.repeat(600)))).toBeInstanceOf(BackpressureError)
  const second = opened.append('x'.repeat(400))
  await opened.ready()
  expect(await first).toBe(0)
  expect(await second).toBe(1)
  // A loop that tries again does not starve the event loop.
  let refused = 0
  const insist = async (): Promise<number> => {
    for (;;) {
      try {
        return await opened.append(new Uint8Array(700))
      } catch (error) {
        expect(error).toBeInstanceOf(BackpressureError)
        refused += 1
        await opened.ready()
      }
    }
  }
  const seqs = await Promise.all(Array.from({ length: 20 }, insist))
  expect(seqs.sort((left, right) => left - right)).toEqual(Array.from({ length: 20 }, (_, index) => index + 2))
  expect(refused).toBeGreaterThan(18)
})

test('an abort ends the wait, not the append', async () => {
  const opened = await stream(folder())
  const reason = new Error('on purpose')
  const signal = AbortSignal.abort(reason)
  for (const call of [
    () => opened.append('x', { signal }),
    () => opened.appendMany(['x'], { signal }),
    () => opened.flush({ signal }),
    () => opened.ready({ signal }),
    () => PersistentStream.open(folder(), { signal }),
  ]) {
    await expect(call()).rejects.toBe(reason)
  }
  expect(opened.nextSeq).toBe(0)
  const later = new AbortController()
  const options = { signal: later.signal }
  const pending = [opened.append('0', options), opened.appendMany(['1', '2'], options), opened.flush(options)]
  later.abort(reason)
  for (const promise of pending) await expect(promise).rejects.toBe(reason)
  expect(await opened.append('3', { signal: new AbortController().signal })).toBe(3)
})

test('commitDelayMs waits for more, commitAlignment takes more space', async () => {
  const opened = await stream(folder(), { commitDelayMs: 100, commitAlignment: '4KiB', blockSize: '4KiB' })
  const begin = performance.now()
  const first = opened.append('0')
  await pause(20)
  await Promise.all([first, opened.append('1')])
  expect(performance.now() - begin).toBeGreaterThan(95)
  expect(opened.stats().commits).toBe(1)
})
