/** The cursors of a stream: opening, listing, deleting; and closing those that are open, with the stream. */

import { refuse } from './arguments.js'
import { Cursor, type CursorInfo, lagOf, type Reader } from './cursor.js'
import { ClosedError, CorruptionError, type PstreamError } from './errors.js'
import { errorOf, unwrap } from './failure.js'
import { Gate } from './gate.js'
import { lockTimeout, whenUnlocked } from './lock-wait.js'
import { type NativeStream, native, type RawListedCursor, type RawReadOptions } from './native.js'
import type { ReadSide } from './run-source.js'

/** So many cursors of a stream are with the thread pool at a time, which has four threads unless it is told otherwise. */
const WIDTH = 2

/** The name of a cursor. @internal */
export function cursorName(value: unknown): string {
  if (typeof value === 'string' && /^(?!\.)[A-Za-z0-9._-]{1,100}$/.test(value)) return value
  throw refuse('name', 'a text of 1 to 100 of the characters A-Z a-z 0-9 . _ - that does not begin with a dot', value)
}

/** @internal */
export class CursorSet {
  readonly gate = new Gate(WIDTH)
  readonly #side: ReadSide
  readonly #open = new Set<Cursor<unknown>>()

  constructor(side: ReadSide) {
    this.#side = side
  }

  async open<T>(reader: Reader<T>, name: string, from: Pick<RawReadOptions, 'start' | 'at'>): Promise<Cursor<T>> {
    const side = this.#side
    const opening = () => this.#call(() => native().openCursor(side.native, name, from.start, from.at))
    const opened = await whenUnlocked(lockTimeout(undefined), opening)
    if (side.closed) {
      opened.closeSync()
      throw new ClosedError('stream is closed', { path: side.directory })
    }
    const cursor = Cursor.of<T>({ side, set: this, reader, native: opened, name })
    this.#open.add(cursor as Cursor<unknown>)
    return cursor
  }

  async list(oldestSeq: () => number): Promise<CursorInfo[]> {
    const listed = unwrap(await this.#call(() => native().listCursors(this.#side.native)))
    return listed.map((one) => this.#info(one, oldestSeq))
  }

  async delete(stream: NativeStream, name: string): Promise<void> {
    const deleting = () => this.#call(() => native().deleteCursor(stream, name))
    await whenUnlocked(lockTimeout(undefined), deleting)
  }

  forget(cursor: Cursor<unknown>): void {
    this.#open.delete(cursor)
  }

  /** The stream is being closed. Returns what is to be called when it is, with where it ended. */
  close(): { finish(end: number): Promise<void>; finishSync(end: number): void } {
    const ends = [...this.#open].map((cursor) => cursor.endWithStream())
    return {
      finish: async (end) => {
        await Promise.all(ends.map(({ finish }) => finish(end)))
        await this.gate.idle()
      },
      finishSync: (end) => {
        for (const { finishSync } of ends) finishSync(end)
      },
    }
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    await this.gate.enter()
    try {
      this.#side.checkOpen()
      return await call()
    } finally {
      this.gate.leave()
    }
  }

  #info({ name, standing, failure }: RawListedCursor, oldestSeq: () => number): CursorInfo {
    const position = standing?.position ?? oldestSeq()
    const committedAt = new Date(standing?.committedAt ?? 0)
    const damage = failure === undefined ? damageOf(name, standing?.damaged === true) : errorOf(failure)
    const info = { name, position, lag: lagOf(this.#side, position), committedAt }
    return damage === undefined ? info : { ...info, damage }
  }
}

function damageOf(name: string, isDamaged: boolean): PstreamError | undefined {
  if (!isDamaged) return undefined
  return new CorruptionError(`cursor '${name}' is damaged: its last commit may not count`)
}
