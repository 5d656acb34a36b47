// What a store accepts, where the bytes go, and that what is stored is what is loaded, in this handle and in the next.

import { join } from 'node:path'
import { BlockFile } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { blockFile } from './support/files.js'
import { folder } from './support/folder.js'

const BLOCK = 4096

test('a single buffer is split into whole blocks, the last one may be shorter', async () => {
  const file = await blockFile()
  const behind = pattern(BLOCK, 9)
  await file.store(5, behind)
  const bytes = pattern(2 * BLOCK + 100)
  await file.store(3, bytes)
  expect(same(await file.loadBytes(3, bytes.length), bytes)).toBe(true)
  // What lies behind it in its last block is left alone.
  expect(same((await file.loadBytes(5, BLOCK)).subarray(100), behind.subarray(100))).toBe(true)
})

test('pairs of head and body add up to a block each', async () => {
  const file = await blockFile()
  const data = pattern(2 * BLOCK)
  const [first, second] = [pattern(48, 2), pattern(100, 3)]
  await file.store(1, [first, data.subarray(0, BLOCK - 48), second, data.subarray(BLOCK - 48, 2 * BLOCK - 148)])
  const heads = [new Uint8Array(48), new Uint8Array(100)] as const
  const body = new Uint8Array(2 * BLOCK - 148)
  await file.load(1, [heads[0], body.subarray(0, BLOCK - 48), heads[1], body.subarray(BLOCK - 48)])
  expect(heads).toEqual([first, second])
  expect(same(body, data.subarray(0, body.length))).toBe(true)
})

test('the last pair may be shorter, and either half of a pair may be empty', async () => {
  const file = await blockFile()
  const empty = new Uint8Array(0)
  const bytes = pattern(BLOCK)
  await file.store(0, [bytes, empty, empty, bytes, bytes.subarray(0, 3), bytes.subarray(3, 5)])
  const loaded = await file.loadBytes(0, 2 * BLOCK + 5)
  expect(same(loaded, Buffer.concat([bytes, bytes, bytes.subarray(0, 5)]))).toBe(true)
})

test('an empty list does nothing', async () => {
  const file = await blockFile()
  await file.store(0, [])
  await file.load(0, [])
  await file.store(16, [])
  expect(same(await file.loadBytes(0, file.size), new Uint8Array(file.size))).toBe(true)
})

test('one buffer may appear many times in a list', async () => {
  const file = await blockFile()
  const half = pattern(BLOCK / 2)
  await file.store(0, [half, half, half, half])
  expect(same(await file.loadBytes(0, 2 * BLOCK), Buffer.concat([half, half, half, half]))).toBe(true)
})

test('a load scatters across blocks, whatever the lengths', async () => {
  const file = await blockFile()
  const bytes = pattern(file.size)
  await file.store(0, bytes)
  const targets = [1, 4095, 0, 5000, 1, 10_000].map((length) => new Uint8Array(length))
  await file.load(2, targets)
  expect(same(Buffer.concat(targets), bytes.subarray(2 * BLOCK, 2 * BLOCK + 19_097))).toBe(true)
})

test('more buffers than one call of the system takes', async () => {
  const file = await blockFile(2048)
  const bytes = pattern(file.size)
  const pairs = Array.from({ length: 4096 }, (_, index) => bytes.subarray(index * 2048, (index + 1) * 2048))
  await file.store(0, pairs)
  const targets = Array.from({ length: 5000 }, () => new Uint8Array(1600))
  await file.load(0, targets)
  expect(same(Buffer.concat(targets), bytes.subarray(0, 8_000_000))).toBe(true)
})

test('20 MiB, which are stored in chunks and loaded in pieces', async () => {
  const path = join(folder(), 'data')
  const file = await BlockFile.create(path, { blockCount: 320, blockShift: 16 })
  const bytes = pattern(20 << 20)
  await file.store(0, bytes)
  await file.close()
  const again = await BlockFile.open(path, { blockShift: 16 })
  expect(same(await again.loadBytes(0, bytes.length), bytes)).toBe(true)
  const targets = [new Uint8Array((9 << 20) + 7), new Uint8Array(8 << 20)]
  await again.load(1, targets)
  expect(same(Buffer.concat(targets), bytes.subarray(1 << 16, (1 << 16) + (17 << 20) + 7))).toBe(true)
  await again.close()
})

test('blocks larger than a piece', async () => {
  const file = await blockFile(3, 24)
  const bytes = pattern(2 * (1 << 24) + 5)
  await file.store(0, bytes)
  const target = new Uint8Array(bytes.length)
  await file.load(0, target)
  expect(same(target, bytes)).toBe(true)
})

test('stores of one file come one after the other, in the order of the calls', async () => {
  const file = await blockFile()
  const stores = Array.from({ length: 50 }, (_, index) => file.store(0, pattern(file.size, index + 1)))
  await Promise.all(stores)
  expect(same(await file.loadBytes(0, file.size), pattern(file.size, 50))).toBe(true)
})

test('a Buffer, a view into a larger buffer and a subclass are fine', async () => {
  class Liar extends Uint8Array {
    override get byteLength(): number {
      return 1
    }
    override get length(): number {
      return 1
    }
  }
  const file = await blockFile()
  const bytes = pattern(BLOCK)
  await file.store(0, Buffer.from(bytes))
  await file.store(2, new Liar(bytes.buffer))
  const padded = new Uint8Array(BLOCK + 200)
  padded.set(bytes, 100)
  await file.store(3, padded.subarray(100, 100 + BLOCK))
  for (const block of [0, 2, 3]) expect(same(await file.loadBytes(block, BLOCK), bytes)).toBe(true)
})
