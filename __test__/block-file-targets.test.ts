// A load may fill any kind of memory; one whose target is gone when its turn comes says so, and touches nothing else.

import { InvalidInputError } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { blockFile } from './support/files.js'

const BLOCK = 4096

test('shared memory', async () => {
  const file = await blockFile()
  await file.store(0, pattern(BLOCK))
  const shared = new Uint8Array(new SharedArrayBuffer(BLOCK))
  await file.load(0, shared)
  expect(same(shared, pattern(BLOCK))).toBe(true)
  await file.store(1, shared)
  expect(same(await file.loadBytes(1, BLOCK), pattern(BLOCK))).toBe(true)
})

test('resizable memory, also when it grows in the meantime', async () => {
  const file = await blockFile()
  await file.store(0, pattern(2 * BLOCK))
  const buffer = new ArrayBuffer(BLOCK, { maxByteLength: 2 * BLOCK })
  const target = new Uint8Array(buffer)
  const load = file.load(0, target)
  buffer.resize(2 * BLOCK)
  await load
  expect(same(target.subarray(0, BLOCK), pattern(2 * BLOCK).subarray(0, BLOCK))).toBe(true)
  expect(target.subarray(BLOCK).every((byte) => byte === 0)).toBe(true)
})

test('a buffer that was shrunk in the meantime', async () => {
  const file = await blockFile()
  const buffer = new ArrayBuffer(BLOCK, { maxByteLength: BLOCK })
  const [first, second] = [new Uint8Array(BLOCK), new Uint8Array(buffer)]
  await file.store(0, pattern(2 * BLOCK))
  const load = failure(file.load(0, [first, second]))
  buffer.resize(BLOCK - 1)
  const error = await load
  expect(error).toBeInstanceOf(InvalidInputError)
  expect(error.message).toBe('into[1] was detached or became too short while the load was under way')
  expect(second.every((byte) => byte === 0)).toBe(true)
  // What was in front of it has been filled, and the file goes on.
  expect(same(first, pattern(2 * BLOCK).subarray(0, BLOCK))).toBe(true)
  await file.load(0, first)
})

test('a buffer that was transferred in the meantime', async () => {
  const file = await blockFile()
  const target = new Uint8Array(BLOCK)
  const load = failure(file.load(0, target))
  const moved = structuredClone(target.buffer, { transfer: [target.buffer] })
  expect((await load).message).toBe('into was detached or became too short while the load was under way')
  expect(new Uint8Array(moved).every((byte) => byte === 0)).toBe(true)
})

test('what is detached at the call is refused at once', async () => {
  const file = await blockFile()
  const gone = new Uint8Array(BLOCK)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  const buffer = new ArrayBuffer(BLOCK, { maxByteLength: BLOCK })
  const outside = new Uint8Array(buffer, BLOCK / 2, 8)
  buffer.resize(1)
  for (const bytes of [gone, outside]) {
    for (const call of [file.store(0, bytes), file.load(0, bytes), file.store(0, [new Uint8Array(8), bytes])]) {
      const error = await failure(call)
      expect(error).toBeInstanceOf(InvalidInputError)
      expect(error.message).toMatch(/^(from|into)(\[1\])? is detached, or its buffer has become too short for it$/)
    }
  }
})

test('loadBytes gives memory of its own, of exactly the length asked for', async () => {
  const file = await blockFile()
  const [first, second] = [await file.loadBytes(0, 10), await file.loadBytes(0, 10)]
  expect(first.buffer.byteLength).toBe(10)
  expect(first.buffer).not.toBe(second.buffer)
})

test('a buffer with methods of its own is filled, and never sees the memory that native code uses', async () => {
  const seen: unknown[] = []
  class Curious extends Uint8Array {
    override set(source: ArrayLike<number>, offset?: number): void {
      seen.push(source)
      super.set(source, offset)
    }
    override get byteLength(): number {
      return 1
    }
  }
  const file = await blockFile()
  await file.store(0, pattern(BLOCK))
  const target = new Curious(BLOCK)
  await file.load(0, target)
  expect(same(target, pattern(BLOCK))).toBe(true)
  await file.store(1, target)
  expect(same(await file.loadBytes(1, BLOCK), pattern(BLOCK))).toBe(true)
  expect(seen).toEqual([])
})
