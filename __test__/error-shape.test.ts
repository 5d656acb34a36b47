// An error carries class, code, message and the system's own error, and its stack shows the caller's line.

import { join } from 'node:path'
import { BlockFile, NotFoundError } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'

test('a missing file', async () => {
  const path = join(folder(), 'nothing')
  const error = await failure(BlockFile.open(path, { blockShift: 12 }))
  expect(error).toBeInstanceOf(NotFoundError)
  expect(error.name).toBe('NotFoundError')
  expect(error).toMatchObject({ code: 'PSTREAM_NOT_FOUND', syscall: 'open', path })
  expect(error.errno).toBeLessThan(0)
  expect(error.cause).toBeInstanceOf(Error)
  expect(error.cause).toMatchObject({ code: 'ENOENT', errno: error.errno, syscall: 'open', path })
})

test('the stack shows who called, not how the error was made', async () => {
  const path = join(folder(), 'nothing')
  async function theCaller() {
    await BlockFile.open(path, { blockShift: 12 })
  }
  const error = await failure(theCaller())
  const frames = error.stack?.split('\n').slice(1) ?? []
  expect(frames[0]).toContain('block-file.js')
  expect(frames.join('\n')).toContain('theCaller')
  expect(frames.join('\n')).toContain('error-shape.test.ts')
})
