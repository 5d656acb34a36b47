#!/usr/bin/env node
// Takes every sync, checksum and rule out of the engine, one at a time, and demands that a test fails: a test of
// durability that has not been seen failing proves nothing. Sites (`mutants/sites.mjs`) are found by what they look like,
// so that a new sync cannot be forgotten.
//
//   node scripts/mutants.mjs              all of them
//   node scripts/mutants.mjs rename       those whose file, line or description the regular expression fits
//   node scripts/mutants.mjs --list       only say which there are
//   node scripts/mutants.mjs --campaign   each rule of the protocol: after how many random programs, and by which test?
//   node scripts/mutants.mjs --part 1/3   the first third of them
//
// Works on a copy in target/mutants and leaves the sources alone.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kinds } from './mutants/sites.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const copy = join(root, 'target', 'mutants', 'source')
/** So many random programs are run at most before a mutant counts as not caught by them. */
const PROGRAMS = 60_000
/** What a mutant makes endless is caught as well. */
const SECONDS_OF_TESTS = 600
/** What coreutils' `timeout` exits with: when it has ended the command, and when it had to kill it. */
const ENDED = [124, 137]

function sourcesOf(places) {
  return places.flatMap((place) =>
    place.endsWith('.rs')
      ? [place]
      : readdirSync(join(root, place))
          .filter((name) => name.endsWith('.rs'))
          .map((name) => `${place}/${name}`),
  )
}

/** The end of the call whose opening parenthesis is at or behind `from`. */
function endOfCall(text, from) {
  let depth = 0
  for (let at = text.indexOf('(', from); at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')' && --depth === 0) return at + 1
  }
  throw new Error('a call without an end')
}

const product = (path) => readFileSync(join(root, path), 'utf8').split('#[cfg(test)]')[0]
const lineOf = (text, at) => text.slice(0, at).split('\n').length

/** The site of a mutant that is several edits: each at the only place that looks like it. */
function siteOf(kind) {
  const edits = kind.edits.map(({ in: path, text, instead }) => {
    const source = product(path)
    const start = source.indexOf(text)
    if (start < 0 || source.includes(text, start + 1)) throw new Error(`"${kind.what}": not one place: ${text}`)
    return { path, start, end: start + text.length, instead }
  })
  const [first] = edits
  return { path: first.path, line: lineOf(product(first.path), first.start), kind, edits }
}

function sitesIn(path, kind) {
  const text = product(path)
  const sites = []
  const add = (start, end) =>
    sites.push({ path, kind, line: lineOf(text, start), edits: [{ path, start, end, instead: kind.instead }] })
  if (kind.text) {
    for (let at = text.indexOf(kind.text); at >= 0; at = text.indexOf(kind.text, at + 1)) add(at, at + kind.text.length)
    return sites
  }
  for (const match of text.matchAll(kind.call)) {
    const line = text.slice(text.lastIndexOf('\n', match.index) + 1, match.index)
    if (line.trimStart().startsWith('//')) continue
    // The arguments of the call itself, not those of a call in front of it.
    add(match.index, endOfCall(text, match.index + match[0].lastIndexOf('(')))
  }
  return sites
}

function freshCopy() {
  rmSync(copy, { recursive: true, force: true })
  mkdirSync(copy, { recursive: true })
  const places = ['Cargo.toml', 'Cargo.lock', 'crates', 'bench/baseline', 'docs']
  const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', ...places], {
    cwd: root,
    encoding: 'utf8',
  })
  for (const path of tracked.split('\0').filter(Boolean))
    cpSync(join(root, path), join(copy, path), { recursive: true })
}

