// Cursors: where they are, who has them, and what there is to say of them.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  ClosedError,
  CorruptionError,
  Cursor,
  InvalidInputError,
  LockedError,
  NotFoundError,
  PersistentStream,
  UnsupportedError,
} from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { all, appendEach, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'

const meta = (root: string) => join(root, 'stream.meta', 'cursors')

test('a cursor goes on behind what was committed', async () => {
  const root = folder()
  let opened = await stream(root)
  await appendEach(opened, 10)
  const cursor = await opened.cursor('a')
  expect(cursor).toBeInstanceOf(Cursor)
  expect([cursor.name, cursor.position, cursor.damaged]).toEqual(['a', 0, false])
  expect(await seqsOf(cursor.read({ live: false }))).toEqual(range(0, 10))
  expect(cursor.position).toBe(0)
  await cursor.commit(3)
  expect(cursor.position).toBe(4)
  await cursor.commit(1)
  expect(cursor.position).toBe(4)
  await cursor.close()
  await opened.close()

  opened = await stream(root)
  const again = await opened.cursor('a', { from: 'end' })
  expect(again.position).toBe(4)
  expect(await seqsOf(again.read({ live: false, limit: 3 }))).toEqual([4, 5, 6])
  const batches = await all(again.readBatches({ live: false, to: 8 }))
  expect(batches.flat().map(({ seq }) => seq)).toEqual(range(4, 8))
})

test('its loop is live, and ends with the cursor', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 3)
  const cursor = await opened.cursor('a')
  const seen: number[] = []
  const loop = (async () => {
    for await (const { seq } of cursor) {
      seen.push(seq)
      await cursor.commit(seq)
    }
  })()
  while (seen.length < 3) await new Promise((resolve) => setTimeout(resolve, 1))
  await opened.append('later')
  while (cursor.position < 4) await new Promise((resolve) => setTimeout(resolve, 1))
  await cursor.close()
  await loop
  expect(seen).toEqual([0, 1, 2, 3])
  expect(cursor.lag).toEqual({ records: 0, bytes: 0 })
})

test('an abort ends a loop with its reason, and the cursor goes on', async () => {
  const opened = await stream(folder())
  const cursor = await opened.cursor('a')
  const controller = new AbortController()
  const waiting = cursor.read({ signal: controller.signal }).next()
  controller.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await opened.append('x')
  expect((await cursor.read().next()).value?.seq).toBe(0)
})

test('a new one begins where it is told to', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 5)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const moment = new Date()
  await appendEach(opened, 5)
  const position = async (name: string, from?: number | Date | 'oldest' | 'end') =>
    (await opened.cursor(name, from === undefined ? {} : { from })).position
  expect(await position('default')).toBe(0)
  expect(await position('oldest', 'oldest')).toBe(0)
  expect(await position('end', 'end')).toBe(10)
  expect(await position('seq', 7)).toBe(7)
  expect(await position('moment', moment)).toBe(5)
  expect(await position('to come', new Date(Date.now() + 1e6)).catch((error) => error)).toBeInstanceOf(
    InvalidInputError,
  )
  expect(await position('to-come', new Date(Date.now() + 1e6))).toBe(10)
  expect(await failure(opened.cursor('beyond', { from: 11 }))).toBeInstanceOf(InvalidInputError)
  expect((await opened.cursors()).map(({ name }) => name)).not.toContain('beyond')
})

test('it seeks back and forth, durably', async () => {
  const root = folder()
  let opened = await stream(root)
  await appendEach(opened, 10)
  let cursor = await opened.cursor('a')
  for (const [to, position] of [
    ['end', 10],
    [4, 4],
    ['oldest', 0],
    [10, 10],
    [new Date(0), 0],
    [7, 7],
  ] as const) {
    await cursor.seek(to)
    expect(cursor.position).toBe(position)
  }
  await opened.close()
  opened = await stream(root)
  cursor = await opened.cursor('a')
  expect(cursor.position).toBe(7)
  // In the order of the calls.
  const done = [cursor.commit(8), cursor.seek(2), cursor.commit(4), cursor.seek(9), cursor.commit(1), cursor.seek(3)]
  await Promise.all(done)
  expect(cursor.position).toBe(3)
})

test('one consumer each, and it is known who', async () => {
  const root = folder()
  const opened = await stream(root)
  const cursor = await opened.cursor('a')
  const error = (await failure(opened.cursor('a'))) as LockedError
  expect(error).toBeInstanceOf(LockedError)
  expect(error.holder).toMatchObject({ pid: process.pid, alive: true })
  expect(error.message).toContain("'a'")
  expect(await failure(opened.deleteCursor('a'))).toBeInstanceOf(LockedError)
  await opened.cursor('A')
  // Whoever comes next waits a moment.
  setTimeout(() => void cursor.close(), 20)
  const next = await opened.cursor('a')
  expect(next.position).toBe(0)
})

