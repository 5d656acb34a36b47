// Ours: through the package, and from Rust, together with the limit, in the baseline process.

import { join } from 'node:path'
import { record, stampRecord } from '../content.mjs'
import { importPackage } from '../package.mjs'
import { Local, timed } from './contender.mjs'

/** Measured in the baseline process. `plain` and `plain-direct` are no streams, so there is nothing to read back. */
export class Native {
  constructor(name, baseline) {
    this.name = name
    this.baseline = baseline
    this.isPlain = name.startsWith('plain')
    this.family = this.isPlain ? undefined : 'stream'
  }

  async open(path, records, { prewrite = false } = {}) {
    await this.baseline.ask('streamOpen', { contender: this.name, path, records, prewrite })
  }

  async append(records) {
    return (await this.baseline.ask('streamAppend', { contender: this.name, records })).nanoseconds
  }

  async scan(records, { cold }) {
    return (await this.baseline.ask('streamScan', { contender: this.name, records, cold })).nanoseconds
  }

  async close() {
    await this.baseline.ask('streamClose', { contender: this.name })
  }

  async verify(path, records) {
    if (!this.isPlain) await this.baseline.ask('streamVerify', { path, records })
  }

  async reopen(path) {
    return (await this.baseline.ask('streamReopen', { path })).nanoseconds
  }
}

/** Measured in this process, through the package. */
export class Package extends Local {
  name = 'ts'
  family = 'stream'
  #PersistentStream
  #stream
  #baseline

  static async create(baseline) {
    const contender = new Package()
    contender.#PersistentStream = (await importPackage()).PersistentStream
    contender.#baseline = baseline
    return contender
  }

  async open(folder) {
    this.#stream = await this.#PersistentStream.open(folder)
  }

  append(records) {
    return records.together === undefined ? this.#appendEach(records) : this.#appendTogether(records)
  }

  /** So many callers, each of which awaits its append and goes on with the next: always as many are in flight. */
  #appendEach(records) {
    const { first, count, inFlight } = records
    const stream = this.#stream
    // Free again as soon as `append` returns.
    const bytes = record(records)
    const end = first + count
    let next = first
    const caller = async () => {
      while (next < end) {
        const number = next++
        stampRecord(bytes, number)
        if ((await stream.append(bytes)) !== number) throw new Error(`record ${number} got another seq`)
      }
    }
    return this.watched(() => timed(() => Promise.all(Array.from({ length: Math.min(inFlight, count) }, caller))))
  }

  #appendTogether(records) {
    const { first, count, inFlight, together } = records
    const stream = this.#stream
    const list = Array.from({ length: together }, () => record(records))
    const end = first + count
    let next = first
    const caller = async () => {
      while (next < end) {
        const number = next
        const some = end - next < together ? list.slice(0, end - next) : list
        next += some.length
        for (let i = 0; i < some.length; i++) stampRecord(some[i], number + i)
        if ((await stream.appendMany(some)) !== number) throw new Error(`record ${number} got another seq`)
      }
    }
    return this.watched(() =>
      timed(() => Promise.all(Array.from({ length: Math.max(1, inFlight / together) }, caller))),
    )
  }

  get canRead() {
    return typeof this.#PersistentStream.prototype.readBatches === 'function'
  }

  /** By `readBatches`; with `each` by `read`. */
  async scan({ first, count, bytes }, { cold, each }) {
    const options = { from: 'oldest', cache: cold ? 'drop' : 'keep' }
    let [records, total] = [0, 0]
    const nanoseconds = await timed(async () => {
      if (each) {
        for await (const { data } of this.#stream.read(options)) {
          records += 1
          total += data.length
        }
        return
      }
      for await (const batch of this.#stream.readBatches(options)) {
        records += batch.length
        for (let i = 0; i < batch.length; i++) total += batch[i].data.length
      }
    })
    if (records !== first + count || total !== records * bytes)
      throw new Error(`ts has read ${records} records of ${total} bytes instead of ${first + count}`)
    return nanoseconds
  }

  async close() {
    await this.#stream.close()
  }

  /** By the engine: whoever wrote a stream, it is checked by the same code. */
  async verify(path, records) {
    await this.#baseline.ask('streamVerify', { path, records })
  }

  /** How long it takes to open a stream for writing. It is closed again. */
  async reopen(path) {
    const start = process.hrtime.bigint()
    await this.open(path)
    const nanoseconds = Number(process.hrtime.bigint() - start)
    await this.close()
    return nanoseconds
  }
}

/** So many streams in one process, which share the records. */
export class Many extends Local {
  #streams

  static async create(count, baseline) {
    const many = new Many()
    many.name = `ts-${count}-streams`
    many.#streams = await Promise.all(Array.from({ length: count }, () => Package.create(baseline)))
    return many
  }

  /** What each of them gets. */
  #share(records) {
    const { length } = this.#streams
    const [first, count, inFlight] = [records.first, records.count, records.inFlight].map((all) => all / length)
    return { ...records, first, count, inFlight }
  }

  #each(folder, use) {
    return Promise.all(this.#streams.map((stream, i) => use(stream, join(folder, `${i}`))))
  }

  open(folder) {
    return this.#each(folder, (stream, path) => stream.open(path))
  }

  append(records) {
    const share = this.#share(records)
    return this.watched(() => timed(() => Promise.all(this.#streams.map((stream) => stream.append(share)))))
  }

  close() {
    return this.#each('', (stream) => stream.close())
  }

  async verify(folder, records) {
    for (const [i, stream] of this.#streams.entries()) await stream.verify(join(folder, `${i}`), this.#share(records))
  }
}
