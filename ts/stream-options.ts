/** The options of a stream, checked, in the form that the binding takes. */

import { flag, integer, isSecond, oneOf, type Size, size } from './arguments.js'
import type { RawStreamOptions } from './native.js'
import { type BlockFileOptions, fileOptions } from './options.js'
import { type RetentionOptions, rawRetention } from './retention.js'

/** When an append is good. @internal */
export type Durability = 'durable' | 'written'

/** How to open a stream. */
export interface StreamOptions extends BlockFileOptions {
  /** One path component of at most 247 bytes: several streams may share a folder. Default `'stream'`. */
  name?: string
  /**
   * Make the stream, and its folder with those above it, if it is not there; else reject with `PSTREAM_NOT_FOUND`.
   * Default true.
   */
  create?: boolean
  /** How many milliseconds to wait for a lock that is held, 0 to 2^31 - 1. Default 50. */
  lockTimeoutMs?: number
  /**
   * What files grow to: the first is 4 MiB, each next one twice the last. 1 MiB to 2 GiB, a whole number of blocks, 16 or
   * more. Bounds the largest record (`maxRecordBytes`) and the time to open. Default `'64MiB'`.
   */
  fileSize?: Size
  /** 4 KiB to 1 MiB, a power of two. Default `'64KiB'`. */
  blockSize?: Size
  /**
   * When an append resolves: when its record survives a power cut (`'durable'`), or when it survives the process and not
   * yet the machine (`'written'`). Of a sync that fails later the next `flush` tells, or the `close`, and the channel
   * `pstream:failure` at once: see `docs/diagnostics.md`. Default `'durable'`.
   */
  durability?: 'durable' | 'written'
  /** With `'written'`: after how many milliseconds at most it is durable all the same, 1 to 2^31 - 1. Default 1000. */
  syncIntervalMs?: number
  /** Wait so many milliseconds for more appends before a commit, 0 to 60,000. Default 0. */
  commitDelayMs?: number
  /**
   * Commits one behind the other (`'packed'`), or each in sectors of its own (`'4KiB'`), so that no sector with an
   * acknowledged record is ever written again: for disks that may damage a sector while they write it, at the price of
   * space. Default `'packed'`.
   */
  commitAlignment?: 'packed' | '4KiB'
  /**
   * So much may wait to be committed: the bytes of the records, but 32 at least for each. An append beyond rejects with
   * `PSTREAM_BACKPRESSURE`, unless nothing else waits. At least 1. Default `'16MiB'`.
   */
  maxPendingBytes?: Size
  /**
   * At the end of the process (by itself, by `process.exit()`, by an exception that nobody has caught) and of a worker (also
   * when it is terminated): commit what was appended and has not been acknowledged, for at most two seconds in all. With
   * false, only what had been handed to the commit thread may still be committed, which happens at the end of each turn.
   * A signal that ends the process runs no hook: see `docs/guides/exit.md`. Default true.
   */
  flushOnExit?: boolean
  /**
   * At damage to what was durable: reject with `PSTREAM_CORRUPT` (`'strict'`), or go on behind it, with the damage left as
   * it is and reported in `recovery.gaps` (`'salvage'`). Default `'strict'`.
   */
  recovery?: 'strict' | 'salvage'
  /**
   * On a network file system (NFS, SMB and their like), whose server decides what survives a power cut and who holds
   * a lock: reject with `PSTREAM_UNSUPPORTED` (`'refuse'`), or rely on it (`'allow'`). Not all can be told, see
   * `docs/durability.md`. Default `'refuse'`.
   */
  network?: 'refuse' | 'allow'
  /**
   * Where the file system cannot reserve space: reject with `PSTREAM_UNSUPPORTED` (`'required'`), or go on, so that any
   * append can meet a full disk, and not only one that needs another file (`'best-effort'`). Default `'required'`.
   */
  reserve?: 'required' | 'best-effort'
  /** What goes by itself, and how large the stream may grow. By default all is kept, and the disk is the limit. */
  retention?: RetentionOptions
  /** Unix permission bits of new files, 0 to 0o7777, before the umask; ignored on Windows. Default 0o600. */
  mode?: number
}

/** Also the limit of a timer of Node.js. */
const MOST_MS = 2 ** 31 - 1

/** @internal */
export function rawOptions(options: Partial<StreamOptions>): RawStreamOptions {
  const { create, fileSize, blockSize, syncIntervalMs, commitDelayMs, commitAlignment, recovery } = options
  const { cache, sync, mode, reserve, flushOnExit, retention } = options
  return {
    create: create === undefined ? true : flag('options.create', create),
    fileSize: size('options.fileSize', fileSize, 2 ** 20, 64 << 20),
    blockSize: size('options.blockSize', blockSize, 4096, 64 << 10),
    aligned: isSecond('options.commitAlignment', commitAlignment, 'packed', '4KiB'),
    allowNetwork: isSecond('options.network', options.network, 'refuse', 'allow'),
    salvage: isSecond('options.recovery', recovery, 'strict', 'salvage'),
    // The other options of files are not for a stream.
    file: fileOptions({ cache, sync, mode, reserve } as Parameters<typeof fileOptions>[0]),
    commitDelayMs: commitDelayMs === undefined ? 0 : integer('options.commitDelayMs', commitDelayMs, 0, 60_000),
    retention: rawRetention(retention),
    flushOnExit: flushOnExit === undefined ? true : flag('options.flushOnExit', flushOnExit),
    syncIntervalMs: syncIntervalMs === undefined ? 1000 : integer('options.syncIntervalMs', syncIntervalMs, 1, MOST_MS),
  }
}

/** @internal */
export function maxPending(options: Partial<StreamOptions>): number {
  return size('options.maxPendingBytes', options.maxPendingBytes, 1, 16 << 20)
}

/** @internal */
export function durability(value: unknown, fallback: Durability): Durability {
  return oneOf('options.durability', value, ['durable', 'written'], fallback)
}
