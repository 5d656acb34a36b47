/** A stream of Node.js that appends what is written to it. */

import { Writable } from 'node:stream'
import type { Appender } from './appender.js'
import { type AbortOptions, abortSignal, optionsObject } from './arguments.js'
import type { Encode, Item } from './encoding.js'
import { ClosedError } from './errors.js'
import { errorOf, isFailure } from './failure.js'
import { destroyOnAbort, highWaterMark, thrown } from './node-stream.js'
import type { Outcome, Run } from './run.js'
import { type Durability, durability } from './stream-options.js'

/** How a write stream appends. */
export interface WriteStreamOptions extends AbortOptions {
  /** When the callback of a write is called; by default as the stream was opened. At the end all is durable anyhow. */
  durability?: 'durable' | 'written'
  /**
   * From so much on `write` returns false: bytes, or records of a stream with an `encoding` other than `'buffer'`; 0 to
   * 2^31 - 1. What was written while a commit is under way is committed by the next one, so this bounds the size of a
   * commit. Default 1 MiB, or 1,024 records.
   */
  highWaterMark?: number
}

/** Whose the write stream is. @internal */
export interface Target {
  readonly appender: Appender
  readonly encode: Encode
  readonly durability: Durability
  /** Whether what is written are bytes, or texts of them. */
  readonly takesBytes: boolean
}

const noop = () => {}

type Callback = (error?: Error | null) => void

/** What was written and is handed over together. */
interface Batch {
  readonly chunks: readonly unknown[]
  readonly callback: Callback
  /** The place of the chunk that is to be handed over next, */
  next: number
  /** and its record, while there is no room for it. */
  item: Item | undefined
  /** The run that the last one went into, of which the outcome will be told. */
  run: Run | undefined
  /** Outcomes that were not told yet. */
  waiting: number
  isHandedOver: boolean
  error: Error | undefined
}

/**
 * One write is one record. What comes while a commit is under way is kept by `Writable` and comes here at once when it is
 * done: so commits grow with the load, and a promise for each record there is not.
 *
 * @internal
 */
export class RecordWritable extends Writable {
  readonly #target: Target
  readonly #level: Durability
  #forget: () => void = noop

  constructor(target: Target, options: WriteStreamOptions) {
    const given = optionsObject('options', options)
    const level = durability(given.durability, target.durability)
    const signal = abortSignal('options.signal', given.signal)
    const most = highWaterMark(given.highWaterMark, target.takesBytes ? 1 << 20 : 1024)
    super({ objectMode: !target.takesBytes, highWaterMark: most })
    this.#target = target
    this.#level = level
    this.#forget = destroyOnAbort(this, signal)
  }

  override _write(chunk: unknown, _encoding: BufferEncoding, callback: Callback): void {
    this.#begin([chunk], callback)
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], callback: Callback): void {
    this.#begin(
      chunks.map(({ chunk }) => chunk),
      callback,
    )
  }

  /** All that was written is as durable as asked by now. */
  override _final(callback: Callback): void {
    if (this.#level === 'durable') {
      callback()
      return
    }
    try {
      this.#target.appender.checkOpen()
      this.#target.appender.flush().then((outcome) => callback(isFailure(outcome) ? errorOf(outcome) : null), callback)
    } catch (error) {
      callback(thrown(error))
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#forget()
    callback(error)
  }

  #begin(chunks: readonly unknown[], callback: Callback): void {
    const start = { next: 0, item: undefined, run: undefined, waiting: 0, isHandedOver: false, error: undefined }
    this.#handOver({ chunks, callback, ...start })
  }

  /** Hands over what there is room for, and goes on when there is more. */
  #handOver(batch: Batch): void {
    const { appender } = this.#target
    try {
      appender.checkOpen()
      while (batch.next < batch.chunks.length && batch.error === undefined) {
        if (this.destroyed) throw new ClosedError('the write stream was destroyed before this was appended')
        if (!this.#handOne(batch) && !(appender.commitAtExit() && this.#handOne(batch))) {
          const goOn = () => this.#handOver(batch)
          const fail = (error: unknown) => this.#end(batch, thrown(error))
          appender.ready().then(goOn, fail)
          return
        }
      }
      appender.commitAtExit()
      this.#end(batch, undefined)
    } catch (error) {
      this.#end(batch, thrown(error))
    }
  }

  /** Says whether there was room. */
  #handOne(batch: Batch): boolean {
    const { appender, encode } = this.#target
    batch.item ??= encode('chunk', batch.chunks[batch.next])
    const run = appender.take(batch.item, this.#level)
    if (run === undefined) return false
    batch.item = undefined
    batch.next += 1
    // Once a run, whatever the number of its records: they settle together.
    if (run === batch.run) return true
    batch.run = run
    batch.waiting += 1
    run.tell(0, (outcome) => this.#told(batch, outcome))
    return true
  }

  #told(batch: Batch, outcome: Outcome): void {
    batch.waiting -= 1
    if (isFailure(outcome)) batch.error ??= errorOf(outcome)
    this.#settle(batch)
  }

  /** Nothing more of it is handed over. */
  #end(batch: Batch, error: Error | undefined): void {
    batch.isHandedOver = true
    batch.error ??= error
    this.#settle(batch)
  }

  #settle({ isHandedOver, waiting, callback, error }: Batch): void {
    if (isHandedOver && waiting === 0) callback(error ?? null)
  }
}
