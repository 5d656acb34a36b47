/** How far a stream can be read by now, and who waits for it to go further. */

/** Who waits. @internal */
export interface Waiter {
  /** It waits for the record of this seq. */
  readonly seq: number
  /** Whether it is enough that the record is written. */
  readonly written: boolean
  /** Called once, when the record can be read or the tide is closed; it is not registered any more then. */
  wake(): void
}

/** Where what can be read ends. Asked for often. @internal */
export interface Ends {
  /** Everything below is durable. */
  durable(): number
  /** Everything below is written. */
  written(): number
}

/** What waiting takes, where somebody else writes. @internal */
export interface Watch {
  /** Somebody waits from now on, */
  begin(): void
  /** and now nobody does any more. */
  end(): void
}

/**
 * Wakes live readers: whoever knows that there may be more calls `rise`, and those who wait for less than there is now are
 * called. Nothing is asked while nobody waits.
 *
 * @internal
 */
export class Tide {
  readonly #ends: Ends
  readonly #watch: Watch | undefined
  readonly #waiting = new Set<Waiter>()
  /** Of what is durable and of what is written, as it was when it was last asked for. */
  readonly #known = [0, 0]
  closed = false

  constructor(ends: Ends, watch?: Watch) {
    this.#ends = ends
    this.#watch = watch
  }

  /** The seq behind everything that can be read. */
  end(written: boolean): number {
    const end = written ? this.#ends.written() : this.#ends.durable()
    this.#known[written ? 1 : 0] = end
    return end
  }

  /** Whether the record `seq` can be read. */
  has(seq: number, written: boolean): boolean {
    return seq < (this.#known[written ? 1 : 0] ?? 0) || seq < this.end(written)
  }

  /** Registers somebody who has seen that there is no such record yet, since when nothing was awaited. */
  wait(waiter: Waiter): void {
    if (this.closed) {
      waiter.wake()
      return
    }
    this.#waiting.add(waiter)
    if (this.#waiting.size === 1) this.#watch?.begin()
  }

  /** Does not wait any more. */
  leave(waiter: Waiter): void {
    if (this.#waiting.delete(waiter) && this.#waiting.size === 0) this.#watch?.end()
  }

  /** There may be more. */
  rise(): void {
    if (this.#waiting.size === 0) return
    const ends = [this.end(false), this.end(true)] as const
    for (const waiter of this.#waiting) {
      if (waiter.seq >= ends[waiter.written ? 1 : 0]) continue
      this.leave(waiter)
      waiter.wake()
    }
  }

  /** There will not be any more. */
  close(): void {
    this.closed = true
    for (const waiter of this.#waiting) {
      this.leave(waiter)
      waiter.wake()
    }
  }
}
