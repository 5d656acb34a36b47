/** Records that were read together: cut out of their memory one by one, as they are asked for. */

import type { Decode } from './encoding.js'
import type { StreamRecord } from './read-options.js'

/** In front of each batch: seq and time, of 8 bytes, and the count, of 4, little-endian. */
const HEAD = 20
const HIGH = 2 ** 32

/** What the native side has filled: batches, each with a head in front of its records. @internal */
export class RecordRun {
  readonly #bytes: Buffer<ArrayBuffer>
  readonly #decode: Decode
  /** Of the next record, or of the next batch. */
  #at = 0
  /** Records left of the batch. */
  #batch = 0
  #time = 0
  /** Records left. */
  left: number
  /** The seq of the next record; behind the last one, the seq behind it. */
  nextSeq = 0
  /** What a decoder has thrown, to be thrown when its record is asked for. */
  #thrown: { error: unknown } | undefined

  constructor(memory: ArrayBuffer, records: number, decode: Decode) {
    this.#bytes = Buffer.from(memory)
    this.#decode = decode
    this.left = records
    if (records > 0) this.#enter()
  }

  /** Whether its memory was taken away: the user has transferred it, with a record that was cut out before. */
  get isGone(): boolean {
    return this.left > 0 && this.#bytes.length === 0
  }

  /** Whether there is nothing left to be told of. */
  get isUsedUp(): boolean {
    return this.left === 0 && this.#thrown === undefined
  }

  /** The next record; `undefined` if there is none. Throws what the decoder throws. */
  take(): StreamRecord<unknown> | undefined {
    if (this.#batch === 0 && !this.#enter()) return undefined
    const bytes = this.#bytes
    let at = this.#at
    let length = bytes[at]
    if (length === undefined) return undefined
    at += 1
    if (length > 0x7f) {
      length &= 0x7f
      for (let [more, factor] = [true, 128]; more; factor *= 128, at += 1) {
        const byte = bytes[at] ?? 0
        length += (byte & 0x7f) * factor
        more = byte > 0x7f
      }
    }
    const seq = this.nextSeq
    const end = at + length
    // First: a decoder may do what it likes, and call here again.
    this.#at = end
    this.#batch -= 1
    this.left -= 1
    this.nextSeq = seq + 1
    return { seq, time: this.#time, data: this.#decode(bytes, at, end, seq) }
  }

  /** The next records, `most` at most; `undefined` if there is none. */
  takeMany(most: number): StreamRecord<unknown>[] | undefined {
    if (this.#thrown !== undefined) throw this.#thrown.error
    const records: StreamRecord<unknown>[] = []
    try {
      while (records.length < most) {
        const record = this.take()
        if (record === undefined) break
        records.push(record)
      }
    } catch (error) {
      if (records.length === 0) throw error
      this.#thrown = { error }
    }
    return records.length === 0 ? undefined : records
  }

  /** Goes on with the next batch. */
  #enter(): boolean {
    const bytes = this.#bytes
    if (this.left === 0 || bytes.length === 0) return false
    const at = this.#at
    this.nextSeq = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * HIGH
    this.#time = bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * HIGH
    this.#batch = bytes.readUInt32LE(at + 16)
    this.#at = at + HEAD
    return true
  }
}
