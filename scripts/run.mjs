// The commands of the repository, in plain Node.js, because they must work before anything is installed:
//
//   node scripts/run.mjs start [file]   builds what is stale and runs the tour
//   node scripts/run.mjs test           builds what is stale and runs every test
//   node scripts/run.mjs ready          lint, format check, clippy, types, every test: what a commit must pass
//   node scripts/run.mjs build          builds what is stale
//   node scripts/run.mjs pack [...]     builds what is stale and makes the tarballs of the packages
//   node scripts/run.mjs bench [...]    builds what is stale and runs the benchmarks
//   node scripts/run.mjs soak [...]     builds what is stale and runs the soak
//   node scripts/run.mjs test-electron [...]   builds what is stale and runs the tests as Electron would see them
//   node scripts/run.mjs example <name> [...]  builds what is stale and runs an example
//
// Each says what it is doing when that takes longer than a second.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const WINDOWS = process.platform === 'win32'
const LEAST = { node: [20, 19], rust: [1, 89] }

/** Ends with one line. */
function stop(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function isOlder(version, [major, minor]) {
  const [, ownMajor, ownMinor] = /(\d+)\.(\d+)/.exec(version) ?? [undefined, 0, 0]
  return Number(ownMajor) < major || (Number(ownMajor) === major && Number(ownMinor) < minor)
}

/** What a tool says of its version; `undefined` if it is not there. */
function version(tool) {
  const { status, stdout } = spawnSync(tool, ['--version'], { cwd: root, encoding: 'utf8', shell: WINDOWS })
  return status === 0 ? stdout.trim() : undefined
}

function checkTools() {
  const node = LEAST.node.join('.')
  const rust = LEAST.rust.join('.')
  if (isOlder(process.version, LEAST.node)) stop(`Node.js ${process.version} is too old: ${node} or later is needed`)
  const install = `Rust ${rust} or later is needed, see https://rustup.rs`
  for (const tool of ['cargo', 'rustc']) {
    const found = version(tool)
    if (found === undefined) stop(`${tool} was not found: ${install}`)
    if (isOlder(found, LEAST.rust)) stop(`${found} is too old: ${install}`)
  }
}

/** Runs a command to its end. Its output is shown as it comes, or kept until it fails. */
function run(command, args, { show = false, shell = false } = {}) {
  return new Promise((resolve) => {
    const env = show ? process.env : { ...process.env, NO_COLOR: '1' }
    const child = spawn(command, args, { cwd: root, env, shell, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.setEncoding('utf8')
      from.on('data', (text) => {
        output += text
        if (show) to.write(text)
      })
    }
    child.on('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

/** One step of the work: silent when it is quick, with its output when it fails. */
async function step(what, work) {
  const begin = performance.now()
  let announced = false
  const timer = setTimeout(() => {
    announced = true
    process.stdout.write(`${what} …\n`)
  }, 1000)
  const result = await work()
  clearTimeout(timer)
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  if (announced && result.ok) process.stdout.write(`${what}: ${seconds} s\n`)
  if (!result.ok) process.stderr.write(`${result.shown ? '' : result.output}${what}: failed after ${seconds} s\n`)
  return result
}

async function must(what, work) {
  const { ok } = await step(what, work)
  if (!ok) process.exit(1)
}

/** The script behind a command of an installed package. */
function bin(name, command) {
  const folder = join(root, 'node_modules', ...name.split('/'))
  const { bin: scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof scripts === 'string' ? scripts : scripts[command])
}

const tool = (name, command, args, options) => run(process.execPath, [bin(name, command), ...args], options)

/** A digest of files and folders: their names and what is in them. */
function digest(paths, extra = '') {
  const hash = createHash('sha256').update(extra)
  const visit = (path) => {
    const entries = readdirSync(join(root, path), { withFileTypes: true })
    for (const entry of entries.sort((left, right) => (left.name < right.name ? -1 : 1))) {
      const inside = `${path}/${entry.name}`
      if (entry.isDirectory()) visit(inside)
      else
        hash
          .update(inside)
          .update('\0')
          .update(readFileSync(join(root, inside)))
    }
  }
  for (const path of paths) {
    if (path.endsWith('/')) visit(path.slice(0, -1))
    else if (existsSync(join(root, path)))
      hash
        .update(path)
        .update('\0')
        .update(readFileSync(join(root, path)))
  }
  return hash.digest('hex')
}

/** Does the work unless a note says that it was done for the same input. */
async function unlessFresh(what, note, input, isThere, work) {
  const fresh = isThere() && existsSync(note) && readFileSync(note, 'utf8') === input
  if (fresh) return
  rmSync(note, { force: true })
  await must(what, work)
  mkdirSync(dirname(note), { recursive: true })
  writeFileSync(note, input)
}

async function install() {
  const modules = join(root, 'node_modules')
  const input = digest(['package-lock.json'], `${process.platform} ${process.arch}`)
  await unlessFresh(
    'installing packages',
    join(modules, '.pstream-installed'),
    input,
    () => existsSync(modules),
    () => run('npm', ['ci', '--no-audit', '--no-fund'], { shell: WINDOWS }),
  )
}

async function buildNative() {
  const sources = ['Cargo.toml', 'Cargo.lock', 'crates/core/Cargo.toml', 'crates/core/src/', 'crates/node/']
  const isThere = () => existsSync(dist) && readdirSync(dist).some((name) => name.endsWith('.node'))
  const input = digest([...sources, '.cargo/config.toml', 'package-lock.json'], version('rustc'))
  await unlessFresh('building the native binary', join(dist, '.native'), input, isThere, () =>
    tool('@napi-rs/cli', 'napi', [
      ...['build', '--platform', '--release', '--manifest-path', 'crates/node/Cargo.toml'],
      ...['--output-dir', 'dist', '--no-js', '--dts', 'binding.d.cts'],
    ]),
  )
}

async function buildTypeScript() {
  const input = digest(['ts/', 'tsconfig.json', 'dist/binding.d.cts', 'package-lock.json'])
  const isThere = () => existsSync(join(dist, 'index.js'))
  await unlessFresh('compiling TypeScript', join(dist, '.typescript'), input, isThere, () => {
    const old = existsSync(dist) ? readdirSync(dist).filter((name) => /\.(js|d\.ts)$/.test(name)) : []
    for (const name of old) rmSync(join(dist, name))
    return tool('typescript', 'tsc', ['-p', '.'])
  })
}

async function build() {
  checkTools()
  await install()
  await buildNative()
  await buildTypeScript()
}

function sum(text, pattern) {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)
}

async function testRust() {
  const result = await step('testing the engine', async () => ({
    ...(await run('cargo', ['test', '--workspace', '--no-fail-fast'], { show: true })),
    shown: true,
  }))
  const passed = sum(result.output, /^test result: .*? (\d+) passed;/gm)
  const failed = sum(result.output, /^test result: .*?; (\d+) failed;/gm)
  // What does not compile, or dies, has no result to count.
  return { passed, failed: result.ok ? failed : Math.max(1, failed) }
}

async function testTypeScript() {
  const folder = mkdtempSync(join(tmpdir(), 'pstream-run-'))
  const file = join(folder, 'result.json')
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const result = await step('testing the package', async () => ({
    ...(await tool('vitest', 'vitest', args, { show: true })),
    shown: true,
  }))
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  rmSync(folder, { recursive: true })
  const { numPassedTests: passed = 0, numFailedTests: failed = 0 } = report
  return { passed, failed: result.ok ? failed : Math.max(1, failed) }
}

async function test() {
  const results = [await testRust(), await testTypeScript()]
  const total = (key) => results.reduce((count, result) => count + result[key], 0)
  process.exitCode ||= total('failed') === 0 ? 0 : 1
  process.stdout.write(`\n${total('passed')} passed, ${total('failed')} failed\n`)
}

/** Goes on after a failure, so that one run tells all. */
async function check() {
  const checks = [
    ['checking lint and format', () => tool('@biomejs/biome', 'biome', ['ci', '--error-on-warnings'])],
    ['checking the format of Rust', () => run('cargo', ['fmt', '--all', '--check'])],
    ['running clippy', () => run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'])],
    ['checking the types of the tests', () => tool('typescript', 'tsc', ['-p', '__test__'])],
  ]
  for (const [what, work] of checks) if (!(await step(what, work)).ok) process.exitCode = 1
}

/** Hands over to a script of ours. */
function handOver(script, args) {
  const child = spawn(process.execPath, [join(root, script), ...args], { stdio: 'inherit' })
  child.on('close', (code) => {
    process.exitCode = code ?? 1
  })
}

const [command, ...rest] = process.argv.slice(2)
switch (command) {
  case 'build':
    await build()
    break
  case 'start':
    await build()
    handOver('examples/tour.mjs', rest)
    break
  case 'pack':
    await build()
    handOver('scripts/pack.mjs', rest)
    break
  case 'bench':
    await build()
    handOver('bench/run.mjs', rest)
    break
  case 'soak':
    await build()
    handOver('scripts/soak.mjs', rest)
    break
  case 'test-electron':
    await build()
    handOver('scripts/test-electron.mjs', rest)
    break
  case 'example':
    await build()
    handOver(`examples/${rest[0]}.mjs`, rest.slice(1))
    break
  case 'test':
    await build()
    await test()
    break
  case 'ready':
    await build()
    await check()
    await test()
    break
  default:
    stop(
      'usage: node scripts/run.mjs start [file] | test | ready | build | pack [...] | bench [...] | soak [...] | test-electron [...] | example <name> [...]',
    )
}
