import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../examples/tour.mjs', import.meta.url))

let folder: string
/** Where the tour works, to see that nothing stays there. */
let room: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstream-test-'))
  room = join(folder, 'room')
  mkdirSync(room)
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function tour(...args: string[]) {
  const env = { ...process.env, NO_COLOR: '1' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env })
  return { status, stdout, stderr }
}

function file(name: string, content: string | Uint8Array) {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** With a zero in it: no text. */
function binary(size: number) {
  const bytes = randomBytes(size)
  bytes[0] = 0
  return bytes
}

function sums(stdout: string) {
  return [...stdout.matchAll(/SHA-256 +([0-9a-f]{64})/g)].map(([, sum]) => sum)
}

test('the sample survives the death of its writer, and nothing is left', () => {
  const { status, stdout, stderr } = tour('--dir', room)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const [, durable, records] = stdout.match(/(\d+) of (\d+) records acknowledged as durable/) ?? []
  expect(Number(records)).toBe(25551)
  expect(Number(durable)).toBeGreaterThanOrEqual(25551 / 2)
  expect(Number(durable)).toBeLessThan(25551)
  expect(stdout).toContain('25551 lines')
  expect(stdout).toContain('the writer before had crashed')
  expect(stdout).toContain('everything acknowledged is there')
  expect(stdout).toContain('the same')
  expect(new Set(sums(stdout)).size).toBe(1)
  expect(sums(stdout)).toHaveLength(2)
  expect(stdout).not.toContain('\x1b')
  expect(readdirSync(room)).toEqual([])
})

test.each([
  1,
  65_535, // one byte less than a piece
  65_536,
  65_537,
  2_000_000,
])('a file of %i bytes', (size) => {
  const { status, stdout, stderr } = tour(file('own.bin', binary(size)), '--dir', room)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toContain('own.bin')
  expect(stdout).toContain('the same')
  expect(readdirSync(room)).toEqual([])
})

test.each([
  ['no newline at the end', 'one\ntwo\nthree'],
  ['empty lines', '\n\n\nfour\n\n'],
  ['a line of 3 MiB', `short\n${'long '.repeat(600_000)}\nshort\n`],
  ['two thousand lines', 'a line\n'.repeat(2000)],
])('a text with %s', (_, text) => {
  const { status, stdout, stderr } = tour(file('own.txt', text), '--dir', room)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/ lines\n/)
  expect(stdout).toContain('the same')
})

test('what cannot be copied is said in one line', () => {
  const table: [string, RegExp][] = [
    [file('empty', ''), /^tour: '.*empty' is empty; there is nothing to copy\n$/],
    [join(folder, 'none'), /^tour: there is no file '.*none'\n$/],
    [room, /^tour: '.*room' is a folder; the tour takes one file\n$/],
  ]
  for (const [path, expected] of table) {
    const { status, stdout, stderr } = tour(path, '--dir', room)
    expect(stderr).toMatch(expected)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  }
  expect(readdirSync(room)).toEqual([])
})

// Who may do everything is refused nothing.
const refusable = process.getuid?.() !== 0 && process.platform !== 'win32'
if (!refusable)
  console.log('skipped: "a file that may not be read", since root may read everything, and Windows has no modes')
test.runIf(refusable)('a file that may not be read', () => {
  const path = file('secret', 'text')
  chmodSync(path, 0o000)
  const { status, stderr } = tour(path)
  expect(stderr).toMatch(/^tour: no permission to read '.*secret'\n$/)
  expect(status).toBe(1)
})

test('arguments that make no sense, and help', () => {
  expect(tour('--dir', join(folder, 'none')).stderr).toMatch(/^tour: cannot make a folder in /)
  for (const args of [['--unknown'], ['one', 'two']]) {
    const { status, stderr } = tour(...args)
    expect(stderr).toMatch(/^tour: .*\nTry --help\.\n$/)
    expect(status).toBe(1)
  }
  const { status, stdout } = tour('--help')
  expect(status).toBe(0)
  expect(stdout).toMatch(/^Usage: /)
})
