// Rounds of opening a stream for writing: an empty one, and one that is as long as the case says.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rotate } from '../rounds.mjs'
import { median, spread } from '../stats.mjs'
import { streamContenders } from './contenders.mjs'

export async function measureOpens(definition, { baseline, directory, rounds }) {
  const { found, missing } = await streamContenders(definition.contenders, baseline)
  const { name, title, note, files, fileSize, targets = {} } = definition
  const paths = { empty: join(directory, 'empty'), long: join(directory, 'long') }
  mkdirSync(paths.empty)
  await baseline.ask('streamCraft', { path: paths.long, files, fileSize })
  const figures = new Map(found.map((contender) => [contender.name, { empty: [], long: [] }]))
  // The first one begins the empty one, and recovers the other: after that both were closed as they should be.
  for (let round = 0; round <= rounds; round++) {
    for (const contender of rotate(found, round)) {
      for (const which of rotate(['empty', 'long'], round)) {
        await baseline.ask('chillFolder', { path: paths[which] })
        const nanoseconds = await contender.reopen(paths[which])
        if (round > 0) figures.get(contender.name)[which].push(nanoseconds)
      }
    }
  }
  for (const path of Object.values(paths)) rmSync(path, { recursive: true })
  const results = found.map((contender) => {
    const { empty, long } = figures.get(contender.name)
    const milliseconds = median(long) / 1e6
    const more = median(long.map((time, round) => (time - empty[round]) / 1e6))
    const { most, mostMore } = targets[contender.name] ?? {}
    const checks = [
      ...(most === undefined ? [] : [{ text: `≤ ${most} ms`, met: milliseconds <= most }]),
      ...(mostMore === undefined ? [] : [{ text: `≤ ${mostMore} ms more than empty`, met: more <= mostMore }]),
    ]
    return {
      contender: contender.name,
      microseconds: spread(long.map((time) => time / 1000)),
      emptyMicroseconds: spread(empty.map((time) => time / 1000)),
      moreMs: more,
      checks,
    }
  })
  return { case: name, kind: 'open', title, note, missing, results }
}
