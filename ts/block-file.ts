import { sep } from 'node:path'
import { allocate, borrow, gather, giveBack, Scatter } from './arena.js'
import { anyInteger, type Bytes, byteList, integer, optionsObject, type Path, path } from './arguments.js'
import { ClosedError, InvalidInputError } from './errors.js'
import { unwrap } from './failure.js'
import { Gate } from './gate.js'
import { type NativeFile, native } from './native.js'
import { type BlockFileOptions, type FileCreation, fileOptions } from './options.js'
import { shownPath } from './windows-path.js'

/** What is given: memory of its own, which `fetch`, `Blob` and `crypto.subtle` accept. */
export type OwnBytes = Uint8Array<ArrayBuffer>

/** How to create a block file. */
export interface CreateBlockFileOptions extends FileCreation {
  /** Number of blocks, at least 1; the file may not exceed 2^63 - 1 bytes. */
  blockCount: number
  /** Binary logarithm of the block size in bytes, 12 to 28: 4 KiB to 256 MiB. */
  blockShift: number
}

/** How to open a block file. */
export interface OpenBlockFileOptions extends BlockFileOptions {
  /** Binary logarithm of the block size in bytes, 12 to 28. May differ from the one it was created with. */
  blockShift: number
  /** Stores will fail with `PSTREAM_INVALID_INPUT`. Default false. */
  readOnly?: boolean
}

/** So many loads of one file are with the thread pool at a time, which has four threads unless it is told otherwise. */
const LOADS = 2
/** A load goes through private memory in pieces of this size, or of a block where that is larger. */
const PIECE_BYTES = 8 << 20
const KEY = Symbol('pstream')

/** Whether it is one, and not merely made to look like one. */
let isBlockFile: (value: object) => boolean

/**
 * Makes a call with the native side of a file, between the loads and stores that were called before and those that are
 * called after. @internal
 */
export let whenSettled: <T>(file: BlockFile, call: (file: NativeFile) => Promise<T>) => Promise<T>

/**
 * A file made of `blockCount` blocks of `2^blockShift` bytes, fixed for life, whose stores are durable when they
 * resolve.
 *
 * Loads run at the same time as each other and as a store; stores run one after the other, in the order of the calls.
 * **A failed sync is final**: after it every load and store rejects with `PSTREAM_SYNC_FAILED` until the file is closed
 * and opened anew, because what the system shows of the file may not be what the disk has.
 *
 * A file that is not closed is closed when it is garbage-collected; do not wait for that.
 *
 * @example
 * ```ts
 * const file = await BlockFile.create('data.blocks', { blockCount: 1024, blockShift: 16 })
 * await file.store(7, new TextEncoder().encode('durable once this line is passed'))
 * const bytes = await file.loadBytes(7, 7) // 'durable'
 * await file.close()
 * ```
 */
export class BlockFile implements AsyncDisposable {
  /** Absolute, with the links of its folder resolved. */
  readonly path: string
  /** Number of blocks. */
  readonly blockCount: number
  /** Binary logarithm of the block size, 12 to 28. */
  readonly blockShift: number
  /** Bytes in a block. */
  readonly blockSize: number
  /** Bytes in the file. */
  readonly size: number
  /** Whether its space on disk is reserved, so that a store cannot run out of it. */
  readonly reserved: boolean
  readonly #native: NativeFile
  readonly #stores = new Gate(1)
  readonly #loads = new Gate(LOADS)
  #closing: Promise<void> | undefined

  private constructor(key: symbol, file: NativeFile) {
    if (key !== KEY) throw new InvalidInputError('a BlockFile comes from BlockFile.create or BlockFile.open')
    const info = file.info()
    this.path = shownPath(info.path)
    this.blockCount = info.blockCount
    this.blockShift = info.blockShift
    this.blockSize = 2 ** info.blockShift
    this.size = info.size
    this.reserved = info.reserved
    this.#native = file
  }

