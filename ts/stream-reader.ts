import type { Readable } from 'node:stream'
import { abortable } from './abort.js'
import { type AbortOptions, abortSignal, integer, isFunction, optionsObject, type Path, refuse } from './arguments.js'
import { type BackupOptions, backup } from './backup.js'
import type { OwnBytes } from './block-file.js'
import type { Cursor, CursorInfo } from './cursor.js'
import { cursorName } from './cursor-set.js'
import { decoder, isHidden } from './encoding.js'
import { InvalidInputError } from './errors.js'
import { unwrap } from './failure.js'
import { LiveSource } from './live-source.js'
import { native } from './native.js'
import { place, type ReadOptions, reading, type StreamRecord } from './read-options.js'
import { type ReadStreamOptions, RecordReadable, readStreamPlan } from './read-stream.js'
import { type RecordIterator, RunIterator, refused, type Take } from './record-iterator.js'
import { type Loaded, loadRecord } from './record-load.js'
import { ReadSide, RunSource } from './run-source.js'
import { type VerifyReport, verifyReport } from './stream-report.js'
import type { StreamStats } from './stream-stats.js'

/** How far a verification is. */
export interface VerifyProgress {
  /** Bytes of the stream that were checked. */
  bytes: number
  /** Bytes of the stream. */
  totalBytes: number
}

/** How a stream is verified. */
export interface VerifyOptions extends AbortOptions {
  /** Called after every MiB or so, and at the end. What it throws ends the verification. */
  onProgress?(done: VerifyProgress): void
}

/** How a cursor is opened. */
export interface CursorOptions {
  /**
   * Where one that is new begins: at a seq, 0 to 2^53 - 1; at the first record of a moment or later; at the oldest record; or
   * behind the newest durable one. Default `'oldest'`.
   */
  from?: number | Date | 'oldest' | 'end'
}

/** A batch of `readBatches` has so many records at most. */
const MOST_IN_BATCH = 1024

const takeOne: Take<StreamRecord<unknown>> = (run) => run.take()
const takeMany: Take<StreamRecord<unknown>[]> = (run, most) => run.takeMany(Math.min(most, MOST_IN_BATCH))

/**
 * What can be done with a stream without writing to it. Every byte that it gives has passed its checksum; only records
 * that are durable are given, so that no crash takes back what was read. Reading waits for no writer and holds none up,
 * in memory that is bounded whatever the length of the stream: two MiB or so a read, or the largest records that were
 * appended together if they are larger.
 *
 * Comes from {@link PersistentStream.open} and {@link PersistentStream.openReadOnly}.
 */
export abstract class StreamReader<Out = OwnBytes> implements AsyncDisposable {
  /** Absolute, with its links resolved. */
  readonly directory: string
  /** The name of the stream in its folder. */
  readonly name: string
  /** The largest record that a file of full size can hold, in bytes. */
  readonly maxRecordBytes: number
  readonly #side: ReadSide

  protected constructor()
  /** @internal */
  protected constructor(side: ReadSide, name: string, maxRecordBytes: number)
  protected constructor(side?: ReadSide, name = '', maxRecordBytes = 0) {
    if (!(side instanceof ReadSide)) throw new InvalidInputError('a StreamReader comes from PersistentStream.open')
    this.directory = side.directory
    this.name = name
    this.maxRecordBytes = maxRecordBytes
    this.#side = side
  }

  /** The first seq that can be read. */
  abstract get oldestSeq(): number

  /** The seq that the next append gets. */
  abstract get nextSeq(): number

  /** Everything below this seq is durable. */
  abstract get durableSeq(): number

  /**
   * Reads records in order, up to the end of the stream as it is at this call. A place beyond the end is no error: there
   * is nothing to read then. With {@link ReadOptions.live} it goes on behind the end as the stream grows, and a place
   * beyond the end is waited for.
   *
   * The call itself does not throw. `next` rejects, once, with `PSTREAM_INVALID_INPUT` for an option, or a record that is
   * not in the stream's `encoding`; `PSTREAM_TRIMMED` for a seq that was released; `PSTREAM_CORRUPT` at damage, with the
   * seqs that are affected, unless `onGap` is a function; `PSTREAM_CLOSED` if the stream is closed before the end is
   * reached, which only ends a live read; `PSTREAM_IO`; with the reason of the signal; and with what a decoder or `onGap` throws.
   *
   * @example
   * ```ts
   * for await (const { seq, time, data } of stream.read({ from: 1000, limit: 10 })) {
   *   console.log(seq, new Date(time), data)
   * }
   * for await (const { data } of stream.read({ from: 'end', live: true, signal })) console.log(data)
   * ```
   */
  read(options: ReadOptions = {}): RecordIterator<StreamRecord<Out>> {
    return this.#iterate(options, takeOne as Take<StreamRecord<Out>>)
  }

