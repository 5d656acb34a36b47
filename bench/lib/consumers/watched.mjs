// A live reader that notes when it is given each record.

import { now, Times } from './times.mjs'
import { checkRecord } from './writing.mjs'

export class Watched {
  #times = new Times()
  #next
  #wanted
  #tell

  /** From the end of the stream on, until it is closed. */
  constructor(stream) {
    this.#next = stream.durableSeq
    this.#wanted = Number.POSITIVE_INFINITY
    this.ended = this.#watch(stream)
    this.ended.catch(() => {})
  }

  async #watch(stream) {
    for await (const record of stream.read({ from: this.#next, live: true })) {
      this.#times.push(now())
      if (record.seq !== this.#next) throw new Error(`record ${record.seq} came instead of ${this.#next}`)
      checkRecord(record)
      this.#next += 1
      if (this.#next >= this.#wanted) this.#tell()
    }
  }

  /** Waits for the records in front of `end`, and resolves to when each was seen since this was asked the last time. */
  async seen(end) {
    if (this.#next < end) {
      const there = new Promise((resolve) => {
        this.#tell = resolve
      })
      this.#wanted = end
      await Promise.race([there, this.ended])
      this.#wanted = Number.POSITIVE_INFINITY
    }
    if (this.#next !== end) throw new Error(`a live reader is at ${this.#next}, not at ${end}`)
    return this.#times.take()
  }
}
