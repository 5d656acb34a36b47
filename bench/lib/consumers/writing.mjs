// Appending while somebody looks on.

import { record, stampRecord } from '../content.mjs'
import { now, Times } from './times.mjs'

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
