// Runs one test file and writes what became of each test to another, a line of JSON each:
//
//   node run.mjs <test file> <results> <seconds for a test> [test that is not to be run]...
//
// To a file and not to its output, because that belongs to the tests, and because wine shows nothing on a pipe. A test
// without a line when the process is gone did not end.

import { appendFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { startTests } from '@vitest/runner'
// Before the tests, so that its assertions are there.
import 'vitest'

const [file, results, seconds, ...omitted] = process.argv.slice(2)
const tell = (line) => appendFileSync(results, `${JSON.stringify(line)}\n`)
const testsIn = (suite) => suite.tasks.flatMap((task) => (task.type === 'suite' ? testsIn(task) : [task]))
const textOf = ({ name, message, diff, stack }) => [`${name}: ${message}`, diff, stack].filter(Boolean).join('\n')

/** Tests of one name, as `test.each` may make them, are told apart by their number. */
const names = new Map()
function nameAll(tests) {
  const seen = new Map()
  for (const test of tests) {
    const count = (seen.get(test.name) ?? 0) + 1
    seen.set(test.name, count)
    names.set(test, count === 1 ? test.name : `${test.name} (${count})`)
  }
}

const runner = {
  pool: 'forks',
  config: {
    ...{ root: process.cwd(), setupFiles: [], passWithNoTests: true, allowOnly: false, maxConcurrency: 1, retry: 0 },
    ...{ testTimeout: Number(seconds) * 1000, hookTimeout: Number(seconds) * 1000, tags: [] },
    sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
  },
  importFile: (path) => import(pathToFileURL(path).href),
  onCollected([collected]) {
    nameAll(testsIn(collected))
    for (const [test, name] of names) if (omitted.includes(name)) test.mode = 'skip'
    tell({ tests: [...names.values()] })
  },
  onBeforeRunTask: (test) => tell({ begins: names.get(test) }),
  onAfterRunTask(test) {
    const { state, errors = [], duration } = test.result
    tell({ name: names.get(test), state, ms: Math.round(duration), text: errors.map(textOf).join('\n') })
  },
}

// Readers that wait do not keep a process alive, and a test may do nothing else.
setInterval(() => {}, 1 << 30)
const [ended] = await startTests([file], runner)
// Those that were skipped, from the start or by themselves, are not told when they end.
for (const [test, name] of names) if (test.mode === 'skip') tell({ name, state: 'skip', text: test.result?.note })
// What went wrong outside of the tests: the file does not load, or a hook of it failed.
tell({ ended: true, text: (ended.result?.errors ?? []).map(textOf).join('\n') })
process.exit()
