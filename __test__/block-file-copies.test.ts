// The bytes stored are those of the moment of the call: what the caller does with its buffer afterwards does not matter.

import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
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
