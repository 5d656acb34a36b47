// From the acknowledgement of an append to the record at a live reader: in the process of the writer, or in another one.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { importPackage } from '../package.mjs'
import { rotate } from '../rounds.mjs'
import { Child } from './child.mjs'
import { affordable, Figures, percentile } from './figures.mjs'
import { Watched } from './watched.mjs'
import { appendFor, verifyAll } from './writing.mjs'

const TURN_MS = 400
const LOADS = [
  { load: 'one append at a time', inFlight: 1 },
  { load: '64 in flight', inFlight: 64 },
]

/** What there is to say about each load. */
export const latencies = (most) =>
  LOADS.flatMap(({ load }) => [
    { name: `${load}: p50`, unit: 'ms' },
    { name: `${load}: p99`, unit: 'ms', most },
    { name: `${load}: records`, unit: '1/s' },
  ])

/** A reader in this process, with what a `Child` is asked for. */
class Here {
  async open(stream) {
    this.watched = new Watched(stream)
  }

  seen(end) {
    return this.watched.seen(end)
  }

  async close() {
    await this.watched?.ended
  }
}

class There {
  #child = new Child()

  async open(_, path) {
    await this.#child.ask('open', { path })
    await this.#child.ask('live')
  }

  seen(end) {
    return this.#child.ask('seen', { end })
  }

  async leave() {
    await this.#child.ask('close')
  }

  close() {
    return this.#child.close()
  }
}

export async function measureLatency(definition, { baseline, directory, rounds, quick }) {
  const { PersistentStream } = await importPackage()
  const path = join(directory, definition.name)
  mkdirSync(path)
  const figures = new Figures()
  const reader = definition.elsewhere ? new There() : new Here()
  try {
    const stream = await PersistentStream.open(path)
    await reader.open(stream, path)
    for (const round of affordable(rounds)) {
      for (const { load, inFlight } of rotate(LOADS, round)) {
        const { first, end, acknowledged } = await appendFor(stream, quick ? TURN_MS / 4 : TURN_MS, inFlight)
        const seen = await reader.seen(end)
        if (seen.length !== end - first) throw new Error(`${seen.length} records were seen instead of ${end - first}`)
        if (round === 0) continue
        // A reader in this process may have it before the caller is told.
        const late = seen.map((time, i) => Math.max(0, time - acknowledged[i]) / 1e6)
        figures.add(`${load}: p50`, percentile(late, 50))
        figures.add(`${load}: p99`, percentile(late, 99))
        figures.add(`${load}: records`, late.length / ((seen.at(-1) - acknowledged[0]) / 1e9))
      }
    }
    const count = stream.nextSeq
    await reader.leave?.()
    await stream.close()
    await verifyAll(baseline, path, count)
  } finally {
    await reader.close()
  }
  rmSync(path, { recursive: true })
  return figures.result(definition)
}
