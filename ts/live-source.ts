/** The runs of a live read: what others have read already, what is on disk, and where there is nothing more, a wait. */

import { isFailure } from './failure.js'
import { type Idler, watch } from './idle.js'
import { type Failure, native, type RawReadOptions } from './native.js'
import { type Fetched, type ReadSide, RunSource, type Source } from './run-source.js'
import type { Waiter } from './tide.js'

/** At the end there is nothing, either. */
const NOTHING: Fetched = { memory: new ArrayBuffer(0), records: 0, gaps: [], end: true, nextSeq: 0 }

/** @internal */
export class LiveSource implements Source, Waiter, Idler {
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
  #caughtUp = false
  /** What was asked for before it was wanted. */
  #ahead: Promise<Fetched | Failure> | undefined
  /** One more each time that it is put elsewhere: nothing comes of what is under way then. */
  #turn = 0
  #released = false
  /** Whether the disk was used lately. */
  #isUsed = false
  #wake: (() => void) | undefined

  /** Throws what beginning to read throws. */
  constructor(side: ReadSide, raw: RawReadOptions, isHidden: boolean) {
    this.#side = side
    this.#raw = raw
    this.written = raw.written
    this.#isHidden = isHidden
    if (raw.start === 'end') this.#position = side.tide.end(raw.written)
    else if (raw.start === 'seq') this.#position = raw.at
    this.#caughtUp = raw.start === 'end'
  }

  get isWaiting(): boolean {
    return this.#wake !== undefined
  }

  next(): Promise<Fetched | Failure> {
    const next = this.#ahead ?? this.#load()
    this.#ahead = undefined
    return next
  }

  prefetch(): void {
    if (this.#position !== undefined && this.#position < this.#side.tide.end(this.written)) this.#ahead ??= this.#load()
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
  wake(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** Called now and then while there may be a file that nobody reads. */
  rest(): boolean {
    const isUsed = this.#isUsed
    this.#isUsed = false
    if (isUsed || !this.isWaiting) return this.#disk === undefined
    this.#letGo()
    return true
  }

  /** Gives up file and memory, and keeps the place. */
  #letGo(): void {
    const disk = this.#disk
    if (disk === undefined) return
    // Of what may be taken back, native code keeps account.
    if (this.written && this.#position !== undefined) disk.goBack(this.#position)
    else {
      this.#disk = undefined
      void disk.release()
    }
  }

  get #isOver(): boolean {
    return this.#released || this.#side.closed
  }

  async #load(): Promise<Fetched | Failure> {
    const turn = this.#turn
    for (;;) {
      if (turn !== this.#turn) return NOTHING
      if (this.#isOver) return await this.#end()
      const [position, end] = [this.#position, this.#side.tide.end(this.written)]
      if (position !== undefined && position >= this.#raw.to) return await this.#end()
      if (position !== undefined && position >= end) {
        await this.#until(position)
        continue
      }
      const run = await this.#read(position)
      if (this.#isOver || turn !== this.#turn) continue
      if (isFailure(run)) return run
      const { records, gaps, nextSeq } = run
      // Nothing yet of a moment or later: what is next may be from before it.
      if (records > 0 || position !== undefined || this.#raw.start === 'oldest') this.#position = nextSeq
      if (run.end) this.#atEnd()
      if (records > 0 || gaps.length > 0) return { ...run, end: false }
      if (run.end) await this.#until(Math.max(end, this.#position ?? 0))
    }
  }

  /** It has met the end of what there was. */
  #atEnd(): void {
    this.#caughtUp = true
    // From here on it goes with those who share.
    if (!this.written) this.#letGo()
  }

  #read(position: number | undefined): Promise<Fetched | Failure> {
    if (!this.written && position !== undefined) {
      const shared = this.#side.tail.next(position, {
        to: this.#raw.to,
        joins: this.#caughtUp,
        isHidden: this.#isHidden,
      })
      if (shared !== undefined) {
        // It would go on where it was.
        this.#letGo()
        return this.#shared(shared, position)
      }
    }
    return this.#fromDisk(position)
  }

  /** What all read together; if that does not work, this read sees for itself. */
  async #shared(shared: Promise<Fetched | undefined>, position: number): Promise<Fetched | Failure> {
    const run = await shared
    if (run !== undefined || this.#isOver) return run ?? NOTHING
    return await this.#fromDisk(position)
  }

  #fromDisk(position: number | undefined): Promise<Fetched | Failure> {
    this.#caughtUp = false
    this.#isUsed = true
    if (this.#disk === undefined) {
      const { start, at } = this.#raw
      const place = position === undefined ? { start, at } : { start: 'seq' as const, at: position }
      const reader = native().readStream(this.#side.native, { ...this.#raw, ...place })
      if (isFailure(reader)) return Promise.resolve(reader)
      this.#disk = new RunSource(this.#side, reader, true)
    }
    if (this.written) watch(this)
    return this.#disk.next()
  }

  #until(seq: number): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    return new Promise((resolve) => {
      this.seq = seq
      this.#wake = resolve
      this.#side.tide.wait(this)
    })
  }

  async #end(): Promise<Fetched> {
    await this.release()
    return NOTHING
  }
}
