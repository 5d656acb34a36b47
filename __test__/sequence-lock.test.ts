// One opener at a time: within a thread, between threads, between processes; free again when its holder is gone, however
// it went; and a symbolic link in the lock's place is honoured.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { FileSequence, LockedError } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { failure } from './support/errors.js'
import { closedAtEnd, SHAPE, sequence } from './support/files.js'
import { folder } from './support/folder.js'

const UNIX = process.platform !== 'win32'
const fixture = fileURLToPath(new URL('fixtures/hold-lock.mjs', import.meta.url))

/** A process that has the sequence in `root` open. */
async function holder(root: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fixture, root], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const [line] = await once(child.stdout, 'data')
  expect(String(line)).toBe('open\n')
  return child
}

const attempt = (root: string, lockTimeoutMs = 0) => FileSequence.open(root, { ...SHAPE, lockTimeoutMs })

test('within one thread', async () => {
  const root = folder()
  const first = await sequence(root)
  const error = await failure(attempt(root))
  expect(error).toBeInstanceOf(LockedError)
  expect(error).toMatchObject({ holder: { pid: process.pid, alive: true, host: hostname() } })
  expect(error.path).toBe(join(root, 'events.lock'))
  await first.close()
  await (await attempt(root)).close()
})

test('of many who try at once one gets it', async () => {
  const root = folder()
  const outcomes = await Promise.allSettled(Array.from({ length: 16 }, () => attempt(root)))
  const open = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  expect(open.length).toBe(1)
  await open[0]?.close()
})

test('whoever waits gets it when the holder closes, also with more waiting than the pool has threads', async () => {
  const root = folder()
  const first = await sequence(root)
  const waiting = Array.from({ length: 8 }, async () => {
    const opened = await attempt(root, 20_000)
    await opened.close()
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  await first.close()
  await Promise.all(waiting)
})

test('the wait ends in time', async () => {
  const root = folder()
  await sequence(root)
  const begin = performance.now()
  await failure(attempt(root, 300))
  const waited = performance.now() - begin
  expect(waited).toBeGreaterThanOrEqual(290)
  expect(waited).toBeLessThan(3000)
})

test('between processes, and free again after a kill', async () => {
  const root = folder()
  const child = await holder(root)
  const error = await failure(attempt(root))
  expect(error).toBeInstanceOf(LockedError)
  expect(error).toMatchObject({ holder: { pid: child.pid, alive: true } })
  expect(await FileSequence.inspect(root, 'events')).toMatchObject({ lock: { pid: child.pid, alive: true } })
  child.kill('SIGKILL')
  await once(child, 'exit')
  // The lock's file is still there, and in nobody's way.
  if (UNIX) expect(existsSync(join(root, 'events.lock'))).toBe(true)
  expect((await FileSequence.inspect(root, 'events')).lock).toBeUndefined()
  const opened = await attempt(root)
  expect(opened.length).toBe(1)
  await opened.close()
  expect(readdirSync(root)).toEqual(['events.0001-12'])
})

test('between threads, and free again when the thread is terminated', async () => {
  const root = folder()
  const worker = new Worker(fixture, { argv: [root], stdout: true })
  await once(worker.stdout, 'data')
  expect(await failure(attempt(root))).toBeInstanceOf(LockedError)
  await worker.terminate()
  await (await attempt(root, 5000)).close()
})

test('a process that exits without closing leaves the lock free', async () => {
  const root = folder()
  const child = await holder(root)
  child.stdin?.write('exit\n')
  await once(child, 'exit')
  await (await attempt(root)).close()
})

if (!UNIX) console.log('skipped: locks that are symbolic links are of Unix')
test.runIf(UNIX)('a symbolic link is a lock made by hand', async () => {
  const root = folder()
  symlinkSync('because', join(root, 'events.lock'))
  const error = await failure(attempt(root))
  expect(error).toBeInstanceOf(LockedError)
  expect(error).toMatchObject({ holder: { note: 'because' } })
  expect(readlinkSync(join(root, 'events.lock'))).toBe('because')
  expect(await FileSequence.breakLock(root, 'events')).toEqual({ note: 'because' })
  await (await attempt(root)).close()
})

test.runIf(UNIX)('a link to the pid of a living process is broken only by force', async () => {
  const root = folder()
  symlinkSync(String(process.pid), join(root, 'events.lock'))
  const error = await failure(FileSequence.breakLock(root, 'events'))
  expect(error).toMatchObject({ code: 'PSTREAM_LOCKED', holder: { pid: process.pid, alive: true } })
  expect(existsSync(root)).toBe(true)
  expect(await FileSequence.breakLock(root, 'events', { force: true })).toMatchObject({ pid: process.pid })
  expect(readdirSync(root)).toEqual([])
})

test.runIf(UNIX)('a link to the pid of a dead process is broken without', async () => {
  const root = folder()
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  symlinkSync(String(child.pid), join(root, 'events.lock'))
  expect(await failure(attempt(root))).toMatchObject({ holder: { pid: child.pid, alive: false } })
  expect(await FileSequence.breakLock(root, 'events')).toMatchObject({ pid: child.pid, alive: false })
  await (await attempt(root)).close()
})

test('the lock of a living instance is never broken', async () => {
  const root = folder()
  const opened = await sequence(root)
  for (const force of [false, true]) {
    expect(await failure(FileSequence.breakLock(root, 'events', { force }))).toBeInstanceOf(LockedError)
  }
  closedAtEnd(await opened.alloc())
})

test('no lock, nothing to break; a file that nobody holds goes', async () => {
  const root = folder()
  expect(await FileSequence.breakLock(root, 'events')).toBeUndefined()
  writeFileSync(join(root, 'events.lock'), '')
  expect(await FileSequence.breakLock(root, 'events')).toEqual({})
  expect(readdirSync(root)).toEqual([])
})
