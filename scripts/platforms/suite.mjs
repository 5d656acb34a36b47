// Runs the test files of a project on one system, some at a time, and gathers what became of each test.

import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Seconds for a test and for a file, where nothing is emulated. */
const [FOR_TEST, FOR_FILE] = [30, 240]

/** Runs the files; resolves to what each has told. `told` is called as each ends. */
export async function runSuite({ system, start, place, files, omitted, logs, told }) {
  rmSync(logs, { recursive: true, force: true })
  mkdirSync(logs, { recursive: true })
  const waiting = [...files]
  const outcomes = []
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const outcome = await runFile({ system, start, place, file, omitted: omitted(file), logs })
      outcomes.push(outcome)
      told(outcome)
    }
  }
  await Promise.all(Array.from({ length: system.jobs }, worker))
  return outcomes.sort((left, right) => (left.file < right.file ? -1 : 1))
}

function runFile({ system, start, place, file, omitted, logs }) {
  const results = join(logs, `${file}.jsonl`)
  const log = join(logs, `${file}.log`)
  const output = openSync(log, 'w')
  const [command, ...words] = start.command
  const args = [join(place, '..', 'run.mjs'), join(place, '__test__', `${file}.test.js`), results].map(start.path)
  const env = { ...process.env, NO_COLOR: '1', ...start.env }
  // In a group of its own, so that what a test leaves behind goes with it.
  const child = spawn(command, [...words, ...args, String(FOR_TEST * system.patience), ...omitted], {
    ...{ cwd: place, env, detached: process.platform !== 'win32', stdio: ['ignore', output, output] },
  })
  const begin = performance.now()
  const end = () => {
    try {
      if (process.platform === 'win32') child.kill()
      else process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
  }
  process.once('exit', end)
  const deadline = setTimeout(end, FOR_FILE * system.patience * 1000)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(deadline)
      process.off('exit', end)
      end()
      closeSync(output)
      const seconds = (performance.now() - begin) / 1000
      resolve({ file, seconds, ...outcomeOf(results, readFileSync(log, 'utf8'), signal ?? `exit ${code}`) })
    })
  })
}

/** What the file of results and the output say: each test with its state, and why tests were skipped. */
export function outcomeOf(results, output, ending) {
  const lines = existsSync(results) ? readFileSync(results, 'utf8').trim().split('\n').filter(Boolean) : []
  const told = lines.map((line) => JSON.parse(line))
  const states = new Map(told.filter(({ name }) => name !== undefined).map((line) => [line.name, line]))
  const names = told.find(({ tests }) => tests !== undefined)?.tests ?? []
  const last = told.at(-1)
  const running = told.findLast(({ begins }) => begins !== undefined)?.begins
  const missing = last?.ended
    ? last.text
    : `the process ended (${ending}) while '${running}' ran\n${output.slice(-2000)}`
  const tests = names.map((name) => states.get(name) ?? { name, state: 'fail', text: missing || 'it has no result' })
  // A file that does not load has no tests, and a hook that fails behind the last one has none either.
  if (!last?.ended || last.text) tests.push({ name: '(the file)', state: 'fail', text: missing })
  const reasons = [...output.matchAll(/^skipped: (.*?)\r?$/gm)].map(([, reason]) => reason)
  return { tests, reasons }
}
