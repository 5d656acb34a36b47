// A map that survives crashes and power cuts: every change is in a log before it is in the map. This is the part to copy.
//
// The log holds `{ set: [key, value] }`, `{ delete: key }` and now and then `{ snapshot, upTo }`: all of the map as it was
// when every change in front of the seq `upTo` was in it, and none behind. What is in front of it can go then.

import { PersistentStream } from 'pstream'

export class KeyValueStore {
  #log
  #map = new Map()
  /** Behind the last change that is in the map. */
  #upTo = 0
  #sinceSnapshot = 0

  constructor(log) {
    this.#log = log
  }

  /** Keys are strings, values what JSON can hold. `options` are those of the stream. */
  static async open(folder, options) {
    const log = await PersistentStream.open(folder, { name: 'changes', ...options, encoding: 'json' })
    const store = new KeyValueStore(log)
    await store.#replay()
    return store
  }

  get size() {
    return this.#map.size
  }

  get(key) {
    return this.#map.get(key)
  }

  entries() {
    return this.#map.entries()
  }

  /** The change is durable, and in the map, when this resolves. If it rejects, a crash decides whether it is there. */
  set(key, value) {
    return this.#change({ set: [key, value] })
  }

  delete(key) {
    return this.#change({ delete: key })
  }

  /** Whether the log is so much longer than the map that it is time for `compact`. */
  get wantsCompaction() {
    return this.#sinceSnapshot > 1000 + 4 * this.#map.size
  }

  /**
   * Writes a snapshot and lets go of the files in front of it; resolves to the oldest seq that is left. Changes may go on
   * meanwhile. The map must fit into one record: see `maxRecordBytes`.
   */
  async compact() {
    const upTo = this.#upTo
    this.#sinceSnapshot = 0
    await this.#log.append({ snapshot: [...this.#map], upTo })
    // The snapshot is durable: not before may go what it replaces. Changes that were under way stay: it has them not.
    return this.#log.trim(upTo)
  }

  /** Every byte of the log is as it was written. */
  async verify() {
    return (await this.#log.verify()).ok
  }

  get stats() {
    return this.#log.stats()
  }

  close() {
    return this.#log.close()
  }

  /** Appends resolve in the order of the calls: the map changes in the order of the log. */
  async #change(change) {
    const seq = await this.#log.append(change)
    this.#apply(seq, change)
  }

  #apply(seq, change) {
    if (change.set !== undefined) this.#map.set(...change.set)
    else this.#map.delete(change.delete)
    this.#upTo = seq + 1
    this.#sinceSnapshot += 1
  }

  async #replay() {
    let changes = []
    for await (const { seq, data } of this.#log.read()) {
      if (data.snapshot === undefined) changes.push({ seq, data })
      else {
        this.#map = new Map(data.snapshot)
        this.#upTo = data.upTo
        // Those that were under way when it was taken are in front of it in the log, and not in it: they come on top.
        changes = changes.filter(({ seq }) => seq >= data.upTo)
      }
    }
    for (const { seq, data } of changes) this.#apply(seq, data)
  }
}
