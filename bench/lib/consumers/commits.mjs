// A cursor that is told of every record, a hundred thousand times a second.

import { closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, write, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { stampRecord } from '../content.mjs'
import { importPackage } from '../package.mjs'
import { median } from '../stats.mjs'
import { affordable, Figures, percentile } from './figures.mjs'
import { now } from './times.mjs'
import { blank, verifyAll } from './writing.mjs'

/** A round has so many turns. */
const TURNS = 5
const TURN_MS = 120
const TOGETHER = 1000
const SLOT_BYTES = 4096
/** V8 compiles for so long, on threads that our own wait for where there are two cores. */
const WARM_UP_MS = 5000
/** A turn. */
const WRITES = 40
const ALONE = 40
const PACED = 100

/** Bytes that this process has had the disk write. */
const written = () => Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))[1])

/** Commits one seq after the other, each when the one before is done, and resolves to the nanoseconds of each. */
async function commitAlone(cursor) {
  const times = []
  for (let i = 0; i < ALONE; i++) {
    const started = now()
    await cursor.commit(cursor.position)
    times.push(now() - started)
  }
  return times
}

/** What Node.js needs to write as much on its own, each millisecond. */
class Paced {
  #path
  #fd
  #bytes = new Uint8Array(SLOT_BYTES)

  constructor(path) {
    this.#path = path
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC)
    writeSync(this.#fd, this.#bytes, 0, SLOT_BYTES, 0)
    fsyncSync(this.#fd)
  }

  /** The nanoseconds from each call to its callback. */
  async times() {
    const times = []
    for (let i = 0; i < PACED; i++) {
      times.push(await this.#write())
      await setTimeout(1)
    }
    return times
  }

  #write() {
    const asked = now()
    return new Promise((resolve, reject) => {
      write(this.#fd, this.#bytes, 0, SLOT_BYTES, 0, (error) => (error ? reject(error) : resolve(now() - asked)))
    })
  }

  close() {
    closeSync(this.#fd)
    rmSync(this.#path)
  }
}

/**
 * Commits one seq after the other for so long, as a consumer does that awaits the last of what it has at hand. Resolves to
 * the nanoseconds from the first call at a time to the end of its wait, and to what was written.
 */
async function commitFor(cursor, milliseconds, perSecond) {
  const [waits, all] = [[], []]
  const [first, before] = [cursor.position, written()]
  const started = now()
  let calls = 0
  for (let time = started; time - started < milliseconds * 1e6; time = now()) {
    const due = Math.floor(((time - started) / 1e9) * perSecond)
    if (calls < due) {
      const asked = now()
      let last
      while (calls < due) last = cursor.commit(first + calls++)
      const end = first + due
      const done = () => {
        waits.push(now() - asked)
        if (cursor.position < end) throw new Error(`${end - 1} is not committed: ${cursor.position}`)
      }
      all.push(last.then(done))
    }
    await setTimeout(1)
  }
  await Promise.all(all)
  return { calls, waits, writes: (written() - before) / SLOT_BYTES, seconds: (now() - started) / 1e9 }
}

export async function measureCommits(definition, { baseline, directory, rounds, quick }) {
  const { PersistentStream } = await importPackage()
  const figures = new Figures()
  const path = join(directory, definition.name)
  mkdirSync(path)
  const turnMs = quick ? TURN_MS / 4 : TURN_MS
  let stream = await PersistentStream.open(path)
  const warmUpMs = quick ? turnMs : WARM_UP_MS
  const committing = warmUpMs + turnMs * TURNS * (rounds + 2)
  await append(stream, Math.ceil((definition.perSecond * committing) / 1000) + ALONE * TURNS * (rounds + 1))
  const count = stream.nextSeq
  const cursor = await stream.cursor('consumer')
  const plain = new Plain(baseline, join(directory, 'plain'))
  await plain.open()
  const paced = new Paced(join(directory, 'paced'))
  const cold = await commitFor(cursor, warmUpMs, definition.perSecond)
  for (const round of affordable(rounds)) {
    // In turns: a disk that others use is fast now and slow then.
    const [singles, alone, bare, turns] = [[], [], [], []]
    for (let turn = 0; turn < TURNS; turn++) {
      singles.push(...(await plain.times(turn)))
      alone.push(...(await commitAlone(cursor)))
      bare.push(...(await paced.times()))
      turns.push(await commitFor(cursor, turnMs, definition.perSecond))
    }
    if (round === 0) continue
    const unit = median(singles)
    const sum = (value) => turns.reduce((total, turn) => total + value(turn), 0)
    const seconds = sum((turn) => turn.seconds)
    const waits = turns.flatMap((turn) => turn.waits)
    figures.add('calls', sum((turn) => turn.calls) / seconds)
    figures.add('synced writes', sum((turn) => turn.writes) / seconds)
    figures.add('an awaited one, p50', percentile(waits, 50) / unit)
    figures.add('an awaited one, p99', percentile(waits, 99) / unit)
    figures.add('in the first seconds of a process, p99', percentile(cold.waits, 99) / unit)
    figures.add('one alone, p50', percentile(alone, 50) / unit)
    figures.add('fs.write each millisecond, p50', percentile(bare, 50) / unit)
    figures.add('fs.write each millisecond, p99', percentile(bare, 99) / unit)
    figures.add('a synced write', unit / 1e6)
    figures.add('a synced write, p99', percentile(singles, 99) / unit)
  }
  await plain.close()
  paced.close()
  const { position } = cursor
  await stream.close()
  stream = await PersistentStream.open(path)
  const [info] = await stream.cursors()
  if (info.position !== position) throw new Error(`the cursor is at ${info.position} instead of ${position}`)
  await stream.close()
  await verifyAll(baseline, path, count)
  rmSync(path, { recursive: true })
  return figures.result(definition)
}

async function append(stream, count) {
  const list = Array.from({ length: TOGETHER }, blank)
  while (stream.nextSeq < count) {
    for (let i = 0; i < TOGETHER; i++) stampRecord(list[i], stream.nextSeq + i)
    await stream.appendMany(list)
  }
}

/** Synced writes of one block each, into a file as old as the cursor's. */
class Plain {
  #baseline
  #path
  #all = { first: 0, count: WRITES * TURNS, bytes: SLOT_BYTES, seed: 1 }

  constructor(baseline, path) {
    this.#baseline = baseline
    this.#path = path
  }

  async open() {
    const place = { path: this.#path, blockShift: Math.log2(SLOT_BYTES) }
    await this.#baseline.ask('create', { ...place, work: this.#all, prewrite: true, filled: false })
    await this.#baseline.ask('open', { ...place, contender: 'plain' })
  }

  /** The nanoseconds that each of some takes. */
  async times(turn) {
    const times = []
    for (let first = turn * WRITES; first < (turn + 1) * WRITES; first++) {
      const work = { ...this.#all, first, count: 1 }
      times.push((await this.#baseline.ask('store', { contender: 'plain', work, layout: 'bytes' })).nanoseconds)
    }
    return times
  }

  async close() {
    await this.#baseline.ask('close', { contender: 'plain' })
    await this.#baseline.ask('verify', { path: this.#path, work: this.#all })
    await this.#baseline.ask('remove', { path: this.#path })
  }
}