function cargo(tests, extra, programs) {
  // Not by an option of spawnSync: that ends cargo, and the test program that it has started runs on.
  const limit = ['--kill-after=5', `${SECONDS_OF_TESTS}`]
  return spawnSync('timeout', [...limit, 'cargo', 'test', '--quiet', '-p', 'pstream-core', ...tests, ...extra], {
    cwd: copy,
    env: {
      ...process.env,
      CARGO_TARGET_DIR: join(root, 'target', 'mutants', 'target'),
      RUST_BACKTRACE: '0',
      PSTREAM_MODEL_CASES: String(programs),
      CARGO_TERM_COLOR: 'never',
      CARGO_PROFILE_TEST_DEBUG: '0',
    },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
}

function failures(ran) {
  if (ENDED.includes(ran.status)) return ['tests that do not end']
  return [...new Set([...`${ran.stdout}`.matchAll(/^ {4}(\w[\w:]+)$/gm)].map((match) => match[1]))]
}

/** What the tests that are quick make of it, and only if it passes them the long ones. */
function test(tests) {
  const built = cargo(tests, ['--no-run'], 0)
  if (built.status !== 0) return { built: false, output: built.stderr }
  const long = ['bytes::', 'crashes::']
  const stages = tests.includes('stream') ? [long.flatMap((name) => ['--skip', name]), long] : [[]]
  for (const stage of stages) {
    const ran = cargo(tests, stage.length > 0 ? ['--', ...stage] : [], 3000)
    if (ran.status !== 0) return { built: true, passed: false, failed: failures(ran) }
  }
  return { built: true, passed: true, failed: [] }
}

/** After how many random programs one failed; and the tests of its rule. */
function campaign() {
  const tests = ['--test', 'stream']
  const built = cargo(tests, ['--no-run'], 0)
  if (built.status !== 0) return { built: false, output: built.stderr }
  const model = cargo(tests, ['--', 'model::'], PROGRAMS)
  const after = /failed after (\d+) programs/.exec(`${model.stdout}`)
  const missed = `none of ${PROGRAMS} random programs`
  const ran = cargo(tests, ['--', '--skip', 'model::', '--skip', 'bytes::', '--skip', 'crashes::'], 0)
  const by = ran.status === 0 ? ['no other test'] : failures(ran)
  const programs = after ? `random programs: ${Number(after[1]) + 1}` : missed
  return { built: true, passed: !after, failed: [programs, ...by] }
}

function mutate(site) {
  const sources = new Map(site.edits.map(({ path }) => [path, readFileSync(join(copy, path), 'utf8')]))
  for (const [path, source] of sources) {
    // From the last to the first, so that places stay where they are.
    const edits = site.edits.filter((edit) => edit.path === path).sort((left, right) => right.start - left.start)
    const changed = edits.reduce(
      (text, { start, end, instead }) => text.slice(0, start) + instead + text.slice(end),
      source,
    )
    writeFileSync(join(copy, path), changed)
  }
  return () => {
    for (const [path, source] of sources) writeFileSync(join(copy, path), source)
  }
}

const args = process.argv.slice(2)
const random = args.includes('--campaign')
const part = args.includes('--part') ? args[args.indexOf('--part') + 1] : '1/1'
const [piece, pieces] = part.split('/').map(Number)
const filter = args.find((arg) => !arg.startsWith('--') && arg !== part)
const sites = kinds.flatMap((kind) =>
  kind.edits ? [siteOf(kind)] : sourcesOf(kind.in).flatMap((path) => sitesIn(path, kind)),
)
for (const kind of kinds) {
  if (!sites.some((site) => site.kind === kind)) {
    console.error(`no site for "${kind.what}" (${kind.text ?? kind.call}): has the source changed its looks?`)
    process.exit(2)
  }
}
const label = (site) => `${site.path.replace('crates/core/src/', '')}:${site.line}: no ${site.kind.what}`
const wanted = new RegExp(filter ?? '')
const chosen = sites
  .filter((site) => {
    const line = readFileSync(join(root, site.path), 'utf8').split('\n')[site.line - 1]
    return wanted.test(label(site)) || wanted.test(line)
  })
  .filter((site) => !random || site.kind.rule)
  .filter((_, number, { length }) => Math.floor((number * pieces) / length) === piece - 1)
if (args.includes('--list')) {
  for (const site of chosen) console.log(label(site))
  process.exit(0)
}

console.log(`${chosen.length} mutants`)
freshCopy()
if (!random) {
  for (const tests of new Set(chosen.map((site) => site.kind.tests))) {
    const result = test(tests)
    if (!result.passed) {
      const what = result.output ?? result.failed
      console.error(`the tests (${tests.join(' ')}) do not pass without a mutation either\n${what}`)
      process.exit(2)
    }
  }
}
let survivors = 0
for (const [number, site] of chosen.entries()) {
  const restore = mutate(site)
  const result = random ? campaign() : test(site.kind.tests)
  restore()
  const caught = result.built && !result.passed
  if (!caught) survivors++
  const more = result.failed?.length > 2 ? ` and ${result.failed.length - 2} more` : ''
  const by =
    result.built && (result.passed && !random ? 'SURVIVED' : `caught by ${result.failed.slice(0, 2).join(', ')}${more}`)
  console.log(`${String(number + 1).padStart(3)} ${label(site)}: ${by || 'DOES NOT BUILD'}`)
  if (!result.built) console.log(result.output)
}
const all = `all ${chosen.length} mutants caught`
console.log(survivors === 0 ? all : `${survivors} of ${chosen.length} mutants not caught`)
process.exit(survivors === 0 ? 0 : 1)
