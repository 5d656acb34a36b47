/** Trims that were asked for, until it is known what came of them. */

import { isFailure } from './failure.js'
import { type Holder, hold, release } from './keep-alive.js'
import type { Failure, NativeStream } from './native.js'

/** The trims of a stream. The process stays alive while there is one. @internal */
export class Trims implements Holder {
  readonly #native: NativeStream
  readonly #waiting = new Map<number, (outcome: number | Failure) => void>()
  #next = 0

  constructor(native: NativeStream) {
    this.#native = native
  }

  /** Resolves to the oldest seq that is left, or to why it has failed. */
  trim(before: number, force: boolean): Promise<number | Failure> {
    const id = this.#next
    // It comes back as 32 bits without a sign.
    this.#next = (id + 1) % 2 ** 32
    const refused = this.#native.trim(id, before, force)
    if (isFailure(refused)) return Promise.resolve(refused)
    hold(this)
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  /** Fetches what has come of them. */
  settle(): void {
    if (this.#waiting.size === 0) return
    for (const { id, oldestSeq, failure } of this.#native.takeTrimmed()) {
      this.#waiting.get(id)?.(failure ?? oldestSeq)
      this.#waiting.delete(id)
    }
    if (this.#waiting.size === 0) release(this)
  }

  /** A trim is no promise to anybody: at the end of the process it is left where it is. */
  flushAtExit(): undefined {
    return undefined
  }
}
