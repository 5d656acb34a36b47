/** Records as a stream of Node.js. */

import { Readable } from 'node:stream'
import { oneOf } from './arguments.js'
import { destroyOnAbort, highWaterMark, thrown } from './node-stream.js'
import type { ReadOptions, StreamRecord } from './read-options.js'
import type { RecordIterator } from './record-iterator.js'

/** What a read stream gives, and how. */
export interface ReadStreamOptions extends ReadOptions {
  /**
   * Records, in object mode (`'records'`); or their bytes, one behind the other and as they are stored, whatever the
   * `encoding` of the stream (`'data'`): where a record ends is not to be seen in them. Default `'records'`.
   */
  as?: 'records' | 'data'
  /**
   * So much is held ready: records, or bytes with `as: 'data'`; 0 to 2^31 - 1. What was read from disk together, 1 MiB or
   * so, is there anyhow: more than one record ready makes nothing faster. Default 1 record, or 64 KiB.
   */
  highWaterMark?: number
}

/** @internal */
export interface ReadStreamPlan {
  readonly asData: boolean
  readonly highWaterMark: number
  readonly signal: AbortSignal | undefined
}

/** Of options that were checked but for those that are a read stream's own. @internal */
export function readStreamPlan(options: ReadStreamOptions): ReadStreamPlan {
  const asData = oneOf('options.as', options.as, ['records', 'data'], 'records') === 'data'
  const most = highWaterMark(options.highWaterMark, asData ? 64 << 10 : 1)
  return { asData, highWaterMark: most, signal: options.signal }
}

const noop = () => {}

type Batch = readonly StreamRecord<unknown>[]

/** Its errors are those of the iterator, as they are. @internal */
export class RecordReadable extends Readable {
  readonly #batches: RecordIterator<Batch>
  readonly #asData: boolean
  #forget: () => void = noop
  #batch: Batch = []
  /** The place of the next record in the batch. */
  #next = 0

  constructor(batches: RecordIterator<Batch>, plan: ReadStreamPlan) {
    super({ objectMode: !plan.asData, highWaterMark: plan.highWaterMark })
    this.#batches = batches
    this.#asData = plan.asData
    this.#forget = destroyOnAbort(this, plan.signal)
  }

  override _read(): void {
    if (this.#give()) return
    this.#batches.next().then(
      // Not within the promise: what a listener throws is an exception, not a rejection.
      (result) => process.nextTick(() => this.#arrived(result)),
      (error) => this.destroy(thrown(error)),
    )
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#forget()
    this.#batch = []
    this.#batches.return().then(() => callback(error), callback)
  }

  #arrived({ done, value }: IteratorResult<Batch, undefined>): void {
    if (this.destroyed) return
    if (done) {
      this.push(null)
      return
    }
    this.#batch = value
    this.#next = 0
    // Nothing but empty records, which are no bytes.
    if (!this.#give()) this._read()
  }

  /** Gives what is wanted of the batch. Says whether there was anything. */
  #give(): boolean {
    let given = false
    while (this.#next < this.#batch.length) {
      const record = this.#batch[this.#next]
      this.#next += 1
      const chunk = this.#asData ? (record?.data as Uint8Array) : record
      if (this.#asData && (chunk as Uint8Array).length === 0) continue
      given = true
      if (!this.push(chunk)) return true
    }
    return given
  }
}
