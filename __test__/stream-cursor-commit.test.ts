// Commits: durable when they resolve, written together when they come together, never ahead of what is durable.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClosedError, type Cursor, FileSyncError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { appendEach } from './support/records.js'
import { stream } from './support/streams.js'
import { mayTrace, tracedAt } from './support/trace.js'

const slots = (root: string, name: string) => readFileSync(join(root, 'stream.meta', 'cursors', `cursor.${name}`))

/** How often a cursor was written: each write counts one more. */
function writes(root: string, name: string): number {
  const bytes = slots(root, name)
  return Math.max(Number(bytes.readBigUInt64LE(24)), Number(bytes.readBigUInt64LE(4096 + 24)))
}

/** What the file says. */
function kept(root: string, name: string): number {
  const bytes = slots(root, name)
  const at = bytes.readBigUInt64LE(24) > bytes.readBigUInt64LE(4096 + 24) ? 0 : 4096
  return Number(bytes.readBigUInt64LE(at + 16))
}

const isSettled = async (promise: Promise<unknown>) => {
  const open = Symbol('open')
  const winner = await Promise.race([promise.catch(() => {}), new Promise((done) => setTimeout(done, 60, open))])
  return winner !== open
}

test('what comes together is written together', async () => {
  const root = folder()
  const opened = await stream(root)
  await opened.appendMany(Array.from({ length: 100_000 }, (_, index) => `${index}`))
  const cursor = await opened.cursor('a')
  const before = writes(root, 'a')
  const commits = Array.from({ length: 100_000 }, (_, seq) => cursor.commit(seq))
  await Promise.all(commits)
  expect([cursor.position, kept(root, 'a')]).toEqual([100_000, 100_000])
  expect(writes(root, 'a') - before).toBe(1)
})

test('those of one turn share a promise, and a seek among them has its turn', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 10)
  const cursor = await opened.cursor('a')
  const before = writes(root, 'a')
  const [first, second] = [cursor.commit(2), cursor.commit(8)]
  expect(second).toBe(first)
  const seek = cursor.seek(1)
  const behind = cursor.commit(4)
  expect(behind).not.toBe(first)
  await first
  expect(cursor.position).toBe(9)
  await seek
  expect(cursor.position).toBe(1)
  await behind
  expect([cursor.position, kept(root, 'a')]).toEqual([5, 5])
  expect(writes(root, 'a') - before).toBe(3)
})

test('one that comes while another is written is in the next write', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 10)
  const cursor = await opened.cursor('a')
  const before = writes(root, 'a')
  const first = cursor.commit(2)
  await Promise.resolve()
  const [second, third] = [cursor.commit(8), cursor.commit(6)]
  expect([second === first, third === second]).toEqual([false, true])
  await first
  expect(cursor.position).toBe(3)
  await third
  expect([cursor.position, writes(root, 'a') - before]).toEqual([9, 2])
})

test('each is durable when it resolves, after two writes at most', async () => {
  const root = folder()
  const opened = await stream(root)
  await opened.appendMany(Array.from({ length: 500 }, () => 'x'))
  const cursor = await opened.cursor('a')
  let worst = 0
  const one = async (seq: number) => {
    const before = writes(root, 'a')
    await cursor.commit(seq)
    expect(kept(root, 'a')).toBeGreaterThan(seq)
    worst = Math.max(worst, writes(root, 'a') - before)
  }
  const running: Promise<void>[] = []
  for (let seq = 0; seq < 500; seq += 1) {
    running.push(one(seq))
    if (seq % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(running)
  expect(worst).toBeGreaterThan(0)
  // One under way, its own, and perhaps the next one before we have looked.
  expect(worst).toBeLessThanOrEqual(3)
})

test('what is beyond already is not written again', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 10)
  const cursor = await opened.cursor('a')
  await cursor.commit(7)
  const before = writes(root, 'a')
  await Promise.all([cursor.commit(7), cursor.commit(3), cursor.commit(0)])
  expect(writes(root, 'a')).toBe(before)
  const [late, early] = [cursor.commit(9), cursor.commit(8)]
  await early
  expect(kept(root, 'a')).toBe(10)
  await late
  expect(writes(root, 'a')).toBe(before + 1)
})

test('a record that is not durable is waited for', async () => {
  const root = folder()
  const opened = await stream(root, { durability: 'written', syncIntervalMs: 60_000 })
  await opened.append('durable', { durability: 'durable' })
  await appendEach(opened, 3)
  expect([opened.durableSeq, opened.nextSeq]).toEqual([1, 4])
  const cursor = await opened.cursor('a')
  const waiting = [cursor.commit(3), cursor.commit(2)]
  await cursor.commit(0)
  expect(kept(root, 'a')).toBe(1)
  expect(await Promise.all(waiting.map(isSettled))).toEqual([false, false])
  const seek = cursor.seek('oldest')
  const behind = cursor.commit(0)
  expect(await isSettled(seek)).toBe(false)
  await opened.flush()
  await Promise.all(waiting)
  await seek
  await behind
  expect(kept(root, 'a')).toBe(1)
})

