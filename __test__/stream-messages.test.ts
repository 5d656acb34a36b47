// What somebody is told who makes the usual mistakes with a stream: what it is about, in the words of a stream.

import { join } from 'node:path'
import { AlreadyExistsError, InvalidInputError, LockedError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { stream } from './support/streams.js'
import { writer } from './support/writers.js'

test('a stream that is open already: which one, and who has it', async () => {
  const root = folder()
  await stream(root, { name: 'log' })
  const calls = [
    () => PersistentStream.open(root, { name: 'log', lockTimeoutMs: 0 }),
    () => PersistentStream.destroy(root, { name: 'log' }),
  ]
  for (const call of calls) {
    const error = await failure(call())
    expect(error).toBeInstanceOf(LockedError)
    expect(error).toMatchObject({
      code: 'PSTREAM_LOCKED',
      message: `stream 'log' in '${root}' is in use by this process`,
      path: join(root, 'log.lock'),
      holder: { pid: process.pid },
    })
  }
})

test('a stream that another process has open', async () => {
  const root = folder()
  const other = await writer(root)
  const error = await failure(PersistentStream.open(root, { lockTimeoutMs: 0 }))
  expect(error.message).toBe(`stream 'stream' in '${root}' is in use by process ${other.process.pid}`)
  await other.kill()
})

test('a name that is none', async () => {
  const error = await failure(PersistentStream.open(folder(), { name: 'a/b' }))
  expect(error).toBeInstanceOf(InvalidInputError)
  expect(error.message).toBe('name "a/b" is not a single path component')
  const own = await stream(folder())
  expect((await failure(own.cursor('a/b'))).message).toBe(
    'name must be a text of 1 to 100 of the characters A-Z a-z 0-9 . _ - that does not begin with a dot, not "a/b"',
  )
})

test('a size in a unit that is none', async () => {
  const error = await failure(PersistentStream.open(folder(), { fileSize: '1 GB' as '1GiB' }))
  expect(error.message).toBe(
    `options.fileSize must be a whole number of bytes, at least 1048576, or a text such as '64MiB' (in B, KiB, MiB or GiB), not "1 GB"`,
  )
})

test('a backup where there is one', async () => {
  const [own, place] = [await stream(folder()), folder()]
  await own.append('x')
  await own.backup(place)
  const error = await failure(own.backup(place))
  expect(error).toBeInstanceOf(AlreadyExistsError)
  expect(error).toMatchObject({ message: `there is a stream 'stream' in '${place}' already`, path: expect.any(String) })
})
