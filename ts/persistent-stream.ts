import type { Readable, Writable } from 'node:stream'
import { abortable } from './abort.js'
import { type Appender, raise } from './appender.js'
import {
  type AbortOptions,
  abortSignal,
  type Bytes,
  componentName,
  flag,
  integer,
  list,
  optionsObject,
  type Path,
  path,
} from './arguments.js'
import type { OwnBytes } from './block-file.js'
import { cursorName } from './cursor-set.js'
import type { Encode, Encoding } from './encoding.js'
import { InvalidInputError } from './errors.js'
import { isFailure, unwrap } from './failure.js'
import { lockTimeout, whenUnlocked } from './lock-wait.js'
import { type NativeStream, native } from './native.js'
import { openParts, type Parts } from './open-stream.js'
import { follow, type ReaderOptions, type ReadOnlyStream } from './read-only-stream.js'
import type { StreamRecord, WriterReadOptions } from './read-options.js'
import type { ReadStreamOptions } from './read-stream.js'
import type { RecordIterator } from './record-iterator.js'
import type { TrimOptions } from './retention.js'
import type { Outcome } from './run.js'
import type { ReadSide } from './run-source.js'
import { type Durability, durability, type StreamOptions } from './stream-options.js'
import { StreamReader } from './stream-reader.js'
import { type RecoveryReport, recoveryReport } from './stream-report.js'
import type { StreamStats } from './stream-stats.js'
import type { Trims } from './trims.js'
import { RecordWritable, type WriteStreamOptions } from './write-stream.js'

/** How one append is done. */
export interface AppendOptions extends AbortOptions {
  /** When it resolves; by default as the stream was opened: see {@link StreamOptions.durability}. */
  durability?: 'durable' | 'written'
}

const KEY = Symbol('pstream')

/**
 * An endless, append-only stream of records in a folder, for one writer. A record is a run of bytes; its *sequence
 * number* (seq) is an integer that counts from 0. **An acknowledged record is never lost**; one that was not may survive
 * a crash, whole and in its place, or not.
 *
 * Appends that wait at the same time are committed together, by one write and one sync: throughput grows with their
 * number, and a lone one waits for no timer. The process stays alive while an append waits. A stream that is not closed
 * is closed when the process ends by itself, when its worker ends, or when it is garbage-collected.
 *
 * Calls on a closed stream reject with `PSTREAM_CLOSED`. A failed commit rejects all of its appends, and whether their
 * records are in the stream is unknown then; the next append goes on behind what is there.
 *
 * @example
 * ```ts
 * const stream = await PersistentStream.open('./data')
 * const seq = await stream.append('durable once this line is passed')
 * await stream.appendMany(['both', 'or none'])
 * for await (const { seq, data } of stream.read()) console.log(seq, Buffer.from(data).toString())
 * await stream.close()
 * ```
 */
export class PersistentStream<
  Out = OwnBytes,
  In = Out extends Uint8Array ? Bytes | string : Out,
