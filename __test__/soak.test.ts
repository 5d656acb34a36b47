import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const { compare, bounds } = await import(new URL('../scripts/soak/flat.mjs', import.meta.url).href)
const program = fileURLToPath(new URL('../scripts/soak.mjs', import.meta.url))

/** The soak, which leaves nothing behind. */
function soak(...args: string[]): SpawnSyncReturns<string> {
  const root = join(folder(), 'room')
  mkdirSync(root)
  const result = spawnSync(process.execPath, [program, '--dir', root, ...args], { encoding: 'utf8' })
  expect(readdirSync(root)).toEqual([])
  return result
}

test('a short soak: everything is read back, and nothing grows', () => {
  const { status, stdout, stderr } = soak('--seconds', '25')
  expect({ status, stderr, stdout }).toMatchObject({ status: 0, stderr: '' })
  expect(stdout).toContain('All is well.')
  expect(stdout).toMatch(/terminated [1-9]\d* times/)
  expect(stdout).toMatch(/reopened: [1-9]\d* times/)
  expect(stdout).toMatch(/killed: [1-9]\d* times/)
}, 120_000)

// The soak must see what it is for. Descriptors and threads are counted on Linux only.
test('a leak is seen, of whatever', () => {
  const { status, stdout, stderr } = soak('--seconds', '12', '--break', 'memory,heap,descriptors,threads')
  const seen = ['memory of the process', 'heap of JavaScript', 'memory outside the heap']
  if (process.platform === 'linux') seen.push('open descriptors', 'threads')
  const grows = stdout.match(/^.*GROWS$/gm) ?? []
  expect(grows.map((row) => row.split('  ')[0])).toEqual(expect.arrayContaining(seen))
  expect({ status, stderr }).toEqual({ status: 1, stderr: 'soak: something has grown\n' })
}, 60_000)

test.each([
  ['lost', /^soak: reader: record 101 came where 100 was to come\n$/],
  ['twice', /^soak: reader: record 100 came where 101 was to come\n$/],
  ['bytes', /^soak: reader: record 100 is not what was appended: \d+ bytes\n$/],
])(
  'a record that goes wrong is seen at once: %s',
  (what, expected) => {
    const { status, stderr } = soak('--seconds', '12', '--break', what)
    expect(stderr).toMatch(expected)
    expect(status).toBe(1)
  },
  60_000,
)

test('what grows by more than it may is seen, and nothing else', () => {
  const MIB = 2 ** 20
  const own = { rss: 150 * MIB, heap: 6 * MIB, external: 15 * MIB, descriptors: 30, threads: 14, p99: 10 }
  const other = { otherRss: 80 * MIB, otherExternal: 5 * MIB, otherDescriptors: 20 }
  const calm: Record<string, number | undefined> = { ...own, ...other, disk: 100 * MIB }
  /** What is said to grow in an hour of thirty windows. */
  function growing(change: (index: number) => typeof calm): string[] {
    const windows = Array.from({ length: 30 }, (_, index) => ({ ...calm, ...change(index) }))
    const rows: { what: string; ok: boolean }[] = compare(windows, 3600)
    return rows.filter(({ ok }) => !ok).map(({ what }) => what)
  }
  for (const { key, what } of bounds) {
    expect(growing((index) => ({ [key]: (calm[key] ?? 0) * (index + 1) }))).toEqual([what])
  }
  expect(growing((index) => ({ disk: index === 20 ? 200 * MIB : MIB }))).toEqual(['disk, at most'])
  // What a start costs, one window that is out of the way, and what cannot be told here.
  expect(growing((index) => ({ rss: index < 6 ? MIB : 150 * MIB }))).toEqual([])
  expect(growing((index) => ({ p99: index === 29 ? 5000 : 10 }))).toEqual([])
  expect(growing(() => ({ descriptors: undefined, threads: undefined }))).toEqual([])
})

test('arguments that make no sense, and help', () => {
  expect(soak('--seconds', '1').stderr).toBe('soak: it takes 10 seconds at least\n')
  expect(soak('--break', 'nothing').stderr).toMatch(/^soak: there is no 'nothing' to break: memory, /)
  expect(soak('--help').stdout).toMatch(/^Usage: /)
})
