// What was appended when the process or the worker ends, and was not acknowledged yet, is committed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { prologue, run } from './support/children.js'
import { folder } from './support/folder.js'
import { commitThreads } from './support/streams.js'
import { mayTrace, traced } from './support/trace.js'

/** How many records there are. */
async function records(root: string, name = 'stream'): Promise<number> {
  const stream = await PersistentStream.open(root, { name, lockTimeoutMs: 10_000 })
  await stream.close()
  return stream.nextSeq
}

const open = 'const stream = await PersistentStream.open(root)\n'

test.each([
  ['one append', `stream.append('x')`, 1],
  ['one write', `stream.write('x')`, 1],
  ['records that belong together', `stream.appendMany(['x', 'y', 'z'])`, 3],
  ['of either level', `stream.append('x', { durability: 'written' }); stream.append('y'); stream.write('z')`, 3],
  [
    'more than an arena holds',
    'for (let index = 0; index < 15_000; index += 1) stream.append(new Uint8Array(1000))',
    15_000,
  ],
  ['with a delay of commits', `stream.append('x')`, 1, '{ commitDelayMs: 60_000 }'],
  ['several turns', `stream.append('x'); await null; await null; stream.append('y')`, 2],
  [
    'from a listener of exit that comes later',
    `process.on('exit', () => { stream.append('x'); stream.write('y') })`,
    2,
  ],
  ['from a listener that appends together', `process.on('exit', () => stream.appendMany(['x', 'y']))`, 2],
])('process.exit() in the same tick: %s', async (_, script, expected, options = '{}') => {
  const root = folder()
  const opening = `const stream = await PersistentStream.open(root, ${options})`
  const { stderr, status } = run(`${opening}\n${script}\nprocess.exit(7)`, root)
  expect({ stderr, status }).toEqual({ stderr: '', status: 7 })
  expect(await records(root)).toBe(expected)
})

test('an exception that nobody has caught, and a rejection', async () => {
  const root = folder()
  const later = (script: string) => `${open}setTimeout(() => { stream.append('x'); ${script} })`
  const { stderr, status } = run(later(`throw new Error('on purpose')`), root)
  expect(status).toBe(1)
  expect(stderr).toContain('on purpose')
  expect(await records(root)).toBe(1)
  expect(run(later(`Promise.reject(new Error('on purpose'))`), root).status).toBe(1)
  expect(await records(root)).toBe(2)
})

test('all streams of the process, and a crash handler of the sync kind', async () => {
  const root = folder()
  const script = `
    const streams = []
    for (const name of ['a', 'b', 'c']) streams.push(await PersistentStream.open(root, { name }))
    for (const stream of streams) stream.append('x')
    process.on('uncaughtExceptionMonitor', (error) => streams[0].appendSync(error.message))
    throw new Error('on purpose')`
  expect(run(script, root).status).toBe(1)
  expect([await records(root, 'a'), await records(root, 'b'), await records(root, 'c')]).toEqual([2, 1, 1])
})

test('flushOnExit: false leaves what was not submitted', async () => {
  const root = folder()
  const quiet = 'const stream = await PersistentStream.open(root, { flushOnExit: false })\n'
  expect(run(`${quiet}stream.append('x'); process.exit(0)`, root).status).toBe(0)
  expect(await records(root)).toBe(0)
  await terminate(root, { flushOnExit: false }, 'stream.append(record)')
  expect(await records(root)).toBe(0)
})

