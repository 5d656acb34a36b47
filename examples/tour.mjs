#!/usr/bin/env node
// The tour of pstream: a file goes into a stream, record by record; the process that appends it is killed half way, and
// another one finds out what is there, finishes the copy and reads it back.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { copy, digestOfFirst, readBack } from './tour/copy.mjs'
import { pageCache } from './tour/page-cache.mjs'
import { survey } from './tour/records.mjs'
import { check, TourError, writeSample } from './tour/source.mjs'
import { bold, counted, dim, fact, green, say, size, speed, step } from './tour/terminal.mjs'

const NAME = 'tour'

const help = `Usage: node examples/tour.mjs [file] [--dir <folder>]

Appends the file, or a made-up log of 4 MiB, record by record to a stream in a temporary folder: its lines, or pieces of
64 KiB if it is no text. Kills the appending process half way; recovers, finishes, reads back and compares. Removes
everything it made.

  --dir <folder>  make the temporary folder there: it needs room for the file (default: the system's)
  --help          this text`

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { dir: { type: 'string' }, help: { type: 'boolean' } },
    })
    if (positionals.length > 1) throw new Error(`one file at a time, not ${positionals.length}`)
    return { ...values, path: positionals[0] }
  } catch (error) {
    throw new TourError(`${error.message.split('. ')[0]}\nTry --help.`)
  }
}

async function importPackage() {
  try {
    return await import('pstream')
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new TourError(`pstream is not built here: ${error.message}\nRun: npm start`)
  }
}

async function makeFolder(parent) {
  try {
    return await mkdtemp(join(parent, 'pstream-tour-'))
  } catch (error) {
    throw new TourError(`cannot make a folder in '${parent}': ${error.message}`)
  }
}

async function main() {
  const { path: given, dir = tmpdir(), help: wantsHelp } = readArguments()
  if (wantsHelp) return say(help)
  if (given !== undefined) await check(given)
  const { PersistentStream } = await importPackage()
  const folder = await makeFolder(dir)
  const cleanUp = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      cleanUp()
      process.exit(1)
    })
  try {
    await tour(PersistentStream, given, folder)
  } finally {
    cleanUp()
  }
  say(dim('\nThe folder and all that was in it is removed.'))
}

async function tour(PersistentStream, given, folder) {
  say(bold('A file goes into a stream record by record, and its writer is killed half way.'))

  step(1, 'The file')
  const source = await survey(given ?? (await writeSample(folder)))
  fact('file', `${basename(source.path)}${given === undefined ? ', a made-up log' : ''}, ${size(source.size)}`)
  fact('SHA-256', source.sha256)
  fact('as records', `${counted(source.records, source.isText ? 'line' : 'piece')}${source.isText ? '' : ' of 64 KiB'}`)

  step(2, 'A child process appends it, and is killed')
  const { durable, pid } = await copyAndKill({ source, folder, name: NAME })
  fact('killed', `process ${pid}, by SIGKILL, ${durable < source.records ? 'half way' : 'before it closed anything'}`)
  fact('by then', `${durable} of ${counted(source.records, 'record')} acknowledged as durable`)

  step(3, 'Open what it left')
  const stream = await PersistentStream.open(folder, { name: NAME })
  try {
    const offset = await describeRemains(stream, source, durable)
    await finish(stream, source, offset)
    await compare(stream, source)
  } finally {
    await stream.close()
  }

  step(6, 'What it left behind in memory')
  const files = (await readdir(folder, { withFileTypes: true })).filter(
    (entry) => entry.isFile() && entry.name.startsWith(`${NAME}.`),
  )
  const cached = await pageCache(
    folder,
    files.map(({ name }) => join(folder, name)),
  )
  fact('page cache', describeCache(cached, source.size))
  fact('process', `${size(process.resourceUsage().maxRSS * 1024)} at most, Node itself included`)
}

/** Resolves when the child is dead: to how many records it had acknowledged by then. */
async function copyAndKill(task) {
  const child = fork(new URL('./tour/writer.mjs', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let [durable, failure] = [0, undefined]
  child.on('message', (message) => {
    if (message.error !== undefined) failure = message.error
    else durable = message.durable
    if (failure !== undefined || durable >= task.source.records / 2) child.kill('SIGKILL')
    else child.send('go on')
  })
  child.send(task)
  const [code, signal] = await once(child, 'exit')
  if (failure !== undefined) throw Object.assign(new Error(failure.message), { code: failure.code })
  if (durable === 0) throw new Error(`the child process ended by itself (${signal ?? `code ${code}`})`)
  return { durable, pid: child.pid }
}

/** Checks what is there, and resolves to the offset in the file at which to go on. */
async function describeRemains(stream, source, durable) {
  const { previous, torn, elapsedMs } = stream.recovery
  fact(
    'opened',
    `in ${elapsedMs.toFixed(1)} ms; the writer before ${previous === 'crashed' ? 'had crashed' : 'was closed'}`,
  )
  fact('torn tail', torn === undefined ? 'none' : `${counted(torn.bytes, 'byte')} cut off, and saved`)
  const found = await readBack(stream)
  if (found.records < durable)
    throw new Error(`${durable} records were acknowledged, and only ${found.records} are there`)
  if (found.sha256 !== (await digestOfFirst(source, found.records)))
    throw new Error(`the ${found.records} records that are there are not those of the file`)
  const more = found.records - durable
  const others = more === 0 ? '' : `, and ${more} more that made it before the kill`
  fact('records', `${found.records}: everything acknowledged is there${others}`)
  return found.bytes
}

async function finish(stream, source, offset) {
  step(4, 'Finish the copy')
  const started = performance.now()
  await copy({ stream, source, offset })
  const elapsed = performance.now() - started
  const left = source.size - offset
  fact('appended', left === 0 ? 'nothing was missing' : speed(left, elapsed))
  const { appends, commits, files } = stream.stats()
  if (left > 0)
    fact('durable', `${counted(appends, 'record')} by ${counted(commits, 'commit')}, each one write and one sync`)
  fact('files now', `${files}`)
}

async function compare(stream, source) {
  step(5, 'Read it back')
  const started = performance.now()
  const { records, bytes, sha256 } = await readBack(stream)
  const elapsed = performance.now() - started
  fact('read', `${counted(records, 'record')}, ${speed(bytes, elapsed)}, checksums and SHA-256 included`)
  fact('SHA-256', sha256)
  if (sha256 !== source.sha256)
    throw new Error(`the copy differs from the file: SHA-256 ${sha256} instead of ${source.sha256}`)
  fact('', green('the same'))
}

function describeCache({ bytes, inMemory }, total) {
  if (inMemory) return 'cannot be told: the folder is in memory, there is no disk behind it'
  return bytes === undefined
    ? "cannot be told: 'fincore' is not there"
    : `${size(bytes)} of ${size(total)} that were written and read`
}

const advice = {
  PSTREAM_NO_SPACE: 'The copy needs more room than the file, by up to 200 MiB: choose another folder with --dir.',
  PSTREAM_UNSUPPORTED: 'This file system lacks what is needed: choose another folder with --dir.',
}

main().catch((error) => {
  const isBug = !(error instanceof TourError) && error.code === undefined
  process.stderr.write(`tour: ${error.message}\n${advice[error.code] === undefined ? '' : `${advice[error.code]}\n`}`)
  if (isBug && process.env.DEBUG) process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
