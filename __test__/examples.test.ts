import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const SECONDS = 1000

/** Runs an example, which must end well and leave nothing behind. Its kills, its network and their seeds are its own. */
function example(name: string, ...args: string[]): string {
  const root = join(folder(), 'room')
  mkdirSync(root)
  const program = fileURLToPath(new URL(`../examples/${name}.mjs`, import.meta.url))
  const command = [program, '--dir', root, ...args]
  const env = { ...process.env, NO_COLOR: '1', DEBUG: '1' }
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env,
    timeout: 50 * SECONDS,
  })
  expect({ status, stderr, stdout }).toMatchObject({ status: 0, stderr: '' })
  expect(readdirSync(root)).toEqual([])
  return stdout
}

function numberIn(text: string, pattern: RegExp): number {
  const [, found] = text.match(pattern) ?? []
  expect(found, `${pattern} in ${text}`).toBeDefined()
  return Number(found)
}

test.each([['1'], ['2'], []])(
  'what is uploaded reaches the server once, whatever fails (seed %s)',
  (...seed) => {
    const stdout = example('upload-queue', ...seed.flatMap((number) => ['--seed', number]))
    expect(stdout).toContain('the server has 300 of 300 orders, each once')
    expect(stdout.match(/kill \d/g)).toHaveLength(5)
    // What makes it hard has happened.
    expect(numberIn(stdout, /(\d+) answered by an error/)).toBeGreaterThan(0)
    expect(numberIn(stdout, /(\d+) lost on the way/)).toBeGreaterThan(0)
    expect(numberIn(stdout, /(\d+) orders came again/)).toBeGreaterThan(0)
  },
  60_000,
)

test.each([['1'], ['2'], []])(
  'the map is made anew from its log after each kill (seed %s)',
  (...seed) => {
    const stdout = example('key-value', ...seed.flatMap((number) => ['--seed', number]))
    expect(stdout).toMatch(/every acknowledged change is there: \d+ changes/)
    expect(numberIn(stdout, /the first (\d+) records of the log are gone/)).toBeGreaterThan(1000)
    expect(stdout.match(/kill \d/g)).toHaveLength(5)
  },
  60_000,
)

test.each([['1'], []])(
  'a stream is followed through the deaths of its writers (seed %s)',
  (...seed) => {
    const stdout = example('tail', ...seed.flatMap((number) => ['--seed', number]))
    expect(stdout).toMatch(/\d+ lines, each once and in order/)
    expect(stdout.match(/killed after/g)).toHaveLength(4)
  },
  60_000,
)
