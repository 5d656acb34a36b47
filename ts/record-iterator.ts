/** Iterators over records, written by hand: an async generator costs twice as much a record, and its `return` waits. */

import { setImmediate as turn } from 'node:timers/promises'
import { decoder } from './encoding.js'
import { unwrap } from './failure.js'
import { Gate } from './gate.js'
import { watch } from './idle.js'
import type { Failure } from './native.js'
import type { Reading } from './read-options.js'
import { RecordRun } from './record-run.js'
import type { Fetched, ReadSide, Source } from './run-source.js'
import { gapOf } from './stream-report.js'

/**
 * Records as they are asked for. Calls of `next` need not wait for each other: they are answered in order. After the end,
 * after an error and after `return` the answer is `{ done: true }`.
 */
export interface RecordIterator<R> extends AsyncIterableIterator<R, undefined>, AsyncDisposable {
  /** Ends the read and gives up its memory and files, also while a `next` is under way, which then finds the end. */
  return(): Promise<IteratorResult<R, undefined>>
}

/** What a read gives of a run at once, `most` records at most; `undefined` if nothing is left. @internal */
export type Take<R> = (run: RecordRun, most: number) => R | undefined

/** What is read. @internal */
export interface Plan {
  readonly reading: Reading
  readonly side: ReadSide
  readonly source: Source
  /** Of what is given; by default that of the stream. */
  readonly encoding?: 'buffer' | undefined
}

/**
 * After so many records others have their turn. Promises that have resolved give the event loop none; a run that comes
 * from disk does, but a run can hold half a million records.
 */
const MOST_A_TURN = 4096

const nothing = () => ({ done: true, value: undefined }) as const
const noop = () => {}
const NOTHING = Promise.resolve(undefined)

/** @internal */
export class RunIterator<R> implements RecordIterator<R> {
  readonly #reading: Reading
  readonly #side: ReadSide
  readonly #source: Source
  readonly #take: Take<R>
  readonly #encoding: unknown
  readonly #signal: AbortSignal | undefined
  /** How many records may still be given. */
  #limit: number
  #run: RecordRun | undefined
  /** The seq behind everything that was given, once something was. */
  #position: number | undefined
  #runs = 0
  /** Records given since the event loop had a turn. */
  #sinceTurn = 0
  /** Nothing comes behind the run. */
  #ended = false
  #done = false
  /** Calls of `next` that wait, and whose turn it is. */
  #waiting = 0
  readonly #turns = new Gate(1)
  /** Ends the wait for a run. */
  #wake: () => void = noop
  /** Whether somebody has asked for something lately. */
  #isUsed = false

  constructor({ reading, side, source, encoding }: Plan, take: Take<R>) {
    this.#reading = reading
    this.#side = side
    this.#source = source
    this.#take = take
    this.#encoding = encoding ?? side.encoding
    this.#signal = reading.signal
    this.#limit = reading.limit
  }

  next(): Promise<IteratorResult<R, undefined>> {
    this.#isUsed = true
    if (this.#waiting === 0 && this.#isReady()) {
      try {
        const value = this.#cut()
        if (value !== undefined) return Promise.resolve({ done: false, value })
      } catch (error) {
        void this.#finish()
        return Promise.reject(error)
      }
    }
    return this.#wait()
  }

