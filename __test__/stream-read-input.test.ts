// Every argument of every call that reads, with bad values: rejected with a code, never thrown, and nothing changed.

import { InvalidInputError, type PersistentStream, StreamReader } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { appendEach } from './support/records.js'
import { stream } from './support/streams.js'

const notNumbers = [null, true, '1', 1n, Symbol('x'), {}, [], [1], () => 1, Object(1)]
const notIntegers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5, -1, -0.5, 2 ** 53, 1e300]
const badReads: Record<string, unknown[]> = {
  from: [...notNumbers, ...notIntegers, new Date(Number.NaN), 'newest', '', 'OLDEST', '2026-01-01'],
  to: [...notNumbers, ...notIntegers, new Date(), 'end'],
  limit: [...notNumbers, ...notIntegers, 'all'],
  onGap: [null, true, 1, 'skip', '', {}, []],
  copy: [null, 0, 1, 'true', {}],
  cache: [null, true, 'none', 'DROP', {}],
  visibility: [null, true, 'all', 'Durable', {}],
  signal: [null, true, 1, 'x', {}, new EventTarget()],
}
const badOptions = [null, true, 1, 'x', 1n, Symbol('x'), () => 1]

async function opened(): Promise<PersistentStream> {
  const made = await stream(folder())
  await appendEach(made, 5)
  return made
}

async function expectRefused(call: () => Promise<unknown>, what: string): Promise<void> {
  let promise: Promise<unknown>
  try {
    promise = call()
  } catch (cause) {
    throw new Error(`${what}: thrown, not rejected`, { cause })
  }
  const error = await failure(promise)
  expect(error, what).toBeInstanceOf(InvalidInputError)
  expect(error.message).toContain(what)
}

test.each(Object.entries(badReads))('read and readBatches, options.%s', async (key, values) => {
  const reader = await opened()
  for (const value of values) {
    for (const method of ['read', 'readBatches'] as const) {
      const iterator = reader[method]({ [key]: value } as never)
      await expectRefused(() => iterator.next(), `options.${key}`)
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
      const left = reader[method]({ [key]: value } as never)
      expect(await left.return()).toEqual({ done: true, value: undefined })
      expect(await left.next()).toEqual({ done: true, value: undefined })
      await left[Symbol.asyncDispose]()
      expect(left[Symbol.asyncIterator]()).toBe(left)
    }
  }
  expect((await reader.read().next()).value?.seq).toBe(0)
})

test('options', async () => {
  const reader = await opened()
  for (const bad of badOptions) {
    await expectRefused(() => reader.read(bad as never).next(), 'options')
    await expectRefused(() => reader.readBatches(bad as never).next(), 'options')
    await expectRefused(() => reader.get(0, bad as never), 'options')
    await expectRefused(() => reader.search(() => 0, bad as never), 'options')
    await expectRefused(() => reader.verify(bad as never), 'options')
  }
  for (const signal of badReads.signal ?? []) {
    await expectRefused(() => reader.get(0, { signal } as never), 'options.signal')
    await expectRefused(() => reader.search(() => 0, { signal } as never), 'options.signal')
    await expectRefused(() => reader.verify({ signal } as never), 'options.signal')
  }
})

test('seq, compare and onProgress', async () => {
  const reader = await opened()
  for (const seq of [undefined, ...notNumbers, ...notIntegers, new Date()]) {
    await expectRefused(() => reader.get(seq as never), 'seq')
  }
  for (const compare of [undefined, null, 1, 'x', {}, []]) {
    await expectRefused(() => reader.search(compare as never), 'compare')
  }
  for (const onProgress of [null, 1, 'x', {}]) {
    await expectRefused(() => reader.verify({ onProgress } as never), 'options.onProgress')
  }
})

test('an option that throws when it is looked at', async () => {
  const reader = await opened()
  const thrown = new Error('on purpose')
  const options = {
    get from(): number {
      throw thrown
    },
  }
  await expect(reader.read(options).next()).rejects.toBe(thrown)
})

test('nobody but the package makes readers', () => {
  class Own extends (StreamReader as unknown as new (...args: unknown[]) => object) {}
  for (const args of [[], [{}], [undefined, 'x', 1]]) expect(() => new Own(...args)).toThrow(InvalidInputError)
})
