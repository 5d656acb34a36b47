/** Options of files and sequences, checked, in the form that the binding takes. */

import { flag, integer, isSecond } from './arguments.js'
import type { RawFileOptions } from './native.js'

/** How a file is used. */
export interface BlockFileOptions {
  /**
   * What stays in the page cache after a load or store: a few MiB whatever the amount (`'drop'`), or what the system
   * likes (`'keep'`). Default `'drop'`.
   */
  cache?: 'drop' | 'keep'
  /**
   * Where the strongest sync (`F_FULLFSYNC` on macOS) is not supported, as on some volumes: fail with
   * `PSTREAM_SYNC_FAILED` (`'full'`), or settle for `fsync` (`'best-effort'`). Default `'full'`.
   */
  sync?: 'full' | 'best-effort'
}

/** How a file is made. */
export interface FileCreation extends BlockFileOptions {
  /**
   * Where the file system cannot reserve space: fail with `PSTREAM_UNSUPPORTED` (`'required'`), or go on, so that a
   * later store can run out of space (`'best-effort'`). Default `'required'`.
   */
  reserve?: 'required' | 'best-effort'
  /**
   * Write zeros now, so that later durable writes need no journal commit: about half the time for small ones, at the
   * price of writing the whole file once. Default false.
   */
  prewrite?: boolean
  /** Unix permission bits, 0 to 0o7777, before the umask; ignored on Windows. Default 0o600. */
  mode?: number
}

/** @internal */
export function fileOptions(options: Partial<FileCreation & { readOnly: boolean }>): RawFileOptions {
  return {
    keepCache: isSecond('options.cache', options.cache, 'drop', 'keep'),
    bestEffortSync: isSecond('options.sync', options.sync, 'full', 'best-effort'),
    readOnly: flag('options.readOnly', options.readOnly),
    bestEffortReserve: isSecond('options.reserve', options.reserve, 'required', 'best-effort'),
    prewrite: flag('options.prewrite', options.prewrite),
    mode: options.mode === undefined ? 0o600 : integer('options.mode', options.mode, 0, 0o7777),
  }
}
