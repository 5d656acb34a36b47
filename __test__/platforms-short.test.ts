// `npm run test:platforms` in short: the packed package, installed into an empty project, under a part of this suite, with
// the Node.js that runs this.

import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { packed, repository } from './support/packed.js'

test('the packed package passes what users rely on first', { timeout: 300_000 }, () => {
  const { tarballs, remove } = packed()
  const tests = ['loading', 'stream-append', 'stream-read', 'stream-cursor', 'read-only', 'workers']
  const args = ['--only', 'host', '--tarballs', dirname(tarballs[0]), ...tests.flatMap((name) => ['--tests', name])]
  const script = join(repository, 'scripts', 'test-platforms.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  remove()
  expect({ status, stderr }, stdout).toEqual({ status: 0, stderr: '' })
  const [, passed] = /^host +ok +(\d+) passed, 0 failed/m.exec(stdout) ?? []
  expect(Number(passed)).toBeGreaterThan(100)
})
