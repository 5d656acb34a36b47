// Nothing blocks the event loop: after the call that copies the bytes, whatever runs beside a large store, or a read, is
// not held up.

import { join } from 'node:path'
import { BlockFile, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const SIZE = 256 << 20
const MOST_MS = 80
/** The best of so many counts: a machine that does other things too holds the thread up now and then. */
const ATTEMPTS = 5

/** The longest time between two turns of the loop while the call is pending, after what it does at once. */
async function longestDelay(call: () => Promise<unknown>): Promise<number> {
  const promise = call()
  let last = performance.now()
  let longest = 0
  let pending = true
  const turn = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (pending) setImmediate(turn)
  }
  setImmediate(turn)
  await promise
  pending = false
  return longest
}

async function leastOf(call: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < ATTEMPTS && least > MOST_MS; attempt += 1) {
    least = Math.min(least, await longestDelay(call))
  }
  return least
}

test('a 256 MiB store, load and loadBytes', { timeout: 120_000 }, async () => {
  const file = await BlockFile.create(join(folder(), 'data'), { blockCount: SIZE >> 16, blockShift: 16 })
  const bytes = new Uint8Array(SIZE).fill(3)
  expect(await leastOf(() => file.store(0, bytes))).toBeLessThan(MOST_MS)
  expect(await leastOf(() => file.load(0, bytes))).toBeLessThan(MOST_MS)
  expect(await leastOf(() => file.loadBytes(0, SIZE))).toBeLessThan(MOST_MS)
  await file.close()
})

test('many waiting stores of one file leave the thread pool to others', async () => {
  const root = folder()
  const [busy, other] = await Promise.all(
    ['busy', 'other'].map((name) => BlockFile.create(join(root, name), { blockCount: 4096, blockShift: 12 })),
  )
  if (busy === undefined || other === undefined) throw new Error('unreachable')
  const bytes = new Uint8Array(16 << 20).fill(1)
  let done = 0
  const stores = Array.from({ length: 8 }, async () => {
    await busy.store(0, bytes)
    done += 1
  })
  await other.store(0, new Uint8Array(4096))
  expect(done).toBeLessThan(4)
  await Promise.all(stores)
  await Promise.all([busy.close(), other.close()])
})

test('reading a stream: records of every size', { timeout: 120_000 }, async () => {
  const stream = await PersistentStream.open(folder(), { maxPendingBytes: '256MiB' })
  for (let round = 0; round < 20; round += 1) {
    await stream.appendMany(Array.from({ length: 5000 }, () => new Uint8Array(256).fill(round)))
  }
  const large = await stream.append(new Uint8Array(48 << 20).fill(7))
  await stream.append(new Uint8Array(20 << 20).fill(8))
  const scan = async () => {
    let bytes = 0
    for await (const batch of stream.readBatches()) for (const { data } of batch) bytes += data.length
    expect(bytes).toBe(100_000 * 256 + (68 << 20))
  }
  expect(await leastOf(scan)).toBeLessThan(MOST_MS)
  expect(await leastOf(() => stream.get(large))).toBeLessThan(MOST_MS)
  expect(await leastOf(() => stream.verify())).toBeLessThan(MOST_MS)
  expect(await leastOf(() => stream.search(({ data }) => data.length - (48 << 20)))).toBeLessThan(MOST_MS)
  await stream.close()
})

test('reading a stream: records of one byte, one by one', { timeout: 120_000 }, async () => {
  const stream = await PersistentStream.open(folder(), { maxPendingBytes: '256MiB' })
  const records = Array.from({ length: 100_000 }, () => 'x')
  for (let round = 0; round < 10; round += 1) await stream.appendMany(records)
  const scan = async () => {
    let count = 0
    for await (const _ of stream.read()) count += 1
    expect(count).toBe(1_000_000)
  }
  expect(await leastOf(scan)).toBeLessThan(MOST_MS)
  await stream.close()
})

test('many reads of one stream leave the thread pool to others', async () => {
  const root = folder()
  const stream = await PersistentStream.open(root)
  for (let round = 0; round < 4; round += 1) await stream.append(new Uint8Array(8 << 20).fill(round))
  const file = await BlockFile.create(join(root, 'other'), { blockCount: 16, blockShift: 12 })
  let done = 0
  const reads = Array.from({ length: 30 }, async () => {
    await stream.get(done % 4)
    done += 1
  })
  await file.store(0, new Uint8Array(4096))
  expect(done).toBeLessThan(15)
  await Promise.all(reads)
  await Promise.all([file.close(), stream.close()])
})
