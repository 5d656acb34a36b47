/** Brings a single record from disk, into memory of its own. */

import { allocate, borrow, giveBack } from './arena.js'
import { isFailure } from './failure.js'
import type { Failure, RawRecord } from './native.js'
import type { ReadSide } from './run-source.js'

/** Up to this length it comes through memory that is used again and again; a longer one is asked for twice. */
const SMALL_BYTES = 64 << 10

/** A record that fills its memory. @internal */
export interface Loaded {
  readonly seq: number
  readonly time: number
  readonly memory: ArrayBuffer
}

/**
 * `call` fills the memory that it is given with the record if that is large enough, and says how long it is; `null` if
 * there is none. @internal
 */
export async function loadRecord(
  side: ReadSide,
  call: (memory: ArrayBuffer) => Promise<RawRecord | Failure | null>,
): Promise<Loaded | Failure | undefined> {
  const shared = borrow(SMALL_BYTES)
  let length: number
  try {
    const found = await side.call(() => call(shared))
    if (found === null) return undefined
    if (isFailure(found)) return found
    length = found.length
    if (length <= shared.byteLength) return { seq: found.seq, time: found.time, memory: shared.slice(0, length) }
  } finally {
    giveBack(shared)
  }
  const memory = allocate(length)
  const found = await side.call(() => call(memory))
  if (found === null || isFailure(found)) return found ?? undefined
  return { seq: found.seq, time: found.time, memory }
}
