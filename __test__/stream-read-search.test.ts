// Search, get and verify.

import { PersistentStream, type VerifyProgress } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { range } from './support/records.js'
import { stream } from './support/streams.js'

async function numbers(values: number[], each = 100): Promise<PersistentStream<number>> {
  const opened = await PersistentStream.open<number>(folder(), {
    encoding: 'json',
    fileSize: '1MiB',
    blockSize: '4KiB',
    maxPendingBytes: '64MiB',
  })
  onTestFinished(() => opened.close().catch(() => {}))
  for (let at = 0; at < values.length; at += each) await opened.appendMany(values.slice(at, at + each))
  return opened
}

test.each([1, 7, 3000])('ordered data with duplicates, %i a batch', async (each) => {
  const count = each === 1 ? 300 : 3000
  // 0 0 0 3 3 3 6 6 6 …
  const values = range(0, count).map((index) => index - (index % 3))
  const opened = await numbers(values, each)
  for (const wanted of [-1, 0, 1, 2, 3, 4, 100, 101, 102, count - 3, count - 1, count, 1e9]) {
    let compared = 0
    const found = await opened.search((record) => {
      compared += 1
      expect(record.data).toBe(values[record.seq])
      expect(record.time).toBeGreaterThan(0)
      return record.data - wanted
    })
    const expected = values.findIndex((value) => value >= wanted)
    expect(found, `${wanted}`).toBe(expected === -1 ? count : expected)
    expect(compared).toBeLessThan(40)
  }
})

test('over several files, with few reads', { timeout: 60_000 }, async () => {
  const opened = await stream(folder(), { fileSize: '1MiB', blockSize: '4KiB' })
  for (let seq = 0; seq < 4000; seq += 100) {
    await opened.appendMany(range(seq, seq + 100).map((index) => `${index}`.padStart(1000, '0')))
  }
  expect(opened.stats().files).toBeGreaterThan(3)
  for (const wanted of [0, 1, 999, 1000, 2345, 3999, 4000]) {
    let compared = 0
    const found = await opened.search(({ data }) => {
      compared += 1
      return Number(Buffer.from(data).toString()) - wanted
    })
    expect(found).toBe(wanted)
    expect(compared).toBeLessThan(40)
  }
})

test('what compare may return', async () => {
  const opened = await numbers(range(0, 100))
  expect(await opened.search(() => Number.POSITIVE_INFINITY)).toBe(0)
  expect(await opened.search(() => -0)).toBe(0)
  expect(await opened.search(() => Number.NEGATIVE_INFINITY)).toBe(100)
  for (const bad of [Number.NaN, undefined, null, '1', true, 1n, {}, Promise.resolve(1)]) {
    const error = await failure(opened.search(() => bad as number))
    expect(error.code).toBe('PSTREAM_INVALID_INPUT')
    expect(error.message).toContain('what compare returns')
  }
  const thrown = new Error('on purpose')
  await expect(
    opened.search(() => {
      throw thrown
    }),
  ).rejects.toBe(thrown)
})

test('the record that compare is given is its own', async () => {
  const opened = await stream(folder())
  await opened.appendMany(range(0, 1000).map((index) => `${index}`.padStart(6, '0')))
  await opened.append(Buffer.alloc(200_000, 'z'))
  const seen = new Set<ArrayBuffer>()
  const found = await opened.search(({ data }) => {
    expect(seen.has(data.buffer)).toBe(false)
    seen.add(data.buffer)
    expect(data.length).toBe(data.buffer.byteLength)
    const isBefore = Buffer.from(data).toString() < '~'
    data.fill(0)
    return isBefore ? -1 : 0
  })
  expect(found).toBe(1001)
  expect([...seen].some(({ byteLength }) => byteLength === 200_000)).toBe(true)
})

test('many searches, gets and reads at once', async () => {
  const opened = await numbers(range(0, 5000))
  const calls = range(0, 200).map(async (index) => {
    const wanted = (index * 37) % 5000
    expect(await opened.search(({ data }) => data - wanted)).toBe(wanted)
    expect((await opened.get(wanted))?.data).toBe(wanted)
    expect((await opened.read({ from: wanted }).next()).value?.data).toBe(wanted)
  })
  await Promise.all(calls)
})

test('verify tells how far it is', async () => {
  const opened = await stream(folder())
  for (let round = 0; round < 6; round += 1) await opened.append(new Uint8Array(1 << 20).fill(round))
  const steps: VerifyProgress[] = []
  const report = await opened.verify({ onProgress: (done) => void steps.push(done) })
  expect(report).toEqual({ records: 6, batches: 6, bytes: 6 << 20, gaps: [], ok: true })
  expect(steps.length).toBeGreaterThan(3)
  const total = steps[0]?.totalBytes ?? 0
  expect(total).toBeGreaterThan(6 << 20)
  for (const [index, { bytes, totalBytes }] of steps.entries()) {
    expect(totalBytes).toBe(total)
    expect(bytes).toBeGreaterThanOrEqual(steps[index - 1]?.bytes ?? 0)
  }
  expect(steps.at(-1)).toEqual({ bytes: total, totalBytes: total })
  const thrown = new Error('on purpose')
  const onProgress = () => {
    throw thrown
  }
  await expect(opened.verify({ onProgress })).rejects.toBe(thrown)
  const controller = new AbortController()
  let calls = 0
  const aborting = () => {
    calls += 1
    controller.abort(thrown)
  }
  await expect(opened.verify({ onProgress: aborting, signal: controller.signal })).rejects.toBe(thrown)
  expect(calls).toBe(1)
})
