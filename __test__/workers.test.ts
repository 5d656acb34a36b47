// Worker threads that are terminated in the middle of whatever they do leave nothing behind: no crash, no descriptor, no
// lock.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { FileSequence } from 'pstream'
import { expect, test } from 'vitest'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'

const fixture = new URL('fixtures/busy-worker.mjs', import.meta.url)
const WORKERS = 32

test('32 workers are terminated in the middle of opens, stores and loads', { timeout: 120_000 }, async () => {
  const root = folder()
  const shape = { blockCount: 256, blockShift: 12 }
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, index) => {
      const name = `w${index}`
      const worker = new Worker(fixture, { workerData: { root, name } })
      await once(worker, 'message')
      await new Promise((resolve) => setTimeout(resolve, index * 3))
      await worker.terminate()
      // The lock is free, and the sequence is sound.
      const sequence = await FileSequence.open(root, { ...shape, name, lockTimeoutMs: 20_000 })
      for await (const file of sequence.retrieve()) await sequence.release(file)
      await (await sequence.alloc()).close()
      await sequence.close()
      const { openable, problems } = await FileSequence.inspect(root, name)
      expect(openable, JSON.stringify(problems)).toBe(true)
    }),
  )
  expect(openDescriptors(root)).toEqual([])
  expect(readdirSync(root).filter((name) => name.endsWith('.lock'))).toEqual([])
})

test('a worker that ends by itself with calls under way', { timeout: 60_000 }, async () => {
  const root = folder()
  const source = `
    const { workerData } = require('node:worker_threads')
    import(workerData.entry).then(async ({ BlockFile }) => {
      const file = await BlockFile.create(workerData.path, { blockCount: 2048, blockShift: 12 })
      file.store(0, new Uint8Array(8 << 20))
      file.store(0, new Uint8Array(8 << 20))
      file.loadBytes(0, 8 << 20)
      process.exit(0)
    })`
  const entry = import.meta.resolve('pstream')
  for (let round = 0; round < 8; round += 1) {
    const worker = new Worker(source, { eval: true, workerData: { entry, path: `${root}/file-${round}` } })
    const [code] = await once(worker, 'exit')
    expect(code).toBe(0)
  }
  expect(openDescriptors(root)).toEqual([])
})
