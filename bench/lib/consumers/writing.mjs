// Appending while somebody looks on.

import { record, stampRecord } from '../content.mjs'

/** What `performance.now` is behind the clock that all processes share (CLOCK_MONOTONIC), in nanoseconds. */
const since = behind()

function behind() {
  const clock = () => Number(process.hrtime.bigint())
  const looks = Array.from({ length: 1000 }, () => {
    const [before, between, after] = [clock(), performance.now() * 1e6, clock()]
    return { doubt: after - before, difference: (before + after) / 2 - between }
  })
  return looks.reduce((best, look) => (look.doubt < best.doubt ? look : best)).difference
}

/**
 * Nanoseconds, right to some hundred; the same clock for all processes. Without a BigInt each time, which is garbage: what is
 * timed here is as long as a collection of it.
 */
export const now = () => performance.now() * 1e6 + since

/** Times in the order of what they are of, which may be noted in another one. No garbage for each. */
export class Times {
  #all = new Float64Array(1 << 17)
  length = 0

  push(time) {
    this.set(this.length, time)
    return this.length
  }

  set(i, time) {
    if (i >= this.#all.length) {
      const larger = new Float64Array(2 * i)
      larger.set(this.#all)
      this.#all = larger
    }
    this.#all[i] = time
    this.length = Math.max(this.length, i + 1)
  }

  /** All of them, and forgets them. */
  take() {
    const all = this.#all.slice(0, this.length)
    this.length = 0
    return all
  }
}

export const BYTES = 256
const SEED = 1

/** A record to be stamped with its seq. */
export const blank = () => record({ seed: SEED, bytes: BYTES })

/** Throws unless this is the record of its seq. */
export function checkRecord({ seq, data }) {
  const number = data[0] | (data[1] << 8) | (data[2] << 16) | (data[3] << 24)
  if (number >>> 0 !== seq >>> 0 || data.length !== BYTES)
    throw new Error(`record ${seq} is number ${number >>> 0}, of ${data.length} bytes`)
}

/** Has the baseline read all of a closed stream, which begins with record 0, and compare it. */
export async function verifyAll(baseline, path, count) {
  // What the disk has, not what the page cache remembers.
  await baseline.ask('chillFolder', { path })
  await baseline.ask('streamVerify', { path, records: { first: 0, count, bytes: BYTES, seed: SEED, inFlight: 1 } })
}

/**
 * Appends for so many ms, so many callers, each of which awaits its append and goes on with the next. Resolves to when
 * each was handed over and when it was acknowledged, in the order of their seqs.
 */
export async function appendFor(stream, milliseconds, inFlight, until = () => false) {
  const first = stream.nextSeq
  const [handed, acknowledged] = [new Times(), new Times()]
  const bytes = blank()
  const deadline = now() + milliseconds * 1e6
  const caller = async () => {
    for (let time = now(); time < deadline && !until(); time = now()) {
      const i = handed.push(time) - 1
      stampRecord(bytes, first + i)
      if ((await stream.append(bytes)) !== first + i) throw new Error(`record ${first + i} got another seq`)
      acknowledged.set(i, now())
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return { first, end: first + handed.length, handed: handed.take(), acknowledged: acknowledged.take() }
}
