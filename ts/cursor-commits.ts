/** The commits and seeks of a cursor, in the order of the calls, with one write under way at most. */

import { isFailure, unwrap } from './failure.js'
import type { Gate } from './gate.js'
import { type Holder, hold, release } from './keep-alive.js'
import type { Failure, NativeCursor, RawReadOptions, RawStanding } from './native.js'
import type { ReadSide } from './run-source.js'

/** Why it was not done; nothing if it was. @internal */
export type Done = Failure | undefined

interface Commit {
  /** One past the seq. Grows as long as others may join. */
  target: number
  /** Of a record that was not durable at the call: what was doubted then. */
  readonly doubts: number | undefined
  tell: (done: Done) => void
}

interface Seek {
  readonly to: Pick<RawReadOptions, 'start' | 'at'>
  tell(done: Done): void
}

const isSeek = (asked: Commit | Seek): asked is Seek => 'to' in asked

/** What a cursor works on. @internal */
export interface CommitsPlan {
  readonly side: ReadSide
  readonly native: NativeCursor
  /** So many cursors write at a time. */
  readonly gate: Gate
  readonly position: number
  /** One past the newest record, durable or not. */
  newest(): number
}

/** What the consumer of a cursor has asked for. @internal */
export class Commits implements Holder {
  /** The position that is durable. */
  position: number
  readonly #plan: CommitsPlan
  #asked: (Commit | Seek)[] = []
  /** A write is under way. */
  #isBusy = false
  /** A write is about to begin. */
  #isAboutTo = false
  /** The commit of durable records that the next write begins with: what is asked for until then is a part of it. */
  #joint: { readonly commit: Commit; readonly done: Promise<void> } | undefined
  /** What was given for the last commit. */
  #last: Promise<void> | undefined
  /** Records must become durable first. */
  #isListening = false
  /** Where the stream ended when it was closed. */
  #end: number | undefined
  #isOver = false
  #watchers: (() => void)[] = []

  constructor(plan: CommitsPlan) {
    this.#plan = plan
    this.position = plan.position
  }

