// However much is written and read, little of it stays in the page cache.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlockFile, PersistentStream } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'

const SIZE = 256 << 20
const STEP = 1 << 20
const MOST_BYTES = 8 << 20

/** Bytes of the file in the page cache. */
function resident(path: string): number {
  const { stdout } = spawnSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { encoding: 'utf8' })
  return Number(stdout)
}

function onMemory(path: string): boolean {
  return spawnSync('stat', ['-f', '-c', '%T', path], { encoding: 'utf8' }).stdout.trim() === 'tmpfs'
}

const folders = [tmpdir(), '/var/tmp', process.cwd()]
const place = process.platform === 'linux' ? folders.find((path) => !onMemory(path)) : undefined
const possible = place !== undefined && spawnSync('fincore', ['--version']).status === 0
if (!possible) console.log('skipped: fincore is missing, or there is no folder on a disk')

test.runIf(possible)('256 MiB written and read, 1 MiB at a time, forwards', { timeout: 120_000 }, async () => {
  const root = mkdtempSync(join(place ?? '', 'pstream-test-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const file = await BlockFile.create(join(root, 'data'), { blockCount: SIZE >> 16, blockShift: 16 })
  const bytes = new Uint8Array(STEP).fill(9)
  for (let at = 0; at < SIZE; at += STEP) await file.store(at >> 16, bytes)
  expect(resident(file.path)).toBeLessThan(MOST_BYTES)
  for (let at = 0; at < SIZE; at += STEP) await file.load(at >> 16, bytes)
  expect(resident(file.path)).toBeLessThan(MOST_BYTES)
  await file.store(0, new Uint8Array(SIZE))
  expect(resident(file.path)).toBeLessThan(MOST_BYTES)
  await file.loadBytes(0, SIZE)
  expect(resident(file.path)).toBeLessThan(MOST_BYTES)
  await file.close()

  // The measure works: kept is kept.
  const keeping = await BlockFile.open(file.path, { blockShift: 16, cache: 'keep' })
  await keeping.loadBytes(0, SIZE)
  expect(resident(file.path)).toBeGreaterThan(SIZE / 2)
  await keeping.close()
})

/** Bytes of all files of the stream. */
function residentOf(root: string): number {
  const files = readdirSync(root).filter((name) => /^stream\.\d/.test(name))
  return files.reduce((sum, name) => sum + resident(join(root, name)), 0)
}

test.runIf(possible)('128 MiB appended to a stream and read', { timeout: 120_000 }, async () => {
  const root = mkdtempSync(join(place ?? '', 'pstream-test-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const stream = await PersistentStream.open(root)
  onTestFinished(() => stream.close())
  const records = Array.from({ length: 1000 }, () => new Uint8Array(1048).fill(9))
  for (let round = 0; round < 128; round += 1) {
    await stream.appendMany(records)
    // At every place in a file, not only where one is full.
    if (round % 7 === 0) expect(residentOf(root)).toBeLessThan(2 * MOST_BYTES)
  }
  const scan = async (cache: 'drop' | 'keep') => {
    let count = 0
    for await (const batch of stream.readBatches({ cache })) count += batch.length
    expect(count).toBe(128_000)
  }
  await scan('drop')
  expect(residentOf(root)).toBeLessThan(2 * MOST_BYTES)
  expect((await stream.verify()).ok).toBe(true)
  expect(residentOf(root)).toBeLessThan(2 * MOST_BYTES)
  for (let seq = 0; seq < 128_000; seq += 1000) await stream.get(seq)
  await stream.search(({ seq }) => seq - 100_000)
  expect(residentOf(root)).toBeLessThan(2 * MOST_BYTES)

  // The measure works: kept is kept.
  await scan('keep')
  expect(residentOf(root)).toBeGreaterThan(64 << 20)
})
