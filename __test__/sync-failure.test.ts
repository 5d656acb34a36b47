// A failed sync is final: from then on the file refuses everything until it is opened anew. A full disk is not.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { mayTrace, traced } from './support/trace.js'

const possible = mayTrace()
if (!possible) console.log('skipped: strace is missing or may not trace')

test.runIf(possible)('of a store', () => {
  const { stdout, stderr } = traced('inject=pwritev2:error=EIO:when=1+', 'faults.mjs', 'store', join(folder(), 'data'))
  expect(stderr).toBe('')
  const [store, ...later] = JSON.parse(stdout)
  expect(store).toMatchObject({
    name: 'FileSyncError',
    code: 'PSTREAM_SYNC_FAILED',
    errno: -5,
    block: 2,
    cause: { code: 'EIO', errno: -5, syscall: store.syscall },
  })
  expect(later.length).toBe(6)
  for (const error of later.slice(0, 5)) {
    expect(error.code).toBe('PSTREAM_SYNC_FAILED')
    expect(error.message).toBe('file is unavailable due to prior sync error')
  }
  expect(later[5]).toBe('done')
})

test.runIf(possible)('of a folder, which poisons the sequence', () => {
  // Which of the syncs are those of the folder is the engine's business: each is made to fail in turn.
  let poisoned = 0
  for (let nth = 1; nth <= 8; nth += 1) {
    const root = folder()
    const { stdout, stderr } = traced(`inject=fsync:error=EIO:when=${nth}`, 'faults.mjs', 'alloc', root)
    expect(stderr).toBe('')
    const outcomes: { code: string; message: string; path?: string }[] = JSON.parse(stdout)
    const first = outcomes.findIndex((error) => error.code === 'PSTREAM_SYNC_FAILED' && error.path === root)
    if (first < 1) continue
    poisoned += 1
    expect(outcomes[first]).toMatchObject({ syscall: 'fsync', cause: { code: 'EIO' } })
    for (const later of outcomes.slice(first + 1)) {
      const message = 'sequence is unavailable due to prior sync error'
      expect(later).toMatchObject({ code: 'PSTREAM_SYNC_FAILED', message })
    }
  }
  expect(poisoned).toBeGreaterThan(0)
})

test.runIf(possible)('no space: the same store may be tried again', () => {
  const { stdout } = traced('inject=pwritev2:error=ENOSPC:when=1', 'faults.mjs', 'twice', join(folder(), 'data'))
  const [first, second] = JSON.parse(stdout)
  expect(first).toMatchObject({ name: 'NoSpaceError', code: 'PSTREAM_NO_SPACE', cause: { code: 'ENOSPC' } })
  expect(second).toBe('done')
})

test.runIf(possible)('interrupted and short calls are nobody’s business', () => {
  for (const inject of [
    'pwritev2:error=EINTR:when=1..5',
    'pwritev2:error=EOPNOTSUPP:when=1',
    'preadv:error=EINTR:when=1..5',
  ]) {
    const { stdout } = traced(`inject=${inject}`, 'faults.mjs', 'twice', join(folder(), 'data'))
    expect(JSON.parse(stdout), inject).toEqual(['done', 'done', 'done'])
  }
})

test.runIf(possible)('a read error is told, and the file goes on', () => {
  const { stdout } = traced('inject=preadv:error=EIO:when=1', 'faults.mjs', 'load', join(folder(), 'data'))
  const [first, second] = JSON.parse(stdout)
  expect(first).toMatchObject({ name: 'IoError', code: 'PSTREAM_IO', errno: -5, block: 3, cause: { code: 'EIO' } })
  expect(second).toBe('done')
})
