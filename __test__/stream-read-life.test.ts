// What reads a stream ends with whoever reads: nothing keeps a process alive but what is under way, and nothing leaks.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { commitThreads } from './support/streams.js'

const entry = import.meta.resolve('pstream')

function run(script: string, ...args: string[]) {
  const source = `import { PersistentStream } from ${JSON.stringify(entry)}
    import { readdirSync, readlinkSync } from 'node:fs'
    const root = process.argv[1]
    const descriptors = () => readdirSync('/proc/self/fd').filter((name) => {
      try { return readlinkSync('/proc/self/fd/' + name).startsWith(root) } catch { return false }
    }).length
    const fill = async (stream) => {
      for (let round = 0; round < 5; round += 1) await stream.appendMany(Array(1000).fill(new Uint8Array(300)))
    }
    ${script}`
  return spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', source, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  })
}

test('a pending call keeps the process alive; an open iterator does not', () => {
  const script = `
    const stream = await PersistentStream.open(root)
    await fill(stream)
    const iterator = stream.read()
    await iterator.next()
    const batches = stream.readBatches()
    for (let count = 0; count < 3; count += 1) await batches.next()
    stream.verify().then(({ records }) => console.log('verified', records))
    stream.get(4999).then(({ seq }) => console.log('got', seq))
    stream.read({ from: 3000, limit: 1 }).next().then(({ value }) => console.log('read', value.seq))`
  const begin = performance.now()
  const { stdout, stderr, status } = run(script, folder())
  expect({ stdout: stdout.split('\n').sort(), stderr, status }).toEqual({
    stdout: ['', 'got 4999', 'read 3000', 'verified 5000'],
    stderr: '',
    status: 0,
  })
  expect(performance.now() - begin).toBeLessThan(10_000)
})

test('a process that exits in the middle of reading', () => {
  const root = folder()
  for (const delay of [0, 1, 3, 10]) {
    const script = `
      const stream = await PersistentStream.open(root)
      if (stream.nextSeq === 0) await fill(stream)
      for (let index = 0; index < 4; index += 1) {
        stream.verify()
        ;(async () => { for await (const _ of stream.read()); })()
        stream.search(() => -1)
        stream.get(5)
      }
      setTimeout(() => process.exit(7), ${delay})`
    expect(run(script, root)).toMatchObject({ stdout: '', stderr: '', status: 7, signal: null })
  }
})

if (process.platform !== 'linux') console.log('skipped: only Linux shows descriptors')
test.runIf(process.platform === 'linux')(
  'an iterator that is dropped leaves nothing behind',
  { timeout: 40_000 },
  () => {
    const script = `
    const stream = await PersistentStream.open(root)
    await fill(stream)
    const before = descriptors()
    const dropped = []
    async function forget() {
      for (let index = 0; index < 50; index += 1) {
        const iterator = index % 2 ? stream.read() : stream.readBatches()
        for (let count = 0; count < index * 50; count += 1) await iterator.next()
        dropped.push(new WeakRef(iterator))
      }
      // With calls under way that nobody waits for.
      for (let index = 0; index < 10; index += 1) stream.read().next()
    }
    await forget()
    const during = descriptors()
    let [left, open] = [1, 1]
    for (let round = 0; round < 400 && (left > 0 || open > 0); round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      globalThis.gc()
      left = dropped.filter((ref) => ref.deref() !== undefined).length
      open = descriptors() - before
    }
    console.log(JSON.stringify({ opened: during > before, left, open }))
    await stream.close()`
    const { stdout, stderr } = run(script, folder())
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ opened: true, left: 0, open: 0 })
  },
)

test('a read keeps its stream open, whoever has dropped it', () => {
  const script = `
    const open = async () => {
      const stream = await PersistentStream.open(root)
      await fill(stream)
      return stream.read({ copy: true })
    }
    let count = 0
    for await (const { seq } of await open()) {
      if (seq !== count) throw new Error('out of order')
      if (count % 500 === 0) { globalThis.gc(); await new Promise((resolve) => setTimeout(resolve, 5)) }
      count += 1
    }
    console.log(count)`
  expect(run(script, folder())).toMatchObject({ stdout: '5000\n', stderr: '', status: 0 })
})

test('memory stays flat', { timeout: 60_000 }, () => {
  const script = `
    const stream = await PersistentStream.open(root, { maxPendingBytes: '256MiB' })
    for (let round = 0; round < 32; round += 1) await stream.appendMany(Array(1000).fill(new Uint8Array(2000)))
    const scan = async () => {
      for await (const batch of stream.readBatches()) if (batch.length === 0) throw new Error()
    }
    await scan()
    globalThis.gc()
    const before = process.memoryUsage().rss
    for (let round = 0; round < 12; round += 1) await scan()
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 100))
    globalThis.gc()
    console.log((process.memoryUsage().rss - before) / 2 ** 20)
    await stream.close()`
  const { stdout, stderr } = run(script, folder())
  expect(stderr).toBe('')
  // Of 768 MiB that were read.
  expect(Number(stdout)).toBeLessThan(96)
})

test('workers are terminated in the middle of reading', { timeout: 120_000 }, async () => {
  const root = folder()
  const fixture = new URL('fixtures/reading-worker.mjs', import.meta.url)
  await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      const name = `w${index}`
      const worker = new Worker(fixture, { workerData: { root, name } })
      await once(worker, 'message')
      await pause(index * 7)
      await worker.terminate()
      const stream = await PersistentStream.open(root, { name, lockTimeoutMs: 0 })
      expect(stream.recovery.previous).toBe('closed')
      expect(await stream.verify()).toMatchObject({ records: stream.nextSeq, ok: true })
      await stream.close()
    }),
  )
  expect(commitThreads()).toBe(0)
  expect(openDescriptors(root)).toEqual([])
})

test('a worker that ends by itself in the middle of reading', { timeout: 60_000 }, async () => {
  const root = folder()
  const source = `
    const { workerData } = require('node:worker_threads')
    import(workerData.entry).then(async ({ PersistentStream }) => {
      const stream = await PersistentStream.open(workerData.root)
      if (stream.nextSeq === 0) await stream.appendMany(Array(2000).fill(new Uint8Array(500)))
      for (let index = 0; index < 5; index += 1) {
        stream.read().next(); stream.readBatches().next(); stream.verify(); stream.get(5); stream.search(() => 0)
      }
      const iterator = stream.read()
      await iterator.next()
      iterator.return()
      if (workerData.round % 2) stream.close()
      process.exit(0)
    })`
  for (let round = 0; round < 8; round += 1) {
    const worker = new Worker(source, { eval: true, workerData: { entry, root, round } })
    const [code] = await once(worker, 'exit')
    expect(code).toBe(0)
  }
  expect(commitThreads()).toBe(0)
  expect(openDescriptors(root)).toEqual([])
})
