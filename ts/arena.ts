/**
 * Memory that native code may use on another thread: plain `ArrayBuffer`s that no user ever sees. What users give is
 * copied in and what they get is copied out here, on the JavaScript thread.
 *
 * The rule that `crates/node/src/arena.rs` relies on: between the call that takes a buffer and the end of its promise,
 * nothing here touches it.
 */

import { type ByteList, type Bytes, byteLength, isGone } from './arguments.js'
import { InvalidInputError } from './errors.js'

/** Buffers of 2^12 to 2^26 bytes are used again; larger ones are made to measure. */
const LEAST_SHIFT = 12
const MOST_SHIFT = 26
/**
 * So much is kept for later, while it is in use: memory that is touched for the first time costs the system a fault a
 * page. Measured: copying 64 MiB takes 27 to 55 ms into fresh memory and 4 to 12 ms into memory used before, of a store
 * that takes some 50.
 */
const KEPT_BYTES = 64 << 20
/** And given up when nobody has asked for any in so many milliseconds. */
const KEPT_MS = 1000

const kept: ArrayBuffer[][] = Array.from({ length: MOST_SHIFT + 1 }, () => [])
let keptBytes = 0
let inUse = false
let timer: NodeJS.Timeout | undefined

/** A private buffer of at least `length` bytes with whatever content. @internal */
export function borrow(length: number): ArrayBuffer {
  if (length > 1 << MOST_SHIFT) return allocate(length)
  const shift = Math.max(LEAST_SHIFT, 32 - Math.clz32(length - 1))
  const buffer = kept[shift]?.pop()
  if (buffer === undefined) return allocate(1 << shift)
  keptBytes -= buffer.byteLength
  inUse = true
  return buffer
}

/** To be called when native code is done with it. @internal */
export function giveBack(buffer: ArrayBuffer): void {
  const size = buffer.byteLength
  if (size > 1 << MOST_SHIFT || keptBytes + size > KEPT_BYTES) return
  keptBytes += size
  kept[31 - Math.clz32(size)]?.push(buffer)
  // Does not keep the process alive.
  timer ??= setInterval(giveUpUnused, KEPT_MS).unref()
}

function giveUpUnused(): void {
  if (inUse) {
    inUse = false
    return
  }
  for (const buffers of kept) buffers.length = 0
  keptBytes = 0
  clearInterval(timer)
  timer = undefined
}

/** A fresh, zeroed buffer of exactly `length` bytes. @internal */
export function allocate(length: number): ArrayBuffer {
  try {
    return new ArrayBuffer(length)
  } catch (cause) {
    throw new InvalidInputError(`there is no memory for ${length} bytes`, { cause })
  }
}

/** What a message calls one of the buffers. */
function nameOf(name: string, list: ByteList, index: number): string {
  return list.single ? name : `${name}[${index}]`
}

/** Not the buffer's own: one that a subclass brings would be handed our memory. */
const { set } = Uint8Array.prototype

/** The bytes of all buffers, one after the other, in a private buffer. @internal */
export function gather(name: string, list: ByteList): ArrayBuffer {
  const memory = borrow(list.total)
  const target = new Uint8Array(memory)
  let position = 0
  list.buffers.forEach((bytes, index) => {
    // Looking at a list may run code of the caller, and shared memory may grow at any time.
    if (byteLength(bytes) !== list.lengths[index]) {
      throw new InvalidInputError(`${nameOf(name, list, index)} has changed its length during the call`)
    }
    target.set(bytes, position)
    position += list.lengths[index] ?? 0
  })
  return memory
}

/** Copies what comes in pieces into a list of buffers, in order. @internal */
export class Scatter {
  readonly #name: string
  readonly #list: ByteList
  #index = 0
  #filled = 0

  constructor(name: string, list: ByteList) {
    this.#name = name
    this.#list = list
  }

  /** Takes the next `length` bytes, from the start of `memory`. */
  take(memory: ArrayBuffer, length: number): void {
    let from = 0
    while (from < length) {
      const target = this.#list.buffers[this.#index]
      const size = this.#list.lengths[this.#index]
      if (target === undefined || size === undefined) return
      this.#check(target, size)
      const part = Math.min(size - this.#filled, length - from)
      set.call(target, new Uint8Array(memory, from, part), this.#filled)
      from += part
      this.#filled += part
      if (this.#filled < size) return
      this.#index += 1
      this.#filled = 0
    }
  }

  /** A buffer that the caller has given away or shrunk in the meantime cannot take what was loaded for it. */
  #check(target: Bytes, size: number): void {
    if (byteLength(target) >= size && !isGone(target)) return
    const which = nameOf(this.#name, this.#list, this.#index)
    throw new InvalidInputError(`${which} was detached or became too short while the load was under way`)
  }
}
