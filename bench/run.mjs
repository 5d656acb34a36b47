#!/usr/bin/env node
// Runs the benchmarks: one child process a case.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { all, cases } from './cases/index.mjs'
import { buildBaseline } from './lib/baseline.mjs'
import { chart } from './lib/chart.mjs'
import { installPeers } from './lib/install.mjs'
import { machine } from './lib/machine.mjs'
import { withFigures } from './lib/readme.mjs'
import { markdown, terminalTable } from './lib/report.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

const help = `Usage: npm run bench -- [options]

  --case <glob>   only the cases whose name matches, e.g. 'store-*' or 'append-1'; may be repeated
  --growth        also what a stream's length, the number of streams and the size of records cost
  --quick         two short rounds: is it alive, not how fast is it
  --rounds <n>    rounds a case (default 5)
  --dir <folder>  work there instead of in bench/.work: its disk is what is measured
  --json          print the results as JSON instead of a table
  --help          this text

Cases: ${all.map(({ name }) => name).join(', ')}

A full run, all cases and contenders and at least five rounds, also writes bench/results/<date>.json, latest.md and latest.svg,
and the figures of README.md.`

function fail(message) {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(1)
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        case: { type: 'string', multiple: true },
        quick: { type: 'boolean', default: false },
        growth: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        dir: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const rounds = Number(values.rounds ?? (values.quick ? 2 : 5))
    if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds takes a whole number from 1 on, not '${values.rounds}'`)
    return { ...values, rounds }
  } catch (error) {
    return fail(`${error.message}\nTry --help.`)
  }
}

function select(globs, growth) {
  if (globs === undefined) return growth ? all : cases
  const patterns = globs.map(
    (glob) =>
      new RegExp(
        `^${glob
          .replace(/[.+^${}()|[\]\\]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')}$`,
      ),
  )
  const selected = all.filter(({ name }) => patterns.some((pattern) => pattern.test(name)))
  return selected.length > 0
    ? selected
    : fail(`no case matches ${globs.join(', ')}. Cases: ${all.map(({ name }) => name).join(', ')}`)
}

/** A case that takes longer hangs. */
const MOST_SECONDS = 300

async function measure(message) {
  const child = fork(here('./lib/child.mjs'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    timeout: MOST_SECONDS * 1000,
    killSignal: 'SIGKILL',
  })
  let answer
  child.once('message', (received) => {
    answer = received
  })
  child.send(message)
  const [code, signal] = await once(child, 'exit')
  const error =
    answer?.error ?? (answer === undefined ? `its process ended with ${signal ?? `code ${code}`}` : undefined)
  if (error !== undefined) throw new Error(`${message.name}: ${error}`)
  return answer.result
}

function writeResults(report) {
  mkdirSync(here('./results'), { recursive: true })
  const date = report.date.slice(0, 10)
  writeFileSync(here(`./results/${date}.json`), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(here('./results/latest.md'), markdown(report))
  writeFileSync(here('./results/latest.svg'), chart(report))
  const readme = here('../README.md')
  writeFileSync(readme, withFigures(readFileSync(readme, 'utf8'), report))
  return `Written to bench/results: ${date}.json, latest.md, latest.svg; and to README.md.`
}

async function main() {
  const { case: globs, quick, growth, rounds, dir, json, help: wantsHelp } = options()
  if (wantsHelp) return process.stdout.write(`${help}\n`)
  const selected = select(globs, growth)
  const say = (text) => process.stderr.write(`${text}\n`)
  say('Building the baseline …')
  buildBaseline()
  installPeers(say)
  const base = dir ?? here('./.work')
  mkdirSync(base, { recursive: true })
  const directory = mkdtempSync(join(base, 'pstream-bench-'))
  const cleanUp = () => {
    rmSync(directory, { recursive: true, force: true })
    if (dir === undefined && readdirSync(base).length === 0) rmdirSync(base)
  }
  process.once('SIGINT', () => {
    cleanUp()
    process.exit(130)
  })
  try {
    const facts = machine(directory)
    if (facts.inMemory)
      say(`${facts.fileSystem} is in memory: these figures say nothing about a disk. Choose another folder with --dir.`)
    const results = []
    for (const [i, { name }] of selected.entries()) {
      const started = performance.now()
      results.push(await measure({ name, directory, rounds, quick }))
      say(`${i + 1}/${selected.length} ${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`)
    }
    const report = { date: new Date().toISOString(), rounds, quick, machine: facts, cases: results }
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : `\n${terminalTable(report)}\n`)
    const isFull =
      globs === undefined &&
      !quick &&
      rounds >= 5 &&
      !facts.inMemory &&
      results.every(({ missing, kind }) => kind !== undefined || !missing)
    say(isFull ? writeResults(report) : 'Not written to bench/results: not a full run.')
  } finally {
    cleanUp()
  }
}

main().catch((error) => fail(error.message))
