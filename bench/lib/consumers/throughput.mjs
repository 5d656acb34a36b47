// A live reader beside a writer that is as fast as it can, and beside one of a million records a second, all in one
// process.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { stampRecord } from '../content.mjs'
import { importPackage } from '../package.mjs'
import { rotate } from '../rounds.mjs'
import { affordable, Figures } from './figures.mjs'
import { now } from './times.mjs'
import { BYTES, blank, checkRecord, verifyAll } from './writing.mjs'

const TURN_MS = 200
const TOGETHER = 1000
const CALLS = 4
const PACE = 1e6
const MiB = 1 << 20
/** So much of the disk a turn. */
const MOST_RECORDS = (128 * MiB) / BYTES

/** `appendMany` of 1,000, each call behind one of four; not more than `pace` records a second. */
async function many(stream, first, { milliseconds, pace = Number.POSITIVE_INFINITY }) {
  const list = Array.from({ length: TOGETHER }, blank)
  const started = now()
  let next = first
  const caller = async () => {
    for (;;) {
      const elapsed = now() - started
      if (elapsed >= milliseconds * 1e6 || next - first >= MOST_RECORDS) return
      if (next - first + TOGETHER > (elapsed / 1e9) * pace) {
        await setTimeout(1)
        continue
      }
      const seq = next
      next += TOGETHER
      for (let i = 0; i < TOGETHER; i++) stampRecord(list[i], seq + i)
      if ((await stream.appendMany(list)) !== seq) throw new Error(`record ${seq} got another seq`)
    }
  }
  await Promise.all(Array.from({ length: CALLS }, caller))
  return next
}

/** `append`, a promise each, 1,000 in flight. */
async function each(stream, first, { milliseconds }) {
  const bytes = blank()
  const deadline = now() + milliseconds * 1e6
  let next = first
  const caller = async () => {
    while (next - first < MOST_RECORDS && now() < deadline) {
      const seq = next++
      stampRecord(bytes, seq)
      if ((await stream.append(bytes)) !== seq) throw new Error(`record ${seq} got another seq`)
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, caller))
  return next
}

const LOADS = [
  { load: '1 M/s, appendMany', write: many, pace: PACE },
  { load: 'appendMany', write: many },
  { load: '1,000 in flight', write: each },
]

export const throughputs = (least) =>
  LOADS.flatMap(({ load, pace }) => [
    { name: `${load}: read`, unit: 'records/s', ...(pace === undefined && { least }) },
    { name: `${load}: appended`, unit: 'records/s' },
    { name: `${load}: largest lag`, unit: 'records' },
    { name: `${load}: behind the last acknowledgement`, unit: 'ms' },
  ])

/** Reads on and on, and knows how far it is, and how far it was behind at most. */
class Reader {
  next = 0
  lag = 0

  constructor(stream) {
    this.ended = this.#read(stream)
    this.ended.catch(() => {})
  }

  async #read(stream) {
    for await (const batch of stream.readBatches({ from: 0, live: true })) {
      if (batch[0].seq !== this.next) throw new Error(`record ${batch[0].seq} came instead of ${this.next}`)
      this.lag = Math.max(this.lag, stream.durableSeq - this.next)
      for (let i = 0; i < batch.length; i++) checkRecord(batch[i])
      this.next += batch.length
      if (batch.at(-1).seq !== this.next - 1) throw new Error(`records are missing in front of ${this.next}`)
      if (this.next >= this.wanted) this.tell()
    }
  }

  wanted = Number.POSITIVE_INFINITY

  async reach(end) {
    if (this.next >= end) return
    const there = new Promise((resolve) => {
      this.tell = resolve
    })
    this.wanted = end
    await Promise.race([there, this.ended])
    this.wanted = Number.POSITIVE_INFINITY
    if (this.next < end) throw new Error(`the live reader has ended at ${this.next}`)
  }
}

export async function measureThroughput(definition, { baseline, directory, rounds, quick }) {
  const { PersistentStream } = await importPackage()
  const figures = new Figures()
  for (const round of affordable(rounds)) {
    const path = join(directory, `${definition.name}.${round}`)
    mkdirSync(path)
    const stream = await PersistentStream.open(path)
    const reader = new Reader(stream)
    const milliseconds = quick || round === 0 ? TURN_MS / 4 : TURN_MS
    for (const { load, write, pace } of rotate(LOADS, round)) {
      const first = reader.next
      reader.lag = 0
      const started = now()
      const end = await write(stream, first, { milliseconds, pace })
      const written = now()
      await reader.reach(end)
      const read = now()
      if (round === 0) continue
      figures.add(`${load}: read`, (end - first) / ((read - started) / 1e9))
      figures.add(`${load}: appended`, (end - first) / ((written - started) / 1e9))
      figures.add(`${load}: largest lag`, reader.lag)
      figures.add(`${load}: behind the last acknowledgement`, (read - written) / 1e6)
    }
    const count = stream.nextSeq
    await stream.close()
    await reader.ended
    await verifyAll(baseline, path, count)
    rmSync(path, { recursive: true })
  }
  return figures.result(definition)
}