  /**
   * The same records in arrays of 1 to 1,024: the fast way. Where an array ends means nothing.
   *
   * @example
   * ```ts
   * let bytes = 0
   * for await (const records of stream.readBatches({ from: new Date('2026-01-01') })) {
   *   for (const { data } of records) bytes += data.length
   * }
   * ```
   */
  readBatches(options: ReadOptions = {}): RecordIterator<StreamRecord<Out>[]> {
    return this.#iterate(options, takeMany as Take<StreamRecord<Out>[]>)
  }

  /**
   * The records as a stream of Node.js: in object mode, or their bytes with `as: 'data'`. What can be read is settled at
   * this call, as for {@link StreamReader.read}. Nothing is read before somebody wants it; destroyed, it gives up its memory
   * and files at once. `stream.pipeline` and `Readable.toWeb` take it as any other.
   *
   * Throws `PSTREAM_INVALID_INPUT` for an option. The errors of {@link StreamReader.read} destroy it, and so does the
   * signal, with its reason.
   *
   * @example
   * ```ts
   * import { createWriteStream } from 'node:fs'
   * import { pipeline } from 'node:stream/promises'
   * import { createGzip } from 'node:zlib'
   *
   * await pipeline(stream.createReadStream({ as: 'data' }), createGzip(), createWriteStream('log.gz'))
   * ```
   */
  createReadStream(options: ReadStreamOptions = {}): Readable {
    // Here and not only when it is read: as any stream of Node.js it throws for an option.
    reading(options, false)
    const plan = readStreamPlan(options)
    const { signal: _, ...others } = options
    const take = takeMany as Take<StreamRecord<unknown>[]>
    return new RecordReadable(this.#iterate(others, take, plan.asData ? 'buffer' : undefined), plan)
  }

  /**
   * The record `seq`, in memory of its own; `undefined` if there is none yet, or none that is durable.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument, or a record that is not in the stream's `encoding`;
   * `PSTREAM_TRIMMED` if it was released; `PSTREAM_CORRUPT` if it is damaged; `PSTREAM_CLOSED`; `PSTREAM_IO`; with the
   * reason of the signal; and with what a decoder throws.
   *
   * @param seq - 0 to 2^53 - 1.
   *
   * @example
   * ```ts
   * const newest = await stream.get(stream.durableSeq - 1)
   * ```
   */
  async get(seq: number, options: AbortOptions = {}): Promise<StreamRecord<Out> | undefined> {
    const number = integer('seq', seq, 0, Number.MAX_SAFE_INTEGER)
    const signal = signalOf(options)
    const side = this.#open()
    const loading = loadRecord(side, (memory) => native().getRecord(side.native, number, memory))
    const found = unwrap(await abortable(loading, signal))
    return found === undefined ? undefined : this.#decoded(found)
  }

  /**
   * The seq of the first record for which `compare` is not negative; one past the newest durable record if there is none.
   * A binary search: the stream must be ordered by what `compare` looks at, so that it is negative for all records up to
   * some place and for none behind. Reads a number of blocks that grows with the logarithm of the stream's length.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` if `compare` is no function, or returns anything but a number; `PSTREAM_CORRUPT`
   * if a record that has to be compared is damaged; as {@link StreamReader.get}; and with what `compare` throws.
   *
   * @example
   * ```ts
   * // Records are JSON with an `id` that grows: the first one from 5000 on.
   * const seq = await stream.search(({ data }) => data.id - 5000)
   * ```
   */
  async search(compare: (record: StreamRecord<Out>) => number, options: AbortOptions = {}): Promise<number> {
    if (!isFunction(compare)) throw refuse('compare', 'a function', compare)
    const signal = signalOf(options)
    const side = this.#open()
    const search = unwrap(native().searchStream(side.native))
    try {
      for (;;) {
        signal?.throwIfAborted()
        side.checkOpen()
        const loading = loadRecord(side, (memory) => search.next(memory))
        const found = unwrap(await abortable(loading, signal))
        if (found === undefined) return unwrap(search.seq())
        const order: unknown = compare(this.#decoded(found))
        if (typeof order !== 'number' || Number.isNaN(order)) {
          throw refuse(`what compare returns, of record ${found.seq},`, 'a number', order)
        }
        unwrap(search.answer(order < 0))
      }
    } finally {
      void search.free()
    }
  }

  /**
   * Reads and checks every byte of the stream, as far as it is durable at this call. Damage is no error: it is in the
   * report.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_CLOSED`, also if the stream is closed meanwhile;
   * `PSTREAM_IO`; with the reason of the signal; and with what `onProgress` throws.
   *
   * @example
   * ```ts
   * const { ok, gaps } = await stream.verify({ onProgress: ({ bytes, totalBytes }) => show(bytes / totalBytes) })
   * if (!ok) for (const { fromSeq, toSeq, cause } of gaps) console.error(fromSeq, toSeq, cause.message)
   * ```
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const signal = signalOf(options)
    const { onProgress } = options
    if (onProgress !== undefined && !isFunction(onProgress))
      throw refuse('options.onProgress', 'a function', onProgress)
    const side = this.#open()
    const verifier = unwrap(native().verifyStream(side.native))
    try {
      for (;;) {
        signal?.throwIfAborted()
        side.checkOpen()
        const stepping = side.call(() => verifier.step())
        const { bytes, totalBytes, report } = unwrap(await abortable(stepping, signal))
        onProgress?.call(options, { bytes, totalBytes })
        if (report !== undefined) return verifyReport(report)
      }
    } finally {
      void verifier.free()
    }
  }

  /**
   * Opens the cursor `name`, for one consumer, and makes it if it is not there: at the oldest record, or at `from`, which a
   * cursor that is there already takes no notice of. What it has not passed is kept, however the stream is trimmed, unless
   * it is told otherwise. Needs a folder that can be written to.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument, or a seq behind the end; `PSTREAM_LOCKED` if somebody has it, after
   * 50 ms; `PSTREAM_TRIMMED` for a `from` that was released; `PSTREAM_CORRUPT` if it cannot be read, or is ahead of the
   * stream: delete it and make it anew where the work is to go on; `PSTREAM_UNSUPPORTED` for one of a later version, and on a
   * file system without locks; `PSTREAM_NO_SPACE`; `PSTREAM_SYNC_FAILED`; `PSTREAM_IO`; `PSTREAM_CLOSED`.
   *
   * @param name - 1 to 100 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. Capital letters and small ones differ.
   *
   * @example
   * ```ts
   * const mailer = await stream.cursor('mailer', { from: 'end' })
   * ```
   */
  async cursor(name: string, options: CursorOptions = {}): Promise<Cursor<Out>> {
    const checked = cursorName(name)
    const from = place('options.from', optionsObject('options', options).from)
    return this.#open().cursors.open<Out>(this, checked, from)
  }

  /**
   * All cursors of the stream, by name, also those that others use.
   *
   * Rejects with `PSTREAM_IO` and `PSTREAM_CLOSED`. Of one that is damaged its entry tells.
   */
  async cursors(): Promise<CursorInfo[]> {
    return this.#open().cursors.list(() => this.oldestSeq)
  }

  /** What the stream has done since it was opened, and what it takes. */
  abstract stats(): StreamStats

  /**
   * Copies everything that is durable at this call to a folder, which is made if it is not there, as a stream of its own:
   * of the same name, with the same seqs and times, and without cursors. Appends, reads and trims go on meanwhile. The copy
   * is read again and checked before it gets its name, and durable when this resolves; it opens as a stream that was
   * closed. One that was interrupted, by whatever, is no stream: what a crash leaves of it (`.pstream-backup-…`) the next
   * backup to the same place removes.
   *
   * Rejects, with nothing left of it, with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_ALREADY_EXISTS` if the folder
   * holds a stream of that name; `PSTREAM_LOCKED` while another copy of it is made there; `PSTREAM_CORRUPT` at damage, also
   * at such that salvage went past; `PSTREAM_TRIMMED` if a trim overtakes it, which with no more than 256 files it cannot;
   * `PSTREAM_NO_SPACE`, `PSTREAM_SYNC_FAILED`, `PSTREAM_UNSUPPORTED` and `PSTREAM_IO` for the folder; `PSTREAM_CLOSED`, also
   * if the stream is closed meanwhile; with the reason of the signal; and with what `onProgress` throws.
   *
   * @example
   * ```ts
   * await stream.backup(`./backups/${new Date().toISOString().slice(0, 10)}`)
   * ```
   */
  async backup(directory: Path, options: BackupOptions = {}): Promise<void> {
    await backup(() => this.#open(), { directory, name: this.name, options })
  }

  /**
   * Closes the stream, with everything that is still open on it. May be called again. Of a stream that is open for writing
   * it rejects with the errors of {@link PersistentStream.close}.
   */
  abstract close(): Promise<void>

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(): ReadSide {
    this.#side.checkOpen()
    return this.#side
  }

  #iterate<R>(options: ReadOptions, take: Take<R>, encoding?: 'buffer'): RecordIterator<R> {
    const side = this.#side
    try {
      const plan = reading(options, side.keepCache)
      side.checkOpen()
      const shown = encoding ?? side.encoding
      const source = plan.raw.live
        ? new LiveSource(side, plan.raw, isHidden(shown, plan.copy))
        : new RunSource(side, unwrap(native().readStream(side.native, plan.raw)))
      return new RunIterator({ reading: plan, side, source, encoding }, take)
    } catch (error) {
      return refused(error)
    }
  }

  #decoded({ seq, time, memory }: Loaded): StreamRecord<Out> {
    const decode = decoder(this.#side.encoding, false)
    const data = decode(Buffer.from(memory), 0, memory.byteLength, seq) as Out
    return { seq, time, data }
  }
}

/** Throws its reason if it has aborted: nothing is begun then. */
function signalOf(options: AbortOptions): AbortSignal | undefined {
  const signal = abortSignal('options.signal', optionsObject('options', options).signal)
  signal?.throwIfAborted()
  return signal
}
