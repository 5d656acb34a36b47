/** Opens a stream for writing, and puts together what one consists of. */

import { Appender } from './appender.js'
import { type AbortOptions, abortSignal, componentName, optionsObject, type Path, path } from './arguments.js'
import { Diagnostics } from './diagnostics.js'
import { type Encode, encoder } from './encoding.js'
import { unwrap } from './failure.js'
import { lockTimeout, whenUnlocked } from './lock-wait.js'
import { type NativeStream, native, type StreamInfo } from './native.js'
import { ReadSide } from './run-source.js'
import { type Durability, durability, maxPending, rawOptions, type StreamOptions } from './stream-options.js'
import { Tide } from './tide.js'
import { Trims } from './trims.js'
import { shownPath } from './windows-path.js'

/** What a stream that is open consists of. @internal */
export interface Parts {
  readonly native: NativeStream
  readonly appender: Appender
  readonly trims: Trims
  readonly info: StreamInfo
  readonly name: string
  readonly side: ReadSide
  readonly encode: Encode
  readonly durability: Durability
}

/** What only the opening of one needs. @internal */
export interface Opening extends Parts {
  readonly signal: AbortSignal | undefined
  readonly diagnostics: Diagnostics
}

/** Checks the arguments, waits for the lock, and opens. @internal */
export async function openParts(
  directory: Path,
  options: StreamOptions & { encoding?: unknown } & AbortOptions,
): Promise<Opening> {
  const folder = path('directory', directory)
  const given: Partial<typeof options> = optionsObject('options', options)
  const name = given.name === undefined ? 'stream' : componentName('options.name', given.name)
  const raw = rawOptions(given)
  const common = { encode: encoder(given.encoding), durability: durability(given.durability, 'durable') }
  const [pending, timeout] = [maxPending(given), lockTimeout(given.lockTimeoutMs)]
  const signal = abortSignal('options.signal', given.signal)
  signal?.throwIfAborted()

  const { stream, own } = newStream()
  const info = await whenUnlocked(timeout, () => stream.open(folder, name, raw), signal)
  const { maxRecordBytes: maxRecord, nextSeq: seq } = info
  const at = shownPath(info.directory)
  const { flushOnExit } = raw
  const diagnostics = new Diagnostics({ directory: at, name })
  const tide = new Tide({
    durable: () => unwrap(stream.durableSeq()),
    written: () => unwrap(stream.writtenSeq()),
  })
  const appender = new Appender(stream, { maxPending: pending, maxRecord, seq, at, flushOnExit, tide }, diagnostics)
  const trims = new Trims(stream)
  own(appender, trims)
  const side = new ReadSide(stream, { directory: at, encoding: given.encoding, keepCache: raw.file.keepCache, tide })
  return { native: stream, appender, trims, info, name, side, signal, diagnostics, ...common }
}

/**
 * The native side calls back when something has settled. It must not keep the appender from being collected, nor with it
 * the stream: a stream that nobody has any more is closed. While something is pending `keep-alive.ts` holds it.
 */
function newStream(): { stream: NativeStream; own: (appender: Appender, trims: Trims) => void } {
  let owner: WeakRef<Appender> | undefined
  let others: WeakRef<Trims> | undefined
  // Something may be told before there is an owner. Without being fetched it would be the last: one call is for all.
  let isEarly = false
  const stream = new (native().NativeStream)(() => {
    if (owner === undefined) isEarly = true
    else owner.deref()?.settle()
    others?.deref()?.settle()
  })
  return {
    stream,
    own: (appender, trims) => {
      owner = new WeakRef(appender)
      others = new WeakRef(trims)
      if (isEarly) appender.settle()
    },
  }
}
