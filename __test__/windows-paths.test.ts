// Windows resolves a path to one that begins with `\\?\`, which is right and which few programs take: it is shown
// without, wherever that names the same file. Told by a binary of straw, so that it can be seen on every system.

import { fileURLToPath } from 'node:url'
import { BlockFile, FileSequence, PersistentStream } from 'pstream'
import { beforeAll, expect, test } from 'vitest'
import { failure } from './support/errors.js'

beforeAll(() => {
  process.env.NAPI_RS_NATIVE_LIBRARY_PATH = fileURLToPath(new URL('fixtures/windows-paths.cjs', import.meta.url))
})

test.each([
  ['\\\\?\\C:\\data\\events.0001-12', 'C:\\data\\events.0001-12'],
  ['\\\\?\\C:\\', 'C:\\'],
  ['\\\\?\\c:\\con-tent\\aux2', 'c:\\con-tent\\aux2'],
  ['\\\\?\\UNC\\server\\share\\x', '\\\\server\\share\\x'],
  // What would name something else without it, or nothing.
  ['\\\\?\\C:\\data.\\x', undefined],
  ['\\\\?\\C:\\data \\x', undefined],
  ['\\\\?\\C:\\data\\NUL', undefined],
  ['\\\\?\\C:\\data\\com1.txt\\x', undefined],
  ['\\\\?\\C:\\a/b', undefined],
  [`\\\\?\\C:\\${'long\\'.repeat(60)}`, undefined],
  ['\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\x', undefined],
  ['C:\\data', undefined],
  ['/data/\\\\?\\C:\\x', undefined],
])('%s', async (path, expected = path) => {
  process.env.PSTREAM_TEST_PATH = path
  const file = await BlockFile.open('x', { blockShift: 12 })
  expect(file.path).toBe(expected)
  const error = await failure(file.loadBytes(0, 1))
  expect(error.path).toBe(expected)
  expect(error.message).toBe(`cannot read '${expected}': no`)
  expect(error.cause).toMatchObject({ path: expected, message: expect.stringContaining(`'${expected}'`) })
  await file.close()
  expect((await FileSequence.open('.', { name: 'x', blockCount: 1, blockShift: 12 })).root).toBe(expected)
  const { directory, recovery } = await PersistentStream.open('.')
  expect(directory).toBe(expected)
  expect(recovery.gaps[0]?.cause).toMatchObject({ path: expected, message: expect.stringContaining(`'${expected}'`) })
  expect((await PersistentStream.openReadOnly('.')).directory).toBe(expected)
})
