// What is dropped without being closed is closed by the garbage collector: descriptors and locks do not leak for ever.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const script = fileURLToPath(new URL('fixtures/forgetful.mjs', import.meta.url))

if (process.platform !== 'linux') console.log('skipped: only Linux shows descriptors')
test.runIf(process.platform === 'linux')('files and sequences that are dropped', () => {
  const root = folder()
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script, root], { encoding: 'utf8' })
  expect(stderr).toBe('')
  const { before, after, length, stored } = JSON.parse(stdout)
  expect(before).toBeGreaterThan(0)
  expect({ after, length, stored }).toEqual({ after: 0, length: 20, stored: true })
  expect(readdirSync(root)).not.toContain('events.lock')
})

test('a file that is kept keeps its sequence, and so the lock', () => {
  const keeping = fileURLToPath(new URL('fixtures/keeping-a-file.mjs', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', keeping, folder()], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual(['PSTREAM_LOCKED', 'PSTREAM_LOCKED'])
})
