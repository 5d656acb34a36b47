/**
 * Lets a bounded number of calls through at a time, first come, first served: so that the calls that wait on one file
 * do not occupy the thread pool that all of the process shares.
 *
 * @internal
 */
export class Gate {
  #free: number
  readonly #width: number
  #waiting: (() => void)[] = []
  #watchers: (() => void)[] = []

  constructor(width: number) {
    this.#free = width
    this.#width = width
  }

  /** Resolves when it is the caller's turn. */
  enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve()
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** To be called once for each time that `enter` has resolved. */
  leave(): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      next()
      return
    }
    this.#free += 1
    if (this.#free < this.#width) return
    const watchers = this.#watchers
    this.#watchers = []
    for (const watcher of watchers) watcher()
  }

  /** Makes a call when all who came before have left, and lets nobody else in until it is done. */
  async alone<T>(call: () => Promise<T>): Promise<T> {
    const places = Array.from({ length: this.#width }, () => this.enter())
    await Promise.all(places)
    try {
      return await call()
    } finally {
      for (const _ of places) this.leave()
    }
  }

  /** Resolves when nobody is inside or waiting. */
  idle(): Promise<void> {
    if (this.#free === this.#width) return Promise.resolve()
    return new Promise((resolve) => this.#watchers.push(resolve))
  }
}
