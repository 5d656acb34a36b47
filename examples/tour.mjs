#!/usr/bin/env node
// The tour of pstream: a file goes into block storage, the process that writes it is killed half way, and another one
// finds out what is there, finishes the copy and reads it back.

import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { layoutFor } from './tour/blocks.mjs'
import { copy, readBack, recover } from './tour/copy.mjs'
import { pageCache } from './tour/page-cache.mjs'
import { check, digest, TourError, unpackSample } from './tour/source.mjs'
import { bold, counted, dim, fact, green, say, size, speed, step } from './tour/terminal.mjs'

const NAME = 'tour'

const help = `Usage: node examples/tour.mjs [file] [--dir <folder>]

Copies the file, or a bundled log of 4 MiB, into block files in a temporary folder; kills the copying process half way;
recovers, finishes, reads back and compares. Removes everything it made.

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
    const notBuilt = ['ERR_MODULE_NOT_FOUND', 'PSTREAM_NATIVE_MISSING'].includes(error.code)
    throw notBuilt ? new TourError(`pstream is not built here: ${error.message}\nRun: npm start`) : error
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
  const { FileSequence } = await importPackage()
  const folder = await makeFolder(dir)
  const cleanUp = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      cleanUp()
      process.exit(1)
    })
  try {
    await tour(FileSequence, given, folder)
  } finally {
    cleanUp()
  }
  say(dim('\nThe folder and all that was in it is removed.'))
}

async function tour(FileSequence, given, folder) {
  say(bold('A file goes through block storage, and its writer is killed half way.'))

  step(1, 'The file')
  const path = given ?? (await unpackSample(folder))
  const layout = layoutFor(await check(path))
  const expected = await digest(path)
  fact('file', `${basename(path)}${given === undefined ? ', a bundled log' : ''}, ${size(layout.size)}`)
  fact('SHA-256', expected)
  fact(
    'as blocks',
    `${counted(layout.blocks, 'block')} of ${size(2 ** layout.blockShift)}, each with a head of its own; up to ${layout.blocksPerFile} in a file`,
  )

  step(2, 'A child process copies it, and is killed')
  const { stored, pid } = await copyAndKill({ path, folder, name: NAME, layout })
  fact('killed', `process ${pid}, by SIGKILL, ${stored < layout.blocks ? 'half way' : 'before it closed anything'}`)
  fact('by then', `${stored} of ${counted(layout.blocks, 'block')} acknowledged as durable`)

  step(3, 'Open what it left')
  await describeRemains(FileSequence, folder)
  const { blocksPerFile: blockCount, blockShift } = layout
  const started = performance.now()
  const sequence = await FileSequence.open(folder, { name: NAME, blockCount, blockShift, reserve: 'best-effort' })
  try {
    fact(
      'opened',
      `in ${(performance.now() - started).toFixed(1)} ms: the kernel gave the lock up when the process died`,
    )
    await finish({ sequence, path, layout, stored })
    await compare({ sequence, layout, expected })
  } finally {
    await sequence.close()
  }

  step(6, 'What it left behind in memory')
  const { files } = await FileSequence.inspect(folder, NAME)
  fact(
    'page cache',
    describeCache(
      await pageCache(
        folder,
        files.map(({ name }) => join(folder, name)),
      ),
      layout.size,
    ),
  )
  fact('process', `${size(process.resourceUsage().maxRSS * 1024)} at most, Node itself included`)
}

/** Resolves when the child is dead: to what it had acknowledged by then. */
async function copyAndKill(task) {
  const child = fork(new URL('./tour/writer.mjs', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let [stored, failure] = [0, undefined]
  child.on('message', (message) => {
    if (message.error !== undefined) failure = message.error
    else stored = message.stored
    if (failure !== undefined || stored >= task.layout.blocks / 2) child.kill('SIGKILL')
    else child.send('go on')
  })
  child.send(task)
  const [code, signal] = await once(child, 'exit')
  if (failure !== undefined) throw Object.assign(new Error(failure.message), { code: failure.code })
  if (stored === 0) throw new Error(`the child process ended by itself (${signal ?? `code ${code}`})`)
  return { stored, pid: child.pid }
}

async function describeRemains(FileSequence, folder) {
  const { files, lock, problems } = await FileSequence.inspect(folder, NAME)
  fact(
    'files',
    files
      .map(({ name }) => name)
      .join(', ')
      .replace(/^(.{60,}?,) .*, /, '$1 … '),
  )
  fact('problems', problems.length === 0 ? 'none' : problems.map(({ message }) => message).join('; '))
  const lockFile = existsSync(join(folder, `${NAME}.lock`)) ? 'still there, as a crash leaves it' : 'gone'
  const holder = lock === undefined ? 'nobody holds it' : `held by process ${lock.pid}`
  fact('lock', `its file is ${lockFile}; ${holder}`)
}

async function finish({ sequence, path, layout, stored }) {
  const { whole, files, current } = await recover({ sequence, layout })
  fact('checked', `whole by their checksums: ${counted(whole, 'block')} in ${counted(files, 'file')}`)
  if (whole < stored) throw new Error(`${stored} blocks were acknowledged, and only ${whole} are there`)
  fact(
    'so',
    whole === stored
      ? 'everything acknowledged is there'
      : `everything acknowledged is there, and ${counted(whole - stored, 'block')} more that made it before the kill`,
  )

  step(4, 'Finish the copy')
  const source = await open(path)
  const started = performance.now()
  await copy({ source, sequence, layout, first: whole, current })
  const elapsed = performance.now() - started
  await source.close()
  const left = layout.size - Math.min(layout.size, whole * layout.bodySize)
  fact('write', left === 0 ? 'nothing was missing' : `${speed(left, elapsed)}, each store durable before the next one`)
  fact('files now', `${sequence.length}`)
}

async function compare({ sequence, layout, expected }) {
  step(5, 'Read it back')
  const hash = createHash('sha256')
  const started = performance.now()
  await readBack({ sequence, layout, onBytes: (bytes) => hash.update(bytes) })
  fact('read', `${speed(layout.size, performance.now() - started)}, checksums and SHA-256 included`)
  const found = hash.digest('hex')
  fact('SHA-256', found)
  if (found !== expected) throw new Error(`the copy differs from the file: SHA-256 ${found} instead of ${expected}`)
  fact('', green('the same'))
}

function describeCache({ bytes, inMemory }, total) {
  if (inMemory) return 'cannot be told: the folder is in memory, there is no disk behind it'
  return bytes === undefined
    ? "cannot be told: 'fincore' is not there"
    : `${size(bytes)} of ${size(total)} that were written and read`
}

const advice = {
  PSTREAM_NO_SPACE: 'The copy needs as much room as the file: choose another folder with --dir.',
  PSTREAM_UNSUPPORTED: 'This file system lacks what is needed: choose another folder with --dir.',
}

main().catch((error) => {
  const isBug = !(error instanceof TourError) && error.code === undefined
  process.stderr.write(`tour: ${error.message}\n${advice[error.code] === undefined ? '' : `${advice[error.code]}\n`}`)
  if (isBug && process.env.DEBUG) process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
