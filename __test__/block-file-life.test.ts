// Creating, opening and closing: what is there afterwards, and what is not.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BlockFile, InvalidInputError } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { blockFile, openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'

const SHAPE = { blockCount: 16, blockShift: 12 }
const UNIX = process.platform !== 'win32'

test('a new file has its final length, its space reserved, and nothing beside it', async () => {
  const root = folder()
  const file = await BlockFile.create(join(root, 'data'), SHAPE)
  expect(file).toMatchObject({ path: join(root, 'data'), blockCount: 16, blockShift: 12, blockSize: 4096, size: 65536 })
  expect(file.reserved).toBe(true)
  const { size, blocks } = statSync(file.path)
  expect(size).toBe(65536)
  if (UNIX) expect(blocks * 512).toBeGreaterThanOrEqual(65536)
  expect(readdirSync(root)).toEqual(['data'])
  expect(same(await file.loadBytes(0, 65536), new Uint8Array(65536))).toBe(true)
  await file.close()
})

if (!UNIX) console.log('skipped: modes are of Unix, and so are files that are sparse without being asked to')

test.runIf(UNIX)('permissions are 0o600, or what is asked for', async () => {
  const root = folder()
  const before = process.umask(0)
  try {
    for (const [name, mode, expected] of [
      ['a', undefined, 0o600],
      ['b', 0o644, 0o644],
      ['c', 0o660, 0o660],
    ] as const) {
      const file = await BlockFile.create(join(root, name), { ...SHAPE, ...(mode === undefined ? {} : { mode }) })
      expect(statSync(file.path).mode & 0o7777).toBe(expected)
      await file.close()
    }
  } finally {
    process.umask(before)
  }
})

test('nothing is ever replaced', async () => {
  const root = folder()
  writeFileSync(join(root, 'file'), 'precious')
  mkdirSync(join(root, 'folder'))
  if (UNIX) symlinkSync('nowhere', join(root, 'link'))
  for (const name of UNIX ? ['file', 'folder', 'link'] : ['file', 'folder']) {
    const error = await failure(BlockFile.create(join(root, name), SHAPE))
    expect(error).toMatchObject({ code: 'PSTREAM_ALREADY_EXISTS', cause: { code: 'EEXIST' } })
  }
  expect(statSync(join(root, 'file')).size).toBe(8)
  expect(readdirSync(root).length).toBe(UNIX ? 3 : 2)
})

test('a file written with zeros beforehand, and the ways to use the page cache, behave the same', async () => {
  const root = folder()
  for (const [name, options] of Object.entries({
    prewrite: { prewrite: true },
    keep: { cache: 'keep' },
    drop: { cache: 'drop' },
    lenient: { sync: 'best-effort', reserve: 'best-effort' },
    strict: { sync: 'full', reserve: 'required', prewrite: false },
  } as const)) {
    const file = await BlockFile.create(join(root, name), { ...SHAPE, ...options })
    expect(same(await file.loadBytes(0, file.size), new Uint8Array(file.size))).toBe(true)
    await file.store(0, pattern(file.size))
    expect(same(await file.loadBytes(0, file.size), pattern(file.size))).toBe(true)
    await file.close()
  }
})

test('the block count of an opened file follows from its length, also with another shift', async () => {
  const path = join(folder(), 'data')
  await (await BlockFile.create(path, { blockCount: 16, blockShift: 14 })).close()
  for (const [blockShift, blockCount] of [
    [14, 16],
    [12, 64],
    [18, 1],
  ] as const) {
    const file = await BlockFile.open(path, { blockShift })
    expect(file).toMatchObject({ blockCount, blockShift, size: 16 << 14, reserved: true })
    await file.close()
  }
})

test.runIf(UNIX)('a sparse file opens, and says that its space is not reserved', async () => {
  const path = join(folder(), 'data')
  writeFileSync(path, '')
  truncateSync(path, 65536)
  const file = await BlockFile.open(path, { blockShift: 12 })
  expect(file.reserved).toBe(false)
  await file.close()
})

test('a read-only file loads and does not store', async () => {
  const path = join(folder(), 'data')
  const writer = await BlockFile.create(path, SHAPE)
  await writer.store(0, pattern(100))
  await writer.close()
  chmodSync(path, 0o400)
  const file = await BlockFile.open(path, { blockShift: 12, readOnly: true })
  expect(same(await file.loadBytes(0, 100), pattern(100))).toBe(true)
  for (const call of [file.store(0, pattern(10)), file.store(0, [])]) {
    const error = await failure(call)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toBe('file was opened read-only')
  }
  await file.close()
})

test('a path may be a file: URL, or relative to the working directory of the moment of the call', async () => {
  const root = folder()
  const byUrl = await BlockFile.create(pathToFileURL(join(root, 'with space')), SHAPE)
  expect(byUrl.path).toBe(join(root, 'with space'))
  await byUrl.close()
  const before = process.cwd()
  process.chdir(root)
  const opening = BlockFile.create('relative', SHAPE)
  process.chdir(before)
  expect((await opening).path).toBe(join(root, 'relative'))
  await (await opening).close()
})

test('close waits for what is under way, and may be called again', async () => {
  const file = await blockFile(2048)
  const bytes = pattern(file.size)
  const settled: string[] = []
  const calls = [
    file.store(0, bytes).then(() => settled.push('store')),
    file.store(0, bytes).then(() => settled.push('store')),
    file.load(0, new Uint8Array(file.size)).then(() => settled.push('load')),
  ]
  const closes = [file.close(), file.close()]
  await Promise.all(closes)
  expect(settled.sort()).toEqual(['load', 'store', 'store'])
  await Promise.all(calls)
  await file.close()
  expect(openDescriptors(file.path)).toEqual([])
})

test('a closed file says so', async () => {
  const file = await blockFile()
  const closing = file.close()
  const calls = () => [
    file.store(0, new Uint8Array(1)),
    file.store(0, []),
    file.load(0, new Uint8Array(1)),
    file.load(0, []),
    file.loadBytes(0, 1),
  ]
  for (const call of calls())
    expect(await failure(call)).toMatchObject({ code: 'PSTREAM_CLOSED', message: 'file is closed' })
  await closing
  for (const call of calls()) expect(await failure(call)).toMatchObject({ code: 'PSTREAM_CLOSED', path: file.path })
})

test('it is disposable', async () => {
  const file = await blockFile()
  await file[Symbol.asyncDispose]()
  expect(await failure(file.loadBytes(0, 1))).toMatchObject({ code: 'PSTREAM_CLOSED' })
})

test('two handles of one file see the same bytes', async () => {
  const first = await blockFile()
  const second = await BlockFile.open(first.path, { blockShift: 12 })
  await first.store(4, pattern(5000))
  expect(same(await second.loadBytes(4, 5000), pattern(5000))).toBe(true)
  await second.close()
  expect(existsSync(first.path)).toBe(true)
})
