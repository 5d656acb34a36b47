import { raise } from './appender.js'
import { componentName, isSecond, optionsObject, type Path, path } from './arguments.js'
import type { OwnBytes } from './block-file.js'
import { encoder } from './encoding.js'
import { InvalidInputError } from './errors.js'
import { isFailure, unwrap } from './failure.js'
import { MarkWatch } from './mark-watch.js'
import { type FollowerInfo, type NativeFollower, native } from './native.js'
import type { BlockFileOptions } from './options.js'
import { ReadSide } from './run-source.js'
import { StreamReader } from './stream-reader.js'
import type { StreamStats } from './stream-stats.js'
import { Tide } from './tide.js'
import { shownPath } from './windows-path.js'

/** How a stream is opened for reading alone. */
export interface ReaderOptions extends Pick<BlockFileOptions, 'cache'> {
  /** One path component of at most 247 bytes. Default `'stream'`. */
  name?: string
  /**
   * At damage that keeps the end of the stream from being told: reject with `PSTREAM_CORRUPT` (`'strict'`), or open it as far
   * as it can be told (`'salvage'`). Damage elsewhere is for the reads that meet it. Default `'strict'`.
   */
  recovery?: 'strict' | 'salvage'
}

/** @internal */
export interface Followed {
  readonly native: NativeFollower
  readonly info: FollowerInfo
  readonly name: string
  readonly side: ReadSide
}

const NONE = { appends: 0, bytes: 0, commits: 0, syncs: 0, pendingBytes: 0, pendingAppends: 0 }

let make: (opened: Followed) => ReadOnlyStream<unknown>

/**
 * A stream that is open for reading alone, beside a writer in this process or another, or without one. It takes no lock and
 * changes nothing but its own cursors, so that without those it works on a read-only file system, and without the permission
 * to write.
 *
 * It gives durable records only: never one that a power cut can take back. How far that is, it learns from a note that the
 * writer keeps; each read, `get`, `search` and `verify` looks anew when it begins, and a live read is woken by the next
 * commit. Where there is no such note (Windows, a full disk, a stream that nobody has opened since the machine was started),
 * it goes by what later commits say of earlier ones: the newest records come when the writer has been idle for some seconds, or
 * has closed the stream.
 *
 * If the stream is destroyed, or another one takes its place, calls reject with `PSTREAM_NOT_FOUND`.
 *
 * Comes from {@link PersistentStream.openReadOnly}.
 *
 * @example
 * ```ts
 * const stream = await PersistentStream.openReadOnly('./data', { name: 'events', encoding: 'json' })
 * for await (const { seq, data } of stream.read({ from: 'end', live: true, signal })) console.log(seq, data)
 * ```
 */
export class ReadOnlyStream<Out = OwnBytes> extends StreamReader<Out> {
  readonly #native: NativeFollower
  readonly #side: ReadSide
  #closing: Promise<void> | undefined

  static {
    make = (opened) => new ReadOnlyStream(opened)
  }

  private constructor()
  /** @internal */
  private constructor(opened: Followed)
  private constructor(opened?: Followed) {
    if (opened === undefined || !(opened.native instanceof native().NativeFollower)) {
      throw new InvalidInputError('a ReadOnlyStream comes from PersistentStream.openReadOnly')
    }
    super(opened.side, opened.name, opened.info.maxRecordBytes)
    this.#native = opened.native
    this.#side = opened.side
  }

  /** The first seq that can be read, as of the last call that has looked at the stream. */
  override get oldestSeq(): number {
    return unwrap(this.#native.oldestSeq())
  }

  /** The same as {@link ReadOnlyStream.durableSeq}: what is not durable is not there for a reader. */
  override get nextSeq(): number {
    return this.durableSeq
  }

  /** Everything below this seq is durable, as of the last call that has looked at the stream. Never becomes less. */
  override get durableSeq(): number {
    return unwrap(this.#native.durableSeq())
  }

  /** What the stream takes on disk, as of the last call that has looked at it. What its writer counts is 0 here. */
  override stats(): StreamStats {
    const { files, bytesOnDisk, bytesUsed, p50, p99, max } = unwrap(this.#native.stats())
    return { ...NONE, files, bytesOnDisk, bytesUsed, commitLatency: { p50, p99, max } }
  }

  /** Gives up everything. Calls that are under way settle before, with `PSTREAM_CLOSED`. May be called again. */
  override close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const cursors = this.#side.cursors.close()
    this.#side.close()
    await cursors.finish(this.durableSeq)
    const failure = await this.#native.close()
    await this.#side.settled()
    if (isFailure(failure)) raise(failure)
  }
}

/** @internal */
export async function follow(
  directory: Path,
  options: ReaderOptions & { encoding?: unknown },
): Promise<ReadOnlyStream<unknown>> {
  const folder = path('directory', directory)
  const given: Partial<typeof options> = optionsObject('options', options)
  const name = given.name === undefined ? 'stream' : componentName('options.name', given.name)
  const salvage = isSecond('options.recovery', given.recovery, 'strict', 'salvage')
  const keepCache = isSecond('options.cache', given.cache, 'drop', 'keep')
  const { encoding } = given
  // Refuses what is none.
  encoder(encoding)
  const follower = new (native().NativeFollower)()
  const info = unwrap(await follower.open(folder, name, salvage, keepCache))
  const watch = new MarkWatch(follower, info.mark)
  const durable = () => unwrap(follower.durableSeq())
  const tide = new Tide({ durable, written: durable }, watch)
  watch.tide = tide
  const side = new ReadSide(follower, {
    directory: shownPath(info.directory),
    ...{ encoding, keepCache, tide, isFollowed: true },
  })
  return make({ native: follower, info, name, side })
}