> extends StreamReader<Out> {
  /** What opening found and did. */
  readonly recovery: RecoveryReport
  readonly #native: NativeStream
  readonly #appender: Appender
  readonly #trims: Trims
  readonly #side: ReadSide
  readonly #encode: Encode
  readonly #durability: Durability
  #closing: Promise<void> | undefined
  #closedProperly = false

  private constructor(key: symbol, opened: Parts) {
    if (key !== KEY) throw new InvalidInputError('a PersistentStream comes from PersistentStream.open')
    super(opened.side, opened.name, opened.info.maxRecordBytes)
    this.recovery = recoveryReport(opened.info)
    this.#native = opened.native
    this.#appender = opened.appender
    this.#trims = opened.trims
    this.#side = opened.side
    this.#encode = opened.encode
    this.#durability = opened.durability
  }

  /**
   * Opens the stream for writing, recovers it if its last writer crashed, and begins it if it is not there. Takes as long
   * as it takes to read one file at most, however long the stream is.
   *
   * `encoding` says what a record is for the caller: bytes (`'buffer'`; a string is appended as its UTF-8, and read as
   * bytes), a text (`'utf8'`, where half of a surrogate pair becomes U+FFFD), a value as JSON (`'json'`), or what an
   * {@link Encoding} of your own makes of it. The files hold bytes and do not know of it. Default `'buffer'`.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_LOCKED` if it is open already; `PSTREAM_CORRUPT` with
   * nothing changed, see {@link StreamOptions.recovery}; `PSTREAM_NOT_FOUND` with `create: false`; `PSTREAM_UNSUPPORTED`
   * for a stream of a later version, a network share, or a file system without locks or reservation of space;
   * `PSTREAM_NO_SPACE`;
   * `PSTREAM_SYNC_FAILED`; the sequence errors of {@link FileSequence.retrieve}; `PSTREAM_IO`; and with the reason of the
   * signal, the stream being closed again then.
   */
  static open(
    directory: Path,
    options?: StreamOptions & { encoding?: 'buffer' } & AbortOptions,
  ): Promise<PersistentStream>
  static open(
    directory: Path,
    options: StreamOptions & { encoding: 'utf8' } & AbortOptions,
  ): Promise<PersistentStream<string>>
  static open<T>(
    directory: Path,
    options: StreamOptions & { encoding: 'json' | Encoding<T> } & AbortOptions,
  ): Promise<PersistentStream<T>>
  static async open(
    directory: Path,
    options: StreamOptions & { encoding?: unknown } & AbortOptions = {},
  ): Promise<PersistentStream<unknown, unknown>> {
    const { signal, diagnostics, ...parts } = await openParts(directory, options)
    const opened = new PersistentStream<unknown, unknown>(KEY, parts)
    if (signal?.aborted) {
      await opened.close()
      throw signal.reason
    }
    diagnostics.opened(opened.recovery)
    return opened
  }

  /**
   * Opens the stream for reading alone, which any number of processes may do at the same time, beside a writer or without one.
   * Takes no lock and changes nothing. See {@link ReadOnlyStream} for what it gives, and {@link PersistentStream.open} for
   * `encoding`.
   *
   * Rejects with `PSTREAM_NOT_FOUND` if there is no such stream; `PSTREAM_CORRUPT` if damage keeps its end from being told, see
   * {@link ReaderOptions.recovery}; `PSTREAM_UNSUPPORTED` for one of a later version; `PSTREAM_INVALID_INPUT` for an
   * argument; the sequence errors of {@link FileSequence.open}; `PSTREAM_IO`.
   */
  static openReadOnly(directory: Path, options?: ReaderOptions & { encoding?: 'buffer' }): Promise<ReadOnlyStream>
  static openReadOnly(directory: Path, options: ReaderOptions & { encoding: 'utf8' }): Promise<ReadOnlyStream<string>>
  static openReadOnly<T>(
    directory: Path,
    options: ReaderOptions & { encoding: 'json' | Encoding<T> },
  ): Promise<ReadOnlyStream<T>>
  static async openReadOnly(
    directory: Path,
    options: ReaderOptions & { encoding?: unknown } = {},
  ): Promise<ReadOnlyStream<unknown>> {
    return await follow(directory, options)
  }

  /**
   * Removes the stream and all that belongs to it: its files, the copies of torn tails, cursors. What a repair has put aside
   * stays, and so does whatever else is in the folder. After a crash in the midst of it the stream opens without the records
   * that are gone, as if they had been trimmed; another call removes the rest.
   *
   * Rejects with `PSTREAM_NOT_FOUND` if there is no such stream; `PSTREAM_LOCKED` if it is open, or one of its cursors is, after
   * 50 ms; `PSTREAM_INVALID_FILE` for a sequence of files that are no stream's; `PSTREAM_INVALID_INPUT`; the sequence errors
   * of {@link FileSequence.open}; `PSTREAM_SYNC_FAILED` and `PSTREAM_IO`: call it again.
   *
   * @example
   * ```ts
   * await PersistentStream.destroy('./data', { name: 'events' })
   * ```
   */
  static async destroy(directory: Path, options: { name?: string } = {}): Promise<void> {
    const folder = path('directory', directory)
    const given: Partial<typeof options> = optionsObject('options', options)
    const name = given.name === undefined ? 'stream' : componentName('options.name', given.name)
    await whenUnlocked(lockTimeout(undefined), () => native().destroyStream(folder, name))
  }

  /** The first seq that can be read. */
  override get oldestSeq(): number {
    return this.#native.oldestSeq() ?? this.recovery.records.oldestSeq
  }

  /** The seq that the next append gets. Counts what is pending, and falls back if that fails. */
  override get nextSeq(): number {
    return this.#appender.nextSeq
  }

  /** Everything below this seq is durable. */
  override get durableSeq(): number {
    return this.#closedProperly ? this.#appender.nextSeq : unwrap(this.#native.durableSeq())
  }

  /** Also gives records that are written and not durable yet, with `visibility: 'written'`. */
  override read(options: WriterReadOptions = {}): RecordIterator<StreamRecord<Out>> {
    return super.read(options)
  }

  /** Also gives records that are written and not durable yet, with `visibility: 'written'`. */
  override readBatches(options: WriterReadOptions = {}): RecordIterator<StreamRecord<Out>[]> {
    return super.readBatches(options)
  }

  /**
   * Appends one record, and resolves to its seq once it is as durable as asked. `data` is copied at once. Records are in
   * the order of the calls.
   *
   * With nothing taken it rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_BACKPRESSURE` if more than
   * `maxPendingBytes` would wait: see {@link PersistentStream.ready}; `PSTREAM_CAPACITY` for more than `maxRecordBytes`.
   * When its commit fails, with `PSTREAM_NO_SPACE` or `PSTREAM_LIMIT` (and nothing of it is in the stream), with
   * `PSTREAM_SYNC_FAILED` or `PSTREAM_IO`.
   * An abort ends the wait, not the append: the record may be in the stream.
   */
  append(data: In, options?: AppendOptions): Promise<number> {
    if (options !== undefined) return this.#appendWith(data, options)
    // Not an async function, which makes one more of everything. Of 1,000 in flight: 1.51 million a second, with it 1.42.
    try {
      const item = this.#encode('data', data)
      this.#appender.checkOpen()
      return this.#appender.append(item, this.#durability).then(unwrap<number>)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #appendWith(data: In, options: AppendOptions): Promise<number> {
    const { level, signal } = this.#appendOptions(options)
    const item = this.#encode('data', data)
    this.#appender.checkOpen()
    return unwrap(await abortable(this.#appender.append(item, level), signal))
  }

  /**
   * Appends records of which a crash leaves all or none; they follow each other. Resolves to the seq of the first; an
   * empty list writes nothing and resolves to `nextSeq`. Rejects as {@link PersistentStream.append}; with
   * `PSTREAM_CAPACITY` also if they do not fit into one file together.
   */
  async appendMany(data: readonly In[], options: AppendOptions = {}): Promise<number> {
    const { level, signal } = this.#appendOptions(options)
    const items = list('data', data).map((item, index) => this.#encode(`data[${index}]`, item))
    this.#appender.checkOpen()
    if (items.length === 0) return this.#appender.nextSeq
    return unwrap(await abortable(this.#appender.appendMany(items, level), signal))
  }

  /**
   * Appends one record without a promise. Returns whether there is room for more; if not, this record was taken, and it
   * is time to wait for {@link PersistentStream.ready}. If its commit fails, the next {@link PersistentStream.flush} (or
   * {@link PersistentStream.close}) rejects with the error.
   *
   * With nothing taken it throws the errors with which `append` rejects: `PSTREAM_BACKPRESSURE` only if an earlier call
   * returned false and there is no room yet.
   */
  write(data: In): boolean {
    const item = this.#encode('data', data)
    this.#appender.checkOpen()
    return this.#appender.write(item, this.#durability)
  }

  /**
   * A stream of Node.js that appends what is written to it: one write is one record. With the encoding `'buffer'` it takes
   * bytes and strings, with their own encoding (`write('ff', 'hex')` is one byte); with another one it is in object mode and
   * takes what `append` takes, but for `null`, which ends a stream of Node.js.
   *
   * The callback of a write is called when its record is as durable as asked, and `'finish'` is emitted when all of them
   * are durable. What is written while a commit is under way is committed by the next one. It waits for room, and never
   * fails with `PSTREAM_BACKPRESSURE`. Any number of them may write to a stream, beside `append`; to end one does not
   * close the stream.
   *
   * Throws `PSTREAM_INVALID_INPUT` for an option. The other errors of {@link PersistentStream.append} destroy it, and so
   * does the signal, with its reason. What it had handed over may be in the stream all the same; write callbacks that wait
   * together fail together.
   *
   * @example
   * ```ts
   * import { createReadStream } from 'node:fs'
   * import { pipeline } from 'node:stream/promises'
   *
   * await pipeline(createReadStream('upload.bin'), stream.createWriteStream())   // durable when this line is passed
   * ```
   */
  createWriteStream(options: WriteStreamOptions = {}): Writable {
    const { encoding } = this.#side
    const takesBytes = encoding === undefined || encoding === 'buffer'
    const [appender, encode, level] = [this.#appender, this.#encode, this.#durability]
    return new RecordWritable({ appender, encode, durability: level, takesBytes }, options)
  }

  /** Also gives records that are written and not durable yet, with `visibility: 'written'`. */
  override createReadStream(options: ReadStreamOptions & WriterReadOptions = {}): Readable {
    return super.createReadStream(options)
  }

  /**
   * Resolves when everything appended before this call is durable, whatever its level. Rejects with the error of a
   * {@link PersistentStream.write} that has failed since the last flush; with that of a sync in the background, with
   * `durability: 'written'`; and with the errors of a commit.
   */
  async flush(options: AbortOptions = {}): Promise<void> {
    const signal = this.#signal(options)
    this.#appender.checkOpen()
    const outcome = await abortable(this.#appender.flush(), signal)
    unwrap<Outcome>(this.#appender.takeLost(outcome) ?? outcome)
  }

  /**
   * Resolves when there is room for at least one more append: at once, or as soon as what waits has become less; after an
   * append that was refused, as soon as that one would be taken. Rejects with `PSTREAM_CLOSED` if the stream is closed
   * meanwhile.
   */
  async ready(options: AbortOptions = {}): Promise<void> {
    const signal = this.#signal(options)
    this.#appender.checkOpen()
    await abortable(this.#appender.ready(), signal)
  }

  /**
   * Lets go of records in front of `before`: of whole files that hold no others, and never of the file in use. As far as
   * the slowest cursor has come, or past it with `force`. Resolves to the oldest seq that is left, durably; appends and
   * reads go on meanwhile. A read of what is gone ends with `PSTREAM_TRIMMED`. After a crash in the midst of it any number
   * of these files may be there, from some file on.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; with any number of the files gone, with `PSTREAM_CLOSED` if the
   * stream is closed meanwhile; `PSTREAM_SYNC_FAILED`; `PSTREAM_CORRUPT` if no file can be read; `PSTREAM_IO`, on Windows
   * also while somebody else has such a file open: call it again.
   *
   * @param before - 0 to 2^53 - 1.
   *
   * @example
   * ```ts
   * const oldest = await stream.trim(stream.durableSeq - 1_000_000)
   * ```
   */
  async trim(before: number, options: TrimOptions = {}): Promise<number> {
    const seq = integer('before', before, 0, Number.MAX_SAFE_INTEGER)
    const force = flag('options.force', optionsObject('options', options).force)
    this.#appender.checkOpen()
    return unwrap(await this.#trims.trim(seq, force))
  }

  /**
   * Appends one record and returns its seq, once it is durable, or written if the stream was opened with that. For exit and
   * crash handlers: it blocks the thread for as long as a commit takes, and without limit if the disk hangs. Waits for room
   * instead of throwing `PSTREAM_BACKPRESSURE`. Appends before it are settled too; their promises tell so when they can.
   *
   * Throws the other errors with which {@link PersistentStream.append} rejects.
   *
   * @example
   * ```ts
   * process.on('uncaughtExceptionMonitor', (error) => stream.appendSync(String(error.stack)))
   * ```
   */
  appendSync(data: In): number {
    const item = this.#encode('data', data)
    this.#appender.checkOpen()
    return unwrap(this.#appender.appendSync(item, this.#durability))
  }

  /** As {@link PersistentStream.flush}, with the thread blocked until it is done: for exit and crash handlers. */
  flushSync(): void {
    this.#appender.checkOpen()
    const outcome = this.#appender.flushSync()
    unwrap<Outcome>(this.#appender.takeLost(outcome) ?? outcome)
  }

  /**
   * As {@link PersistentStream.close}, with the thread blocked until it is done: for exit and crash handlers. If a close is
   * under way it waits for that, whose promise tells of errors; of a closed stream it does nothing.
   */
  closeSync(): void {
    const cursors = this.#side.cursors.close()
    this.#side.close()
    const failure = this.#appender.closeSync()
    cursors.finishSync(this.#endOf(failure))
    this.#trims.settle()
    if (this.#closing !== undefined) return
    this.#closing = Promise.resolve()
    this.#closedProperly = failure === undefined
    const lost = this.#appender.takeLost(failure) ?? failure
    if (lost !== undefined) raise(lost)
  }

  /**
   * Deletes a cursor, durably: nothing is kept for it any more.
   *
   * Rejects with `PSTREAM_NOT_FOUND` if there is none of that name; `PSTREAM_LOCKED` if somebody has it, after 50 ms;
   * `PSTREAM_INVALID_INPUT`; `PSTREAM_SYNC_FAILED` and `PSTREAM_IO`: call it again; `PSTREAM_CLOSED`.
   */
  async deleteCursor(name: string): Promise<void> {
    const checked = cursorName(name)
    this.#appender.checkOpen()
    await this.#side.cursors.delete(this.#native, checked)
  }

  /**
   * What the stream has done since it was opened, and what it takes, as of its last commit. Of a closed stream what it was
   * in the end.
   */
  override stats(): StreamStats {
    const { records, bytes, commits, pendingBytes, pendingRecords } = this.#appender
    const { syncs, files, bytesOnDisk, bytesUsed, p50, p99, max } = unwrap(this.#native.stats())
    const pending = { pendingBytes, pendingAppends: pendingRecords }
    const commitLatency = { p50, p99, max }
    return { appends: records, bytes, commits, syncs, ...pending, files, bytesOnDisk, bytesUsed, commitLatency }
  }

  /**
   * Commits what waits, notes that the stream was closed, and gives up its lock. Every call made before has settled when
   * it resolves: reads that have not reached their end with `PSTREAM_CLOSED`, live ones by ending. May be called again.
   *
   * Rejects with `PSTREAM_SYNC_FAILED`, `PSTREAM_NO_SPACE` or `PSTREAM_IO`, or with the error of a
   * {@link PersistentStream.write}, or of a sync in the background, that nobody has been told of; closed it is all the same.
   */
  override close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const cursors = this.#side.cursors.close()
    this.#side.close()
    const failure = await this.#appender.close()
    // Behind what has become durable last.
    await cursors.finish(this.#endOf(failure))
    this.#trims.settle()
    await this.#side.settled()
    const lost = this.#appender.takeLost(failure)
    this.#closedProperly = failure === undefined
    if (lost !== undefined) raise(lost)
    if (isFailure(failure)) raise(failure)
  }

  /** Where the stream was durable to, when it was closed. */
  #endOf(failure: unknown): number {
    return failure === undefined ? this.#appender.nextSeq : unwrap(this.#native.durableSeq())
  }

  #appendOptions(options: AppendOptions): { level: Durability; signal: AbortSignal | undefined } {
    const given = optionsObject('options', options)
    return { level: durability(given.durability, this.#durability), signal: this.#signal(given) }
  }

  /** Throws its reason if it has aborted: nothing is begun then. */
  #signal(options: AbortOptions): AbortSignal | undefined {
    const signal = abortSignal('options.signal', optionsObject('options', options).signal)
    signal?.throwIfAborted()
    return signal
  }
}