test('all of them are listed, and how far they are behind', async () => {
  const root = folder()
  const opened = await stream(root)
  expect(await opened.cursors()).toEqual([])
  for (let index = 0; index < 20; index += 1) await opened.append(new Uint8Array(1000))
  const begin = Date.now()
  const slow = await opened.cursor('slow')
  const fast = await opened.cursor('fast')
  await fast.commit(14)
  const done = await opened.cursor('done', { from: 'end' })
  await done.close()
  const listed = await opened.cursors()
  expect(listed.map(({ name, position, lag }) => [name, position, lag.records])).toEqual([
    ['done', 20, 0],
    ['fast', 15, 5],
    ['slow', 0, 20],
  ])
  for (const { committedAt, damage } of listed) {
    expect(committedAt.getTime()).toBeGreaterThanOrEqual(begin - 1)
    expect(committedAt.getTime()).toBeLessThanOrEqual(Date.now())
    expect(damage).toBeUndefined()
  }
  expect(listed.map(({ lag }) => lag)).toEqual([done.lag, fast.lag, slow.lag])
  const used = opened.stats().bytesUsed
  expect(slow.lag.bytes).toBeGreaterThan(20_000)
  expect(slow.lag.bytes).toBeLessThanOrEqual(used)
  expect(fast.lag.bytes / slow.lag.bytes).toBeCloseTo(5 / 20, 1)
  await opened.append('one more')
  expect([done.lag.records, fast.lag.records]).toEqual([0, 6])
})

test('one is deleted for good', async () => {
  const root = folder()
  let opened = await stream(root)
  await appendEach(opened, 5)
  const cursor = await opened.cursor('My.app', { from: 3 })
  await cursor.close()
  expect(existsSync(join(meta(root), 'cursor.+my+-app'))).toBe(true)
  await opened.deleteCursor('My.app')
  expect(readdirSync(meta(root)).filter((name) => name.includes('app'))).toEqual([])
  expect(await failure(opened.deleteCursor('My.app'))).toBeInstanceOf(NotFoundError)
  expect(await failure(opened.deleteCursor('never'))).toBeInstanceOf(NotFoundError)
  await opened.close()
  opened = await stream(root)
  expect(await opened.cursors()).toEqual([])
  expect((await opened.cursor('My.app')).position).toBe(0)
})

test('a stream is destroyed with its cursors', async () => {
  const root = folder()
  const opened = await stream(root)
  await (await opened.cursor('a')).close()
  await opened.close()
  await PersistentStream.destroy(root)
  expect(readdirSync(root)).toEqual([])
})

test.each(
  [
    ['', 'a/b', '.a', 'a b', 'ä', 'a\0', 'x'.repeat(101)].map((name) => [JSON.stringify(name), name]),
    [undefined, null, 7, {}, ['a']].map((name) => [String(name), name]),
  ].flat(),
)('bad name: %s', async (_, name) => {
  const root = folder()
  const opened = await stream(root)
  expect(await failure(opened.cursor(name as string))).toBeInstanceOf(InvalidInputError)
  expect(await failure(opened.deleteCursor(name as string))).toBeInstanceOf(InvalidInputError)
  expect(existsSync(meta(root))).toBe(false)
})

test('bad input of every call', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 2)
  const cursor = await opened.cursor('a')
  const bad = (value: unknown) => value as never
  for (const from of [-1, 1.5, Number.NaN, 2 ** 53, '3', null, new Date(Number.NaN), {}]) {
    expect(await failure(opened.cursor('b', { from: bad(from) }))).toBeInstanceOf(InvalidInputError)
    expect(await failure(cursor.seek(bad(from)))).toBeInstanceOf(InvalidInputError)
  }
  expect(await failure(cursor.seek(bad(undefined)))).toBeInstanceOf(InvalidInputError)
  expect(await failure(opened.cursor('b', bad(7)))).toBeInstanceOf(InvalidInputError)
  for (const seq of [-1, 1.5, Number.NaN, 2 ** 53, '0', null, undefined]) {
    expect(await failure(cursor.commit(bad(seq)))).toBeInstanceOf(InvalidInputError)
  }
  for (const seq of [2, 3, 2 ** 53 - 1]) {
    const error = await failure(cursor.commit(seq))
    expect(error).toBeInstanceOf(InvalidInputError)
  }
  for (const options of [null, 7, { from: 0 }, { live: 'yes' }, { limit: -1 }, { signal: 1 }]) {
    expect(await failure(cursor.read(bad(options)).next())).toBeInstanceOf(InvalidInputError)
    expect(await failure(cursor.readBatches(bad(options)).next())).toBeInstanceOf(InvalidInputError)
  }
  expect(() => new (Cursor as never as new () => unknown)()).toThrow(InvalidInputError)
  expect(cursor.position).toBe(0)
})

