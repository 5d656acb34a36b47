// A thousand live readers of one stream: what they need while they wait, and what is read for them.

import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { stampRecord } from '../content.mjs'
import { importPackage } from '../package.mjs'
import { now } from './times.mjs'
import { blank, checkRecord } from './writing.mjs'

/** Of which each is seen by all before the next one. */
const COMMITS = 20

/** System calls that read, by threads other than the main one, which waits for events by such a call. */
function diskReads() {
  const reads = (path) => Number(/^syscr: (\d+)$/m.exec(readFileSync(path, 'utf8'))[1])
  return reads('/proc/self/io') - reads(`/proc/self/task/${process.pid}/io`)
}

async function memory() {
  // What was given up goes within two looks of the timer that gives up.
  await setTimeout(100)
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await setTimeout(5)
  }
  const { rss, external, heapUsed } = process.memoryUsage()
  return { all: rss + external, live: heapUsed + external }
}

class Readers {
  #seen = 0
  #all = 0
  #tell

  add(stream, count) {
    this.#all += count
    return Array.from({ length: count }, () => this.#read(stream))
  }

  async #read(stream) {
    let next = stream.durableSeq
    for await (const record of stream.read({ from: 'end', live: true })) {
      if (record.seq !== next) throw new Error(`record ${record.seq} came instead of ${next}`)
      checkRecord(record)
      next += 1
      this.#seen += 1
      if (this.#seen === this.#all) this.#tell()
    }
    return next
  }

  /** Appends one record, and waits until all have it. Resolves to the ms from the acknowledgement on. */
  async commit(stream, bytes) {
    this.#seen = 0
    const all = new Promise((resolve) => {
      this.#tell = resolve
    })
    stampRecord(bytes, stream.nextSeq)
    await stream.append(bytes)
    const acknowledged = now()
    await all
    return Math.max(0, now() - acknowledged) / 1e6
  }

  async commits(stream, bytes, ended) {
    const before = diskReads()
    const times = []
    for (let i = 0; i < COMMITS; i++) times.push(await Promise.race([this.commit(stream, bytes), ended]))
    return { reads: (diskReads() - before) / COMMITS, times }
  }
}

/** In a process of its own, which has done nothing else. */
export async function crowd({ path, count }) {
  const { PersistentStream } = await importPackage()
  const stream = await PersistentStream.open(path)
  const readers = new Readers()
  const bytes = blank()
  const all = readers.add(stream, 1)
  await readers.commits(stream, bytes, all[0])
  const one = await readers.commits(stream, bytes, all[0])
  const sizes = [await memory()]
  let many
  // The first ones also bring what the process needs once.
  for (let time = 0; time < 2; time++) {
    all.push(...readers.add(stream, count - (time === 0 ? 1 : 0)))
    const ended = Promise.race(all)
    ended.catch(() => {})
    await Promise.race([readers.commit(stream, bytes), ended])
    sizes.push(await memory())
    many ??= await readers.commits(stream, bytes, ended)
  }
  const end = stream.nextSeq
  await stream.close()
  const ends = await Promise.all(all)
  if (ends.some((next) => next !== end)) throw new Error('a live reader has missed records')
  const each = (time, which) => (sizes[time + 1][which] - sizes[time][which]) / count
  return { records: end, one, many, each: each(0, 'all'), next: each(1, 'all'), objects: each(1, 'live') }
}
