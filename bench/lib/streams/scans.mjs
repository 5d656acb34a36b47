// Rounds of reading a whole stream, which was made once.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rotate } from '../rounds.mjs'
import { fill } from './appends.mjs'
import { streamContenders } from './contenders.mjs'
import { summariseStreams } from './stats.mjs'

/** Records that a peer commits as one when its stream is made. */
const WAVE_BYTES = 4 << 20
const TURNS = 2
const MOST_SECONDS = 11

export async function measureScans(definition, { baseline, directory, rounds, quick }) {
  const { found: all, missing: gone } = await streamContenders(definition.contenders, baseline)
  const found = all.filter(({ canRead = true }) => canRead)
  const missing =
    found.length === all.length ? gone : [gone, 'ts (the package does not read yet)'].filter(Boolean).join(', ')
  const { bytes, cold, mostBytes } = definition
  const count = Math.floor((quick ? mostBytes / 4 : mostBytes) / bytes)
  const records = { first: 0, count, bytes, seed: 1, inFlight: Math.max(1, Math.floor(WAVE_BYTES / bytes)) }
  const folder = ({ name, family = name }) => join(directory, family.replace(':', '-'))
  const made = new Set()
  for (const contender of found) {
    if (made.has(folder(contender))) continue
    made.add(folder(contender))
    await make(contender, folder(contender), records, baseline)
  }
  const scan = async (contender) => {
    const chill = async () => cold && baseline.ask('chillFolder', { path: folder(contender) })
    // Before, because what is mapped stays; and behind, because opening may read.
    await chill()
    await contender.open(folder(contender), records)
    await chill()
    const nanoseconds = await contender.scan(records, { cold, each: contender.each })
    await contender.close()
    return nanoseconds / count
  }
  // Warms up, does not count, and tells how often there is time for it.
  const started = performance.now()
  for (const contender of found) {
    await scan(contender)
    contender.forget?.()
  }
  const turns = ((performance.now() - started) / 1000) * rounds * TURNS > MOST_SECONDS ? 1 : TURNS
  const figures = new Map(found.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    const times = new Map(found.map(({ name }) => [name, 0]))
    for (let turn = 0; turn < turns; turn++) {
      for (const contender of rotate(found, round + turn))
        times.set(contender.name, times.get(contender.name) + (await scan(contender)) / turns)
    }
    for (const [name, time] of times) figures.get(name).push(time)
  }
  for (const path of made) rmSync(path, { recursive: true })
  const { name, title, note } = definition
  return {
    case: name,
    kind: 'stream',
    title,
    bytes,
    note,
    missing,
    results: summariseStreams(figures, definition, { found }),
  }
}

async function make(contender, path, records, baseline) {
  mkdirSync(path)
  if (contender.family === 'stream') {
    await fill(baseline, path, records)
    await baseline.ask('streamVerify', { path, records })
    return
  }
  await contender.open(path, records)
  await contender.append(records)
  await contender.close()
  await contender.verify(path, records)
}
