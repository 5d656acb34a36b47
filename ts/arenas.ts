/**
 * The memory that records are written to, for the commit thread to read. The rule that `crates/node/src/arena.rs` relies
 * on: what was submitted is not written to before it has settled.
 */

import { borrow, giveBack } from './arena.js'
import { type Bytes, byteLength } from './arguments.js'
import type { Item } from './encoding.js'
import type { NativeStream } from './native.js'

/** A larger record gets one of its own. Under load there are as many as it takes. */
const ARENA_BYTES = 1 << 20
/**
 * What an arena begins with, for native code to read when the environment comes to its end and no JavaScript runs any
 * more: where the records begin and end that are written and not submitted, and how they are to be committed.
 */
const HEADER_BYTES = 16
const [BEGIN, END, FLAGS] = [0, 1, 2]
const [TOGETHER, WRITTEN] = [1, 2]
/** The most bytes that the length in front of a record takes: records have less than 2^32. */
export const MOST_PREFIX = 5

const utf8 = new TextEncoder()

/** One buffer. Records are written at `at`. @internal */
export class Arena {
  readonly #native: NativeStream
  readonly #memory: ArrayBuffer
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #header: Uint32Array<ArrayBuffer>
  /** Its number on the other side. */
  readonly number: number
  /** Where the next record goes. */
  at = HEADER_BYTES
  /** Ranges that are submitted and have not settled. */
  lent = 0

  /** With room for so many bytes. */
  constructor(native: NativeStream, least: number) {
    this.#native = native
    this.#memory = borrow(Math.max(least + HEADER_BYTES, ARENA_BYTES))
    this.#bytes = new Uint8Array(this.#memory)
    this.#header = new Uint32Array(this.#memory, 0, HEADER_BYTES / 4)
    this.#header.fill(0)
    this.number = native.attach(this.#memory)
  }

  /** Bytes behind what was written. */
  get room(): number {
    return this.#bytes.length - this.at
  }

  /** Whether it was made for a record that is larger than usual. */
  get isLarge(): boolean {
    return this.#bytes.length > ARENA_BYTES
  }

  /** To be called when nothing of it is lent: it is filled from its start again. */
  reset(): void {
    this.at = HEADER_BYTES
  }

  /** A run of records begins here. */
  begin(together: boolean, written: boolean): void {
    this.#header[BEGIN] = this.at
    this.#header[FLAGS] = (together ? TOGETHER : 0) | (written ? WRITTEN : 0)
  }

  /**
   * What was put so far is whole. Behind the bytes: a worker may be terminated between any two steps, and what is in front
   * of the mark is committed then. Submitting clears it.
   */
  mark(): void {
    this.#header[END] = this.at
  }

  /** Writes one record, its length first, for which there must be room. Returns the length of its bytes. */
  put(item: Item): number {
    return typeof item === 'string' ? this.#putText(item) : this.#putBytes(item)
  }

  /** To be called when nothing of it is lent. */
  release(): void {
    if (this.#native.detach(this.number)) giveBack(this.#memory)
  }

  #putBytes(item: Bytes): number {
    const length = byteLength(item)
    const at = this.#putLength(this.at, length)
    this.#bytes.set(item, at)
    this.at = at + length
    return length
  }

  /** The length is not known before the text is encoded: mostly it is that of plain ASCII. */
  #putText(item: string): number {
    const begin = this.at + prefixLength(item.length)
    const { written } = utf8.encodeInto(item, this.#bytes.subarray(begin))
    const prefix = prefixLength(written)
    if (this.at + prefix !== begin) this.#bytes.copyWithin(this.at + prefix, begin, begin + written)
    this.at = this.#putLength(this.at, written) + written
    return written
  }

  /** LEB128. */
  #putLength(at: number, length: number): number {
    const bytes = this.#bytes
    let [next, rest] = [at, length]
    while (rest > 0x7f) {
      bytes[next] = (rest & 0x7f) | 0x80
      next += 1
      rest = Math.floor(rest / 128)
    }
    bytes[next] = rest
    return next + 1
  }
}

/** How many bytes the length in front of a record takes. @internal */
export function prefixLength(length: number): number {
  let bytes = 1
  for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) bytes += 1
  return bytes
}
