// A sequence grows at the end, is released at the start, and is read back in order, by this instance and by the next.

import { existsSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FileSequence, InvalidInputError, type SequenceFile } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { failure } from './support/errors.js'
import { blockFile, closedAtEnd, openDescriptors, SHAPE, sequence } from './support/files.js'
import { folder } from './support/folder.js'

async function indexes(of: FileSequence): Promise<number[]> {
  const found: number[] = []
  for await (const file of of.retrieve()) {
    found.push(file.index)
    await file.close()
  }
  return found
}

function ends({ start, end, length }: FileSequence): number[] {
  return [start, end, length]
}

/** Makes files of 4 blocks of 4 KiB by hand. */
function prepare(root: string, ...names: string[]): void {
  for (const name of names) {
    writeFileSync(join(root, name), '')
    truncateSync(join(root, name), 4 * 4096)
  }
}

test('an empty folder starts at index 1', async () => {
  const root = folder()
  const opened = await sequence(root)
  expect(opened).toMatchObject({ root, name: 'events' })
  expect(ends(opened)).toEqual([1, 1, 0])
  expect(await indexes(opened)).toEqual([])
})

test('alloc, store, reopen, retrieve, release', async () => {
  const root = folder()
  const first = await sequence(root)
  for (const index of [1, 2, 3]) {
    const file = await first.alloc()
    expect(file).toMatchObject({ index, blockCount: 4, blockShift: 12, size: 16384, reserved: true })
    expect(file.path).toBe(join(root, `events.000${index}-12`))
    await file.store(0, pattern(5000, index))
    await file.close()
    expect(ends(first)).toEqual([1, index + 1, index])
  }
  await first.close()
  expect(readdirSync(root).sort()).toEqual(['events.0001-12', 'events.0002-12', 'events.0003-12'])

  const second = await sequence(root)
  expect(ends(second)).toEqual([1, 4, 3])
  const files: SequenceFile[] = []
  for await (const file of second.retrieve()) files.push(closedAtEnd(file))
  for (const file of files) expect(same(await file.loadBytes(0, 5000), pattern(5000, file.index))).toBe(true)
  for (const file of files) await second.release(file)
  expect(ends(second)).toEqual([4, 4, 0])
  // Released is closed.
  expect(await failure(files[0]?.loadBytes(0, 1) ?? Promise.resolve())).toMatchObject({ code: 'PSTREAM_CLOSED' })
  expect(closedAtEnd(await second.alloc()).index).toBe(4)
})

test('files may have another block count, and keep theirs', async () => {
  const root = folder()
  const first = await sequence(root)
  closedAtEnd(await first.alloc({ blockCount: 9 }))
  closedAtEnd(await first.alloc({}))
  expect(await failure(first.alloc({ blockCount: 0 }))).toMatchObject({ message: 'block count must be non-zero' })
  expect(ends(first)).toEqual([1, 3, 2])
  await first.close()
  const second = await sequence(root, { blockCount: 100, blockShift: 13 })
  const shapes: number[][] = []
  closedAtEnd(await second.alloc())
  for await (const file of second.retrieve()) {
    shapes.push([file.blockCount, file.blockShift])
    await file.close()
  }
  expect(shapes).toEqual([
    [9, 12],
    [4, 12],
    [100, 13],
  ])
})

test('the index wraps through 0xffff to 0', async () => {
  const root = folder()
  prepare(root, 'events.fffe-12', 'events.ffff-12')
  const opened = await sequence(root)
  expect(ends(opened)).toEqual([0xfffe, 0, 2])
  expect(closedAtEnd(await opened.alloc()).index).toBe(0)
  expect(closedAtEnd(await opened.alloc()).index).toBe(1)
  expect(ends(opened)).toEqual([0xfffe, 2, 4])
  expect(existsSync(join(root, 'events.0000-12'))).toBe(true)
  expect(await indexes(opened)).toEqual([0xfffe, 0xffff, 0, 1])
  const files: SequenceFile[] = []
  for await (const file of opened.retrieve()) files.push(closedAtEnd(file))
  for (const file of files.slice(0, 3)) await opened.release(file)
  expect(ends(opened)).toEqual([1, 2, 1])
})

