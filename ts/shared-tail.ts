/**
 * The newest runs of a stream, read once for all live reads that are near its end: one of them has a run read, and all
 * who come for it get a copy. So what a commit costs does not grow with the number of reads, but for the copies.
 */

import { isFailure } from './failure.js'
import { type Idler, watch } from './idle.js'
import { native } from './native.js'
import { type Fetched, type ReadSide, RunSource } from './run-source.js'

/** So many bytes are kept, and so many runs, for those who are behind. */
const MOST_BYTES = 4 << 20
const MOST_RUNS = 256
/** In front of each batch: seq and time, of 8 bytes, and the count, of 4, little-endian. */
const HEAD = 20
const HIGH = 2 ** 32

/** Who asks. */
interface Asking {
  /** The seq that it stops in front of. */
  readonly to: number
  /** Whether it is where the stream ended a moment ago: if the others are behind, they are left there. */
  readonly joins: boolean
  /** Whether no user will see the memory itself. */
  readonly isHidden: boolean
  /** Of the records that it has read: what is older may be gone. */
  readonly generation: number
}

interface Kept extends Fetched {
  /** Seq of the first record. They follow each other. */
  readonly from: number
}

/** What is kept is of one generation: what a recovery of the writer may have taken back is not given. @internal */
export class SharedTail implements Idler {
  readonly #side: ReadSide
  readonly #written: boolean
  readonly #runs: Kept[] = []
  #bytes = 0
  /** The seq behind the last of the runs, once there was one. */
  #end: number | undefined
  #disk: RunSource | undefined
  #loading: Promise<void> | undefined
  #isUsed = false

  /** Of what is written, or of what is durable. */
  constructor(side: ReadSide, written: boolean) {
    this.#side = side
    this.#written = written
  }

  /**
   * The run that begins with the record `seq`, which is there; if that is not read by others, `undefined`. Also resolves
   * to `undefined` if it could not be read.
   */
  next(seq: number, asking: Asking): Promise<Fetched | undefined> | undefined {
    this.#isUsed = true
    this.#check()
    const kept = this.#find(seq)
    if (kept !== undefined) return fits(kept, asking) ? Promise.resolve(share(kept, seq, asking)) : undefined
    if (seq !== this.#end && (!asking.joins || this.#isBehind(seq))) return undefined
    return this.#load(seq, asking)
  }

  async #load(seq: number, asking: Asking): Promise<Fetched | undefined> {
    if (this.#loading === undefined && seq !== this.#end) this.#begin(seq)
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined
    })
    await this.#loading
    const kept = this.#find(seq)
    return kept !== undefined && fits(kept, asking) ? share(kept, seq, asking) : undefined
  }

  /** What was written and not durable may not be there any more, and other records in its place. */
  #check(): void {
    const first = this.#runs[0]
    if (this.#written && first !== undefined && this.#side.native.generation() !== first.generation) this.#forget()
  }

  /** Whether the others have gone past it, and what it needs is not kept any more. */
  #isBehind(seq: number): boolean {
    const first = this.#runs[0]
    return first !== undefined && seq < first.from
  }

  /** Gives up what nobody has asked for in a while. */
  rest(): boolean {
    const isUsed = this.#isUsed || this.#loading !== undefined
    this.#isUsed = false
    if (!isUsed) this.clear()
    return !isUsed
  }

  /** Gives up everything. */
  clear(): void {
    this.#forget()
    this.#end = undefined
    const disk = this.#disk
    this.#disk = undefined
    void disk?.release()
  }

  #begin(seq: number): void {
    this.#forget()
    this.#end = seq
    this.#disk?.goBack(seq)
  }

  #forget(): void {
    this.#runs.length = 0
    this.#bytes = 0
  }

  #find(seq: number): Kept | undefined {
    for (let index = this.#runs.length - 1; index >= 0; index -= 1) {
      const run = this.#runs[index]
      if (run === undefined || seq >= run.nextSeq) return undefined
      if (seq >= run.from) return run
    }
    return undefined
  }

  async #fetch(): Promise<void> {
    const from = this.#end
    if (from === undefined) return
    watch(this)
    const { native: stream, keepCache } = this.#side
    if (this.#disk === undefined) {
      const place = { start: 'seq' as const, at: from, to: Number.MAX_SAFE_INTEGER }
      const reader = native().readStream(stream, {
        ...place,
        keepCache,
        written: this.#written,
        passGaps: false,
        live: true,
      })
      if (isFailure(reader)) return
      this.#disk = new RunSource(this.#side, reader, true)
    }
    const run = await this.#disk.next()
    if (isFailure(run)) {
      // Who reads alone may do something about it, or tell why not.
      this.clear()
      return
    }
    if (this.#side.closed || run.records === 0) return
    if (run.generation !== this.#runs[0]?.generation) this.#forget()
    this.#runs.push({ ...run, from })
    this.#bytes += run.memory.byteLength
    this.#end = run.nextSeq
    while (this.#bytes > MOST_BYTES || this.#runs.length > MOST_RUNS) {
      const first = this.#runs[0]
      // The newest one, however large: all of those who wait for it have it from here.
      if (first === undefined || this.#runs.length === 1) break
      this.#runs.shift()
      this.#bytes -= first.memory.byteLength
    }
  }
}

function fits({ nextSeq, generation }: Kept, asking: Asking): boolean {
  return nextSeq <= asking.to && generation >= asking.generation
}

/** What of a run begins with the record `seq`, for one of many. */
function share(run: Kept, seq: number, { isHidden }: Asking): Fetched {
  if (seq > run.from) return cut(run, seq)
  return isHidden ? run : { ...run, memory: run.memory.slice(0) }
}

/** A copy of a run from a record in its midst on. */
function cut(run: Kept, seq: number): Fetched {
  const bytes = Buffer.from(run.memory)
  let at = 0
  for (;;) {
    const first = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * HIGH
    const count = bytes.readUInt32LE(at + 16)
    const skip = Math.min(seq - first, count)
    let begin = at + HEAD
    for (let record = 0; record < skip; record += 1) begin = behind(bytes, begin)
    if (skip < count) {
      const memory = run.memory.slice(begin - HEAD)
      const head = new DataView(memory)
      head.setUint32(0, seq % HIGH, true)
      head.setUint32(4, Math.floor(seq / HIGH), true)
      new Uint8Array(memory).set(bytes.subarray(at + 8, at + 16), 8)
      head.setUint32(16, count - skip, true)
      return { ...run, memory, records: run.nextSeq - seq }
    }
    at = begin
  }
}

/** Where the record ends that begins at `at` with its length. */
function behind(bytes: Buffer, at: number): number {
  let [next, length, factor] = [at, 0, 1]
  for (let more = true; more; factor *= 128, next += 1) {
    const byte = bytes[next] ?? 0
    length += (byte & 0x7f) * factor
    more = byte > 0x7f
  }
  return next + length
}