/** Runs `script` in a worker that is terminated in the midst of its turn. */
async function terminate(root: string, options: object, script: string): Promise<void> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.entry).then(async ({ PersistentStream }) => {
      const stream = await PersistentStream.open(workerData.root, workerData.options)
      const record = new Uint8Array(1000)
      ${script}
      const done = new Int32Array(workerData.shared)
      Atomics.store(done, 0, 1)
      Atomics.notify(done, 0)
      for (;;) {}
    })`
  const shared = new SharedArrayBuffer(4)
  const entry = import.meta.resolve('pstream')
  const worker = new Worker(source, { eval: true, workerData: { entry, root, options, shared } })
  const done = new Int32Array(shared)
  for (let round = 0; Atomics.load(done, 0) === 0 && round < 2000; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(Atomics.load(done, 0)).toBe(1)
  await worker.terminate()
}

test.each([
  ['one append', 'stream.append(record)', 1],
  ['one write', 'stream.write(record)', 1],
  ['records that belong together', `stream.appendMany([record, 'two', 'three'])`, 3],
  ['behind those of another level', `stream.append(record, { durability: 'written' }); stream.append(record)`, 2],
  ['of the other level', `stream.append(record, { durability: 'written' })`, 1],
  ['in more than one arena', 'for (let index = 0; index < 3000; index += 1) stream.append(record)', 3000],
  [
    'after some that were acknowledged',
    'await stream.append(record); await stream.append(record); stream.append(record)',
    3,
  ],
])('a worker is terminated in the same tick: %s', async (_, script, expected) => {
  const root = folder()
  await terminate(root, {}, script)
  const stream = await PersistentStream.open(root, { lockTimeoutMs: 0 })
  expect(stream.recovery).toMatchObject({ previous: 'closed', records: { nextSeq: expected } })
  await stream.close()
  // A thread that has ended may be listed for a moment longer.
  await expect.poll(commitThreads).toBe(0)
})

test('a worker is terminated in the midst of copying: whole records, and all or none of those together', async () => {
  const root = folder()
  const source = `
    const { workerData } = require('node:worker_threads')
    import(workerData.entry).then(async ({ PersistentStream }) => {
      const stream = await PersistentStream.open(workerData.root, { maxPendingBytes: '512MiB' })
      const record = new Uint8Array(3000)
      const seven = Array.from({ length: 7 }, () => record)
      Atomics.store(new Int32Array(workerData.shared), 0, 1)
      for (;;) stream.appendMany(seven).catch(() => {})
    })`
  const entry = import.meta.resolve('pstream')
  for (let round = 0; round < 8; round += 1) {
    const shared = new SharedArrayBuffer(4)
    const worker = new Worker(source, { eval: true, workerData: { entry, root, shared } })
    while (Atomics.load(new Int32Array(shared), 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, round * 3))
    await worker.terminate()
    const count = await records(root)
    expect(count % 7).toBe(0)
    expect(count).toBeGreaterThan(0)
  }
})

test('the main thread ends while a worker appends', async () => {
  const root = folder()
  const script = `
    import { Worker } from 'node:worker_threads'
    const source = ${JSON.stringify(`
      import('node:worker_threads').then(async ({ parentPort, workerData }) => {
        const { PersistentStream } = await import(workerData.entry)
        const stream = await PersistentStream.open(workerData.root)
        for (let index = 0; index < 10; index += 1) stream.append('x')
        parentPort.postMessage('go')
        for (;;) {}
      })`)}
    const workerData = { entry: ${JSON.stringify(import.meta.resolve('pstream'))}, root }
    const worker = new Worker(source, { eval: true, workerData })
    worker.on('message', () => process.exit(3))`
  const { stderr, status } = run(script, root)
  expect({ stderr, status }).toEqual({ stderr: '', status: 3 })
  expect(await records(root)).toBe(10)
})

const possible = mayTrace()
if (!possible) console.log('skipped: there is no strace, or it may not trace')

test.runIf(possible)('a disk that hangs holds the end up for two seconds', { timeout: 60_000 }, async () => {
  const root = folder()
  // Each thread is counted apart: the first call of the commit thread is acknowledged.
  const slow = 'inject=pwritev2:delay_enter=6000000:when=2+'
  const { stdout } = traced(slow, 'exit-on-a-slow-disk.mjs', root)
  const { held } = JSON.parse(stdout)
  expect(held).toBeGreaterThan(1900)
  expect(held).toBeLessThan(4000)
  expect(await records(root)).toBeGreaterThanOrEqual(1)
})

if (process.platform === 'win32') console.log('skipped: Windows has no signals that end a process')
test.skipIf(process.platform === 'win32').each(['SIGTERM', 'SIGINT'] as const)('the recipe for %s', async (signal) => {
  const root = folder()
  const script = `
    const stream = await PersistentStream.open(root)
    for (const signal of ['SIGTERM', 'SIGINT']) {
      process.once(signal, () => {
        stream.closeSync()
        process.kill(process.pid, signal)
      })
    }
    setInterval(() => {}, 1000)
    for (let index = 0; index < 100; index += 1) stream.append('x')
    console.log('go')`
  const args = ['--input-type=module', '-e', `${prologue}${script}`, root]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill(signal)
  const [, ended] = await once(child, 'exit')
  expect(ended).toBe(signal)
  const stream = await PersistentStream.open(root)
  expect(stream.recovery).toMatchObject({ previous: 'closed', records: { nextSeq: 100 } })
  await stream.close()
})
