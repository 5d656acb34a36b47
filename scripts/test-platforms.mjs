#!/usr/bin/env node
// Tests the packed package on many systems: each tarball is installed into an empty project, without network and without
// scripts, and the public test suite runs there.
//
//   node scripts/test-platforms.mjs                    all systems that one Linux machine (x64) can run
//   node scripts/test-platforms.mjs --short            this machine's Node.js; a few files where a runtime is there already
//   node scripts/test-platforms.mjs --only arm64       the systems whose names begin so; may be given again
//   node scripts/test-platforms.mjs --tests 'stream-*' the test files whose names begin so; may be given again
//   node scripts/test-platforms.mjs --write            puts the results into docs/platforms.md
//   node scripts/test-platforms.mjs core [part...]     the engine's own tests: scripts/platforms/core.sh
//
// Ends with 1 if a test fails that is not known to, or if one passes that is known to fail.

import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { aboutTheRepository, known } from './platforms/known.mjs'
import { writeCore, writeSuite } from './platforms/page.mjs'
import { partsOf } from './platforms/parts.mjs'
import { project, root, tarballsFor, testFiles, workshop } from './platforms/project.mjs'
import { runSuite } from './platforms/suite.mjs'
import { starter, systems } from './platforms/systems.mjs'
import { judge, leftOut, omittedTests } from './platforms/verdict.mjs'

/** What a short run has of the systems that are emulated: loading, appending, reading. */
const SMOKE = ['loading', 'stream-append', 'stream-read']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    tests: { type: 'string', multiple: true },
    tarballs: { type: 'string', default: join(root, 'target', 'tarballs') },
  },
})

const say = (text) => process.stdout.write(`${text}\n`)
const matches = (name, patterns) => patterns.some((pattern) => name.startsWith(pattern.replace(/\*$/, '')))

function chosenSystems() {
  const { only, short } = values
  if (only !== undefined) return systems.filter(({ name }) => matches(name, only))
  return systems.filter(({ name }) => short || name !== 'host')
}

function chosenFiles(system, place) {
  const out = leftOut(system, known)
  const all = testFiles(place).filter((name) => !(name in aboutTheRepository))
  const wanted = values.tests ?? (values.short && system.name !== 'host' ? SMOKE : undefined)
  const runnable = all.filter((name) => !out.has(name))
  return { out, runnable, files: runnable.filter((name) => wanted === undefined || matches(name, wanted)) }
}

/** What became of one system; `undefined` if it is not run here. */
async function test(system, folder) {
  say(`\n== ${system.name}: ${system.how}`)
  const isExtra = values.short && system.name !== 'host'
  const tarballs = tarballsFor(values.tarballs, system.target)
  if (tarballs === undefined) {
    say(`   not run: no tarballs of pstream-${system.target} in ${values.tarballs} (npm run build:all, npm run pack)`)
    return isExtra ? undefined : { system, ok: false }
  }
  const start = starter(system, root, !values.short)
  if (start === undefined) {
    say('   not run: its runtime is not here, and a short run fetches nothing')
    return undefined
  }
  const place = project(folder, system, tarballs)
  const { files, runnable, out } = chosenFiles(system, place)
  const omitted = (file) => omittedTests(system, known, file)
  const parts = partsOf({ system, place, tarballs, omitted })
  const logs = join(root, 'target', 'platforms', 'logs', system.name)
  const told = (outcome) => {
    const { file, seconds, tests } = outcome
    parts.keep(outcome)
    const failed = tests.filter(({ state }) => state === 'fail').length
    say(`   ${file}: ${tests.length} tests, ${failed} failed, ${seconds.toFixed(1)} s`)
  }
  const begin = performance.now()
  const outcomes = await runSuite({ system, start, place, files, omitted, logs, told })
  const verdict = judge(system, outcomes, known)
  for (const { label, text } of verdict.failed) say(`   FAILED ${label}\n${indented(text)}`)
  for (const text of verdict.wrong) say(`   WRONG ${text}`)
  for (const { label, why } of verdict.known) say(`   known: ${label}: ${why}`)
  for (const { label, why } of verdict.skipped) say(`   skipped: ${label}: ${why}`)
  for (const [file, why] of out) say(`   left out: ${file}: ${why}`)
  const seconds = Math.round((performance.now() - begin) / 1000)
  say(`   logs: ${relative(root, logs)}`)
  const whole = parts.joined(runnable)
  if (whole !== undefined && whole.length > outcomes.length) say('   with what ran before, this is a whole run')
  const row = whole && { system, version: versionOf(start, folder), without: out.size, ...judge(system, whole, known) }
  return { system, without: out.size, seconds, row, ...verdict }
}

/** What it says of itself; to a file, because wine shows nothing on a pipe. */
function versionOf({ command: [command, ...words], env, path }, folder) {
  const file = join(folder, 'version')
  const script = `require('node:fs').writeFileSync(${JSON.stringify(path(file))}, process.version)`
  spawnSync(command, [...words, '-e', script], { env: { ...process.env, ...env }, stdio: 'ignore' })
  return readFileSync(file, 'utf8')
}

const indented = (text = '') => text.trimEnd().replace(/^/gm, '     ')

const line = ({ system, ok, passed, failed, known: listed, skipped, without, wrong, seconds }) =>
  passed === undefined
    ? `${system.name.padEnd(16)} FAIL not run`
    : `${system.name.padEnd(16)} ${ok ? 'ok  ' : 'FAIL'} ${passed} passed, ${failed.length} failed, ${listed.length} known, ` +
      `${skipped.length} skipped, ${without} files left out${wrong.length > 0 ? `, ${wrong.length} wrong` : ''}; ${seconds} s`

function testCore(parts) {
  const results = join(root, 'target', 'platforms', 'core.results')
  rmSync(results, { force: true })
  const env = { ...process.env, CORE_RESULTS: results }
  const script = join(root, 'scripts', 'platforms', 'core.sh')
  process.exitCode = spawnSync('bash', [script, ...parts], { stdio: 'inherit', env }).status ?? 1
  if (values.write) writeCore(readFileSync(results, 'utf8').trim().split('\n'))
}

async function main() {
  if (positionals[0] === 'core') return testCore(positionals.slice(1))
  const chosen = chosenSystems()
  if (positionals.length > 0 || chosen.length === 0) {
    say(`systems: ${systems.map(({ name }) => name).join(' ')}; or: core clippy|musl|arm64|windows`)
    process.exitCode = 2
    return
  }
  const { folder, remove } = workshop()
  process.once('exit', remove)
  const results = []
  for (const system of chosen) {
    const failed = (error) => {
      say(`   not run: ${error.message}`)
      return { system, ok: false }
    }
    results.push(await test(system, folder).catch(failed))
  }
  const ran = results.filter((result) => result !== undefined)
  say(`\n${ran.map(line).join('\n')}`)
  if (values.write) writeSuite(ran.flatMap(({ row }) => row ?? []))
  process.exitCode = ran.every(({ ok }) => ok) ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
await main()