/** The slot that was written last: that with the greater counter. */
function newest(root: string, name: string): 0 | 1 {
  const bytes = readFileSync(join(meta(root), `cursor.${name}`))
  return bytes.readBigUInt64LE(24) > bytes.readBigUInt64LE(4096 + 24) ? 0 : 1
}

/** Changes a byte of a slot. */
function damage(root: string, name: string, ...slots: (0 | 1)[]): void {
  const path = join(meta(root), `cursor.${name}`)
  const bytes = readFileSync(path)
  for (const slot of slots) bytes[slot * 4096 + 20] = (bytes[slot * 4096 + 20] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

test('damage is told of', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 5)
  for (const name of ['half', 'all', 'later']) {
    const cursor = await opened.cursor(name)
    await cursor.commit(1)
    await cursor.close()
  }
  damage(root, 'half', newest(root, 'half'))
  damage(root, 'all', 0, 1)
  const later = readFileSync(join(meta(root), 'cursor.later'))
  later[3] = 9
  later[4096 + 3] = 9
  writeFileSync(join(meta(root), 'cursor.later'), later)
  const [whole, half, newer] = await opened.cursors()
  expect([whole?.name, whole?.position, whole?.damage?.code]).toEqual(['all', 0, 'PSTREAM_CORRUPT'])
  expect([half?.name, half?.position, half?.damage?.code]).toEqual(['half', 0, 'PSTREAM_CORRUPT'])
  expect([newer?.name, newer?.damage?.code]).toEqual(['later', 'PSTREAM_UNSUPPORTED'])
  expect(await failure(opened.cursor('all'))).toBeInstanceOf(CorruptionError)
  expect(await failure(opened.cursor('later'))).toBeInstanceOf(UnsupportedError)
  const cursor = await opened.cursor('half')
  expect([cursor.position, cursor.damaged]).toEqual([0, true])
  await cursor.close()
  const repaired = await opened.cursor('half')
  expect([repaired.position, repaired.damaged]).toEqual([0, false])
  await opened.deleteCursor('all')
  expect((await opened.cursor('all', { from: 3 })).position).toBe(3)
})

test('a left-over of another stream counts for nothing', async () => {
  const root = folder()
  let opened = await stream(root)
  await appendEach(opened, 5)
  await (await opened.cursor('a', { from: 4 })).close()
  const kept = readFileSync(join(meta(root), 'cursor.a'))
  await opened.close()
  await PersistentStream.destroy(root)
  opened = await stream(root)
  await (await opened.cursor('b')).close()
  writeFileSync(join(meta(root), 'cursor.a'), kept)
  expect((await opened.cursors()).map(({ name }) => name)).toEqual(['b'])
  expect(await failure(opened.deleteCursor('a'))).toBeInstanceOf(NotFoundError)
  expect((await opened.cursor('a')).position).toBe(0)
})

test('a cursor ahead of its stream is damage', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 2)
  const path = join(root, 'stream.0001-16')
  const before = readFileSync(path)
  await appendEach(opened, 3)
  await (await opened.cursor('a', { from: 'end' })).close()
  await opened.close()
  // Somebody has put a copy in its place that is older than the cursor.
  writeFileSync(path, before)
  const older = await stream(root)
  expect(older.nextSeq).toBe(2)
  const error = (await failure(older.cursor('a'))) as CorruptionError
  expect(error).toBeInstanceOf(CorruptionError)
  expect([error.fromSeq, error.toSeq]).toEqual([2, 5])
  expect((await older.cursors())[0]?.lag).toEqual({ records: 0, bytes: 0 })
  await older.deleteCursor('a')
  expect((await older.cursor('a')).position).toBe(0)
})

test('a closed cursor, and one of a closed stream', async () => {
  const opened = await stream(folder())
  await appendEach(opened, 3)
  const cursor = await opened.cursor('a')
  const other = await opened.cursor('b')
  await cursor.commit(0)
  await Promise.all([cursor.close(), cursor.close()])
  const calls = [cursor.commit(1), cursor.seek(0), cursor.read().next(), cursor.readBatches().next()]
  for (const error of await Promise.all(calls.map(failure))) expect(error).toBeInstanceOf(ClosedError)
  expect([cursor.position, cursor.lag.records]).toEqual([1, 2])
  await opened.close()
  const later = [other.commit(1), other.seek(0), other.read().next(), opened.cursor('c'), opened.cursors()]
  for (const error of await Promise.all(later.map(failure))) expect(error).toBeInstanceOf(ClosedError)
  expect(await failure(opened.deleteCursor('a'))).toBeInstanceOf(ClosedError)
  expect([other.position, other.lag.records]).toEqual([0, 3])
  await other.close()
})

test('it is disposed of', async () => {
  const opened = await stream(folder())
  const cursor = await opened.cursor('a')
  await cursor[Symbol.asyncDispose]()
  await (await opened.cursor('a')).close()
})
