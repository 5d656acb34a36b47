// A stream is removed with all that belongs to it, and nothing else.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  FileSequence,
  InvalidFileError,
  InvalidInputError,
  LockedError,
  NotFoundError,
  PersistentStream,
} from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { stream } from './support/streams.js'

test('all of it, and nothing of its neighbours', async () => {
  const root = folder()
  for (const name of ['events', 'events2', 'event']) {
    const opened = await stream(root, { name, fileSize: '1MiB', blockSize: '4KiB' })
    for (let index = 0; index < 30; index += 1) await opened.append(new Uint8Array(90_000))
    await opened.close()
  }
  mkdirSync(join(root, 'events.meta', 'torn'), { recursive: true })
  writeFileSync(join(root, 'events.meta', 'torn', 'copy'), 'torn')
  writeFileSync(join(root, 'events.meta', 'alloc.tmp'), 'half')
  const others = () => readdirSync(root).filter((name) => !/^events\./.test(name))
  const before = others()
  await PersistentStream.destroy(root, { name: 'events' })
  expect(readdirSync(root)).toEqual(before)
  expect(await failure(PersistentStream.destroy(root, { name: 'events' }))).toBeInstanceOf(NotFoundError)
  expect(readdirSync(root)).toEqual(before)
  const again = await stream(root, { name: 'events' })
  expect(again.recovery.previous).toBe('new')
  const other = await stream(root, { name: 'events2' })
  expect(other.nextSeq).toBe(30)
})

test('the default name, and files that are not its own stay', async () => {
  const root = folder()
  await (await stream(root)).close()
  mkdirSync(join(root, 'stream.meta', 'quarantine-1'), { recursive: true })
  writeFileSync(join(root, 'stream.meta', 'quarantine-1', 'evidence'), 'x')
  writeFileSync(join(root, 'stream'), 'x')
  await PersistentStream.destroy(root)
  expect(readdirSync(root).sort()).toEqual(['stream', 'stream.meta'])
  expect(existsSync(join(root, 'stream.meta', 'quarantine-1', 'evidence'))).toBe(true)
  expect(await failure(PersistentStream.destroy(root))).toBeInstanceOf(NotFoundError)
})

test('not while it is open', async () => {
  const root = folder()
  const opened = await stream(root)
  expect(await failure(PersistentStream.destroy(root))).toBeInstanceOf(LockedError)
  expect(await opened.append('x')).toBe(0)
  await opened.close()
  expect((await stream(root)).nextSeq).toBe(1)
})

test('what is no stream, is not there, or has no such name', async () => {
  const root = folder()
  const sequence = await FileSequence.open(root, { name: 'other', blockCount: 16, blockShift: 12 })
  const file = await sequence.alloc()
  await file.store(2, new Uint8Array(10).fill(1))
  await file.close()
  await sequence.close()
  expect(await failure(PersistentStream.destroy(root, { name: 'other' }))).toBeInstanceOf(InvalidFileError)
  expect(readdirSync(root)).toEqual(['other.0001-12'])
  expect(await failure(PersistentStream.destroy(join(root, 'nowhere')))).toBeInstanceOf(NotFoundError)
  expect(await failure(PersistentStream.destroy(root, { name: '../x' }))).toBeInstanceOf(InvalidInputError)
  expect(await failure(PersistentStream.destroy(7 as unknown as string))).toBeInstanceOf(InvalidInputError)
})

test('a damaged one goes, too', async () => {
  const root = folder()
  const opened = await stream(root, { fileSize: '1MiB', blockSize: '4KiB' })
  for (let index = 0; index < 30; index += 1) await opened.append(new Uint8Array(90_000))
  await opened.close()
  const last =
    readdirSync(root)
      .filter((name) => /^stream\.\d/.test(name))
      .sort()[1] ?? ''
  writeFileSync(join(root, last), new Uint8Array(1 << 20).fill(9))
  await PersistentStream.destroy(root)
  expect(readdirSync(root)).toEqual([])
})
