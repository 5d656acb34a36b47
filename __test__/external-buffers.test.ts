// Electron forbids external array buffers. Ours creates none: it is not linked against the functions, and with a library
// preloaded that counts or refuses them, all works and nobody has asked. `npm run test:electron` does the same with the
// whole suite.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { binaries } from './support/installed.js'

const script = fileURLToPath(new URL('../scripts/test-electron.mjs', import.meta.url))

test('no binary names the functions', () => {
  expect(binaries().length).toBeGreaterThan(0)
  for (const path of binaries()) {
    const binary = readFileSync(path)
    expect(binary.includes('napi_create_reference'), path).toBe(true)
    expect(binary.includes('napi_create_external'), path).toBe(false)
  }
})

test('everything works where they are refused, and nobody asks', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--short'], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  if (stdout.startsWith('skipped: ')) return console.log(stdout.trim())
  const line = (mode: string) =>
    `done\n${mode}: 1 processes of Node.js watched, 0 external array buffers asked for by pstream, 0 by others; passed\n`
  expect(stdout).toBe(line('count') + line('refuse'))
})
