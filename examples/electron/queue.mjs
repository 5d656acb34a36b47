// A queue of notes that are sent when the network allows it, and survives whatever ends the app. The part to copy: it knows
// nothing of Electron, and the stream is all the memory it has.
//
// A note is safe once `add` has resolved. It is sent at least once: the cursor moves behind it when the server has accepted
// it. Its seq goes along, so that the server can take each note once.

import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { PersistentStream } from 'pstream'

/** How many of each list are shown. */
const SHOWN = 100
const SHOWN_SENT = 20

/** Emits `change` when `snapshot()` would say something else. */
export class OfflineQueue extends EventEmitter {
  #stream
  #cursor
  #send
  #retryMs
  #online
  #phase = 'idle'
  #problem
  #retryAt
  #sending
  #isNews
  #ending = new AbortController()
  /** Aborts what is under way when the network is switched off, and a pause when somebody does not want to wait. */
  #attempt = new AbortController()

  /** `send(note, { signal })` resolves when the server has accepted `{ seq, time, text }`. */
  static async open(folder, send, { online = true, retryMs = 1000 } = {}) {
    const stream = await PersistentStream.open(folder, {
      name: 'notes',
      encoding: 'json',
      // Files whose notes were sent are removed; what was not is kept, up to the limit, at which `add` rejects.
      retention: { maxBytes: '8MiB', limitBytes: '256MiB' },
    })
    const cursor = await stream.cursor('sender')
    return new OfflineQueue(stream, cursor, send, online, retryMs)
  }

  /** Use `open`. */
  constructor(stream, cursor, send, online, retryMs) {
    super()
    this.#stream = stream
    this.#cursor = cursor
    this.#send = send
    this.#online = online
    this.#retryMs = retryMs
    this.#isNews = stream.recovery.previous === 'crashed'
    this.#sending = this.#run()
  }

  /** Resolves when the note is on the disk, online or not. */
  async add(text) {
    const seq = await this.#stream.append({ text })
    this.#isNews = false
    this.emit('change')
    return seq
  }

  setOnline(online) {
    if (online === this.#online) return
    this.#online = online
    this.#restartAttempt()
  }

  /** Sends now what waits for its next attempt. */
  retry() {
    this.#restartAttempt()
  }

  /** What a window shows. Read from the stream, so it is what is on the disk. */
  async snapshot() {
    const [position, oldest, next] = [this.#cursor.position, this.#stream.oldestSeq, this.#stream.durableSeq]
    const items = async (from, to) => {
      const found = []
      for await (const { seq, time, data } of this.#stream.read({ from, to }))
        found.push({ seq, time, text: data.text })
      return found
    }
    const sent = await items(Math.max(oldest, position - SHOWN_SENT), position)
    const waiting = await items(position, Math.min(next, position + SHOWN))
    return {
      online: this.#online,
      phase: this.#online || this.#phase === 'stopped' ? this.#phase : 'offline',
      problem: this.#problem,
      retryAt: this.#retryAt,
      // The app ended without closing the queue, by which nothing is lost. Of interest until the next note.
      wasInterrupted: this.#isNews,
      sent: { count: position, items: sent.reverse() },
      waiting: { count: next - position, items: waiting },
    }
  }

  /** Tells what a window shows, at once and when it has changed, one after the other and not too often. */
  async watch(tell, intervalMs = 50) {
    const { signal } = this.#ending
    try {
      for (;;) {
        // Before the look, so that no change falls in between.
        const changed = once(this, 'change', { signal })
        changed.catch(() => {})
        tell(await this.snapshot())
        await changed
        await sleep(intervalMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** What was added is kept; what is being sent is given up, and sent again next time. */
  async close() {
    this.#ending.abort()
    this.#attempt.abort()
    await this.#sending
    await this.#stream.close()
  }

  async #run() {
    const { signal } = this.#ending
    try {
      for await (const { seq, time, data } of this.#cursor.read({ signal })) {
        await this.#deliver({ seq, time, text: data.text })
        // Not before: a crash in between sends it once more, and the server sees that it has it.
        await this.#cursor.commit(seq)
        this.#enter('idle')
      }
    } catch (error) {
      if (!signal.aborted) this.#enter('stopped', error.message)
    }
  }

  /** Until it is accepted, with a longer wait after each failure, 30 s at most, and not the same for all apps. */
  async #deliver(note) {
    for (let failures = 0; ; ) {
      while (!this.#online) await once(this, 'attempt', { signal: this.#ending.signal })
      this.#attempt = new AbortController()
      const { signal } = this.#attempt
      try {
        this.#enter('sending', this.#problem)
        return await this.#send(note, { signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) })
      } catch (error) {
        this.#ending.signal.throwIfAborted()
        // For good: to go on would be to lose it.
        if (error.refused) throw error
        if (signal.aborted) continue
        const wait = Math.min(30_000, this.#retryMs * 2 ** Math.min(failures, 20)) * (0.5 + Math.random() / 2)
        failures += 1
        this.#enter('retrying', error.message, Date.now() + wait)
        await sleep(wait, undefined, { signal }).catch(() => {})
        this.#ending.signal.throwIfAborted()
      }
    }
  }

  #restartAttempt() {
    this.#attempt.abort()
    this.emit('attempt')
    this.emit('change')
  }

  #enter(phase, problem, retryAt) {
    this.#phase = phase
    this.#problem = problem
    this.#retryAt = retryAt
    this.emit('change')
  }
}
