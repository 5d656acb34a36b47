// Awaited appends before and while many files are released.

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { importPackage } from '../package.mjs'
import { rotate } from '../rounds.mjs'
import { affordable, Figures, percentile } from './figures.mjs'
import { appendFor, checkRecord } from './writing.mjs'

const MiB = 1 << 20
const BEFORE_MS = 200
/** Seqs that a file of a crafted stream is long. */
const RECORDS = 1000

const named = ({ files, fileSize }) => `${files.toLocaleString('en')} files of ${fileSize / MiB} MiB`

export const trims = (lengths, most) =>
  lengths.map(named).flatMap((length) => [
    { name: `${length}: p99 before`, unit: 'ms' },
    { name: `${length}: p99 meanwhile`, unit: 'ms' },
    { name: `${length}: more`, unit: 'ms', most },
    { name: `${length}: longest`, unit: 'ms' },
    { name: `${length}: the trim`, unit: 'ms' },
    { name: `${length}: appends meanwhile`, unit: '' },
  ])

export async function measureTrims(definition, { baseline, directory, rounds, quick }) {
  const { PersistentStream } = await importPackage()
  const figures = new Figures()
  const path = join(directory, definition.name)
  for (const round of affordable(rounds)) {
    for (const length of rotate(definition.lengths, round)) {
      mkdirSync(path)
      const files = quick || round === 0 ? Math.ceil(length.files / 4) : length.files
      await baseline.ask('streamCraft', { path, files: files + 1, fileSize: length.fileSize, reserved: true })
      const stream = await PersistentStream.open(path, { fileSize: length.fileSize })
      const outcome = await appendAndTrim(stream, files * RECORDS)
      await check(stream, path, outcome, files)
      await stream.close()
      rmSync(path, { recursive: true })
      if (round === 0) continue
      const name = named(length)
      figures.add(`${name}: p99 before`, percentile(outcome.before, 99))
      figures.add(`${name}: p99 meanwhile`, percentile(outcome.meanwhile, 99))
      figures.add(`${name}: more`, percentile(outcome.meanwhile, 99) - percentile(outcome.before, 99))
      figures.add(`${name}: longest`, percentile(outcome.meanwhile, 100))
      figures.add(`${name}: the trim`, outcome.milliseconds)
      figures.add(`${name}: appends meanwhile`, outcome.meanwhile.length)
    }
  }
  return figures.result(definition)
}

const waits = ({ handed, acknowledged }) => acknowledged.map((time, i) => (time - handed[i]) / 1e6)

async function appendAndTrim(stream, before) {
  const first = stream.nextSeq
  await appendFor(stream, BEFORE_MS / 4, 1)
  const quiet = await appendFor(stream, BEFORE_MS, 1)
  let isOver = false
  const started = performance.now()
  const trimming = stream.trim(before).then((oldest) => {
    isOver = true
    return { oldest, milliseconds: performance.now() - started }
  })
  // Whatever becomes of it, the appends have to end.
  trimming.catch(() => {
    isOver = true
  })
  const busy = await appendFor(stream, 60_000, 1, () => isOver)
  return { first, end: busy.end, before: waits(quiet), meanwhile: waits(busy), ...(await trimming) }
}

/** Whether the files are gone, and everything that was appended is there. */
async function check(stream, path, { oldest, first, end }, files) {
  const wanted = files * RECORDS
  if (oldest !== wanted || stream.oldestSeq !== wanted) throw new Error(`the oldest seq is ${oldest}, not ${wanted}`)
  const left = readdirSync(path).filter((name) => /^stream\.[0-9a-f]{4}-\d+$/.test(name)).length
  if (left > 4) throw new Error(`${left} files are left`)
  let next = first
  for await (const record of stream.read({ from: first })) {
    if (record.seq !== next) throw new Error(`record ${record.seq} came instead of ${next}`)
    checkRecord(record)
    next += 1
  }
  if (next !== end) throw new Error(`there are ${next} records instead of ${end}`)
}
