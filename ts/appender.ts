/** The path of an append on the JavaScript thread, from the record to the promise. */

import { performance } from 'node:perf_hooks'
import { Arena, MOST_PREFIX, prefixLength } from './arenas.js'
import type { Diagnostics } from './diagnostics.js'
import type { Item } from './encoding.js'
import { CapacityError, ClosedError } from './errors.js'
import { errorOf, isFailure } from './failure.js'
import { exitDeadline, type Holder, hold, hookExit, release, rest } from './keep-alive.js'
import type { Failure, NativeStream, RawSettled } from './native.js'
import { Room } from './room.js'
import { costOf, lengthOf, type Outcome, Run } from './run.js'
import { RunQueue } from './run-queue.js'
import type { Durability } from './stream-options.js'
import type { Tide } from './tide.js'

/** Up to this length a text is taken to be as long as it can be, rather than measured. */
const SHORT_TEXT = 4096
const SETTLED = Promise.resolve()
const UNSETTLED: Failure = { code: 'PSTREAM_IO', message: 'internal error: the stream did not settle' }

/** What has been appended, of a stream that is open. @internal */
export class Appender implements Holder {
  readonly #native: NativeStream
  readonly #room: Room
  readonly #maxRecord: number
  readonly #directory: string
  readonly #flushOnExit: boolean
  readonly #diagnostics: Diagnostics
  readonly #tide: Tide
  #arena: Arena | undefined
  /** What is not submitted yet. A microtask that will do it is under way. */
  #run: Run | undefined
  #scheduled = false
  readonly #queue = new RunQueue()
  /** The seq behind everything that has settled. */
  #settledSeq: number
  /** Why records were lost that nobody waited for. */
  #lost: Failure | undefined
  /** How often there were such. */
  #losses = 0
  #closed = false
  pendingRecords = 0
  records = 0
  bytes = 0
  commits = 0

  constructor(
    native: NativeStream,
    options: { maxPending: number; maxRecord: number; seq: number; at: string; flushOnExit: boolean; tide: Tide },
    diagnostics: Diagnostics,
  ) {
    this.#native = native
    this.#room = new Room(options.maxPending, options.at)
    this.#maxRecord = options.maxRecord
    this.#settledSeq = options.seq
    this.#directory = options.at
    this.#flushOnExit = options.flushOnExit
    this.#diagnostics = diagnostics
    this.#tide = options.tide
    if (options.flushOnExit) hookExit()
  }

  get nextSeq(): number {
    return this.#settledSeq + this.pendingRecords
  }

  get pendingBytes(): number {
    return this.#room.used
  }

