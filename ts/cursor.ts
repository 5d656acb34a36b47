import { integer, optionsObject, refuse } from './arguments.js'
import type { OwnBytes } from './block-file.js'
import { Commits } from './cursor-commits.js'
import type { CursorSet } from './cursor-set.js'
import { ClosedError, InvalidInputError, type PstreamError } from './errors.js'
import { unwrap } from './failure.js'
import { type Failure, type NativeCursor, native } from './native.js'
import { place, type ReadOptions, type StreamRecord } from './read-options.js'
import { type RecordIterator, refused } from './record-iterator.js'
import type { ReadSide } from './run-source.js'

/** How far a consumer is behind. */
export interface Lag {
  /** Durable records that it has not committed. */
  readonly records: number
  /**
   * Bytes of the stream, with all but the headers of blocks, from the next record on: roughly, as if the records of a file
   * were all of the same size. 0 at the end.
   */
  readonly bytes: number
}

/** A cursor of a stream, whoever uses it. */
export interface CursorInfo {
  /** Its name. */
  readonly name: string
  /** The seq of the next record to be handled. Of a cursor that cannot be read: the oldest record. */
  readonly position: number
  /** How far it is behind. */
  readonly lag: Lag
  /** When it was made, or its position last committed. Of a cursor that cannot be read: 1970. */
  readonly committedAt: Date
  /**
   * There if the cursor is damaged: `PSTREAM_CORRUPT` if one of the two places where its position is kept cannot be read, so
   * that the last commit may not count, or neither of them, so that it cannot be opened; `PSTREAM_UNSUPPORTED` if a later
   * version has written it. Until it is deleted, nothing is released in front of one that cannot be read.
   */
  readonly damage?: PstreamError
}

/** What is read by a cursor, from its position on, and how: live by default. */
export type CursorReadOptions = Omit<ReadOptions, 'from'>

/** What the stream does for its cursors. @internal */
export interface Reader<T> {
  readonly nextSeq: number
  read(options: ReadOptions): RecordIterator<StreamRecord<T>>
  readBatches(options: ReadOptions): RecordIterator<StreamRecord<T>[]>
}

/** @internal */
export interface CursorPlan<T> {
  readonly side: ReadSide
  readonly set: CursorSet
  readonly reader: Reader<T>
  readonly native: NativeCursor
  readonly name: string
}

const KEY = Symbol('pstream')
/** With so many reads it is time to forget those that are gone. */
const LEAST_READS = 16

/**
 * A durable position of a named consumer: it reads, handles what it reads, and commits how far it has got. Whoever opens
 * the cursor next, after a crash too, goes on behind the last commit: so that every record is handled at least once.
 *
 * One consumer a cursor: it is locked, among processes and within one, until it is closed, its stream is, or its process
 * ends. Close it when it is not needed any more: forgotten, it stays locked as long as its stream is open.
 *
 * Comes from {@link StreamReader.cursor}.
 *
 * @example
 * ```ts
 * const uploads = await stream.cursor('uploader')
 * for await (const record of uploads) {
 *   await send(record.data)
 *   await uploads.commit(record.seq)
 * }
 * ```
 */
export class Cursor<T = OwnBytes> implements AsyncIterable<StreamRecord<T>>, AsyncDisposable {
  /** Its name. */
  readonly name: string
  /**
   * Whether one of the two places where the position is kept could not be read when the cursor was opened: the last commit
   * may not count then, and its records come once more. It is repaired.
   */
  readonly damaged: boolean
  readonly #plan: CursorPlan<T>
  readonly #commits: Commits
  #reads = new Set<WeakRef<RecordIterator<unknown>>>()
  #mostReads = LEAST_READS
  #closing: Promise<void> | undefined
  /** Of a closed cursor. */
  #lastLag: Lag | undefined

  private constructor(key: symbol, plan: CursorPlan<T>) {
    if (key !== KEY) throw new InvalidInputError('a Cursor comes from StreamReader.cursor')
    const { position, damaged } = unwrap(plan.native.standing())
    this.name = plan.name
    this.damaged = damaged
    this.#plan = plan
    const { side, native: cursor, set, reader } = plan
    this.#commits = new Commits({ side, native: cursor, gate: set.gate, position, newest: () => reader.nextSeq })
  }

  /** @internal */
  static of<T>(plan: CursorPlan<T>): Cursor<T> {
    return new Cursor<T>(KEY, plan)
  }

  /** The seq of the next record to be handled: one past the last that was committed, durably. */
  get position(): number {
    return this.#commits.position
  }

  /** How far it is behind the durable end of the stream. Of a closed cursor: what it was in the end. */
  get lag(): Lag {
    return this.#lastLag ?? lagOf(this.#plan.side, this.position)
  }

  /**
   * Reads from {@link Cursor.position} on, live unless told otherwise: see {@link StreamReader.read}, which says what it
   * rejects with. Ends when the cursor is closed. A later commit or seek does not move it: begin another one.
   *
   * Rejects with `PSTREAM_TRIMMED`, with the oldest seq that is left, if records that were not committed were released
   * by force: seek to where the work is to go on.
   */
  read(options: CursorReadOptions = {}): RecordIterator<StreamRecord<T>> {
    return this.#begin(options, (from) => this.#plan.reader.read(from))
  }

  /** The same records in arrays of 1 to 1,024: the fast way. */
  readBatches(options: CursorReadOptions = {}): RecordIterator<StreamRecord<T>[]> {
    return this.#begin(options, (from) => this.#plan.reader.readBatches(from))
  }

