// Rounds of appends: in each one every contender begins a stream in a folder of its own, and they take turns until it is
// long enough.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rotate } from '../rounds.mjs'
import { median } from '../stats.mjs'
import { streamContenders } from './contenders.mjs'
import { summariseStreams } from './stats.mjs'

/** What a turn takes, if the records of it are not too many. */
const TURN_MS = 160
/** The first one does not count: a stream begins with small files, and what is measured is how it goes on. */
const TURNS = 3

export async function measureAppends(definition, { baseline, directory, rounds, quick }) {
  const { found, missing } = await streamContenders(definition.contenders, baseline)
  const wave = Math.max(definition.inFlight, definition.together ?? 1)
  const context = { definition, baseline, directory, found }
  // Warm up, do not count, and tell how many records there is time for: the slow ones get fewer. The second time, because
  // the first finds code that was never run.
  const counts = new Map(found.map(({ name }) => [name, wave * (wave > 1 ? 4 : 64)]))
  // With what is appended one by one to compare with, a turn takes many times as long.
  const full = definition.lone ? TURN_MS / 4 : TURN_MS
  for (const turnMs of [full / 4, quick ? full / 4 : full]) {
    const warm = await playRound(context, 0, 1, counts)
    for (const { name } of found) {
      const affordable = (turnMs * 1e6) / warm.get(name)[0]
      const most = definition.mostBytes / definition.bytes / TURNS
      const waves = Math.max(1, Math.round(Math.min(affordable, most) / wave))
      counts.set(name, Math.max(waves, wave > 1 ? 2 : 32) * wave)
    }
  }
  for (const contender of found) contender.forget?.()
  const figures = new Map(found.map(({ name }) => [name, []]))
  const alone = new Map(found.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [name, times] of await playRound(context, round, TURNS, counts, alone)) {
      figures.get(name).push(median(times))
    }
  }
  const { name, title, note } = definition
  const results = summariseStreams(figures, definition, { found, alone })
  return { case: name, kind: 'stream', title, bytes: definition.bytes, note, missing, results }
}

async function playRound({ definition, baseline, directory, found }, round, turns, counts, alone) {
  const { bytes, inFlight, together, prewrite = false, prefill = 0, lone = false } = definition
  const order = rotate(found, round)
  const seed = round + 1
  const folder = ({ name }) => join(directory, `${name.replace(':', '-')}.${round}`)
  // With `lone` a quarter as many one by one, to compare with.
  const singles = (name) => (lone ? Math.ceil(counts.get(name) / inFlight) : 0)
  const expected = (name) => prefill + (counts.get(name) + singles(name)) * turns
  const all = (name) => ({ first: 0, count: expected(name), bytes, seed, inFlight, together })
  for (const contender of order) {
    mkdirSync(folder(contender))
    if (prefill > 0) await fill(baseline, folder(contender), { bytes, seed, count: prefill })
  }
  for (const contender of order) {
    // The limit writes one record a call when it is alone: there is room for that too.
    const room = { ...all(contender.name), ...(lone && { count: expected(contender.name) * inFlight }) }
    await contender.open(folder(contender), contender.isPlain ? room : all(contender.name), { prewrite })
  }
  const times = new Map(found.map(({ name }) => [name, []]))
  const lones = new Map(found.map(({ name }) => [name, []]))
  const next = new Map(found.map(({ name }) => [name, prefill]))
  for (let turn = 0; turn < turns; turn++) {
    for (const contender of rotate(order, turn)) {
      const { name } = contender
      const append = async (count, flight) => {
        const work = { first: next.get(name), count, bytes, seed, inFlight: flight, together }
        next.set(name, next.get(name) + count)
        return (await contender.append(work)) / count
      }
      const single = lone ? await append(singles(name), 1) : 0
      const time = await append(counts.get(name), inFlight)
      if (turn === 0 && turns > 1) continue
      if (lone) lones.get(name).push(single)
      times.get(name).push(time)
    }
  }
  for (const [name, values] of lones) if (lone) alone?.get(name).push(median(values))
  for (const contender of order) {
    await contender.close()
    // What the disk has, not what the page cache remembers.
    await baseline.ask('chillFolder', { path: folder(contender) })
    await contender.verify(folder(contender), all(contender.name))
    rmSync(folder(contender), { recursive: true })
  }
  return times
}

/** Makes a stream of so many records, by the engine. */
export async function fill(baseline, path, { bytes, seed, count }) {
  const inFlight = Math.max(1, Math.floor((4 << 20) / bytes))
  const records = { first: 0, count, bytes, seed, inFlight }
  await baseline.ask('streamOpen', { contender: 'log', path, records, prewrite: false })
  await baseline.ask('streamAppend', { contender: 'log', records })
  await baseline.ask('streamClose', { contender: 'log' })
}