  /**
   * Creates the file, which must not be there. Its length is final and its space reserved from the start.
   *
   * After a crash during the call there is either no file at `path`, or the whole one, full of zeros; a file named
   * `.pstream-tmp-…` may be left beside it and can be removed.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_ALREADY_EXISTS`; `PSTREAM_NOT_FOUND` for its folder;
   * `PSTREAM_NO_SPACE`; `PSTREAM_UNSUPPORTED` where space cannot be reserved; `PSTREAM_SYNC_FAILED`, after which the
   * file may or may not be there; `PSTREAM_IO` for any other error of the system.
   *
   * @param path - Where; its folder must exist.
   */
  static async create(path: Path, options: CreateBlockFileOptions): Promise<BlockFile> {
    const at = pathOf(path)
    const given = optionsObject('options', options)
    const blockCount = anyInteger('options.blockCount', given.blockCount)
    const blockShift = anyInteger('options.blockShift', given.blockShift)
    const raw = { ...fileOptions(given), readOnly: false }
    return new BlockFile(KEY, unwrap(await native().createFile(at, blockCount, blockShift, raw)))
  }

  /**
   * Opens the file. What an earlier writer may have left unsynced is made durable first.
   *
   * Rejects with `PSTREAM_INVALID_INPUT` for an argument; `PSTREAM_NOT_FOUND`; `PSTREAM_INVALID_FILE` if its length is
   * zero or not a multiple of the block size, or if it is a folder, a symbolic link or a device;
   * `PSTREAM_SYNC_FAILED`; `PSTREAM_IO` for any other error of the system.
   */
  static async open(path: Path, options: OpenBlockFileOptions): Promise<BlockFile> {
    const at = pathOf(path)
    const given = optionsObject('options', options)
    const blockShift = anyInteger('options.blockShift', given.blockShift)
    return new BlockFile(KEY, unwrap(await native().openFile(at, blockShift, fileOptions(given))))
  }

