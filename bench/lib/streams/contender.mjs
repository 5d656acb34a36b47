// What a contender of the stream cases is. Each has open, append, scan, close and verify; append and scan resolve to the
// nanoseconds that they took, without what is no work of theirs.

import { createHistogram } from 'node:perf_hooks'
import { record, stampRecord } from '../content.mjs'

/** How often it is looked whether the event loop is late. */
const INTERVAL_MS = 1

/** Measured in this process. */
export class Local {
  #delays = createHistogram()

  /** Runs it and watches how long the event loop is kept from anything else. */
  async watched(work) {
    // `monitorEventLoopDelay` would take the time between two works as a delay.
    let last = performance.now()
    const look = () => {
      const now = performance.now()
      this.#delays.record(Math.max(1, Math.round((now - last) * 1e6)))
      last = now
    }
    const timer = setInterval(look, INTERVAL_MS)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      look()
    }
  }

  /** 99 % of the delays are shorter, in ms. */
  get loopDelay() {
    if (this.#delays.count === 0) return undefined
    return Math.max(0, this.#delays.percentile(99) / 1e6 - INTERVAL_MS)
  }

  forget() {
    this.#delays = createHistogram()
  }
}

/** Nanoseconds that it takes. */
export async function timed(work) {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start)
}

/** A peer that commits many records as one: `commit(buffers, first)`, `entries()` and `read(use)` are its own. */
export class Peer extends Local {
  #buffers = []

  append(records) {
    return this.watched(() => this.#append(records))
  }

  async #append(records) {
    const { first, count, inFlight, together = 1 } = records
    const wave = Math.max(inFlight, together)
    this.#buffers = Array.from({ length: wave }, () => record(records))
    let nanoseconds = 0
    for (let next = first; next < first + count; next += wave) {
      const buffers = this.#buffers.slice(0, Math.min(wave, first + count - next))
      for (const [i, buffer] of buffers.entries()) stampRecord(buffer, next + i)
      nanoseconds += await timed(() => this.commit(buffers, next))
      await this.breathe?.(wave)
    }
    return nanoseconds
  }

  /** Reads all records in order. */
  async scan({ first, count, bytes }) {
    let [records, total] = [0, 0]
    const nanoseconds = await timed(() =>
      this.read((data) => {
        records += 1
        total += data.length
      }),
    )
    if (records !== first + count || total !== records * bytes)
      throw new Error(`${this.name} has read ${records} records of ${total} bytes instead of ${first + count}`)
    return nanoseconds
  }

  async verify(folder, records) {
    await this.open(folder, records)
    const wanted = record(records)
    let next = 0
    await this.read((data) => {
      stampRecord(wanted, next)
      if (!wanted.equals(data)) throw new Error(`${this.name}: record ${next} is not what was appended`)
      next += 1
    })
    await this.close()
    if (next !== records.first + records.count)
      throw new Error(`${this.name} holds ${next} records instead of ${records.first + records.count}`)
  }
}
