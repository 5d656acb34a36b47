import { anyInteger, componentName, isSecond, optionsObject, type Path, path } from './arguments.js'
import { isSequenceFile, type SequenceFile, sequenceFile, whenSettled } from './block-file.js'
import { ClosedError, InvalidInputError, type LockHolder } from './errors.js'
import { unwrap } from './failure.js'
import { Gate } from './gate.js'
import { lockTimeout, whenUnlocked } from './lock-wait.js'
import { type NativeRetrieve, type NativeSequence, native, type RawSequenceOptions } from './native.js'
import { type FileCreation, fileOptions } from './options.js'
import {
  breakLock,
  inspect,
  type RepairOptions,
  type RepairReport,
  rename,
  repair,
  type SequenceReport,
} from './sequence-tools.js'
import { shownPath } from './windows-path.js'

/** How to open a sequence. */
export interface FileSequenceOptions extends FileCreation {
  /** One path component of at most 247 bytes. */
  name: string
  /** Number of blocks of the files that {@link FileSequence.alloc} makes, at least 1. Files made earlier keep theirs. */
  blockCount: number
  /** Binary logarithm of the block size of the files that `alloc` makes, 12 to 28. */
  blockShift: number
  /** On a file system without locks: fail with `PSTREAM_UNSUPPORTED` (default), or go on unlocked. */
  lock?: 'required' | 'best-effort'
  /** How many milliseconds to wait for a lock that is held, 0 to 2^31 - 1. Default 50. */
  lockTimeoutMs?: number
}

const KEY = Symbol('pstream')

/**
 * An ordered, gap-free run of {@link BlockFile}s in one folder, identified by a name. It grows at the end and is
 * released at the start. Nothing but the names and lengths of the files makes up its state.
 *
 * One opener at a time: the lock is the system's own, so that it is free again whenever its holder is gone, however it
 * went. Allocs, releases and retrievals are done one after the other, in the order of the calls.
 *
 * A sequence that is not closed gives up its lock when it is garbage-collected, which it is not while one of its files
 * is in use. Do not wait for that: close it.
 *
 * @example
 * ```ts
 * const sequence = await FileSequence.open('./data', { name: 'events', blockCount: 1024, blockShift: 16 })
 * for await (const file of sequence.retrieve()) await file.close()
 * const file = await sequence.alloc()
 * await file.store(0, bytes)
 * await sequence.close()
 * ```
 */
export class FileSequence implements AsyncDisposable {
  /** The folder, absolute, with its links resolved. */
  readonly root: string
  /** The name. */
  readonly name: string
  readonly #native: NativeSequence
  readonly #calls = new Gate(1)
  #closing: Promise<void> | undefined

  private constructor(key: symbol, sequence: NativeSequence) {
    if (key !== KEY) throw new InvalidInputError('a FileSequence comes from FileSequence.open')
    const info = sequence.info()
    this.root = shownPath(info.root)
    this.name = info.name
    this.#native = sequence
  }

  /**
   * Opens the sequence `options.name` in the folder `root`, which must exist; one without files starts at index 1. Gaps
   * and duplicates are found by {@link FileSequence.retrieve}, not here. A rename that a crash has interrupted is
   * finished or undone first.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_NOT_FOUND` for the folder; `PSTREAM_LOCKED`;
   * `PSTREAM_UNSUPPORTED` where the file system has no locks; `PSTREAM_SEQUENCE_BAD_NAME`,
   * `PSTREAM_SEQUENCE_OUT_OF_RANGE` and `PSTREAM_SEQUENCE_TOO_LONG` for what lies in the folder;
   * `PSTREAM_INVALID_FILE` for a symbolic link in the place of a file; `PSTREAM_SYNC_FAILED`; `PSTREAM_IO`.
   */
  static async open(root: Path, options: FileSequenceOptions): Promise<FileSequence> {
    const folder = path('root', root)
    const given = optionsObject('options', options)
    const name = componentName('options.name', given.name)
    const raw: RawSequenceOptions = {
      blockCount: anyInteger('options.blockCount', given.blockCount),
      blockShift: anyInteger('options.blockShift', given.blockShift),
      file: { ...fileOptions(given), readOnly: false },
      bestEffortLock: isSecond('options.lock', given.lock, 'required', 'best-effort'),
    }
    const timeout = lockTimeout(given.lockTimeoutMs)
    return new FileSequence(KEY, await whenUnlocked(timeout, () => native().openSequence(folder, name, raw)))
  }

