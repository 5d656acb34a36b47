/** How much of a stream may wait to be committed, and who waits for room. */

import { BackpressureError } from './errors.js'

const NOW = Promise.resolve()

interface Waiter {
  resolve: () => void
  reject: (error: Error) => void
}

/** @internal */
export class Room {
  /** Bytes that wait to be committed, with what each record costs. */
  used = 0
  readonly #most: number
  readonly #directory: string
  /** Of the largest append that was refused: whoever waits does so until it would be taken. */
  #wanted = 1
  readonly #waiting: Waiter[] = []

  constructor(most: number, directory: string) {
    this.#most = most
    this.#directory = directory
  }

  /** Where nothing waits there is room for anything. */
  has(cost: number): boolean {
    return this.used === 0 || this.used + cost <= this.#most
  }

  get isFull(): boolean {
    return this.used >= this.#most
  }

  /** Somebody was refused who needs so much. */
  want(cost: number): void {
    this.#wanted = Math.max(this.#wanted, cost)
  }

  /** Throws where there is none. */
  check(cost: number): void {
    if (this.has(cost)) return
    this.want(cost)
    const message = `${this.used} bytes wait to be committed, and maxPendingBytes is ${this.#most}: wait for ready()`
    throw new BackpressureError(message, { path: this.#directory })
  }

  /** Resolves when what was refused would be taken. */
  ready(): Promise<void> {
    if (this.has(this.#wanted)) return NOW
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** There may be more of it. */
  tell(): void {
    if (this.#waiting.length === 0 || !this.has(this.#wanted)) return
    this.#wanted = 1
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  /** There will not be any. */
  refuse(why: () => Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(why())
  }
}
