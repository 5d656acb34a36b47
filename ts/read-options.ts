/** The options of a read, checked, in the form that the binding takes. */

import { type AbortOptions, abortSignal, flag, integer, isFunction, oneOf, optionsObject, refuse } from './arguments.js'
import type { OwnBytes } from './block-file.js'
import type { RawReadOptions } from './native.js'
import type { Gap } from './stream-report.js'

/** A record of a stream. */
export interface StreamRecord<T = OwnBytes> {
  /** Its sequence number. */
  readonly seq: number
  /** When it was committed, in milliseconds since 1970 by the writer's clock; never less than that of the one before. */
  readonly time: number
  /** What was appended. */
  readonly data: T
}

/** What is read of a stream, and how. */
export interface ReadOptions extends AbortOptions {
  /**
   * Where to begin: with the record of a seq, 0 to 2^53 - 1; with the first that was committed at a moment or later; with
   * the oldest there is; or behind the newest. Default `'oldest'`.
   */
  from?: number | Date | 'oldest' | 'end'
  /** The seq to stop in front of, 0 to 2^53 - 1. Default: the end as it is when `read` is called; none with `live`. */
  to?: number
  /** How many records to give at most, 0 to 2^53 - 1. Default: no limit. */
  limit?: number
  /**
   * Go on with records as they become durable, without an end but for `to` and `limit`, until the signal aborts, which
   * throws its reason, or the stream is closed, which ends the loop at once, records that were not given yet or not.
   * A place to begin that is not there yet is waited for: a seq beyond the newest, a moment to come; `'end'` is behind the
   * newest that is durable at the call. Default false.
   *
   * A read that waits holds no memory to speak of and no file, and does not keep the process alive: only this process can
   * append. That of a stream that was opened for reading alone does keep it alive, as a socket does.
   */
  live?: boolean
  /**
   * At damage: throw a `CorruptionError` (`'throw'`), or call a function with it and go on with the first record behind.
   * What the function throws ends the read. Default `'throw'`.
   */
  onGap?: 'throw' | ((gap: Gap) => void)
  /**
   * Give each record memory of its own. Without it some thousand records that were read together share an `ArrayBuffer`,
   * of 1 MiB or so, that lives as long as any of them. Default false.
   */
  copy?: boolean
  /**
   * What stays in the page cache: a few MiB whatever the amount (`'drop'`), or what the system likes (`'keep'`). Default:
   * as the stream was opened.
   */
  cache?: 'drop' | 'keep'
}

/** What is read of a stream by its writer. */
export interface WriterReadOptions extends ReadOptions {
  /**
   * Give only records that survive a power cut (`'durable'`), or also those that are written and not durable yet
   * (`'written'`): the latter may be gone after a crash, and their seqs given to others. Where a failed sync of the writer
   * has taken them back during the read, or may have, it rejects with `PSTREAM_SYNC_FAILED`. Default `'durable'`.
   */
  visibility?: 'durable' | 'written'
}

/** A read, checked. @internal */
export interface Reading {
  readonly raw: RawReadOptions
  readonly limit: number
  readonly onGap: ((gap: Gap) => void) | undefined
  readonly copy: boolean
  readonly signal: AbortSignal | undefined
}

/** The latest moment there is for a `Date`: also the largest seq that can be asked for. */
const MOST = Number.MAX_SAFE_INTEGER

/** `keepCache`: whether the stream was opened so. @internal */
export function reading(options: WriterReadOptions, keepCache: boolean): Reading {
  const { from, to, limit, live, onGap, copy, cache, visibility, signal } = optionsObject('options', options)
  const gaps = gapHandler(onGap)
  const raw: RawReadOptions = {
    ...place('options.from', from),
    // Beyond it there is nothing.
    to: to === undefined ? MOST : integer('options.to', to, 0, MOST),
    keepCache: oneOf('options.cache', cache, ['drop', 'keep'], keepCache ? 'keep' : 'drop') === 'keep',
    written: oneOf('options.visibility', visibility, ['durable', 'written'], 'durable') === 'written',
    passGaps: gaps !== undefined,
    live: flag('options.live', live),
  }
  return {
    raw,
    limit: limit === undefined ? Number.POSITIVE_INFINITY : integer('options.limit', limit, 0, MOST),
    onGap: gaps,
    copy: flag('options.copy', copy),
    signal: abortSignal('options.signal', signal),
  }
}

/** Where in a stream something begins. @internal */
export function place(name: string, from: unknown): Pick<RawReadOptions, 'start' | 'at'> {
  if (from === undefined || from === 'oldest') return { start: 'oldest', at: 0 }
  if (from === 'end') return { start: 'end', at: 0 }
  if (from instanceof Date) {
    const time = from.getTime()
    // No record is from before 1970, and an invalid date is no moment.
    if (!Number.isNaN(time)) return { start: 'time', at: Math.max(0, time) }
  } else if (typeof from === 'number' && Number.isInteger(from) && from >= 0 && from <= MOST) {
    return { start: 'seq', at: from }
  }
  throw refuse(name, `an integer from 0 to 2^53 - 1, a valid Date, 'oldest' or 'end'`, from)
}

function gapHandler(onGap: unknown): Reading['onGap'] {
  if (onGap === undefined || onGap === 'throw') return undefined
  if (isFunction(onGap)) return onGap as (gap: Gap) => void
  throw refuse('options.onGap', `'throw' or a function`, onGap)
}
