// Looking at a broken sequence, repairing it, and renaming one.

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileSequence } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { closedAtEnd, sequence, snapshot } from './support/files.js'
import { folder } from './support/folder.js'

function prepare(root: string, ...names: string[]): void {
  for (const name of names) {
    writeFileSync(join(root, name), name)
    truncateSync(join(root, name), 4 * 4096)
  }
}

async function contents(root: string): Promise<string[]> {
  const found: string[] = []
  const opened = await sequence(root)
  try {
    for await (const file of opened.retrieve()) {
      const bytes = await file.loadBytes(0, 40)
      found.push(`${file.index} ${Buffer.from(bytes).toString().replaceAll('\0', '')}`)
      await file.close()
    }
    return found
  } finally {
    await opened.close()
  }
}

/** Everything that can be wrong at once. */
function broken(): string {
  const root = folder()
  prepare(root, 'events.0001-12', 'events.0002-12', 'events.2-12', 'events.0004-12', 'events.xyz', 'events.6000-12')
  writeFileSync(join(root, 'events.0005-12'), 'short')
  prepare(root, 'events.0006-99')
  mkdirSync(join(root, 'events.meta'))
  writeFileSync(join(root, 'events.meta', 'alloc.tmp'), '')
  if (process.platform !== 'win32') symlinkSync('events.0001-12', join(root, 'events.0007-12'))
  return root
}

test('inspect of a sound sequence', async () => {
  const root = folder()
  prepare(root, 'events.0001-12', 'events.0002-12')
  const before = snapshot(root)
  expect(await FileSequence.inspect(root, 'events')).toEqual({
    files: [
      { index: 1, name: 'events.0001-12', blockShift: 12, size: 16384 },
      { index: 2, name: 'events.0002-12', blockShift: 12, size: 16384 },
    ],
    start: 1,
    end: 3,
    problems: [],
    openable: true,
  })
  expect(snapshot(root)).toEqual(before)
})

test('inspect of a sequence that is open', async () => {
  const root = folder()
  closedAtEnd(await (await sequence(root)).alloc())
  const { lock, openable } = await FileSequence.inspect(root, 'events')
  expect(lock).toMatchObject({ pid: process.pid, alive: true })
  expect(lock?.since).toBeInstanceOf(Date)
  expect(openable).toBe(true)
})

test('inspect names all that is wrong, and changes nothing', async () => {
  const root = broken()
  const before = snapshot(root)
  const report = await FileSequence.inspect(root, 'events')
  expect(snapshot(root)).toEqual(before)
  expect(report.openable).toBe(false)
  const kinds = new Set(report.problems.map((problem) => problem.kind))
  for (const kind of ['gap', 'duplicate', 'stranger', 'leftover', 'bad-length', 'bad-shift', 'out-of-range'] as const) {
    expect(kinds, kind).toContain(kind)
  }
  for (const { problem, name } of report.files) if (problem) expect(problem.file).toBe(name)
})

test('repair says what it would do, does it when told to, and loses nothing', async () => {
  const root = broken()
  const before = snapshot(root)
  const plan = await FileSequence.repair(root, 'events')
  expect(plan.applied).toBe(false)
  expect(snapshot(root)).toEqual(before)

  const done = await FileSequence.repair(root, 'events', { apply: true })
  expect(done.applied).toBe(true)
  expect(done.actions.map(({ action, from }) => [action, from])).toEqual(
    plan.actions.map(({ action, from }) => [action, from]),
  )
  for (const { action, from, to } of done.actions) {
    if (action !== 'move') continue
    expect(to).toMatch(/^events\.meta[/\\]quarantine-\d+[/\\]/)
    expect(existsSync(join(root, from))).toBe(false)
  }
  // The gap is left, since only the owner knows whether it may be closed.
  expect(await failure(contents(root))).toMatchObject({ code: 'PSTREAM_SEQUENCE_BROKEN' })

  await FileSequence.repair(root, 'events', { apply: true, closeGaps: true })
  expect((await FileSequence.inspect(root, 'events')).openable).toBe(true)
  expect(await contents(root)).toEqual(['1 events.0001-12', '2 events.0002-12', '3 events.0004-12'])
  const after = Object.values(snapshot(root))
  for (const value of Object.values(before)) expect(after).toContain(value)
})

test('there is nothing to repair in a sound sequence', async () => {
  const root = folder()
  prepare(root, 'events.0001-12')
  expect(await FileSequence.repair(root, 'events', { apply: true })).toEqual({ applied: true, actions: [] })
  expect(readdirSync(root)).toEqual(['events.0001-12'])
})

test('a sequence in use is not repaired and not renamed', async () => {
  const root = folder()
  closedAtEnd(await (await sequence(root)).alloc())
  expect(await failure(FileSequence.repair(root, 'events', { apply: true }))).toMatchObject({ code: 'PSTREAM_LOCKED' })
  expect(await failure(FileSequence.rename(root, 'events', 'other'))).toMatchObject({ code: 'PSTREAM_LOCKED' })
  expect(readdirSync(root)).toContain('events.0001-12')
})

test('rename takes everything along', async () => {
  const root = folder()
  prepare(root, 'events.0001-12', 'events.0002-12')
  const content = readFileSync(join(root, 'events.0002-12'))
  await FileSequence.rename(root, 'events', 'archive')
  expect(readdirSync(root).sort()).toEqual(['archive.0001-12', 'archive.0002-12'])
  expect(readFileSync(join(root, 'archive.0002-12')).equals(content)).toBe(true)
})

test('rename refuses what it should', async () => {
  const root = folder()
  prepare(root, 'events.0001-12', 'taken.0001-12')
  const before = snapshot(root)
  expect(await failure(FileSequence.rename(root, 'events', 'taken'))).toMatchObject({ code: 'PSTREAM_ALREADY_EXISTS' })
  expect(await failure(FileSequence.rename(root, 'nothing', 'new'))).toMatchObject({ code: 'PSTREAM_NOT_FOUND' })
  expect(await failure(FileSequence.rename(root, 'events', 'events'))).toMatchObject({ code: 'PSTREAM_INVALID_INPUT' })
  for (const name of ['', '.', '..', 'a/b', '../x', 'x'.repeat(248)]) {
    expect(await failure(FileSequence.rename(root, 'events', name))).toMatchObject({ code: 'PSTREAM_INVALID_INPUT' })
  }
  expect(snapshot(root)).toEqual(before)
})
