// Folders and files that are not as they should be: what is not ours is not touched, nothing hangs, and each error says
// what it met.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BlockFile, FileSequence } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { SHAPE, sequence, snapshot } from './support/files.js'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'

const UNIX = process.platform !== 'win32'
if (!UNIX) console.log('skipped: links, pipes, modes, mounts and folders that vanish in use are of Unix')
const create = { blockCount: 4, blockShift: 12 }

test.runIf(UNIX)('a link, a folder or a pipe in the place of a file is no file', async () => {
  const root = folder()
  await (await BlockFile.create(join(root, 'data'), create)).close()
  symlinkSync('data', join(root, 'link'))
  symlinkSync('nowhere', join(root, 'dangling'))
  mkdirSync(join(root, 'folder'))
  expect(spawnSync('mkfifo', [join(root, 'pipe')]).status).toBe(0)
  const before = readdirSync(root)
  for (const name of ['link', 'dangling', 'folder', 'pipe', '.']) {
    for (const readOnly of [false, true]) {
      const error = await failure(BlockFile.open(join(root, name), { blockShift: 12, readOnly }))
      expect(error.code, name).toMatch(/^PSTREAM_INVALID_(?:FILE|INPUT)$/)
    }
  }
  expect(readdirSync(root)).toEqual(before)
})

test.runIf(UNIX)('a link in the place of a data file of a sequence is refused', async () => {
  const root = folder()
  writeFileSync(join(root, 'precious'), 'x'.repeat(4096))
  symlinkSync('precious', join(root, 'events.0001-12'))
  expect(await failure(FileSequence.open(root, SHAPE))).toMatchObject({ code: 'PSTREAM_INVALID_FILE' })
  expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('x'.repeat(4096))
})

test.runIf(UNIX)('a folder or a pipe in the place of the lock', async () => {
  for (const make of ['mkdir', 'mkfifo']) {
    const root = folder()
    expect(spawnSync(make, [join(root, 'events.lock')]).status).toBe(0)
    expect(await failure(FileSequence.open(root, SHAPE))).toMatchObject({ code: 'PSTREAM_INVALID_FILE' })
    expect(readdirSync(root)).toContain('events.lock')
  }
})

test.runIf(process.platform === 'linux')('a relative path where the working directory has vanished', () => {
  const cwd = folder()
  const script = `
    process.chdir(${JSON.stringify(cwd)})
    require('node:fs').rmdirSync(${JSON.stringify(cwd)})
    import(${JSON.stringify(import.meta.resolve('pstream'))}).then(({ BlockFile }) =>
      BlockFile.open('data', { blockShift: 12 }).catch((error) =>
        console.log(error.code, error.message, error.cause.code)))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=commonjs', '-e', script], { encoding: 'utf8' })
  expect(stdout).toBe('PSTREAM_NOT_FOUND path is relative, and the working directory is gone ENOENT\n')
})

test.runIf(UNIX)('a folder that vanishes while the sequence is open', async () => {
  const root = join(folder(), 'sub')
  mkdirSync(root)
  const opened = await sequence(root)
  const file = await opened.alloc()
  await file.store(0, new Uint8Array(10).fill(1))
  rmSync(root, { recursive: true })
  // The open file lives on, as files do.
  expect((await file.loadBytes(0, 10))[0]).toBe(1)
  await file.store(0, new Uint8Array(10).fill(2))
  const found = (error: { code: string }) => expect(error.code).toMatch(/^PSTREAM_(?:NOT_FOUND|SYNC_FAILED|IO)$/)
  found(await failure(opened.alloc()))
  found(await failure(opened.release(file)))
  found(await failure(opened.retrieve()[Symbol.asyncIterator]().next()))
  found(await failure(FileSequence.inspect(root, 'events')))
  await opened.close().catch(found)
  expect(await failure(opened.alloc())).toMatchObject({ code: 'PSTREAM_CLOSED' })
  await file.close()
})

test.runIf(UNIX)('a folder that is moved while the sequence is open', async () => {
  const above = folder()
  const root = join(above, 'sub')
  mkdirSync(root)
  const opened = await sequence(root)
  const file = await opened.alloc()
  renameSync(root, join(above, 'moved'))
  mkdirSync(root)
  writeFileSync(join(root, 'events.0001-12'), 'of somebody else')
  await file.store(0, new Uint8Array(10).fill(2))
  expect(readFileSync(join(above, 'moved', 'events.0001-12'))[0]).toBe(2)
  await opened.close().catch(() => {})
  expect(readFileSync(join(root, 'events.0001-12'), 'utf8')).toBe('of somebody else')
  await file.close()
})

test('names that look like paths never leave the folder', async () => {
  const root = join(folder(), 'sub')
  mkdirSync(root)
  const before = snapshot(join(root, '..'))
  for (const name of ['../x', '/x', 'a/../../x', '..', 'x/']) {
    expect(await failure(FileSequence.open(root, { ...SHAPE, name }))).toMatchObject({ code: 'PSTREAM_INVALID_INPUT' })
  }
  expect(snapshot(join(root, '..'))).toEqual(before)
})

test('strange but valid names', async () => {
  const root = folder()
  // Windows drops a space at the end.
  const blank = UNIX ? [' '] : []
  for (const name of [
    ...blank,
    'ä ö',
    '-',
    '-rf',
    'a b.c',
    '..a',
    "quote'",
    'x'.repeat(247),
    '日本語',
    'events.lock',
  ]) {
    const opened = await FileSequence.open(root, { ...SHAPE, name })
    await (await opened.alloc()).close()
    expect(opened.name).toBe(name)
    await opened.close()
    expect((await FileSequence.inspect(root, name)).files.length).toBe(1)
  }
})

const isRoot = process.getuid?.() === 0
test.runIf(UNIX && !isRoot)('what may not be read', async () => {
  const root = folder()
  writeFileSync(join(root, 'data'), new Uint8Array(4096), { mode: 0 })
  const error = await failure(BlockFile.open(join(root, 'data'), { blockShift: 12 }))
  expect(error).toMatchObject({ code: 'PSTREAM_IO', cause: { code: 'EACCES' } })
})
if (UNIX && isRoot) console.log('skipped: "what may not be read", since root may read everything')

const possible = mayMount()
if (UNIX && !possible) console.log('skipped: only root may mount a file system read-only')
test.runIf(possible)('a read-only file system', async () => {
  const root = folder()
  mkdirSync(join(root, 'source'))
  const file = await BlockFile.create(join(root, 'source', 'data'), create)
  await file.store(0, Buffer.from('pstream'))
  await file.close()
  const setup = 'mount --bind "$1/source" "$1/mnt"; mount -o remount,bind,ro "$1/mnt"'
  const script = fileURLToPath(new URL('fixtures/read-only.mjs', import.meta.url))
  const { stdout, stderr } = withMount(root, setup, script)
  expect(stderr).toBe('')
  const results = JSON.parse(stdout)
  const refused = { code: 'PSTREAM_IO', cause: { code: 'EROFS' } }
  expect(results).toMatchObject({ create: refused, open: refused, sequence: refused, repair: refused })
  expect(results).toMatchObject({ bytes: 'pstream', inspect: 'done' })
  expect(readdirSync(join(root, 'source'))).toEqual(['data'])
})
