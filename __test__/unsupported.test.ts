// File systems that cannot reserve space or lock: fail, or go on and be told, as the caller chose.

import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { mayTrace, traced } from './support/trace.js'

const possible = mayTrace()
if (!possible) console.log('skipped: strace is missing or may not trace')

test.runIf(possible)('no reservation', () => {
  const { stdout, stderr } = traced('inject=fallocate:error=EOPNOTSUPP', 'faults.mjs', 'reserve', folder())
  expect(stderr).toBe('')
  const { required, bestEffort, reserved, left } = JSON.parse(stdout)
  expect(required).toMatchObject({ name: 'UnsupportedError', code: 'PSTREAM_UNSUPPORTED' })
  expect({ bestEffort, reserved, left }).toEqual({ bestEffort: 'done', reserved: false, left: ['lenient'] })
})

test.runIf(possible)('no locks', () => {
  const { stdout, stderr } = traced('inject=flock:error=EOPNOTSUPP', 'faults.mjs', 'lock', folder())
  expect(stderr).toBe('')
  const { required, bestEffort } = JSON.parse(stdout)
  expect(required).toMatchObject({ name: 'UnsupportedError', code: 'PSTREAM_UNSUPPORTED' })
  expect(bestEffort).toBe('done')
})