  /**
   * Fills every buffer completely, in order, from the start of `block` on, across blocks. An empty list does nothing.
   * What it sees of a store that has not resolved is any part of it.
   *
   * The buffers are filled when the data is there, 8 MiB or a block at a time: they may be shared or resizable, but one
   * that is detached or has become too short by then makes the load fail with `PSTREAM_INVALID_INPUT`, the buffers in
   * front of it being filled already.
   *
   * Also rejects with `PSTREAM_UNEXPECTED_EOF` if the file ends before the buffers are full, or if all of them are
   * empty; `PSTREAM_SYNC_FAILED` after a failed sync; `PSTREAM_CLOSED`; `PSTREAM_IO`.
   *
   * @param block - 0 to `blockCount - 1`.
   */
  async load(block: number, into: Bytes | readonly Bytes[]): Promise<void> {
    const first = blockNumber(block)
    const list = byteList('into', into)
    this.#checkOpen()
    unwrap(this.#native.checkLoad(first, list.lengths))
    if (list.total === 0) return
    const scatter = new Scatter('into', list)
    const step = Math.max(PIECE_BYTES, this.blockSize)
    // Memory only when it is its turn: loads that wait hold none.
    await this.#loads.enter()
    let memory: ArrayBuffer | undefined
    try {
      memory = borrow(Math.min(step, list.total))
      for (let done = 0; done < list.total; done += step) {
        const length = Math.min(step, list.total - done)
        unwrap(await this.#native.load(first + done / this.blockSize, memory, length))
        scatter.take(memory, length)
      }
    } finally {
      this.#loads.leave()
      if (memory !== undefined) giveBack(memory)
    }
  }

  /**
   * Loads `byteLength` bytes from the start of `block` on into fresh memory, without a copy.
   *
   * Rejects as {@link BlockFile.load}; with `PSTREAM_INVALID_INPUT` also if there is no memory for so many bytes.
   *
   * @param block - 0 to `blockCount - 1`.
   * @param byteLength - At least 1; up to the end of the file.
   */
  async loadBytes(block: number, byteLength: number): Promise<OwnBytes> {
    const first = blockNumber(block)
    const length = integer('byteLength', byteLength, 0, Number.MAX_SAFE_INTEGER)
    this.#checkOpen()
    unwrap(this.#native.checkLoad(first, [length]))
    await this.#loads.enter()
    try {
      const memory = allocate(length)
      unwrap(await this.#native.load(first, memory, length))
      return new Uint8Array(memory)
    } finally {
      this.#loads.leave()
    }
  }

  /**
   * Stores from the start of `block` on; durable when it resolves. Either pairs of a head and a body that add up to a
   * block each, of which the last pair may be shorter; or one buffer, which is split into whole blocks, of which the
   * last one may be shorter: what lies behind it in the file is left as it is. An empty list does nothing.
   *
   * The bytes are copied at the call (0.1 to 0.2 ms a MiB, 0.4 to 0.9 into memory not used before): the
   * buffers may be used again at once. A store that waits for another one holds its copy, so await stores rather than start many.
   *
   * After a crash during the call any part of the bytes may be there, torn at any sector.
   *
   * With nothing written it rejects with `PSTREAM_CAPACITY` if it does not fit into the file; `PSTREAM_INVALID_INPUT`
   * for an argument, for buffers that are no such pairs, and for a file opened read-only; `PSTREAM_WRITE_ZERO` if all
   * buffers are empty; `PSTREAM_CLOSED`. With any part written: `PSTREAM_NO_SPACE`, and `PSTREAM_WRITE_ZERO` if the
   * system takes no more bytes, after both of which the same store may be tried again; `PSTREAM_SYNC_FAILED`.
   *
   * @param block - 0 to `blockCount - 1`.
   */
  async store(block: number, from: Bytes | readonly Bytes[]): Promise<void> {
    const first = blockNumber(block)
    const list = byteList('from', from)
    this.#checkOpen()
    const check = list.single
      ? this.#native.checkStoreBytes(first, list.total)
      : this.#native.checkStore(first, list.lengths)
    unwrap(check)
    if (list.total === 0) return
    const memory = gather('from', list)
    await this.#stores.enter()
    try {
      unwrap(await this.#native.store(first, memory, list.total))
    } finally {
      this.#stores.leave()
      giveBack(memory)
    }
  }

  /**
   * Closes the file, after the loads and stores that were called before have settled. Later ones reject with
   * `PSTREAM_CLOSED`. May be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The same as {@link BlockFile.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await Promise.all([this.#stores.idle(), this.#loads.idle()])
    unwrap(await this.#native.close())
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('file is closed', { path: this.path })
  }

  static {
    whenSettled = (file, call) => file.#stores.alone(() => file.#loads.alone(() => call(file.#native)))
    isBlockFile = (value) => #native in value
  }
}

/** The path of a file: one that ends like a folder's names none. */
function pathOf(value: unknown): string {
  const text = path('path', value)
  if (text.endsWith('/') || text.endsWith(sep)) throw new InvalidInputError('path must name a file, not a folder')
  return text
}

function blockNumber(block: unknown): number {
  return integer('block', block, 0, Number.MAX_SAFE_INTEGER)
}

/** The constructor is private for users alone: a sequence makes its files with it. */
const Base = BlockFile as unknown as new (key: symbol, file: NativeFile) => BlockFile

const FileOfSequence = class SequenceFile extends Base {
  readonly index: number

  constructor(key: symbol, file: NativeFile) {
    super(key, file)
    this.index = file.info().index ?? 0
  }
}

/** Keeps a sequence, and with it the lock, from being garbage-collected while one of its files is in use. */
const owners = new WeakMap<SequenceFile, object>()

/** A block file of a sequence. Comes from a `FileSequence` only. */
export interface SequenceFile extends BlockFile {
  /** Its place in the sequence, 0 to 65,535. */
  readonly index: number
}

/** @internal */
export function sequenceFile(file: NativeFile, sequence: object): SequenceFile {
  const made = new FileOfSequence(KEY, file)
  owners.set(made, sequence)
  return made
}

/** @internal */
export function isSequenceFile(value: unknown): value is SequenceFile {
  return value instanceof FileOfSequence && isBlockFile(value)
}
