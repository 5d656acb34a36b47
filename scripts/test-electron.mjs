// The tests as Electron would see them: with external array buffers forbidden.
//
//   node scripts/test-electron.mjs [file...]   every test, or those of these names, in both modes
//   node scripts/test-electron.mjs --short     one program that makes every call, in both modes
//
// A library is preloaded into every process of Node.js that the tests start. In mode `count` it counts who creates
// external array buffers, in mode `refuse` it answers what Electron answers: that they are not allowed. Ours must not have
// asked in either. That a call would be seen is proven each time, by an addon that does call.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
const fixture = (name) => join(repository, '__test__', 'fixtures', name)
const ANSWERS = { count: [0, 0], refuse: [22, 22] }

/** Why it cannot be done here, if it cannot. */
function obstacle() {
  if (process.platform !== 'linux') return 'only Linux preloads libraries into every process'
  if (!['x64', 'arm64'].includes(process.arch)) return `the library knows no jump for ${process.arch}`
  if (spawnSync('cc', ['--version']).status !== 0) return 'there is no C compiler (cc)'
  return undefined
}

function compile(source, target) {
  const args = ['-Wall', '-Wextra', '-O1', '-shared', '-fPIC', '-o', target, fixture(source), '-ldl']
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' })
  if (status !== 0 || stderr !== '') throw new Error(`${source} does not compile: ${stderr}`)
  return target
}

/** Runs Node.js with the library in it and in its children; returns what the log says, by kind and by file. */
function watched({ library, folder, mode }, args, options = {}) {
  const log = join(folder, `${mode}.log`)
  rmSync(log, { force: true })
  const env = { ...process.env, LD_PRELOAD: library, PSTREAM_EXTERNAL_LOG: log, PSTREAM_EXTERNAL_MODE: mode }
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: repository, encoding: 'utf8', env, ...options })
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  const callers = lines.filter((line) => line.startsWith('called ')).map((line) => basename(line.slice(7)))
  const ours = callers.filter((name) => name.includes('pstream'))
  return { status, stdout, processes: lines.length - callers.length, ours, others: callers.length - ours.length }
}

/** That the library answers, and that both ways of calling are seen. */
function prove(place, probe) {
  const { stdout, processes, ours } = watched(place, ['-p', `JSON.stringify(require(${JSON.stringify(probe)}))`])
  const expected = JSON.stringify(ANSWERS[place.mode])
  if (stdout.trim() !== expected || processes !== 1 || ours.length !== 2) {
    throw new Error(`an addon that calls twice was answered ${stdout.trim()}, and ${ours.length} calls were seen`)
  }
}

/** What is run: arguments of Node.js. */
function program(folder, mode, args) {
  if (!args.includes('--short')) return [join(repository, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args]
  const root = join(folder, `data-${mode}`)
  mkdirSync(root)
  return [fixture('all-calls.mjs'), root]
}

function run(folder, args) {
  const library = compile('no-external-buffers.c', join(folder, 'preload.so'))
  const probe = compile('external-probe.c', join(folder, 'pstream-probe.node'))
  let good = true
  for (const mode of Object.keys(ANSWERS)) {
    const place = { library, folder, mode }
    prove(place, probe)
    const { status, processes, ours, others } = watched(place, program(folder, mode, args), { stdio: 'inherit' })
    console.log(
      `${mode}: ${processes} processes of Node.js watched, ${ours.length} external array buffers asked for by pstream, ` +
        `${others} by others; ${status === 0 ? 'passed' : 'FAILED'}`,
    )
    good &&= status === 0 && processes > 0 && ours.length === 0
  }
  return good
}

const reason = obstacle()
if (reason !== undefined) console.log(`skipped: ${reason}`)
else {
  const folder = mkdtempSync(join(tmpdir(), 'pstream-electron-'))
  try {
    if (!run(folder, process.argv.slice(2))) process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}
