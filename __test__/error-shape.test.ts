// An error carries class, code, message and the system's own error, and its stack shows the caller's line.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BlockFile, NotFoundError } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { blockFile, sequence } from './support/files.js'
import { folder } from './support/folder.js'

/** The first frame is that of the function called, and the caller's is among the rest; likewise for the cause. */
function expectCaller(error: Error | undefined, module: string): void {
  for (const { stack } of [error, error?.cause ?? error] as Error[]) {
    const frames = stack?.split('\n').slice(1) ?? []
    expect(frames[0]).toContain(module)
    expect(frames.join('\n')).toContain('theCaller')
    expect(frames.join('\n')).toContain('error-shape.test.')
  }
}

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
  expectCaller(await failure(theCaller()), 'block-file.js')
})

test('also of a call that had to wait for others', async () => {
  const root = folder()
  const opened = await sequence(root)
  writeFileSync(join(root, 'events.0001-12'), '')
  async function theCaller() {
    await opened.alloc()
  }
  const calls = [opened.alloc(), opened.alloc(), theCaller()].map((call) => failure(call))
  expectCaller((await Promise.all(calls))[2], 'file-sequence.js')
})

test('also of what is refused at once', async () => {
  const file = await blockFile()
  async function theCaller() {
    await file.store(16, new Uint8Array(1))
  }
  expectCaller(await failure(theCaller()), 'block-file.js')
})
