// Records are let go of, in whole files, while others are appended and read.

import { ClosedError, InvalidInputError, TrimmedError } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { all, range, seqsOf } from './support/records.js'
import { dataFiles, fill, SMALL } from './support/retained.js'
import { stream } from './support/streams.js'

test('trim lets go of whole files, and says what is left', async () => {
  const root = folder()
  const opened = await stream(root, SMALL)
  await fill(opened, 45)
  const [before, { files }] = [dataFiles(root).length, opened.stats()]
  expect(files).toBe(5)
  expect(await opened.trim(0)).toBe(0)
  const oldest = await opened.trim(25)
  expect(oldest).toBeGreaterThan(10)
  expect(oldest).toBeLessThanOrEqual(25)
  expect(opened.oldestSeq).toBe(oldest)
  expect(dataFiles(root).length).toBe(before - 2)
  expect(opened.stats()).toMatchObject({ files: files - 2 })
  expect(await seqsOf(opened.read())).toEqual(range(oldest, 45))
  const last = await opened.trim(Number.MAX_SAFE_INTEGER)
  expect(last).toBeGreaterThan(30)
  expect(last).toBeLessThan(45)
  expect(await opened.append('goes on')).toBe(45)
  await opened.close()
  const again = await stream(root, SMALL)
  expect(again).toMatchObject({ oldestSeq: last, nextSeq: 46 })
})

test('what is gone is told of: to a read, to get, to one under way', async () => {
  const opened = await stream(folder(), SMALL)
  await fill(opened, 60)
  const records = opened.read()
  expect((await records.next()).value?.seq).toBe(0)
  const oldestSeq = await opened.trim(55)
  for (const call of [() => opened.get(3), () => all(opened.read({ from: 3 }))]) {
    const error = await failure(call())
    expect(error).toBeInstanceOf(TrimmedError)
    expect(error).toMatchObject({ oldestSeq })
  }
  const seen: number[] = []
  const rest = async () => {
    for await (const { seq } of records) seen.push(seq)
  }
  expect(await failure(rest())).toMatchObject({ code: 'PSTREAM_TRIMMED', oldestSeq })
  expect(seen).toEqual(range(1, seen.length + 1))
  expect(await seqsOf(opened.read())).toEqual(range(oldestSeq, 60))
})

test('iterating while files go: every record once, or the trimmed error, and never a wrong one', async () => {
  const opened = await stream(folder(), SMALL)
  await fill(opened, 30)
  let end = false
  const trimming = (async () => {
    while (!end) await opened.trim(Math.max(0, opened.durableSeq - 40))
  })()
  const reading = (async () => {
    let [from, trims] = [0, 0]
    while (from < 200) {
      try {
        for await (const { seq, data } of opened.read({ from })) {
          expect(seq).toBe(from)
          expect([data.length, data[0], data[99_999]]).toEqual([100_000, seq % 256, seq % 256])
          from += 1
        }
      } catch (error) {
        expect(error).toBeInstanceOf(TrimmedError)
        const { oldestSeq } = error as TrimmedError
        expect(oldestSeq).toBeGreaterThan(from)
        from = oldestSeq
        trims += 1
      }
    }
    return trims
  })()
  await fill(opened, 170)
  await reading
  end = true
  await trimming
  expect(opened.stats().files).toBeLessThanOrEqual(7)
})

test('appends do not wait for a trim of many files', { timeout: 60_000 }, async () => {
  const opened = await stream(folder(), SMALL)
  await fill(opened, 1000)
  const { files } = opened.stats()
  const latencies: number[] = []
  const trimming = opened.trim(990)
  let done = false
  void trimming.then(() => {
    done = true
  })
  while (!done) {
    const begin = performance.now()
    await opened.append('x')
    latencies.push(performance.now() - begin)
  }
  await trimming
  expect(opened.stats().files).toBeLessThan(files - 90)
  latencies.sort((one, other) => one - other)
  // Loose: other tests run beside this one.
  expect(latencies[Math.floor(latencies.length / 2)]).toBeLessThan(250)
})

test('closing ends a trim; bad input; nothing after a close', async () => {
  const root = folder()
  const opened = await stream(root, SMALL)
  await fill(opened, 60)
  const many = Array.from({ length: 20 }, () => opened.trim(55).catch((error: unknown) => error))
  await opened.close()
  for (const outcome of await Promise.all(many)) {
    if (typeof outcome !== 'number') expect(outcome).toBeInstanceOf(ClosedError)
  }
  expect(await failure(opened.trim(1))).toBeInstanceOf(ClosedError)
  const again = await stream(root, SMALL)
  for (const bad of [-1, 1.5, Number.NaN, '1', undefined, 2 ** 53]) {
    expect(await failure(again.trim(bad as number))).toBeInstanceOf(InvalidInputError)
  }
  for (const bad of [null, 1, { force: 1 }]) {
    expect(await failure(again.trim(0, bad as object))).toBeInstanceOf(InvalidInputError)
  }
  expect(await seqsOf(again.read())).toEqual(range(again.oldestSeq, 60))
})

test('several trims at once: each says what is left behind it', async () => {
  const opened = await stream(folder(), SMALL)
  await fill(opened, 60)
  const left = await Promise.all([15, 35, 25, 55].map((before) => opened.trim(before)))
  expect(left).toEqual([...left].sort((one, other) => one - other))
  expect(opened.oldestSeq).toBe(left[3])
})