  /** Index of the first file, 0 to 65,535; equal to {@link FileSequence.end} if there is none. */
  get start(): number {
    return this.#native.start()
  }

  /** One past the index of the last file: the index of the next one. Wraps at 65,536. */
  get end(): number {
    return this.#native.end()
  }

  /** Number of files, 0 to 16,383. */
  get length(): number {
    return this.#native.length()
  }

  /**
   * Makes the file at {@link FileSequence.end}, of the sequence's shape or with another block count. File and name are
   * durable when it resolves; after a crash during the call the file is there, whole, or it is not.
   *
   * Rejects with `PSTREAM_SEQUENCE_TOO_LONG` with 16,383 files, until one is released; `PSTREAM_ALREADY_EXISTS` if a
   * foreign file has the next index; `PSTREAM_INVALID_INPUT` for the block count; `PSTREAM_NO_SPACE`;
   * `PSTREAM_UNSUPPORTED`; `PSTREAM_SYNC_FAILED`, after which the sequence must be opened anew; `PSTREAM_CLOSED`;
   * `PSTREAM_IO`.
   */
  async alloc(options?: { blockCount?: number }): Promise<SequenceFile> {
    const given = options === undefined ? {} : optionsObject('options', options)
    const count = given.blockCount === undefined ? undefined : anyInteger('options.blockCount', given.blockCount)
    return sequenceFile(unwrap(await this.#call(() => this.#native.alloc(count))), this)
  }

  /**
   * Removes the first file, which is then closed, after the loads and stores of it that were called before have settled.
   * Durable when it resolves; after a crash during the call the file may still be there, and nothing else is different. A
   * file of an earlier instance of the same sequence is accepted.
   *
   * With the file left open and in place it rejects with `PSTREAM_INVALID_INPUT` for what is no file of a sequence;
   * `PSTREAM_SEQUENCE_UNRECOGNIZED` for a file of another sequence; `PSTREAM_SEQUENCE_OUT_OF_ORDER` if it is not the
   * first; `PSTREAM_SEQUENCE_OUT_OF_RANGE` if it has been released already; `PSTREAM_CLOSED`; `PSTREAM_IO`.
   * `PSTREAM_SYNC_FAILED`: the file may come back after a crash, and the sequence must be opened anew.
   */
  async release(file: SequenceFile): Promise<void> {
    if (!isSequenceFile(file)) throw new InvalidInputError('file must be a file of a sequence')
    unwrap(await this.#call(() => whenSettled(file, (ours) => this.#native.release(ours))))
    await file.close()
  }

  /**
   * All files in order. The whole sequence is checked before the first one is yielded; each file is opened when its turn
   * comes, and belongs to the caller, who closes it. Leaving the loop early releases what the iteration holds.
   *
   * The iteration rejects with `PSTREAM_SEQUENCE_DUPLICATE`, `PSTREAM_SEQUENCE_OUT_OF_RANGE`,
   * `PSTREAM_SEQUENCE_BROKEN` for a gap, `PSTREAM_SEQUENCE_BAD_NAME`, `PSTREAM_INVALID_FILE`, `PSTREAM_CLOSED`; and for
   * each file with the errors of {@link BlockFile.open}, `PSTREAM_NOT_FOUND` among them if it has been released in the
   * meantime.
   */
  retrieve(): AsyncIterable<SequenceFile> {
    return { [Symbol.asyncIterator]: () => new Retrieval((call) => this.#call(call), this.#native, this) }
  }

  /**
   * Gives up the lock, after the calls made before have settled. Its files stay usable; the sequence rejects further
   * calls with `PSTREAM_CLOSED`. May be called again.
   *
   * Rejects with `PSTREAM_IO` if the lock's file cannot be removed, and with `PSTREAM_SYNC_FAILED`; closed it is all the
   * same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The same as {@link FileSequence.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Looks at the sequence `name` in the folder `root`. Changes nothing and takes no lock, so that it may be in use: what
   * is seen is then any state between that before and that after the calls under way.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_NOT_FOUND` for the folder; `PSTREAM_INVALID_FILE` for
   * more than 262,144 files under the name; `PSTREAM_IO`.
   */
  static inspect(root: Path, name: string): Promise<SequenceReport> {
    return inspect(root, name)
  }

  /**
   * Makes a sequence that does not open one that does, by moving what does not fit into the folder
   * `<name>.meta/quarantine-<ms>`. Deletes nothing. By default only says what it would do. Safe to interrupt: after a
   * crash every file is in its old or its new place, and the same repair goes on from there.
   *
   * Rejects as {@link FileSequence.inspect}; with `apply` also with `PSTREAM_LOCKED`, `PSTREAM_NO_SPACE`,
   * `PSTREAM_SYNC_FAILED`.
   */
  static repair(root: Path, name: string, options?: RepairOptions): Promise<RepairReport> {
    return repair(root, name, options)
  }

  /**
   * Renames the sequence `from` in the folder `root`, with all that belongs to it, to `to`. After a crash during the call
   * the next open of either name finds the whole sequence under that name.
   *
   * With nothing changed it rejects with `PSTREAM_INVALID_INPUT` for an argument, or if the names are equal;
   * `PSTREAM_NOT_FOUND` if there is no sequence `from`; `PSTREAM_ALREADY_EXISTS` if there is anything of a sequence
   * `to`; `PSTREAM_LOCKED`; and with the errors of {@link FileSequence.open}. With the rename left to the next open:
   * `PSTREAM_NO_SPACE`, `PSTREAM_SYNC_FAILED`, `PSTREAM_IO`.
   */
  static rename(root: Path, from: string, to: string): Promise<void> {
    return rename(root, from, to)
  }

  /**
   * Removes a lock that no living process can release: a symbolic link in the lock's place, left by hand or by the Rust
   * crate. Resolves to what is known of who held it, or to `undefined` if there was no lock. A lock of this package never
   * needs it.
   *
   * Rejects with `PSTREAM_LOCKED` while a process holds the system's lock, and while a symbolic link names a living
   * process unless `options.force` is true; `PSTREAM_INVALID_INPUT`; `PSTREAM_NOT_FOUND` for the folder; `PSTREAM_IO`.
   */
  static breakLock(root: Path, name: string, options?: { force?: boolean }): Promise<LockHolder | undefined> {
    return breakLock(root, name, options)
  }

  async #close(): Promise<void> {
    await this.#calls.idle()
    unwrap(await this.#native.close())
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ClosedError('sequence is closed', { path: this.root })
    await this.#calls.enter()
    try {
      return await call()
    } finally {
      this.#calls.leave()
    }
  }
}

/** Written by hand, not a generator: `return` releases at once, also while a `next` is under way. */
class Retrieval implements AsyncIterator<SequenceFile, undefined> {
  readonly #call: <T>(call: () => Promise<T>) => Promise<T>
  readonly #sequence: NativeSequence
  readonly #owner: FileSequence
  readonly #turns = new Gate(1)
  #files: NativeRetrieve | undefined
  #done = false

  constructor(call: <T>(call: () => Promise<T>) => Promise<T>, sequence: NativeSequence, owner: FileSequence) {
    this.#call = call
    this.#sequence = sequence
    this.#owner = owner
  }

  async next(): Promise<IteratorResult<SequenceFile, undefined>> {
    await this.#turns.enter()
    try {
      return await this.#advance()
    } catch (error) {
      this.#finish()
      throw error
    } finally {
      this.#turns.leave()
    }
  }

  async return(): Promise<IteratorResult<SequenceFile, undefined>> {
    this.#finish()
    return { done: true, value: undefined }
  }

  async #advance(): Promise<IteratorResult<SequenceFile, undefined>> {
    if (this.#done) return { done: true, value: undefined }
    this.#files ??= unwrap(await this.#call(() => this.#sequence.retrieve()))
    const files = this.#files
    const opened = unwrap(await this.#call(() => files.next()))
    if (opened === null) {
      this.#finish()
      return { done: true, value: undefined }
    }
    // Left in the meantime: nobody will close it but we.
    if (this.#done) {
      unwrap(await opened.close())
      return { done: true, value: undefined }
    }
    return { done: false, value: sequenceFile(opened, this.#owner) }
  }

  #finish(): void {
    this.#done = true
    this.#files = undefined
  }
}
