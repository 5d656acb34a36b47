/** Records that are handed over as one. */

import type { Arena } from './arenas.js'
import { byteLength } from './arguments.js'
import type { Item } from './encoding.js'
import type { Failure } from './native.js'
import type { Durability } from './stream-options.js'

/** A seq; or data of an error, of which whoever waits makes an error object on its own stack. @internal */
export type Outcome = number | Failure

/** What an append takes at least of the bytes that may wait: its promise takes memory, too. */
const LEAST_COST = 32

/** What a record takes of `maxPendingBytes`. @internal */
export function costOf(length: number): number {
  return Math.max(length, LEAST_COST)
}

/** How many bytes there will be. @internal */
export function lengthOf(item: Item): number {
  return typeof item === 'string' ? Buffer.byteLength(item) : byteLength(item)
}

/** Records one behind the other in an arena, which settle as one; none if it is a flush. @internal */
export class Run {
  readonly arena: Arena | undefined
  readonly begin: number
  readonly written: boolean
  readonly together: boolean
  records = 0
  bytes = 0
  /** Of `maxPendingBytes`. */
  cost = 0
  /** Whether there are records among them that nobody waits for. */
  untold = false
  /** What became of it, once that is known: the seq of the first record, or why there is none. */
  #settled: Outcome | undefined
  /** Who waits, */
  readonly #waiting: ((outcome: Outcome) => void)[] = []
  /** and for which of the records, counted from the first. */
  readonly #offsets: number[] = []

  constructor(arena: Arena | undefined, durability: Durability, together: boolean) {
    this.arena = arena
    this.begin = arena?.at ?? 0
    this.written = durability === 'written'
    this.together = together
  }

  /** Counts a record of so many bytes. */
  add(length: number): void {
    this.records += 1
    this.bytes += length
    this.cost += costOf(length)
  }

  /** What becomes of the record at this place. */
  outcomeOf(offset: number): Promise<Outcome> {
    return new Promise((resolve) => this.tell(offset, resolve))
  }

  /** The same, told at once. At the end of the process a run may have settled before anybody could ask. */
  tell(offset: number, told: (outcome: Outcome) => void): void {
    const settled = this.#settled
    if (settled !== undefined) {
      told(typeof settled === 'number' ? settled + offset : settled)
      return
    }
    this.#waiting.push(told)
    this.#offsets.push(offset)
  }

  /** Tells whoever waits; `seq` is that of the first record. */
  settle(failure: Failure | undefined, seq: number): void {
    this.#settled = failure ?? seq
    const [waiting, offsets] = [this.#waiting, this.#offsets]
    for (let index = 0; index < waiting.length; index += 1) waiting[index]?.(failure ?? seq + (offsets[index] ?? 0))
  }
}