  /** As {@link Cursor.read}, live. */
  [Symbol.asyncIterator](): RecordIterator<StreamRecord<T>> {
    return this.read()
  }

  /**
   * The record `seq` has been handled, and all before it. Durable when it resolves; a position that is beyond it already
   * stays where it is. Cheap to call often, awaited or not: those that come while one is being written are written together,
   * as one, and have one promise. To await the last of several is enough: it says whether all of them count, and a failure of
   * one that was asked for before it is told to nobody but its own caller.
   *
   * Of a record that is not durable itself it waits until it is: with `durability: 'written'` for `syncIntervalMs` at most, or
   * for a flush.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for a seq that there is no record of yet; `PSTREAM_SYNC_FAILED`,
   * `PSTREAM_NO_SPACE` and `PSTREAM_IO`, after which it may count or not, and can be called again; `PSTREAM_SYNC_FAILED` with
   * the `seq` also if a failed write or sync of the stream may have taken the record back; `PSTREAM_CLOSED`.
   *
   * @param seq - 0 to 2^53 - 1.
   */
  commit(seq: number): Promise<void> {
    // Called very often: no async function, which would make a promise of its own for each call.
    try {
      const target = integer('seq', seq, 0, Number.MAX_SAFE_INTEGER) + 1
      this.#checkOpen()
      const { side, reader } = this.#plan
      if (target <= this.position || target <= reader.nextSeq) return this.#commits.commit(target)
      return side.isFollowed ? this.#commitUnknown(target) : Promise.reject(this.#unknown(target))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A record that this process has not heard of yet. */
  async #commitUnknown(target: number): Promise<void> {
    unwrap<Failure | undefined>(await this.#plan.side.refresh())
    if (target > this.#plan.reader.nextSeq) throw this.#unknown(target)
    await this.#commits.commit(target)
  }

  #unknown(target: number): InvalidInputError {
    const { nextSeq } = this.#plan.reader
    return new InvalidInputError(
      `seq must be that of a record: the newest one is in front of ${nextSeq}, not ${target - 1}`,
    )
  }

  /**
   * Goes to a seq, to the first record of a moment or later, to the oldest record or behind the newest durable one, forward or
   * back. Durable when it resolves; nothing is released meanwhile. What was asked for before it is done before it.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument, or a seq behind the end; `PSTREAM_TRIMMED` for a record that was
   * released; `PSTREAM_LOCKED` if the stream is being trimmed for ten seconds; as {@link Cursor.commit}, after which the cursor
   * is there or where it was.
   */
  async seek(to: number | Date | 'oldest' | 'end'): Promise<void> {
    if (to === undefined) throw refuse('to', `an integer from 0 to 2^53 - 1, a valid Date, 'oldest' or 'end'`, to)
    const where = place('to', to)
    this.#checkOpen()
    await this.#commits.seek(where)
  }

  /**
   * Gives the cursor up: reads of it end, and what was committed before is settled, whose promises tell of errors. Somebody
   * else may open it then. May be called again; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(() => this.#commits.idle())
    return this.#closing
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The stream is being closed: nothing new is begun. Returns what is to be called when it is. @internal */
  endWithStream(): { finish(end: number): Promise<void>; finishSync(end: number): void } {
    this.#lastLag ??= this.lag
    let finished: (end: number) => void = () => {}
    const end = new Promise<number>((resolve) => {
      finished = resolve
    })
    const before = this.#closing
    this.#closing ??= this.#close(async () => this.#commits.finish(await end))
    return {
      finish: async (at) => {
        finished(at)
        if (before !== undefined) await this.#commits.finish(at)
        await this.#closing
      },
      finishSync: (at) => {
        this.#commits.finishSync(at)
        this.#plan.native.closeSync()
        finished(at)
      },
    }
  }

  async #close(settled: () => Promise<void>): Promise<void> {
    this.#lastLag ??= this.lag
    for (const read of this.#reads) void read.deref()?.return()
    this.#reads.clear()
    await settled()
    await this.#plan.native.close()
    this.#plan.set.forget(this as Cursor<unknown>)
  }

  #begin<R>(options: CursorReadOptions, read: (options: ReadOptions) => RecordIterator<R>): RecordIterator<R> {
    try {
      const given: Partial<ReadOptions> = optionsObject('options', options)
      if (given.from !== undefined) throw refuse('options.from', 'left out: a cursor has a position', given.from)
      this.#checkOpen()
      const iterator = read({ ...given, live: given.live ?? true, from: this.position })
      this.#keep(iterator)
      return iterator
    } catch (error) {
      return refused(error)
    }
  }

  /** So that it ends with the cursor. */
  #keep(read: RecordIterator<unknown>): void {
    if (this.#reads.size >= this.#mostReads) {
      for (const other of this.#reads) if (other.deref() === undefined) this.#reads.delete(other)
      this.#mostReads = Math.max(LEAST_READS, this.#reads.size * 2)
    }
    this.#reads.add(new WeakRef(read))
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError(`cursor '${this.name}' is closed`)
  }
}

/** How far a position is behind the durable end. @internal */
export function lagOf(side: ReadSide, position: number): Lag {
  const records = Math.max(0, side.tide.end(false) - position)
  return { records, bytes: records === 0 ? 0 : unwrap(native().bytesFrom(side.native, position)) }
}