  checkOpen(): void {
    if (this.#closed) throw this.#closedError()
  }

  /** Takes a record, or throws and takes nothing. */
  append(item: Item, durability: Durability): Promise<Outcome> {
    const length = this.#bound(item)
    this.#room.check(costOf(length))
    const run = this.#put(item, length, durability)
    const offset = run.records - 1
    this.commitAtExit()
    return run.outcomeOf(offset)
  }

  /** Takes a record that nobody waits for, and says whether there is room for more. */
  write(item: Item, durability: Durability): boolean {
    const length = this.#bound(item)
    // What `true` has promised is kept, whatever its size.
    if (this.#room.isFull) this.#room.check(costOf(length))
    this.#put(item, length, durability).untold = true
    this.commitAtExit()
    return !this.#room.isFull
  }

  /**
   * Takes a record if there is room for it, and returns the run that it is in; what becomes of that is told by the run.
   * Behind the last of them {@link Appender.commitAtExit} is to be called.
   */
  take(item: Item, durability: Durability): Run | undefined {
    const cost = costOf(this.#bound(item))
    if (this.#room.has(cost)) return this.#put(item, cost, durability)
    this.#room.want(cost)
    return undefined
  }

  /** Takes all of the records, of which there is one at least, or throws and takes none. */
  appendMany(items: readonly Item[], durability: Durability): Promise<Outcome> {
    let [framed, cost] = [0, 0]
    for (const item of items) {
      const length = lengthOf(item)
      this.#checkRecord(length)
      framed += prefixLength(length) + length
      cost += costOf(length)
    }
    // What is certain to fit: a record of the largest size does.
    if (items.length > 1 && framed > this.#maxRecord + prefixLength(this.#maxRecord)) {
      const message = `records that belong together of ${framed} bytes do not fit into a file: maxRecordBytes is ${this.#maxRecord}`
      throw new CapacityError(message, { path: this.#directory })
    }
    this.#room.check(cost)
    const arena = this.#arenaFor(framed)
    this.#submit()
    const run = this.#begin(new Run(arena, durability, true))
    for (const item of items) this.#count(run, arena.put(item))
    // Once all of them are there: a worker that is terminated leaves all of them, or none.
    arena.mark()
    const outcome = run.outcomeOf(0)
    this.commitAtExit()
    return outcome
  }

  /** Takes a record, waiting for room, and returns what became of it and of everything before. */
  appendSync(item: Item, durability: Durability): Outcome {
    const length = lengthOf(item)
    this.#checkRecord(length)
    if (!this.#room.has(costOf(length))) this.#settleAll()
    const run = this.#put(item, length, durability)
    return this.#outcomeNow(run, run.records - 1)
  }

  /** Everything taken so far is durable when it settles. */
  flush(): Promise<Outcome> {
    const run = this.#flushRun()
    return run instanceof Run ? run.outcomeOf(0) : Promise.resolve(run)
  }

  flushSync(): Outcome {
    const run = this.#flushRun()
    return run instanceof Run ? this.#outcomeNow(run, 0) : run
  }

  #flushRun(): Run | Failure {
    this.#submit()
    const ticket = this.#native.flush()
    if (isFailure(ticket)) return ticket
    const run = new Run(undefined, 'durable', false)
    this.#queue.push(run)
    hold(this)
    return run
  }

  #outcomeNow(run: Run, offset: number): Outcome {
    let outcome: Outcome = UNSETTLED
    run.tell(offset, (told) => {
      outcome = told
    })
    this.#settleAll()
    return outcome
  }

  /** Waits, on this thread, until everything that was taken has settled. */
  #settleAll(): void {
    this.#submit()
    this.#native.wait(this.#queue.lastTicket, -1)
    this.settle()
  }

  flushAtExit(): ((deadline: number) => void) | undefined {
    if (!this.#flushOnExit) return undefined
    this.#submit()
    return (deadline) => {
      const left = Math.max(0, deadline - performance.now())
      if (this.#native.wait(this.#queue.lastTicket, left) !== true) this.#native.giveUp()
      this.settle()
    }
  }

  /**
   * What is appended when the process ends, by a listener or where something settles, is committed at once: no microtask
   * comes any more. Says whether it was time.
   */
  commitAtExit(): boolean {
    if (exitDeadline === undefined) return false
    this.flushAtExit()?.(exitDeadline)
    return true
  }

  /** Why records that nobody waited for were lost, once: for whoever has flushed or closed, with this outcome. */
  takeLost(outcome: unknown): Failure | undefined {
    const lost = this.#lost
    this.#lost = undefined
    if (lost !== undefined || isFailure(outcome)) this.#diagnostics.told()
    return lost
  }

  ready(): Promise<void> {
    return this.#room.ready()
  }

  /** Everything has settled when it resolves: to why the stream could not be closed as it should. */
  async close(): Promise<Failure | undefined> {
    this.#beginToClose()
    const failure = (await this.#native.close()) ?? undefined
    this.#endClosing(failure)
    return failure
  }

  /** The same on this thread. Waits for a close that is under way, and for nothing if there was one. */
  closeSync(): Failure | undefined {
    this.#beginToClose()
    const failure = this.#native.closeSync() ?? undefined
    this.#endClosing(failure)
    return failure
  }

  #beginToClose(): void {
    this.#closed = true
    this.#submit()
    this.#room.refuse(() => this.#closedError())
  }

  #endClosing(failure: Failure | undefined): void {
    this.settle()
    // Nobody else would tell them. It does not happen.
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      this.#settleRun(run, failure ?? UNSETTLED, 0)
    }
    this.#arena?.release()
    this.#arena = undefined
    release(this)
    rest()
  }

  /** Fetches what has settled. */
  settle(): void {
    // When all is settled: who is told may call the stream.
    let messages: (() => void)[] | undefined
    for (const settled of this.#native.takeSettled()) {
      const message = this.#settleOne(settled)
      if (message === undefined) continue
      messages ??= []
      messages.push(message)
    }
    this.#queue.compact()
    if (this.#queue.isEmpty && this.#run === undefined) release(this)
    this.#room.tell()
    // Behind the promises: who appends is told before who reads. Also when nothing has settled: a sync in the background
    // makes durable what was written.
    this.#tide.rise()
    if (messages !== undefined) for (const tell of messages) tell()
  }

  /** Returns what there is to tell whoever watches. */
  #settleOne({ end, firstSeq, failure, durableSeq, tookMs, background }: RawSettled): (() => void) | undefined {
    if (background !== undefined) return () => this.#diagnostics.background(background)
    const [bytesBefore, lossesBefore] = [this.bytes, this.#losses]
    let seq = firstSeq
    for (let run = this.#queue.shift(end); run !== undefined; run = this.#queue.shift(end)) {
      this.#settleRun(run, failure, seq)
      seq += run.records
    }
    if (failure !== undefined) {
      const unheard = this.#losses > lossesBefore
      return seq > firstSeq ? () => this.#diagnostics.notCommitted(failure, unheard) : undefined
    }
    this.#settledSeq = seq
    // A flush that had nothing to write.
    if (seq === firstSeq) return undefined
    this.commits += 1
    if (!this.#diagnostics.wantsCommits) return undefined
    const [records, bytes] = [seq - firstSeq, this.bytes - bytesBefore]
    return () => this.#diagnostics.committed({ firstSeq, records, bytes, durableSeq, durationMs: tookMs })
  }

  #settleRun(run: Run, failure: Failure | undefined, seq: number): void {
    if (run.arena !== undefined) this.#takeBack(run.arena)
    this.#finish(run, failure, seq)
  }

  #finish(run: Run, failure: Failure | undefined, seq: number): void {
    this.#room.used -= run.cost
    this.pendingRecords -= run.records
    if (failure === undefined) {
      this.records += run.records
      this.bytes += run.bytes
    } else if (run.untold) {
      this.#lost ??= failure
      this.#losses += 1
    }
    run.settle(failure, seq)
  }

  #takeBack(arena: Arena): void {
    arena.lent -= 1
    if (arena.lent > 0) return
    if (arena !== this.#arena) arena.release()
    else if (this.#run !== undefined) return
    else if (arena.isLarge) {
      arena.release()
      this.#arena = undefined
    } else arena.reset()
  }

  /** The length of a record at most, which is known to be allowed. */
  #bound(item: Item): number {
    if (typeof item === 'string' && item.length <= SHORT_TEXT) {
      const bound = item.length * 3
      if (bound <= this.#maxRecord && this.#room.has(bound)) return bound
    }
    const length = lengthOf(item)
    this.#checkRecord(length)
    return length
  }

  #checkRecord(length: number): void {
    if (length <= this.#maxRecord) return
    const message = `a record of ${length} bytes does not fit: maxRecordBytes is ${this.#maxRecord}`
    throw new CapacityError(message, { path: this.#directory })
  }

  #closedError(): ClosedError {
    return new ClosedError('stream is closed', { path: this.#directory })
  }

  #put(item: Item, length: number, durability: Durability): Run {
    const arena = this.#arenaFor(length + MOST_PREFIX)
    let run = this.#run
    if (run === undefined || run.written !== (durability === 'written') || run.together) {
      this.#submit()
      run = this.#begin(new Run(arena, durability, false))
    }
    this.#count(run, arena.put(item))
    arena.mark()
    return run
  }

  #begin(run: Run): Run {
    this.#run = run
    run.arena?.begin(run.together, run.written)
    hold(this)
    if (!this.#scheduled) {
      this.#scheduled = true
      // Not `queueMicrotask`, which makes a resource for async_hooks each time.
      SETTLED.then(() => {
        this.#scheduled = false
        this.#submit()
      })
    }
    return run
  }

  #count(run: Run, length: number): void {
    run.add(length)
    this.#room.used += costOf(length)
    this.pendingRecords += 1
  }

  /** The arena with room for so many bytes. If that is another one, what is in the last one is submitted. */
  #arenaFor(length: number): Arena {
    const current = this.#arena
    if (current !== undefined && current.room >= length) return current
    // First, because it fails if there is no memory.
    const next = new Arena(this.#native, length)
    this.#submit()
    if (current?.lent === 0) current.release()
    this.#arena = next
    return next
  }

  #submit(): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    const { arena, begin, records, together, written } = run
    if (arena === undefined) return
    const ticket = this.#native.submit(arena.number, begin, arena.at - begin, records, together, written)
    if (isFailure(ticket)) {
      this.#finish(run, ticket, 0)
      // Not in the midst of the call that has led here.
      SETTLED.then(() => this.#diagnostics.notCommitted(ticket, run.untold))
      if (this.#queue.isEmpty) release(this)
      return
    }
    arena.lent += 1
    this.#queue.push(run)
  }
}

/** Data of an error as one that is thrown here. @internal */
export function raise(failure: Failure): never {
  throw errorOf(failure, raise)
}