  async return(): Promise<IteratorResult<R, undefined>> {
    await this.#finish()
    return nothing()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#finish()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Gives up what is in memory: it will be read again. */
  rest(): boolean {
    if (this.#done) return true
    // What waits for records that are to come holds nothing.
    if (this.#run === undefined && this.#source.isWaiting) return true
    const isBusy = this.#isUsed || this.#waiting > 0
    this.#isUsed = false
    if (isBusy) return false
    if (this.#run !== undefined || !this.#ended) this.#goBack()
    return true
  }

  #isReady(): boolean {
    if (this.#run === undefined || this.#side.closed) return false
    return this.#limit > 0 && this.#sinceTurn < MOST_A_TURN && this.#signal?.aborted !== true
  }

  /** From the run that is there. */
  #cut(): R | undefined {
    const run = this.#run
    if (run === undefined) return undefined
    const before = run.left
    const value = this.#take(run, this.#limit)
    const given = before - run.left
    this.#limit -= given
    this.#sinceTurn += given
    return value
  }

  // Its promise is the one that the caller has, and nothing else hangs on it: else the stacks of errors would end here.
  async #wait(): Promise<IteratorResult<R, undefined>> {
    this.#waiting += 1
    await this.#turns.enter()
    try {
      return await this.#advance()
    } catch (error) {
      void this.#finish()
      throw error
    } finally {
      this.#waiting -= 1
      this.#turns.leave()
    }
  }

  async #advance(): Promise<IteratorResult<R, undefined>> {
    for (;;) {
      if (this.#done) return nothing()
      this.#signal?.throwIfAborted()
      if (this.#limit === 0 || (this.#ended && (this.#run?.isUsedUp ?? true))) break
      if (this.#side.closed && this.#reading.raw.live) break
      this.#side.checkOpen()
      if (this.#sinceTurn >= MOST_A_TURN) {
        this.#sinceTurn = 0
        await this.#until(turn())
        continue
      }
      const value = this.#cut()
      if (value !== undefined) return { done: false, value }
      const outcome = await this.#nextRun()
      // It holds on to what it was waiting for.
      this.#wake = noop
      if (outcome !== undefined && !this.#done) this.#goOn(unwrap(outcome))
    }
    await this.#finish()
    return nothing()
  }

  /** The run is used up: the next one is to take its place. */
  #nextRun(): Promise<Fetched | Failure | undefined> {
    if (this.#run?.isGone) this.#goBack()
    else if (this.#run !== undefined) this.#position = this.#run.nextSeq
    this.#run = undefined
    if (this.#ended) return NOTHING
    const next = this.#source.next()
    // Not a promise more than it takes: thousands may wait for what is to come, and releasing the source ends such a wait.
    return this.#signal === undefined && this.#source.isWaiting ? next : this.#until(next)
  }

  #goOn({ memory, records, gaps, end }: Fetched): void {
    this.#runs += 1
    this.#sinceTurn = 0
    this.#ended = end
    if (records > 0) this.#run = new RecordRun(memory, records, decoder(this.#encoding, this.#reading.copy))
    watch(this)
    // Whoever has used up one run will want another one behind this one; who has just begun may want no more.
    if (this.#runs > 1 && !end && this.#limit > records) this.#source.prefetch()
    for (const gap of gaps) if (!this.#done) this.#reading.onGap?.(gapOf(gap))
  }

  /** Ends also when the signal aborts, or the read is left. */
  #until<T>(promise: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const stop = () => resolve(undefined)
      this.#wake = stop
      const signal = this.#signal
      const ended = promise.then(resolve, reject)
      if (signal === undefined) return
      signal.addEventListener('abort', stop, { once: true })
      ended.then(() => signal.removeEventListener('abort', stop))
    })
  }

  /** Gives up what was read and not given: it will be read again, if it is wanted. */
  #goBack(): void {
    const seq = this.#run?.nextSeq ?? this.#position
    // Nothing was given, not even a run: nothing is held either.
    if (seq === undefined) return
    this.#source.goBack(seq)
    this.#position = seq
    this.#run = undefined
    this.#runs = 0
    this.#ended = false
  }

  async #finish(): Promise<void> {
    if (this.#done) return
    this.#done = true
    this.#run = undefined
    this.#wake()
    // At the end the native side has given up everything.
    if (!this.#ended) await this.#source.release()
  }
}

/** A read that could not begin: whoever asks for its first record is told why. @internal */
export function refused<R>(error: unknown): RecordIterator<R> {
  let told = false
  const end = async (): Promise<IteratorResult<R, undefined>> => {
    told = true
    return nothing()
  }
  return {
    next: async () => {
      if (told) return nothing()
      told = true
      throw error
    },
    return: end,
    [Symbol.asyncDispose]: async () => {
      await end()
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
