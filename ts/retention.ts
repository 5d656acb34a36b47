/** What a stream lets go of, by itself or when it is asked to: options, checked, in the form that the binding takes. */

import { flag, integer, isSecond, optionsObject, type Size, size } from './arguments.js'
import type { RawRetention } from './native.js'

/**
 * What a stream lets go of by itself, and how large it may grow. Records go in whole files, from the oldest on, and those
 * in the file in use stay in any case. Sizes are those of the data files on disk, as `stats().bytesOnDisk` has them.
 *
 * @example
 * ```ts
 * const retention = { maxBytes: '1GiB', maxAgeMs: 7 * 24 * 3600_000, limitBytes: '4GiB' }
 * const stream = await PersistentStream.open('./data', { retention })
 * ```
 */
export interface RetentionOptions {
  /**
   * The first file goes while the files take more than this; while one is made and another goes it can be more for a
   * moment. At least 1. Files grow to a quarter of it at most, and to 1 MiB and 16 blocks in any case; only a record that
   * does not fit gets a larger one. Default: none.
   */
  maxBytes?: Size
  /**
   * A file goes when all its records are older than so many milliseconds, on an idle stream too. 1 to 2^53 - 1. The age is
   * that of the file behind it, which was begun when this one was full. Default: none.
   */
  maxAgeMs?: number
  /** What a cursor has not passed does not go for these two. Default true. */
  keepForCursors?: boolean
  /**
   * The files never take more than this, cursors or not; but where nothing is left than the file in use, the next one is
   * made all the same. At least 4 MiB, and 64 blocks. Files grow to a quarter of it at most, and `maxRecordBytes` follows.
   * Default: none.
   */
  limitBytes?: Size
  /**
   * What happens then, or when there are as many files as there can be, 16,383: appends reject with `PSTREAM_LIMIT`, until
   * something is released (`'reject'`); or the first file goes, and a cursor that was there gets `PSTREAM_TRIMMED` until it
   * seeks (`'trim'`). Default `'reject'`.
   */
  whenLimited?: 'reject' | 'trim'
}

/** How records are let go of. */
export interface TrimOptions {
  /** Past cursors, too: those that have fallen behind get `PSTREAM_TRIMMED` until they seek. Default false. */
  force?: boolean
}

/** @internal */
export function rawRetention(options: unknown): RawRetention {
  const given: Partial<RetentionOptions> =
    options === undefined ? {} : optionsObject('options.retention', options as RetentionOptions)
  const { maxBytes, maxAgeMs, keepForCursors, limitBytes, whenLimited } = given
  const name = 'options.retention'
  const raw: RawRetention = {
    keepForCursors: keepForCursors === undefined ? true : flag(`${name}.keepForCursors`, keepForCursors),
    trimWhenLimited: isSecond(`${name}.whenLimited`, whenLimited, 'reject', 'trim'),
  }
  if (maxBytes !== undefined) raw.maxBytes = size(`${name}.maxBytes`, maxBytes, 1, 0)
  if (limitBytes !== undefined) raw.limitBytes = size(`${name}.limitBytes`, limitBytes, 4 << 20, 0)
  if (maxAgeMs !== undefined) raw.maxAgeMs = integer(`${name}.maxAgeMs`, maxAgeMs, 1, Number.MAX_SAFE_INTEGER)
  return raw
}
