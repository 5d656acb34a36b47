// The stream of the main thread: written by several callers, read live by a fast, a batched, a slow and a committing reader,
// with retention, closed and opened again now and then.

import { setTimeout as sleep } from 'node:timers/promises'
import { PersistentStream } from 'pstream'
import { Times } from './measure.mjs'
import { consume, reach, readMany, readOne, readSlowly } from './reading.mjs'
import { Checker, Records } from './records.mjs'

const CALLERS = 8
/** Between the appends of a caller, at most. */
const PAUSE_MS = 40
/** What is slower than this waited for a large record in front of it. */
const SMALL = 4096

export class MainStream {
  name = 'main'
  salt = 1
  /** Everything in front of it was acknowledged. */
  acknowledged = 0
  bytes = 0
  reopened = 0
  times = new Times()
  slow = { pauseMs: 5, overtaken: 0 }
  consumed = { committed: 0, asked: 0, every: 7 }
  #records = new Records('mixed', this.salt)
  #stop = false

  constructor(folder, { spoil, fail }) {
    this.folder = folder
    this.fail = fail
    const checker = (who) => new Checker(who, this.#records)
    this.checkers = { one: checker('reader'), many: checker('reader of batches'), cursor: checker('cursor') }
    this.slowChecker = checker('slow reader')
    if (spoil !== undefined) spoilChecker(this.checkers.one, spoil)
  }

  async open() {
    const options = { name: this.name, fileSize: '8MiB', retention: { maxBytes: '64MiB' } }
    this.stream = await PersistentStream.open(this.folder, options)
    const { previous } = this.stream.recovery
    if (previous !== (this.reopened === 0 ? 'new' : 'closed'))
      throw new Error(`reopened: the writer before ${previous}`)
    if (this.stream.nextSeq !== this.acknowledged)
      throw new Error(`reopened with ${this.stream.nextSeq} records instead of ${this.acknowledged}`)
    this.#stop = false
    this.writing = this.#guard(Array.from({ length: CALLERS }, () => this.#write()))
    const { one, many, cursor } = this.checkers
    const { stream } = this
    this.reading = this.#guard([
      readOne(stream, one),
      readMany(stream, many),
      readSlowly(stream, this.slowChecker, this.slow),
      this.#consumeUntilClosed(stream, cursor),
    ])
  }

  /** Stops writing, waits for those who must see everything, and closes. */
  async close() {
    this.#stop = true
    await this.writing
    await this.caughtUp()
    await this.stream.close()
    await this.reading
  }

  async reopen() {
    await this.close()
    this.reopened += 1
    await this.open()
  }

  /** Until all readers but the slow one have seen what is acknowledged now. */
  async caughtUp() {
    const end = this.acknowledged
    const late = () => Object.values(this.checkers).filter(({ next }) => next < end)
    const what = () =>
      late()
        .map(({ who, next }) => `${who}: ${next} of ${end} acknowledged records`)
        .join('; ')
    await reach(what, () => late().length === 0)
  }

  async #write() {
    while (!this.#stop) {
      const seq = this.stream.nextSeq
      const data = this.#records.of(seq)
      const begin = performance.now()
      const got = await this.stream.append(data)
      if (data.length <= SMALL) this.times.add(performance.now() - begin)
      if (got !== seq) throw new Error(`record ${seq} was acknowledged as ${got}`)
      this.acknowledged = Math.max(this.acknowledged, seq + 1)
      this.bytes += data.length
      await sleep(Math.random() * PAUSE_MS)
    }
  }

  /** Its loop ends with the stream, and a commit that was under way then with an error. */
  async #consumeUntilClosed(stream, checker) {
    try {
      await consume(stream, checker, this.consumed)
    } catch (error) {
      if (error.code !== 'PSTREAM_CLOSED') throw error
    }
  }

  async #guard(work) {
    try {
      await Promise.all(work)
    } catch (error) {
      this.fail(error)
    }
  }
}

/** Gives a checker something wrong, to see that it would be noticed. */
function spoilChecker(checker, how) {
  const take = checker.take.bind(checker)
  checker.take = (record) => {
    if (record.seq !== 100) return take(record)
    if (how === 'lost') return
    if (how === 'bytes') return take({ ...record, data: record.data.map((byte) => byte ^ 1) })
    take(record)
    take(record)
  }
}
