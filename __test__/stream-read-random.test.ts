// Random programs of appends and reads against a list in memory.

import { PersistentStream, type ReadOptions } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { folder } from './support/folder.js'
import { range } from './support/records.js'

const SEEDS = Number(process.env.PSTREAM_READ_SEEDS ?? 24)
const FIRST = Number(process.env.PSTREAM_READ_SEED ?? 1)
const STEPS = 60

/** A whole number below `limit`, from a generator with a seed (mulberry32). */
function random(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

const SHAPES = [
  { fileSize: '1MiB', blockSize: '4KiB' },
  { fileSize: '1MiB', blockSize: '64KiB' },
  { fileSize: '2MiB', blockSize: '16KiB', commitAlignment: '4KiB' },
  {},
] as const

test.each(range(FIRST, FIRST + SEEDS))('seed %i', { timeout: 60_000 }, async (seed) => {
  const below = random(seed)
  const root = folder()
  const model: Uint8Array[] = []
  const shape = SHAPES[below(SHAPES.length)] ?? {}
  const open = () => PersistentStream.open(root, { ...shape, maxPendingBytes: '256MiB' })
  let opened = await open()
  const one = () => {
    const size = [1, 40, 300, 5000, 60_000, 400_000][below(6)] ?? 1
    return pattern(below(size + 1), below(1e6) + 1)
  }
  const append = async () => {
    const made = range(0, 1 + below([3, 20, 200][below(3)] ?? 1)).map(one)
    const kept = made.filter((record, index) => index < 30 || record.length < 400)
    const total = kept.reduce((sum, { length }) => sum + length + 5, 0)
    model.push(...kept)
    if (below(2) === 0 && total < 900_000) await opened.appendMany(kept)
    else await Promise.all(kept.map((record) => opened.append(record)))
  }
  const check = (seq: number, data: Uint8Array) => {
    const expected = model[seq]
    if (expected === undefined || !same(data, expected)) throw new Error(`record ${seq} is another one`)
  }
  const read = async () => {
    const [from, to, limit] = [below(model.length + 3), below(model.length + 3), below(model.length + 3)]
    const options: ReadOptions = { copy: below(2) === 0, cache: below(2) === 0 ? 'keep' : 'drop' }
    if (below(4) > 0) options.from = from
    if (below(2) === 0) options.to = to
    if (below(2) === 0) options.limit = limit
    const first = options.from === undefined ? 0 : from
    const end = Math.min(model.length, options.to ?? model.length, first + (options.limit ?? model.length))
    let next = first
    const isLeft = below(5) === 0
    const until = isLeft ? first + below(Math.max(1, end - first)) : Number.POSITIVE_INFINITY
    if (below(2) === 0) {
      for await (const { seq, data } of opened.read(options)) {
        expect(seq).toBe(next)
        check(seq, data)
        next += 1
        if (next > until) break
      }
    } else {
      for await (const batch of opened.readBatches(options)) {
        for (const { seq, data } of batch) {
          expect(seq).toBe(next)
          check(seq, data)
          next += 1
        }
        if (next > until) break
      }
    }
    if (next <= until) expect(next).toBe(Math.max(first, end))
  }
  const get = async () => {
    const seq = below(model.length + 2)
    const record = await opened.get(seq)
    if (seq >= model.length) expect(record).toBeUndefined()
    else check(record?.seq ?? -1, record?.data ?? new Uint8Array(1))
  }
  const search = async () => {
    const wanted = below(model.length + 1)
    expect(await opened.search(({ seq }) => seq - wanted)).toBe(wanted)
  }
  const fromTime = async () => {
    const record = await opened.get(below(model.length))
    if (record === undefined) return
    const next = await opened.read({ from: new Date(record.time) }).next()
    expect(next.value?.time).toBe(record.time)
    const before = next.value?.seq ?? 0
    if (before > 0) expect((await opened.get(before - 1))?.time).toBeLessThan(record.time)
  }
  const reopen = async () => {
    await opened.close()
    opened = await open()
    expect(opened).toMatchObject({ oldestSeq: 0, nextSeq: model.length, durableSeq: model.length })
  }
  const verify = async () => {
    const bytes = model.reduce((sum, { length }) => sum + length, 0)
    expect(await opened.verify()).toMatchObject({ records: model.length, bytes, ok: true })
  }
  const steps = [append, append, append, read, read, read, get, get, search, fromTime, reopen, verify]
  for (let step = 0; step < STEPS; step += 1) await steps[below(steps.length)]?.()
  await verify()
  await opened.close()
})
