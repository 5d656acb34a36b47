/** What opening a stream found and did. */

import { basename } from 'node:path'
import { CorruptionError } from './errors.js'
import { errorOf, present } from './failure.js'
import type { RawReadGap, RawVerified, StreamInfo } from './native.js'
import { shownPath } from './windows-path.js'

/** Damage that was gone past: records that are not there any more. */
export interface Gap {
  /** The first record that may be gone; 0 if nothing in front of the gap is readable either. */
  readonly fromSeq: number
  /** The first record behind the gap; equal to `fromSeq` if the damage hurts no record. */
  readonly toSeq: number
  /** Where the damage is. */
  readonly cause: CorruptionError
}

/** What opening found and did. */
export interface RecoveryReport {
  /**
   * How the previous writer ended: there was none (`'new'`); it was closed (`'closed'`); it, or the machine, came to an
   * end before that (`'crashed'`).
   */
  readonly previous: 'new' | 'closed' | 'crashed'
  /** The first record, and the one that the next append gets. */
  readonly records: { readonly oldestSeq: number; readonly nextSeq: number }
  /**
   * The tail that was cut off behind the last whole record, because a crash had left it half written; never acknowledged.
   * `file` is the name of the file that it began in, `bytes` its length. A copy lies in `savedAs`, unless there was no
   * space for one yet: then it is cut off by the first append that finds some, or found once more by the next open, as
   * of a crashed writer.
   */
  readonly torn?: {
    readonly file: string
    readonly block: number
    readonly position: number
    readonly bytes: number
    readonly savedAs?: string
  }
  /** With `recovery: 'salvage'`: the damage that was gone past. */
  readonly gaps: Gap[]
  /**
   * What the writer before has left and nobody misses, by names within the folder: files that were made ahead of time, which
   * are used when it is their turn, and a half-made one, which is removed when the next file is made.
   */
  readonly leftovers: string[]
  /** How long it took, in milliseconds, without waiting for the lock. */
  readonly elapsedMs: number
}

/** @internal */
export function recoveryReport(info: StreamInfo): RecoveryReport {
  const gaps = info.gaps.map((gap): Gap => {
    const [fromSeq, toSeq] = [gap.fromSeq ?? 0, gap.toSeq]
    const path = gap.file === undefined ? undefined : shownPath(gap.file)
    const where = path === undefined ? 'a file that is missing' : `'${path}'`
    const message = `the records from ${fromSeq} up to ${toSeq} are damaged or gone, in ${where}`
    const file = path === undefined ? undefined : basename(path)
    const details = present({ path, file, position: gap.position })
    return { fromSeq, toSeq, cause: new CorruptionError(message, { ...details, fromSeq, toSeq }) }
  })
  const { nextSeq, torn } = info
  return {
    previous: info.previous as RecoveryReport['previous'],
    // Of a stream whose first file is damaged, what is behind the damage is the first that can be read.
    records: { oldestSeq: info.oldestSeq ?? gaps[0]?.toSeq ?? nextSeq, nextSeq },
    ...present({ torn: torn && { ...torn, file: basename(torn.file), ...present({ savedAs: torn.savedAs }) } }),
    gaps,
    leftovers: info.leftovers,
    elapsedMs: info.elapsedMs,
  }
}

/** What a verification has found. */
export interface VerifyReport {
  /** Records that can be read. */
  readonly records: number
  /** The batches that they were stored in. */
  readonly batches: number
  /** Bytes of these records. */
  readonly bytes: number
  /** All damage, also such that hurts no record; the first 10,000 of it. */
  readonly gaps: Gap[]
  /** Whether there is none. */
  readonly ok: boolean
}

/** Damage that a reader has met, with an error on the stack of the caller. @internal */
export function gapOf({ fromSeq, toSeq, cause }: RawReadGap): Gap {
  return { fromSeq, toSeq, cause: errorOf(cause, gapOf) as CorruptionError }
}

/** @internal */
export function verifyReport({ records, batches, bytes, gaps }: RawVerified): VerifyReport {
  return { records, batches, bytes, gaps: gaps.map(gapOf), ok: gaps.length === 0 }
}
