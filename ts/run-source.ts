/** Brings records from disk: one run of them after the other, and the next one while JavaScript is busy with this one. */

import { setImmediate as turn } from 'node:timers/promises'
import { allocate, borrow, giveBack } from './arena.js'
import { ClosedError } from './errors.js'
import { isFailure } from './failure.js'
import { Gate } from './gate.js'
import type { Failure, NativeReader, NativeStream, RawRun } from './native.js'
import { SharedTail } from './shared-tail.js'
import type { Tide } from './tide.js'

/** So much is lent for the first run, which the engine makes smaller than others, and for those behind it. */
const FIRST_BYTES = 320 << 10
const RUN_BYTES = (1 << 20) + (256 << 10)
/** So many reads of a stream are with the thread pool at a time, which has four threads unless it is told otherwise. */
const WIDTH = 2
const NONE = new ArrayBuffer(0)
const CLOSED = 'stream is closed'
const SETTLED: Promise<unknown> = Promise.resolve()

/** What all who read a stream share. Keeps the stream from being closed by the garbage collector. @internal */
export class ReadSide {
  readonly native: NativeStream
  readonly directory: string
  readonly encoding: unknown
  readonly keepCache: boolean
  readonly gate = new Gate(WIDTH)
  readonly tide: Tide
  readonly tails = { durable: new SharedTail(this, false), written: new SharedTail(this, true) }
  closed = false

  constructor(native: NativeStream, options: { directory: string; encoding: unknown; keepCache: boolean; tide: Tide }) {
    this.native = native
    this.directory = options.directory
    this.encoding = options.encoding
    this.keepCache = options.keepCache
    this.tide = options.tide
  }

  /** Resolves when every call that reads has settled, and whoever has made it knows. To be called when it is closed. */
  async settled(): Promise<void> {
    await this.gate.idle()
    await turn()
  }

  /** Nothing begins any more, and live reads end. */
  close(): void {
    this.closed = true
    this.tide.close()
    this.tails.durable.clear()
    this.tails.written.clear()
  }

  checkOpen(): void {
    if (this.closed) throw new ClosedError(CLOSED, { path: this.directory })
  }

  /** Makes a call that reads, when it is its turn, unless the stream was closed before. */
  async call<T>(call: () => Promise<T>): Promise<T | Failure> {
    await this.gate.enter()
    try {
      if (this.closed) return { code: 'PSTREAM_CLOSED', message: CLOSED, path: this.directory }
      return await call()
    } finally {
      this.gate.leave()
    }
  }
}

/** Records, and damage in front of them. `end`: nothing comes behind; of a live read: nothing yet. @internal */
export interface Fetched extends Omit<RawRun, 'used' | 'needed'> {
  readonly memory: ArrayBuffer
}

/** Where an iterator has its runs from. Its calls are made one after the other. @internal */
export interface Source {
  /** The next run. Resolves to data of an error, of which the caller makes an error on the stack of its own. */
  next(): Promise<Fetched | Failure>
  /** Begins to read the next run. */
  prefetch(): void
  /** Whether it waits for records that are to come, and holds nothing meanwhile. */
  readonly isWaiting: boolean
  /** Gives up all memory and files; the next run will begin with the record `seq`. */
  goBack(seq: number): void
  /**
   * Gives up everything. Resolves when that is done, unless there is something under way, which may take as long as the
   * disk likes.
   */
  release(): Promise<void>
}

/** The runs of one read. Its calls are made one after the other. @internal */
export class RunSource implements Source {
  readonly isWaiting = false
  readonly #side: ReadSide
  readonly #native: NativeReader
  readonly #isShort: boolean
  /** What was asked for before it was wanted. */
  #ahead: Promise<Fetched | Failure> | undefined
  /** Settles when the native side has nothing to do. */
  #busy: Promise<unknown> = SETTLED
  #calls = 0
  #size = FIRST_BYTES

  /** `isShort`: runs may be of a few records each, and come one after the other for ever. */
  constructor(side: ReadSide, native: NativeReader, isShort = false) {
    this.#side = side
    this.#native = native
    this.#isShort = isShort
  }

  next(): Promise<Fetched | Failure> {
    const next = this.#ahead ?? this.#queue(() => this.#fetch())
    this.#ahead = undefined
    return next
  }

  prefetch(): void {
    this.#ahead ??= this.#queue(() => this.#fetch())
  }

  goBack(seq: number): void {
    this.#ahead = undefined
    this.#size = FIRST_BYTES
    this.#queue(() => this.#native.rest(seq))
  }

  async release(): Promise<void> {
    this.#ahead = undefined
    const isIdle = this.#calls === 0
    const freed = this.#queue(() => this.#native.free())
    if (isIdle) await freed
  }

  #queue<T>(call: () => Promise<T>): Promise<T> {
    this.#calls += 1
    const done = () => {
      this.#calls -= 1
    }
    const result = this.#busy.then(call)
    // Nobody may be waiting when it fails.
    this.#busy = result.then(done, done)
    return result
  }

  async #fetch(): Promise<Fetched | Failure> {
    for (;;) {
      const run = await this.#fill()
      if (isFailure(run)) return run
      const { used, needed, memory, ...fetched } = run
      this.#size = Math.max(RUN_BYTES, used, needed)
      if (needed > 0) continue
      // What is kept of the run keeps all of its memory; of a large buffer the system has not even given what is unused.
      const isSmall = used * 2 < memory.byteLength && used <= RUN_BYTES
      return { ...fetched, memory: isSmall ? memory.slice(0, used) : memory }
    }
  }

  async #fill(): Promise<(RawRun & { memory: ArrayBuffer }) | Failure> {
    let memory = NONE
    // A buffer for each commit of some records would keep the garbage collector busy: they come through one.
    const isBorrowed = this.#isShort && this.#size <= RUN_BYTES
    const run = await this.#side.call(() => {
      memory = isBorrowed ? borrow(RUN_BYTES) : allocate(this.#size)
      return this.#native.next(memory)
    })
    if (!isBorrowed || memory === NONE) return isFailure(run) ? run : { ...run, memory }
    const copy = isFailure(run) ? run : { ...run, memory: memory.slice(0, run.used) }
    giveBack(memory)
    return copy
  }
}