  /** Everything in front of `target` has been handled. */
  commit(target: number): Promise<void> {
    if (target <= this.position && this.#asked.length === 0) return Promise.resolve()
    if (target <= this.#durable()) return this.#join(target)
    const doubts = this.#doubts()
    // What cannot be begun now need not be looked for.
    const done = doubts % 2 === 1 ? lost(target) : this.#ask((tell) => ({ target, doubts, tell }), this.#isListening)
    return this.#promise(done)
  }

  /** Goes elsewhere, when everything asked for before is done. */
  seek(to: Seek['to']): Promise<void> {
    this.#joint = undefined
    return told(this.#ask((tell) => ({ to, tell }), false))
  }

  /** Resolves when nothing is asked for any more. */
  idle(): Promise<void> {
    if (this.#asked.length === 0 && !this.#isBusy) return Promise.resolve()
    return new Promise((resolve) => this.#watchers.push(resolve))
  }

  /** The stream is closed, and everything in front of `end` is durable. */
  finish(end: number): Promise<void> {
    this.#end = end
    this.#look()
    return this.idle()
  }

  /** The same, with everything settled when it returns. */
  finishSync(end: number): void {
    this.#end = end
    this.#giveUp()
    const target = this.#reach()
    // Waits for the write under way.
    if (target > 0) this.#settle(target, this.#plan.native.commitSync(target - 1, end))
    this.#isOver = true
    for (const { tell } of this.#asked.splice(0)) tell({ code: 'PSTREAM_CLOSED', message: 'stream is closed' })
    this.#rest()
  }

  /** Nothing that is pending here is a record: whoever comes next is given it again. */
  flushAtExit(): undefined {}

  /** One promise for all that are written together: a consumer may commit a hundred thousand times a second. */
  #join(target: number): Promise<void> {
    const joint = this.#joint
    if (joint !== undefined) {
      joint.commit.target = Math.max(joint.commit.target, target)
      return joint.done
    }
    const commit: Commit = { target, doubts: undefined, tell: () => {} }
    const done = this.#promise(this.#ask((tell) => Object.assign(commit, { tell }), false))
    this.#joint = { commit, done }
    return done
  }

  /** To await the last one is enough: that one in front of it has failed must not end the process as unhandled. */
  #promise(done: Done | Promise<Done>): Promise<void> {
    this.#last?.catch(() => {})
    this.#last = told(done)
    return this.#last
  }

  #ask(make: (tell: (done: Done) => void) => Commit | Seek, waits: boolean): Promise<Done> {
    return new Promise((resolve) => {
      this.#asked.push(make(resolve))
      if (this.#isBusy || waits || this.#isAboutTo) return
      // What comes with it in the same turn is written with it.
      this.#isAboutTo = true
      queueMicrotask(() => {
        this.#isAboutTo = false
        this.#look()
      })
    })
  }

  /** Begins what can be begun. */
  #next(): void {
    this.#joint = undefined
    this.#giveUp()
    const first = this.#asked[0]
    if (first === undefined) {
      this.#rest()
      return
    }
    const { side, native } = this.#plan
    if (isSeek(first)) {
      void this.#run(0, () => native.seek(side.native, first.to.start, first.to.at))
      return
    }
    const target = this.#reach()
    const end = this.#durable()
    if (target > 0) void this.#run(target, () => native.commit(target - 1, end))
    else if (!this.#isListening) {
      this.#isListening = true
      side.tide.listen(this.#look)
      hold(this)
    }
  }

  /** How far the commits in front of the next seek go, of records that are durable. */
  #reach(): number {
    const end = this.#durable()
    let target = 0
    for (const asked of this.#asked) {
      if (isSeek(asked)) break
      if (asked.target <= end) target = Math.max(target, asked.target)
    }
    return target
  }

  async #run(target: number, call: () => Promise<RawStanding | Failure>): Promise<void> {
    this.#isBusy = true
    await this.#plan.gate.enter()
    const outcome = await call()
    this.#plan.gate.leave()
    this.#isBusy = false
    if (this.#isOver) return
    this.#settle(target, outcome)
    this.#next()
  }

  /** Tells those who have asked for no more than `target`; or, if that is 0, for the seek in front. */
  #settle(target: number, outcome: RawStanding | Failure): void {
    const failure = isFailure(outcome) ? outcome : undefined
    if (!isFailure(outcome)) this.position = outcome.position
    if (target === 0) {
      this.#asked.shift()?.tell(failure)
      return
    }
    let isBehind = false
    this.#asked = this.#asked.filter((asked) => {
      isBehind ||= isSeek(asked)
      if (isBehind || isSeek(asked) || asked.target > target) return true
      asked.tell(failure)
      return false
    })
  }

  /** Called when there may be more that is durable, or it may be that some never will be. */
  readonly #look = (): void => {
    if (!this.#isBusy) this.#next()
  }

  /** Tells those who wait for a record that is not there any more, or may be another one by now. */
  #giveUp(): void {
    // In this order: what has become durable in between is of what is doubted less.
    const end = this.#durable()
    let doubts: number | undefined
    this.#asked = this.#asked.filter((asked) => {
      if (isSeek(asked) || asked.doubts === undefined) return true
      doubts ??= this.#doubts()
      const isOver = this.#end !== undefined || doubts % 2 === 1 || asked.target > this.#plan.newest()
      if (asked.doubts === doubts && (asked.target <= end || !isOver)) return true
      asked.tell(lost(asked.target))
      return false
    })
  }

  /** Nothing is asked for. */
  #rest(): void {
    if (this.#isListening) {
      this.#isListening = false
      this.#plan.side.tide.unlisten(this.#look)
      release(this)
    }
    for (const watcher of this.#watchers.splice(0)) watcher()
  }

  /** Everything below is durable. */
  #durable(): number {
    return this.#end ?? this.#plan.side.tide.end(false)
  }

  #doubts(): number {
    return this.#plan.side.doubts
  }
}

async function told(done: Done | Promise<Done>): Promise<void> {
  unwrap(await done)
}

function lost(target: number): Failure {
  const seq = target - 1
  const message = `record ${seq} cannot be committed: it was not made durable`
  return { code: 'PSTREAM_SYNC_FAILED', message, seq }
}
