// What a stream says it has done, and what it takes.

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { stream } from './support/streams.js'

const SMALL = { fileSize: '1MiB', blockSize: '4KiB' } as const

function onDisk(root: string): { length: number; allocated: number } {
  const sizes = readdirSync(root)
    .filter((name) => /^stream\.[0-9a-f]{4}-/.test(name))
    .map((name) => statSync(join(root, name)))
  const sum = (numbers: number[]) => numbers.reduce((one, other) => one + other, 0)
  return { length: sum(sizes.map(({ size }) => size)), allocated: sum(sizes.map(({ blocks }) => blocks * 512)) }
}

test('a new stream', async () => {
  const root = folder()
  const stats = (await stream(root)).stats()
  expect(stats).toMatchObject({ appends: 0, bytes: 0, commits: 0, pendingBytes: 0, pendingAppends: 0, files: 1 })
  expect(stats).toMatchObject({ bytesOnDisk: 4 << 20, commitLatency: { p50: 0, p99: 0, max: 0 } })
  expect(stats.bytesUsed).toBeLessThan(16_384)
  expect(onDisk(root).length).toBe(stats.bytesOnDisk)
})

test('commits, syncs, bytes and latency are counted, and kept when it is closed', async () => {
  const root = folder()
  const opened = await stream(root, SMALL)
  const before = opened.stats()
  for (let index = 0; index < 50; index += 1) await opened.append(new Uint8Array(1000))
  const after = opened.stats()
  expect(after).toMatchObject({ appends: 50, bytes: 50_000, commits: 50 })
  expect(after.syncs - before.syncs).toBeGreaterThanOrEqual(50)
  expect(after.syncs - before.syncs).toBeLessThan(60)
  expect(after.bytesUsed - before.bytesUsed).toBeGreaterThan(50_000)
  expect(after.bytesUsed - before.bytesUsed).toBeLessThan(70_000)
  const { p50, p99, max } = after.commitLatency
  expect(p50).toBeGreaterThan(0)
  expect(p99).toBeGreaterThanOrEqual(p50)
  expect(max).toBeGreaterThanOrEqual(p99)
  expect(max).toBeLessThan(30_000)
  await opened.append('x', { durability: 'written' })
  expect(opened.stats().syncs).toBe(after.syncs)
  await opened.close()
  expect(opened.stats()).toMatchObject({ appends: 51, commits: 51, files: 1 })
  expect(opened.stats().syncs).toBeGreaterThan(after.syncs)
})

test('what it takes on disk is what the files take, prepared ones and those of earlier openings too', async () => {
  const root = folder()
  let opened = await stream(root, SMALL)
  for (let index = 0; index < 60; index += 1) await opened.append(new Uint8Array(50_000))
  // As soon as the file that was made ahead of time is taken.
  for (let round = 0; round < 500 && opened.stats().bytesOnDisk !== onDisk(root).length; round += 1) {
    await opened.append('x')
  }
  const stats = opened.stats()
  expect(stats.files).toBeGreaterThanOrEqual(3)
  expect(stats.bytesOnDisk).toBe(onDisk(root).length)
  if (process.platform === 'linux') expect(onDisk(root).allocated).toBeGreaterThanOrEqual(stats.bytesOnDisk)
  expect(stats.bytesUsed).toBeLessThanOrEqual(stats.files << 20)
  expect(stats.bytesUsed).toBeGreaterThan(60 * 50_000)
  await opened.close()
  opened = await stream(root, SMALL)
  expect(opened.stats()).toMatchObject({ appends: 0, commits: 0, files: stats.files })
  expect(opened.stats().bytesOnDisk).toBe(onDisk(root).length)
})
