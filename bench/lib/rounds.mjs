// Rounds of turns: in a turn each contender gets a slice of the work, in an order that rotates, so that whatever else
// the machine does meets all of them alike.

import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { contenders } from './contenders.mjs'
import { median, summarise } from './stats.mjs'

const SECONDS_A_CASE = 14

/**
 * A case of storing or loading blocks.
 *
 * `bytes` an operation, `operations` a slice, `turns` a round: a round is over before the file is full. On a slow or busy
 * disk there are fewer turns, so that the case is over in its time.
 */
export async function measureBlocks(definition, { baseline, directory, rounds, quick }) {
  const { found, missing } = await contenders(baseline)
  const play = (round, turns) => playRound(definition, { baseline, directory, found, round, turns })
  // Warms up, does not count, and tells how many turns there is time for.
  const started = performance.now()
  await play(0, 1)
  const affordable = Math.floor((SECONDS_A_CASE * 1000) / (performance.now() - started) / rounds)
  const turns = Math.max(1, Math.min(affordable, quick ? Math.ceil(definition.turns / 2) : definition.turns))
  const figures = new Map(found.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [name, times] of await play(round, turns)) figures.get(name).push(median(times))
  }
  const { name, title, bytes, note } = definition
  return { case: name, title, bytes, turns, note, missing, results: summarise(figures, definition) }
}

async function playRound(definition, { baseline, directory, found, round, turns }) {
  const { bytes, operations, blockShift, verb, how, prewrite = false } = definition
  const isLoad = verb === 'load'
  const seed = round + 1
  const all = { first: 0, count: operations * turns, bytes, seed }
  const order = rotate(found, round)
  const path = (contender) => join(directory, `${contender.name}.${round}`)
  for (const contender of order) {
    await baseline.ask('create', { path: path(contender), blockShift, work: all, prewrite, filled: isLoad })
    if (isLoad) await chill(baseline, definition, contender, path(contender))
    await contender.open(path(contender), blockShift)
  }
  const times = new Map(found.map(({ name }) => [name, []]))
  for (let turn = 0; turn < turns; turn++) {
    const work = { first: turn * operations, count: operations, bytes, seed }
    for (const contender of rotate(order, turn)) {
      times.get(contender.name).push((await contender[verb](work, how)) / operations)
      // What the kernel goes on to read ahead would be a present to this one's next turn, and a burden on the others.
      if (isLoad) await chill(baseline, definition, contender, path(contender))
    }
  }
  for (const contender of order) {
    await contender.close()
    if (!isLoad) {
      // What the disk has, not what the page cache remembers.
      await chill(baseline, definition, contender, path(contender))
      await baseline.ask('verify', { path: path(contender), work: all })
    }
    await baseline.ask('remove', { path: path(contender) })
  }
  return times
}

/** Empties the page cache of a file. Pages that are being read cannot go yet: so again, until all are gone. */
async function chill(baseline, { name, blockShift }, contender, path) {
  let resident
  for (let attempt = 0; attempt < 100; attempt++) {
    ;({ resident } = await baseline.ask('chill', { path, blockShift }))
    if (!(resident > 0)) return
    await setTimeout(10)
  }
  throw new Error(`${name}: ${resident} bytes of the file of ${contender.name} stay in the page cache`)
}

export function rotate(list, by) {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}