test('a sync in the background is enough', async () => {
  const root = folder()
  const opened = await stream(root, { durability: 'written', syncIntervalMs: 150 })
  const cursor = await opened.cursor('a')
  await opened.append('x')
  const begin = performance.now()
  await cursor.commit(0)
  expect(performance.now() - begin).toBeLessThan(5000)
  expect([opened.durableSeq, kept(root, 'a')]).toEqual([1, 1])
})

test('an append that is under way is waited for', async () => {
  const opened = await stream(folder())
  const cursor = await opened.cursor('a')
  const appended = opened.append('x')
  await cursor.commit(0)
  expect(opened.durableSeq).toBe(1)
  await appended
})

test.each(['close', 'closeSync'] as const)('closing the stream settles what waits: %s', async (how) => {
  const root = folder()
  const options = { durability: 'written', syncIntervalMs: 60_000 } as const
  const opened = await stream(root, options)
  const [one, two] = [await opened.cursor('one'), await opened.cursor('two')]
  await appendEach(opened, 5)
  const commits = [one.commit(4), two.commit(1), two.commit(3)]
  const reads = one[Symbol.asyncIterator]()
  await opened[how]()
  expect([kept(root, 'one'), kept(root, 'two')]).toEqual([5, 4])
  await Promise.all(commits)
  expect(await reads.next()).toEqual({ done: true, value: undefined })
  expect(await failure(one.commit(0))).toBeInstanceOf(ClosedError)
  const again = await stream(root, options)
  expect((await again.cursor('one')).position).toBe(5)
  expect((await again.cursor('two')).position).toBe(4)
})

test('closing a cursor settles what waits, and then it is free', async () => {
  const root = folder()
  const opened = await stream(root, { durability: 'written', syncIntervalMs: 100 })
  let cursor: Cursor = await opened.cursor('a')
  await appendEach(opened, 3)
  const commit = cursor.commit(2)
  const closing = cursor.close()
  expect(await failure(cursor.commit(2))).toBeInstanceOf(ClosedError)
  await closing
  await commit
  cursor = await opened.cursor('a')
  expect(cursor.position).toBe(3)
  // Closed with the stream while it is being closed itself.
  await appendEach(opened, 3)
  const last = cursor.commit(5)
  const closed = cursor.close()
  await opened.close()
  await Promise.all([last, closed])
  expect(kept(root, 'a')).toBe(6)
})

test('many cursors at a time', async () => {
  const root = folder()
  const opened = await stream(root)
  await appendEach(opened, 50)
  const cursors = await Promise.all(Array.from({ length: 30 }, (_, index) => opened.cursor(`c${index}`)))
  for (let seq = 0; seq < 50; seq += 1) void Promise.all(cursors.map((cursor) => cursor.commit(seq)))
  await opened.close()
  const again = await PersistentStream.open(root)
  expect((await again.cursors()).map(({ position }) => position)).toEqual(cursors.map(() => 50))
  await again.close()
})

const traces = mayTrace()
if (!traces) console.log('skipped: strace is not here, or may not trace')

test.runIf(traces)('a failed write is told, and the next one counts', () => {
  const root = folder()
  const path = join(root, 'stream.meta', 'cursors', 'cursor.a')
  const inject = 'inject=pwritev2:error=EIO:when=1'
  const { status, stdout, stderr } = tracedAt(path, inject, 'cursor-faults.mjs', root, 'write')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const results = JSON.parse(stdout)
  expect(results.failed.code).toBe('PSTREAM_SYNC_FAILED')
  expect(results.failed.path).toBe(path)
  expect(results).toMatchObject({ position: 0, again: 'done', after: 2, reopened: 2 })
})

test.runIf(traces)('to await the last one is enough: a failed one in front of it does not end the process', () => {
  const root = folder()
  const path = join(root, 'stream.meta', 'cursors', 'cursor.a')
  const inject = 'inject=pwritev2:error=EIO:when=1'
  const { status, stdout, stderr } = tracedAt(path, inject, 'cursor-faults.mjs', root, 'burst')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(JSON.parse(stdout)).toEqual(['done', 3])
})

test.runIf(traces)('a record that a failed sync may have taken back is not committed', () => {
  const root = folder()
  const file = join(root, 'stream.0001-16')
  const { status, stdout, stderr } = tracedAt(
    file,
    'inject=fdatasync:error=EIO:when=9+',
    'cursor-faults.mjs',
    root,
    'sync',
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const results = JSON.parse(stdout)
  expect(results.lost).toMatchObject({ name: FileSyncError.name, code: 'PSTREAM_SYNC_FAILED', seq: 8 })
  expect(results.doubted).toMatchObject({ code: 'PSTREAM_SYNC_FAILED', seq: 8 })
  expect(results.position).toBe(8)
})
