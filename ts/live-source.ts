/** The runs of a live read: what others have read already, what is on disk, and where there is nothing more, a wait. */

import { isFailure } from './failure.js'
import { type Failure, native, type RawReadOptions } from './native.js'
import { type Fetched, type ReadSide, RunSource, type Source } from './run-source.js'
import type { Waiter } from './tide.js'

/** At the end there is nothing, either. */
const NOTHING: Fetched = {
  memory: new ArrayBuffer(0),
  records: 0,
  gaps: [],
  end: true,
  nextSeq: 0,
  generation: 0,
  durable: 0,
  kept: 0,
}

/** @internal */
export class LiveSource implements Source, Waiter {
  readonly written: boolean
  /** The seq that it waits for, if it does. */
  seq = 0
  readonly #side: ReadSide
  readonly #raw: RawReadOptions
  /** Whether what it gives is not shown to the user as it lies in memory, so that others may have it too. */
  readonly #isHidden: boolean
  /** Of the next record. `undefined` while that is not known: no record of a moment or later was met yet. */
  #position: number | undefined
  /** What reads from disk for this read alone. Holds a file, and memory. */
  #disk: RunSource | undefined
  /** It was at the end of what there was, and so is with those who share. */
  #caughtUp: boolean
  /** What was asked for before it was wanted. */
  #ahead: Promise<Fetched | Failure> | undefined
  /** One more each time that it is put elsewhere: nothing comes of what is under way then. */
  #turn = 0
  #released = false
  /** It was woken to learn why nobody knows whether there is more. */
  #mustRead = false
  /** When the last records were read: how often the writer had recovered, and what was durable. */
  #generation = 0
  #durable = Number.POSITIVE_INFINITY
  #wake: (() => void) | undefined

  constructor(side: ReadSide, raw: RawReadOptions, isHidden: boolean) {
    this.#side = side
    this.#raw = raw
    this.written = raw.written
    this.#isHidden = isHidden
    this.#caughtUp = raw.start === 'end'
    // Of what others write the end is known when somebody has looked.
    if (raw.start === 'end' && !side.isFollowed) this.#position = side.tide.end(raw.written)
    else if (raw.start === 'seq') this.#position = raw.at
  }

  get isWaiting(): boolean {
    return this.#wake !== undefined
  }

  next(): Promise<Fetched | Failure> {
    const next = this.#ahead ?? this.#begin()
    this.#ahead = undefined
    return next
  }

  /** To wait takes one promise, and no call that is suspended: thousands may do so. */
  #begin(): Promise<Fetched | Failure> {
    const position = this.#position
    const mayRead = position === undefined || this.#isOver || this.#mustRead
    if (mayRead || this.#side.tide.has(position, this.written)) return this.#load()
    const turn = this.#turn
    return new Promise((resolve) => {
      this.seq = position
      this.#wake = () => resolve(turn === this.#turn ? this.#load() : NOTHING)
      this.#side.tide.wait(this)
    })
  }

  prefetch(): void {
    const position = this.#position
    if (position !== undefined && this.#side.tide.has(position, this.written)) this.#ahead ??= this.#load()
  }

  goBack(seq: number): void {
    this.#turn += 1
    this.#ahead = undefined
    this.#position = seq
    this.#letGo()
  }

  async release(): Promise<void> {
    this.#released = true
    this.#ahead = undefined
    this.#side.tide.leave(this)
    this.wake()
    const disk = this.#disk
    this.#disk = undefined
    await disk?.release()
  }

  /** Called by the tide. */
  wake(mustRead = false): void {
    this.#mustRead ||= mustRead
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #letGo(): void {
    void this.#disk?.release()
    this.#disk = undefined
  }

  /** Where records begin with what was read first. */
  get #startsAtAnEnd(): boolean {
    return this.#raw.start === 'oldest' || this.#raw.start === 'end'
  }

  get #isOver(): boolean {
    return this.#released || this.#side.closed || (this.#position ?? 0) >= this.#raw.to
  }

  async #load(): Promise<Fetched | Failure> {
    const { tide } = this.#side
    const turn = this.#turn
    while (!this.#isOver) {
      const position = this.#position
      if (position !== undefined && !this.#mustRead && !tide.has(position, this.written)) {
        await this.#until(position)
        if (turn !== this.#turn) return NOTHING
        continue
      }
      // Before it is read: what comes meanwhile is not missed.
      const seen = position ?? tide.end(this.written)
      this.#mustRead = false
      const run = await this.#read(position)
      if (turn !== this.#turn) return NOTHING
      if (this.#isOver) break
      if (isFailure(run)) return run
      const lost = this.#lost(run, position)
      if (lost !== undefined) return lost
      this.#take(run)
      if (run.records > 0 || run.gaps.length > 0) return { ...run, end: false }
      const next = this.#position ?? seen
      if (run.end && !tide.has(next, this.written)) await this.#until(next)
      if (turn !== this.#turn) return NOTHING
    }
    await this.release()
    return NOTHING
  }

  #take({ records, nextSeq, end, generation, durable }: Fetched): void {
    // Nothing yet of a moment or later: what is next may be from before it.
    if (records > 0 || this.#position !== undefined || this.#startsAtAnEnd) this.#position = nextSeq
    if (records > 0) {
      this.#generation = generation
      this.#durable = durable
    }
    if (!end) return
    // From here on it goes with those who share.
    this.#caughtUp = true
    this.#letGo()
  }

  /** Whether the writer has recovered since records were read that were not durable: they may be others by now. */
  #lost({ generation, kept }: Fetched, position: number | undefined): Failure | undefined {
    if (!this.written || position === undefined || generation <= this.#generation) return undefined
    const isNext = generation === this.#generation + 1
    if (position <= Math.max(this.#durable, isNext ? kept : 0)) return undefined
    const message = 'records that were read, written and not yet durable, may be lost'
    return { code: 'PSTREAM_SYNC_FAILED', message, path: this.#side.directory }
  }

  #read(position: number | undefined): Promise<Fetched | Failure> {
    if (position === undefined) return this.#fromDisk(position)
    const { durable, written } = this.#side.tails
    const { to } = this.#raw
    const asking = { to, joins: this.#caughtUp, isHidden: this.#isHidden, generation: this.#generation }
    const shared = (this.written ? written : durable).next(position, asking)
    if (shared === undefined) return this.#fromDisk(position)
    // It would go on where it was.
    this.#letGo()
    return this.#shared(shared, position)
  }

  /** What was read for all; if that did not work, this read sees for itself. */
  async #shared(shared: Promise<Fetched | undefined>, position: number): Promise<Fetched | Failure> {
    const turn = this.#turn
    const run = await shared
    if (run !== undefined) return run
    return this.#isOver || turn !== this.#turn ? NOTHING : await this.#fromDisk(position)
  }

  #fromDisk(position: number | undefined): Promise<Fetched | Failure> {
    this.#caughtUp = false
    if (this.#disk === undefined) {
      const place = position === undefined ? {} : { start: 'seq' as const, at: position }
      const reader = native().readStream(this.#side.native, { ...this.#raw, ...place })
      if (isFailure(reader)) return Promise.resolve(reader)
      this.#disk = new RunSource(this.#side, reader, true)
    }
    return this.#disk.next()
  }

  #until(seq: number): Promise<void> {
    return new Promise((resolve) => {
      this.seq = seq
      this.#wake = resolve
      this.#side.tide.wait(this)
    })
  }
}
