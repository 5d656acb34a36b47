// A failed sync is final: from then on the file refuses everything until it is opened anew. The failure is made by
// strace, which lets a system call of a child process return an error.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const child = fileURLToPath(new URL('fixtures/sync-failure.mjs', import.meta.url))

function traced(inject: string, ...args: string[]) {
  const strace = ['-f', '-qq', '-o', '/dev/null', '-e', inject]
  // One thread in the pool: strace counts calls for each thread apart.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  return spawnSync('strace', [...strace, process.execPath, child, ...args], { encoding: 'utf8', env })
}

const possible = process.platform === 'linux' && traced('trace=none', 'probe').stdout === 'probe\n'
if (!possible) console.log('skipped: strace is missing or may not trace')

test.runIf(possible)('of a store', () => {
  const { stdout, stderr } = traced('inject=pwritev2:error=EIO:when=1+', 'store', join(folder(), 'data'))
  expect(stderr).toBe('')
  const [store, ...later] = JSON.parse(stdout)
  expect(store).toMatchObject({
    name: 'FileSyncError',
    code: 'PSTREAM_SYNC_FAILED',
    errno: -5,
    block: 2,
    cause: { code: 'EIO', errno: -5, syscall: store.syscall },
  })
  expect(later.length).toBe(5)
  for (const error of later) {
    expect(error.code).toBe('PSTREAM_SYNC_FAILED')
    expect(error.message).toBe('file is unavailable due to prior sync error')
  }
})

test.runIf(possible)('of a folder, which poisons the sequence', () => {
  // Of the folder: 1 at open, 3 by the first alloc, 5 by the second; 2 and 4 are those of the new files.
  const { stdout, stderr } = traced('inject=fsync:error=EIO:when=5', 'alloc', folder())
  expect(stderr).toBe('')
  const outcomes = JSON.parse(stdout)
  expect(outcomes[0]).toBe('stored')
  expect(outcomes[1]).toMatchObject({ code: 'PSTREAM_SYNC_FAILED', syscall: 'fsync', cause: { code: 'EIO' } })
  const message = 'sequence is unavailable due to prior sync error'
  expect(outcomes[2]).toMatchObject({ code: 'PSTREAM_SYNC_FAILED', message })
})

test.runIf(possible)('no space: the same store may be tried again', () => {
  const { stdout } = traced('inject=pwritev2:error=ENOSPC:when=1', 'retry', join(folder(), 'data'))
  const [first, second] = JSON.parse(stdout)
  expect(first).toMatchObject({ name: 'NoSpaceError', code: 'PSTREAM_NO_SPACE', cause: { code: 'ENOSPC' } })
  expect(second).toBe('stored')
})
