/** Notices that another process has committed: by the file in which that notes it, and now and then by looking. */

import { type FSWatcher, watch } from 'node:fs'
import { isFailure } from './failure.js'
import type { NativeFollower } from './native.js'
import type { Tide, Watch } from './tide.js'

/**
 * How often it looks where the system tells of changes: it does not tell of all (what another machine writes). Each look
 * wakes up this thread twice, for the timer and for the outcome, and one or two of the thread pool.
 */
const SLOW_MS = 2000
/** And where it tells of none: there are no watchers left, the file is not there yet. */
const FAST_MS = 250

/** While somebody waits: keeps the process alive, as a socket does. @internal */
export class MarkWatch implements Watch {
  /** Whom it tells. */
  tide: Tide | undefined
  readonly #native: NativeFollower
  readonly #path: string
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #isWaiting = false
  /** A look is under way, and whether another must follow. */
  #isLooking = false
  #again = false

  constructor(native: NativeFollower, path: string) {
    this.#native = native
    this.#path = path
  }

  begin(): void {
    this.#isWaiting = true
    this.#arm()
    // What came between the last look and now has told nobody.
    this.#look()
  }

  end(): void {
    this.#isWaiting = false
    clearTimeout(this.#timer)
    this.#disarm()
  }

  #arm(): void {
    if (this.#watcher !== undefined) return
    try {
      const watcher = watch(this.#path)
      this.#watcher = watcher
      watcher.on('change', (kind) => {
        // Another file takes its place, or none.
        if (kind === 'rename') this.#disarm()
        this.#look()
      })
      watcher.on('error', () => this.#disarm())
    } catch {
      // There is no such file, or no watcher to be had.
    }
  }

  #disarm(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  #look(): void {
    this.#again = this.#isLooking
    if (this.#isLooking) return
    this.#isLooking = true
    clearTimeout(this.#timer)
    void this.#refresh()
  }

  async #refresh(): Promise<void> {
    const failure = await this.#native.refresh()
    this.#isLooking = false
    if (!this.#isWaiting) return
    if (isFailure(failure)) this.tide?.fail()
    else this.tide?.rise()
    // It may have told the last one who waits.
    if (this.#isWaiting) this.#next()
  }

  #next(): void {
    if (this.#again) {
      this.#look()
      return
    }
    clearTimeout(this.#timer)
    const wait = this.#watcher === undefined ? FAST_MS : SLOW_MS
    this.#timer = setTimeout(() => {
      this.#arm()
      this.#look()
    }, wait)
  }
}
