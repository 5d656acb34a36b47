/** What is submitted and has not settled, in the order of the tickets. */

import type { Run } from './run.js'

/** @internal */
export class RunQueue {
  #runs: Run[] = []
  #head = 0
  /** The ticket of the run at `#head`. */
  #ticket = 0

  get isEmpty(): boolean {
    return this.#head === this.#runs.length
  }

  get lastTicket(): number {
    return this.#ticket + this.#runs.length - this.#head - 1
  }

  push(run: Run): void {
    this.#runs.push(run)
  }

  /** Takes the oldest one if its ticket is in front of `end`. */
  shift(end = Number.POSITIVE_INFINITY): Run | undefined {
    if (this.#ticket >= end || this.isEmpty) return undefined
    const run = this.#runs[this.#head]
    this.#head += 1
    this.#ticket += 1
    return run
  }

  /** Under load it is never empty, and must not grow for ever. */
  compact(): void {
    if (this.#head * 2 < this.#runs.length) return
    this.#runs = this.#runs.slice(this.#head)
    this.#head = 0
  }
}