test('a full window takes no more until a file is released', async () => {
  const root = folder()
  // The state is names and lengths, so that 16,382 short names stand for a sequence that is one file from full.
  prepare(
    root,
    ...Array.from({ length: 0x3ffe }, (_, index) => `events.${(index + 1).toString(16).padStart(4, '0')}-12`),
  )
  const opened = await sequence(root)
  expect(closedAtEnd(await opened.alloc()).index).toBe(0x3fff)
  expect(ends(opened)).toEqual([1, 0x4000, 0x3fff])
  expect(await failure(opened.alloc())).toMatchObject({
    code: 'PSTREAM_SEQUENCE_TOO_LONG',
    message: 'filesequence: 0x0001..0x4000 is too long',
    start: 1,
    end: 0x4000,
  })
  expect(ends(opened)).toEqual([1, 0x4000, 0x3fff])
  for await (const file of opened.retrieve()) {
    await opened.release(file)
    break
  }
  expect(closedAtEnd(await opened.alloc()).index).toBe(0x4000)
})

test('a foreign file in the next place is left alone', async () => {
  const root = folder()
  const opened = await sequence(root)
  writeFileSync(join(root, 'events.0001-12'), 'precious')
  expect(await failure(opened.alloc())).toMatchObject({ code: 'PSTREAM_ALREADY_EXISTS', cause: { code: 'EEXIST' } })
  expect(statSync(join(root, 'events.0001-12')).size).toBe(8)
  expect(ends(opened)).toEqual([1, 1, 0])
})

test('files of other names and folders are nobody’s business', async () => {
  const root = folder()
  prepare(root, 'event.0001-12', 'events', 'events2.0001-12', 'events.0001-12.bak', '.pstream-tmp-1-0', 'events.7-12')
  expect(ends(await sequence(root))).toEqual([7, 8, 1])
})

test('names may hold dots, and two sequences may share a folder', async () => {
  const root = folder()
  const [plain, dotted] = [await sequence(root, { name: 'a' }), await sequence(root, { name: 'a.b' })]
  closedAtEnd(await plain.alloc())
  expect(ends(dotted)).toEqual([1, 1, 0])
  closedAtEnd(await dotted.alloc())
  closedAtEnd(await dotted.alloc())
  expect([ends(plain), ends(dotted)]).toEqual([
    [1, 2, 1],
    [1, 3, 2],
  ])
})

test('a file of an earlier instance is released, one of its namesake is not', async () => {
  const root = folder()
  const first = await sequence(root)
  const file = await first.alloc()
  await first.close()
  const second = await sequence(root)
  await second.release(file)
  expect(ends(second)).toEqual([2, 2, 0])
})

test('what is no file of a sequence cannot be released', async () => {
  const opened = await sequence(folder())
  const plain = await blockFile()
  for (const foreign of [plain, {}, null, undefined, 1, Object.create(plain), { index: 1 }]) {
    const error = await failure(opened.release(foreign as SequenceFile))
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toBe('file must be a file of a sequence')
  }
})

test('a release waits for the loads and stores of its file that were called before', async () => {
  const opened = await sequence(folder())
  const first = await opened.alloc({ blockCount: 1024 })
  const second = await opened.alloc()
  const before = Array.from({ length: 10 }, () => [
    first.store(0, new Uint8Array(first.size)),
    first.loadBytes(0, first.size),
  ])
  const release = opened.release(first)
  await Promise.all(before.flat())
  await release
  expect(await failure(first.loadBytes(0, 1))).toMatchObject({ code: 'PSTREAM_CLOSED', path: first.path })

  // One that fails lets them go on.
  const third = await opened.alloc()
  const refused = failure(opened.release(third))
  const load = third.loadBytes(0, 1)
  expect(await refused).toMatchObject({ code: 'PSTREAM_SEQUENCE_OUT_OF_ORDER' })
  expect(await load).toHaveLength(1)
  await Promise.all([second.close(), third.close()])
})

