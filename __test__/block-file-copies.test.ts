// The bytes stored are those of the moment of the call: what the caller does with its buffer afterwards does not matter.

import { InvalidInputError } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { blockFile } from './support/files.js'

test('changing the buffer right after the call changes nothing', async () => {
  const file = await blockFile(512)
  const bytes = pattern(file.size)
  const expected = bytes.slice()
  // The second one waits for the first one, and has copied all the same.
  const stores = [file.store(0, bytes), file.store(0, bytes)]
  bytes.fill(0xff)
  await Promise.all(stores)
  expect(same(await file.loadBytes(0, file.size), expected)).toBe(true)
})

test('transferring the buffer right after the call changes nothing', async () => {
  const file = await blockFile(512)
  const bytes = pattern(file.size)
  const expected = bytes.slice()
  const store = file.store(0, bytes)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  expect(bytes.length).toBe(0)
  await store
  expect(same(await file.loadBytes(0, file.size), expected)).toBe(true)
})

test('shrinking a resizable buffer right after the call changes nothing', async () => {
  const file = await blockFile(512)
  const buffer = new ArrayBuffer(file.size, { maxByteLength: file.size })
  const bytes = new Uint8Array(buffer)
  bytes.set(pattern(file.size))
  const store = file.store(0, bytes)
  buffer.resize(1)
  await store
  expect(same(await file.loadBytes(0, file.size), pattern(file.size))).toBe(true)
})

test('changing the list right after the call changes nothing', async () => {
  const file = await blockFile()
  const [first, second] = [pattern(2048, 1), pattern(2048, 2)]
  const list = [first, second]
  const store = file.store(0, list)
  list.length = 0
  await store
  expect(same(await file.loadBytes(0, 4096), Buffer.concat([first, second]))).toBe(true)
})

test('memory that is used again does not leak from one store into another', async () => {
  const file = await blockFile()
  await file.store(0, new Uint8Array(file.size).fill(7))
  await file.store(1, new Uint8Array(10).fill(1))
  const loaded = await file.loadBytes(1, 20)
  expect([...loaded]).toEqual([...new Array(10).fill(1), ...new Array(10).fill(7)])
})

test('a buffer that is lost while the list is being looked at is refused', async () => {
  const file = await blockFile()
  const half = file.blockSize / 2
  const shared = new SharedArrayBuffer(half, { maxByteLength: 2 * half })
  const grows = new Uint8Array(shared)
  const [moved, rest] = [new Uint8Array(half), new Uint8Array(half)]
  const lists: [Uint8Array, () => unknown][] = [
    [moved, () => structuredClone(moved.buffer, { transfer: [moved.buffer] })],
    [grows, () => shared.grow(2 * half)],
  ]
  for (const [first, spoil] of lists) {
    const list = new Proxy([first, rest], {
      get(target, key) {
        if (key === '1') spoil()
        return Reflect.get(target, key)
      },
    })
    const error = await failure(file.store(0, list))
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toBe('from[0] has changed its length during the call')
  }
  expect((await file.loadBytes(0, file.size)).every((byte) => byte === 0)).toBe(true)
})
