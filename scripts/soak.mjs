#!/usr/bin/env node
// A long run of everything at once: see `help`.

import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { PersistentStream } from 'pstream'
import { breaks, leak, spoils } from './soak/breaking.mjs'
import { compare } from './soak/flat.mjs'
import { MainStream } from './soak/main-stream.mjs'
import { resources } from './soak/measure.mjs'
import { Follower, killChildren, VictimStream, WorkerStream } from './soak/others.mjs'
import { heading, line, page, verdict } from './soak/report.mjs'

const help = `Usage: npm run soak -- [--minutes <n> | --seconds <n>] [options]

Appends, reads live, commits cursors, trims, reopens, kills and terminates, on three streams at once; checks that every
acknowledged record is read back once, in order and as it was; and at the end that nothing has grown: memory,
descriptors, threads, latency, disk.

  --minutes <n>   how long (default: 60); --seconds <n> likewise, 10 at least
  --dir <folder>  make the temporary folder there: it takes some 200 MiB (default: the system's)
  --write         write the result to docs/soak.md if all went well
  --break <what>  do things wrong on purpose, and fail: some of ${breaks.join(',')}
  --help          this text`

const WINDOWS = 30
/** The longest time between two of the things that are done to the streams. */
const DISTURB_MS = 10_000
const say = (text) => process.stdout.write(`${text}\n`)

function readArguments() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      dir: { type: 'string' },
      write: { type: 'boolean' },
      break: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  const seconds = values.seconds === undefined ? Number(values.minutes ?? 60) * 60 : Number(values.seconds)
  if (!(seconds >= 10)) throw new Error('it takes 10 seconds at least')
  const broken = values.break?.split(',') ?? []
  for (const what of broken)
    if (!breaks.includes(what)) throw new Error(`there is no '${what}' to break: ${breaks.join(', ')}`)
  return { ...values, seconds, broken }
}

/** One run. Throws what went wrong. */
async function soak(folder, options) {
  const failures = []
  let wake
  const failed = new Promise((resolve) => {
    wake = resolve
  })
  const fail = (error) => {
    failures.push(error)
    wake()
  }
  const main = new MainStream(folder, { fail, spoil: options.broken.find((what) => spoils.includes(what)) })
  const worker = new WorkerStream(folder, { fail })
  const victim = new VictimStream(folder, { fail })
  const follower = new Follower(folder, main, { fail })
  for (const what of options.broken) leak(what)
  const work = async () => {
    for (const part of [main, worker, victim, follower]) await part.open()
    return run({ main, worker, victim, follower }, options.seconds)
  }
  const result = await Promise.race([work(), failed])
  if (failures.length > 0) throw failures[0]
  return result
}

async function run(parts, seconds) {
  const windows = []
  const started = performance.now()
  const length = (seconds * 1000) / WINDOWS
  const disturb = disturber(parts, started, Math.min(2 * length, DISTURB_MS))
  say(heading)
  for (let index = 0; index < WINDOWS; index += 1) {
    const end = started + (index + 1) * length
    await disturb(end)
    await sleep(Math.max(0, end - performance.now()))
    const window = await look(parts, (performance.now() - started) / 60_000)
    windows.push(window)
    say(line(window))
  }
  const totals = await finish(parts, performance.now() - started)
  return { seconds, windows, rows: compare(windows, seconds), totals }
}

/** Reopens, terminates and kills in turn, up to some moment. */
function disturber({ main, worker, victim }, started, pace) {
  const all = [main, worker, victim]
  let turn = 0
  let due = started + pace
  return async (end) => {
    while (due < end) {
      await sleep(Math.max(0, due - performance.now()))
      await all[turn % all.length].reopen()
      turn += 1
      due = Math.max(due, performance.now()) + pace
    }
  }
}

/** What everything takes, once the readers have caught up. */
async function look({ main, worker, victim, follower }, minute) {
  const end = main.acknowledged
  await Promise.all([main.caughtUp(), worker.caughtUp(), victim.caughtUp()])
  const other = await follower.resources(end)
  return {
    minute,
    records: main.acknowledged + worker.durable + victim.durable,
    bytes: main.bytes,
    ...main.times.take(),
    ...(await resources()),
    otherRss: other.rss,
    otherExternal: other.external,
    otherDescriptors: other.descriptors,
    disk: main.stream.stats().bytesOnDisk + worker.disk + victim.disk,
    reopened: main.reopened + worker.terminated,
    killed: victim.killed,
  }
}

async function finish({ main, worker, victim, follower }, elapsed) {
  await main.close()
  await follower.resources(main.acknowledged)
  await follower.close()
  await worker.caughtUp()
  await worker.terminate()
  await victim.close()
  const left = []
  for (const { folder, name } of [main, worker, victim]) {
    const stream = await PersistentStream.open(folder, { name })
    const report = await stream.verify()
    await stream.close()
    if (!report.ok) throw new Error(`${name} is damaged: ${report.gaps[0].cause.message}`)
    left.push(`${report.records} in ${name}`)
  }
  return [
    ['duration', `${(elapsed / 60_000).toFixed(1)} minutes`],
    ['acknowledged', `${main.acknowledged} records of 1 byte to 2 MiB, ${worker.durable} small ones of the worker's`],
    ['of the process that was killed', `${victim.durable} records`],
    ['reopened', `${main.reopened} times; the worker terminated ${worker.terminated} times`],
    ['killed', `${victim.killed} times`],
    ['the slow reader', `was overtaken by retention ${main.slow.overtaken} times`],
    ['verified at the end', left.join(', ')],
  ]
}

/** Also if streams of this process are open, and make, rename and remove files meanwhile: they cannot once it is gone. */
function remove(folder) {
  for (let left = 50; left > 0 && existsSync(folder); left -= 1) {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error
    }
  }
}

async function start() {
  const options = readArguments()
  if (options.help) return say(help)
  const folder = await mkdtemp(join(options.dir ?? tmpdir(), 'pstream-soak-'))
  const cleanUp = () => {
    killChildren()
    remove(folder)
  }
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      cleanUp()
      process.exit(1)
    })
  try {
    const result = await soak(folder, options)
    say(`\n${verdict(result.rows)}\n`)
    for (const [what, value] of result.totals) say(`${what}: ${value}`)
    if (result.rows.some(({ ok }) => !ok)) throw new Error('something has grown')
    if (options.write) await writeFile(new URL('../docs/soak.md', import.meta.url), page(result))
    say('\nAll is well.')
  } finally {
    cleanUp()
  }
}

start().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`soak: ${error.code === undefined ? error.message : error.stack}\n`)
    process.exit(1)
  },
)