test('allocs and releases that are called at once are done one after the other', async () => {
  const opened = await sequence(folder())
  const files = await Promise.all(Array.from({ length: 20 }, () => opened.alloc()))
  expect(files.map((file) => file.index)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  await Promise.all(files.map((file) => opened.release(file)))
  expect(ends(opened)).toEqual([21, 21, 0])
})

test('the whole sequence is checked before the first file is yielded', async () => {
  const root = folder()
  prepare(root, 'events.0001-12', 'events.0002-12')
  writeFileSync(join(root, 'events.0003-12'), 'x')
  const opened = await sequence(root)
  const before = openDescriptors(root).length
  const iterator = opened.retrieve()[Symbol.asyncIterator]()
  expect(await failure(iterator.next())).toMatchObject({ code: 'PSTREAM_INVALID_FILE' })
  expect(await iterator.next()).toEqual({ done: true, value: undefined })
  expect(openDescriptors(root).length).toBe(before)
})

test('files are opened when their turn comes, and leaving early releases at once', async () => {
  const root = folder()
  prepare(root, 'events.0001-12', 'events.0002-12', 'events.0003-12')
  const opened = await sequence(root)
  const before = openDescriptors(root).length
  for await (const file of opened.retrieve()) {
    if (process.platform === 'linux') expect(openDescriptors(root).length).toBe(before + 1)
    await file.close()
    if (file.index === 2) break
  }
  // Left while a file is being opened: it is closed, and nobody gets it.
  const iterator = opened.retrieve()[Symbol.asyncIterator]()
  const pending = [iterator.next(), iterator.next(), iterator.return?.()]
  for (const next of pending) expect(await next).toEqual({ done: true, value: undefined })
  expect(openDescriptors(root).length).toBe(before)
})

test('nexts that are called at once are answered in order', async () => {
  const root = folder()
  prepare(root, 'events.0001-12', 'events.0002-12')
  const opened = await sequence(root)
  const iterator = opened.retrieve()[Symbol.asyncIterator]()
  const results = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()])
  expect(results.map((result) => result.value?.index)).toEqual([1, 2, undefined, undefined])
  expect(results.map((result) => result.done)).toEqual([false, false, true, true])
  for (const { value } of results) await value?.close()
})

test('an iterable can be gone through twice', async () => {
  const root = folder()
  prepare(root, 'events.0001-12')
  const all = (await sequence(root)).retrieve()
  for (const _ of [1, 2]) {
    let count = 0
    for await (const file of all) {
      count += 1
      await file.close()
    }
    expect(count).toBe(1)
  }
})

test('close waits, may be called again, and leaves files usable and nothing behind', async () => {
  const root = folder()
  const opened = await sequence(root)
  const allocs = [opened.alloc(), opened.alloc()]
  await Promise.all([opened.close(), opened.close()])
  const [file] = (await Promise.all(allocs)).map(closedAtEnd)
  await opened[Symbol.asyncDispose]()
  expect(readdirSync(root).sort()).toEqual(['events.0001-12', 'events.0002-12'])
  await file?.store(0, pattern(10))
  const error = { code: 'PSTREAM_CLOSED', message: 'sequence is closed', path: root }
  expect(await failure(opened.alloc())).toMatchObject(error)
  expect(await failure(opened.release(file as SequenceFile))).toMatchObject(error)
  expect(await failure(opened.retrieve()[Symbol.asyncIterator]().next())).toMatchObject(error)
  expect(ends(opened)).toEqual([1, 3, 2])
})

test('the folder may be a file: URL or a link, and is kept resolved', async () => {
  const root = folder()
  const opened = await FileSequence.open(pathToFileURL(root), SHAPE)
  expect(opened.root).toBe(root)
  await opened.close()
})

test('a folder that is not there, or is none', async () => {
  const root = folder()
  expect(await failure(FileSequence.open(join(root, 'nothing'), SHAPE))).toMatchObject({ code: 'PSTREAM_NOT_FOUND' })
  writeFileSync(join(root, 'file'), '')
  expect(await failure(FileSequence.open(join(root, 'file'), SHAPE))).toMatchObject({ code: 'PSTREAM_INVALID_FILE' })
  expect(readdirSync(root)).toEqual(['file'])
})
