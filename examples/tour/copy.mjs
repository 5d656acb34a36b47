// Copying a file into a stream record by record, and looking at what is there.

import { createHash } from 'node:crypto'
import { recordsOf } from './records.mjs'

/**
 * Appends the records of the file from an offset on. A promise for each would do as well; a copy only wants to know now
 * and then how far it is: `onDurable` is told how many records of the stream are durable, about thirty times in all, and
 * may return a promise to wait for.
 */
export async function copy({ stream, source, offset = 0, onDurable }) {
  const portion = Math.max(1, Math.floor(source.records / 30))
  let left = portion
  for await (const records of recordsOf(source, offset)) {
    for (const record of records) {
      // The bytes are copied at once; false means that enough is waiting.
      if (!stream.write(record)) await stream.ready()
      left -= 1
      if (left > 0) continue
      left = portion
      await stream.flush()
      await onDurable?.(stream.durableSeq)
    }
  }
  await stream.flush()
  await onDurable?.(stream.durableSeq)
}

/** Reads the whole stream: how many records and bytes there are, and the SHA-256 of them. */
export async function readBack(stream) {
  const hash = createHash('sha256')
  let [records, bytes] = [0, 0]
  for await (const batch of stream.readBatches()) {
    for (const { data } of batch) {
      hash.update(data)
      bytes += data.length
    }
    records += batch.length
  }
  return { records, bytes, sha256: hash.digest('hex') }
}

/** SHA-256 of the first records of a file. */
export async function digestOfFirst(source, count) {
  const hash = createHash('sha256')
  let left = count
  for await (const records of recordsOf(source)) {
    for (const record of records.slice(0, left)) hash.update(record)
    left -= Math.min(left, records.length)
    if (left === 0) break
  }
  return hash.digest('hex')
}
