// What goes by itself: by bytes, by age, at a limit.

import { setTimeout as pause } from 'node:timers/promises'
import { InvalidInputError, LimitError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { range, seqsOf } from './support/records.js'
import { fill, SMALL, until } from './support/retained.js'
import { stream } from './support/streams.js'

const MiB = 2 ** 20

test('maxBytes: flat under load, and files small enough for it', async () => {
  const root = folder()
  const opened = await stream(root, { retention: { maxBytes: '8MiB' } })
  expect(opened.maxRecordBytes).toBeGreaterThan(67_000_000)
  let most = 0
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(range(0, 4).map(() => opened.append(new Uint8Array(100_000).fill(opened.nextSeq % 256))))
    most = Math.max(most, opened.stats().bytesOnDisk)
  }
  // For a moment a file more, that is being made, and one that is going.
  expect(most).toBeLessThanOrEqual(12 * MiB)
  await until(() => opened.stats().bytesOnDisk <= 8 * MiB)
  expect(opened.stats().bytesOnDisk).toBeGreaterThanOrEqual(4 * MiB)
  expect(await seqsOf(opened.read())).toEqual(range(opened.oldestSeq, 400))
  // A record that needs a larger file gets it.
  expect(await opened.append(new Uint8Array(20 * MiB))).toBe(400)
  expect((await opened.get(400))?.data.length).toBe(20 * MiB)
  await opened.close()
  // What is too much at an open goes, without an append.
  const again = await stream(root, { retention: { maxBytes: '1MiB' } })
  await until(() => again.stats().files === 1)
  expect(again.oldestSeq).toBe(400)
})

test('maxAgeMs: on an idle stream too', async () => {
  const root = folder()
  const opened = await stream(root, { ...SMALL, retention: { maxAgeMs: 1000 } })
  await fill(opened, 25)
  expect(opened.oldestSeq).toBe(0)
  const begin = performance.now()
  await until(() => opened.oldestSeq >= 20)
  expect(performance.now() - begin).toBeGreaterThan(300)
  // The file in use stays, however old it is.
  await pause(300)
  expect(await seqsOf(opened.read())).toEqual(range(opened.oldestSeq, 25))
  expect(opened.stats().files).toBe(1)
})

test('limitBytes: refused before anything is written, and goes on once something has gone', async () => {
  const root = folder()
  const opened = await stream(root, { retention: { limitBytes: '4MiB' } })
  expect(opened.maxRecordBytes).toBeLessThan(MiB)
  expect(opened.maxRecordBytes).toBeGreaterThan(MiB - 20_000)
  const error = await failure(fill(opened, 100))
  expect(error).toBeInstanceOf(LimitError)
  expect(error).toMatchObject({ name: 'LimitError', code: 'PSTREAM_LIMIT' })
  expect(error.message).toContain('limitBytes is 4194304')
  const refused = opened.durableSeq
  expect(opened.stats().bytesOnDisk).toBe(4 * MiB)
  async function theCaller() {
    await opened.append(new Uint8Array(100_000))
  }
  // What the commit thread has refused: its stack shows who has waited for it all the same.
  const late = await failure(theCaller())
  expect(late).toBeInstanceOf(LimitError)
  expect(late.stack).toMatch(/ at (async )?theCaller /)
  opened.write(new Uint8Array(100_000))
  expect(await failure(opened.flush())).toBeInstanceOf(LimitError)
  expect(await seqsOf(opened.read())).toEqual(range(0, refused))
  expect(await opened.trim(15)).toBeGreaterThan(0)
  await fill(opened, 5)
  expect(await seqsOf(opened.read())).toEqual(range(opened.oldestSeq, refused + 5))
  await opened.close()
  const again = await stream(root, { retention: { limitBytes: '4MiB' } })
  expect(again.nextSeq).toBe(refused + 5)
})

test("whenLimited: 'trim': the oldest make room", async () => {
  const opened = await stream(folder(), { retention: { limitBytes: '4MiB', whenLimited: 'trim' } })
  for (let round = 0; round < 40; round += 1) {
    await Promise.all(range(0, 20).map(() => opened.append(new Uint8Array(60_000))))
    expect(opened.stats().bytesOnDisk).toBeLessThanOrEqual(4 * MiB)
  }
  // The last trim may be under way still.
  const before = opened.oldestSeq
  expect(before).toBeGreaterThan(700)
  const seqs = await seqsOf(opened.read())
  expect(seqs).toEqual(range(seqs[0] ?? 0, 800))
  expect([seqs[0] ?? 0, opened.oldestSeq]).toEqual([
    expect.toSatisfy((first: number) => first >= before && first <= opened.oldestSeq),
    expect.toSatisfy((now: number) => now >= before),
  ])
  expect(await opened.append(new Uint8Array(opened.maxRecordBytes))).toBe(800)
})

test('maxBytes and limitBytes of the same size get on', async () => {
  const opened = await stream(folder(), { retention: { maxBytes: '4MiB', limitBytes: '4MiB' } })
  await fill(opened, 100)
  expect(opened.stats().bytesOnDisk).toBeLessThanOrEqual(4 * MiB)
})

test('a stream that is larger than its limit goes on', async () => {
  const root = folder()
  const first = await stream(root)
  await fill(first, 300)
  await first.close()
  const opened = await stream(root, { retention: { limitBytes: '4MiB', whenLimited: 'trim' } })
  // The file in use, of 32 MiB, must be full first.
  await fill(opened, 600)
  expect(opened.stats().bytesOnDisk).toBeLessThanOrEqual(4 * MiB)
  // The last trim may be under way still.
  const seqs = await seqsOf(opened.read())
  expect(seqs).toEqual(range(seqs[0] ?? 0, 900))
  expect(seqs[0]).toBeLessThanOrEqual(opened.oldestSeq)
})

test('bad options', async () => {
  const bad: [string, unknown][] = [
    ['retention', null],
    ['retention', 1],
    ['maxBytes', 0],
    ['maxBytes', '1TB'],
    ['maxBytes', 1.5],
    ['maxAgeMs', 0],
    ['maxAgeMs', '1d'],
    ['maxAgeMs', Number.POSITIVE_INFINITY],
    ['keepForCursors', 1],
    ['limitBytes', 1000],
    ['limitBytes', -1],
    ['whenLimited', 'drop'],
  ]
  for (const [name, value] of bad) {
    const retention = (name === 'retention' ? value : { [name]: value }) as object
    const error = await failure(PersistentStream.open(folder(), { retention }))
    expect(error, name).toBeInstanceOf(InvalidInputError)
    expect(error.message).toContain(name)
  }
  // With large blocks files are larger.
  const options = { blockSize: '1MiB', retention: { limitBytes: '32MiB' } } as const
  const error = await failure(PersistentStream.open(folder(), options))
  expect(error).toBeInstanceOf(InvalidInputError)
  expect(error.message).toContain('limit must be at least 67108864 bytes')
})

test('as many files as there can be: the cause is what the sequence says', async () => {
  // Not made here, 16,383 files: the engine's own tests do.
  const { errorOf } = await import(new URL('failure.js', import.meta.resolve('pstream')).href)
  const error = errorOf({ code: 'PSTREAM_LIMIT', message: 'text', path: '/d', start: 1, end: 0x4000 })
  expect(error).toBeInstanceOf(LimitError)
  expect(error.cause).toMatchObject({
    ...{ name: 'FileSequenceError', code: 'PSTREAM_SEQUENCE_TOO_LONG', start: 1, end: 0x4000 },
    message: 'filesequence: 0x0001..0x4000 is too long',
  })
})
