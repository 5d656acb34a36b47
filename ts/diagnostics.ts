/** What a stream tells whoever watches it, on channels of `node:diagnostics_channel`. Described in `docs/diagnostics.md`. */

import { channel } from 'node:diagnostics_channel'
import { clearTimeout, setTimeout } from 'node:timers'
import type { PstreamError } from './errors.js'
import { errorOf, present } from './failure.js'
import type { Failure, RawBackground, RawReleased } from './native.js'
import { type RecoveryReport, recoveryReport } from './stream-report.js'

/** What every message says: which stream it is about. */
export interface StreamMessage {
  /** The folder of the stream: absolute, with its links resolved. */
  readonly directory: string
  /** The name of the stream in its folder. */
  readonly name: string
}

/**
 * On the channel `pstream:commit`: appends that were committed together, and have succeeded.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 *
 * subscribe('pstream:commit', (message) => {
 *   const { name, records, durationMs } = message as CommitMessage
 *   if (durationMs > 100) console.warn(`${name}: a commit of ${records} records took ${durationMs} ms`)
 * })
 * ```
 */
export interface CommitMessage extends StreamMessage {
  /** Seq of the first of its records, which follow each other. */
  readonly firstSeq: number
  /** How many records; one at least. */
  readonly records: number
  /** Bytes of these records. */
  readonly bytes: number
  /** Everything below this seq is durable. Less than `firstSeq + records` if they are only written. */
  readonly durableSeq: number
  /** How long it took, in milliseconds: what is written, and with `durability: 'durable'` the sync. */
  readonly durationMs: number
}

/** On the channel `pstream:recovery`: a stream was opened for writing, or has recovered in the midst of its life. */
export interface RecoveryMessage extends StreamMessage {
  /** It was opened (`'open'`), or a write or sync had failed, and the next commit needed to know what is left (`'failure'`). */
  readonly cause: 'open' | 'failure'
  /** What was found and done. For `'open'` the same object as `stream.recovery`. */
  readonly report: RecoveryReport
}

/** On the channel `pstream:trim`: files were released. */
export interface TrimMessage extends StreamMessage {
  /** The oldest seq that is left; absent where that is not known without looking, as behind damage. */
  readonly oldestSeq?: number
  /** How many files. */
  readonly files: number
  /** Who wanted it: somebody has asked for it (`'trim'`), or the options of the stream have (`'retention'`). */
  readonly cause: 'trim' | 'retention'
}

/**
 * On the channel `pstream:failure`: something has failed in a stream that is open for writing.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 *
 * subscribe('pstream:failure', (message) => {
 *   const { name, operation, error, loss } = message as FailureMessage
 *   console.error(`${name}: ${operation} has failed${loss ? ', records may be lost' : ''}: ${error.message}`)
 * })
 * ```
 */
export interface FailureMessage extends StreamMessage {
  /**
   * - `'commit'`: records were not committed. Their appends have rejected; those that were handed over by `write` have no
   *   promise that could.
   * - `'sync'`: records that were acknowledged as written may be lost.
   * - `'next-file'`: the next file could not be made ahead of time. The commit that needs it tries again.
   * - `'trim'`: what is due to go by the options of the stream could not be released. It is tried again.
   * - `'watermark'`: a note for the next recovery could not be written. Nothing is lost.
   */
  readonly operation: 'commit' | 'sync' | 'next-file' | 'trim' | 'watermark'
  /** Why. */
  readonly error: PstreamError
  /**
   * Whether records may be lost of which no promise tells: the next `flush` or `close` rejects, but nothing does if
   * there is none.
   */
  readonly loss: boolean
}

/** The messages of each channel. */
export interface DiagnosticsMessages {
  /** Appends were committed. */
  'pstream:commit': CommitMessage
  /** A stream was opened or has recovered. */
  'pstream:recovery': RecoveryMessage
  /** Files were released. */
  'pstream:trim': TrimMessage
  /** Something has failed. */
  'pstream:failure': FailureMessage
}

// Kept for ever: a channel that nobody has may be collected.
const commits = channel('pstream:commit')
const recoveries = channel('pstream:recovery')
const trims = channel('pstream:trim')
const failures = channel('pstream:failure')

/** Whoever flushes, or closes the stream, within this time is told by that. */
const PATIENCE_MS = 1000

/**
 * The messages of one stream. A subscriber may call the stream: nothing is to be told in the midst of a change. What it
 * throws is an uncaught exception, later; that is how Node.js has it.
 *
 * @internal
 */
export class Diagnostics {
  readonly #stream: StreamMessage
  #warned = false
  /** A warning that is due unless somebody is told. */
  #warning: NodeJS.Timeout | undefined

  constructor(stream: StreamMessage) {
    this.#stream = stream
  }

  get wantsCommits(): boolean {
    return commits.hasSubscribers
  }

  committed(what: Omit<CommitMessage, keyof StreamMessage>): void {
    if (commits.hasSubscribers) commits.publish({ ...this.#stream, ...what } satisfies CommitMessage)
  }

  opened(report: RecoveryReport): void {
    this.#recovered('open', report)
  }

  /** Somebody is told of what was lost. */
  told(): void {
    clearTimeout(this.#warning)
    this.#warning = undefined
  }

  /** `unheard`: whether there are records among those that were not committed for which nobody waits. */
  notCommitted(failure: Failure, unheard: boolean): void {
    this.#failed('commit', failure, unheard)
  }

  background({ what, failure, recovery, released }: RawBackground): void {
    if (recovery !== undefined) {
      if (recoveries.hasSubscribers) this.#recovered('failure', recoveryReport(recovery))
    } else if (released !== undefined) {
      if (trims.hasSubscribers) this.#trimmed(released)
    } else if (failure !== undefined) {
      this.#failed(what as FailureMessage['operation'], failure, what === 'sync')
    }
  }

  #recovered(cause: RecoveryMessage['cause'], report: RecoveryReport): void {
    if (recoveries.hasSubscribers) recoveries.publish({ ...this.#stream, cause, report } satisfies RecoveryMessage)
  }

  #trimmed({ oldestSeq, files, asked }: RawReleased): void {
    const cause = asked ? 'trim' : 'retention'
    trims.publish({ ...this.#stream, ...present({ oldestSeq }), files, cause } satisfies TrimMessage)
  }

  #failed(operation: FailureMessage['operation'], failure: Failure, loss: boolean): void {
    if (failures.hasSubscribers) {
      const error = errorOf(failure)
      failures.publish({ ...this.#stream, operation, error, loss } satisfies FailureMessage)
    } else if (loss) this.#warn(failure)
  }

  /** Nobody watches, and perhaps nobody will ever flush. Once a stream. */
  #warn({ code, message }: Failure): void {
    if (this.#warned || this.#warning !== undefined) return
    const { directory, name } = this.#stream
    const detail =
      'The next flush() or close() rejects with the error; a subscriber of the channel pstream:failure gets it.'
    const text = `records of the stream '${name}' in ${directory} may be lost: ${message}`
    this.#warning = setTimeout(() => {
      this.#warned = true
      process.emitWarning(text, { type: 'PstreamWarning', code, detail })
    }, PATIENCE_MS).unref()
  }
}
