// Electron forbids external array buffers. Ours creates none: it is not linked against the functions, and with a preload
// that refuses them to whoever looks them up, all works and nobody has asked.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { binaries } from './support/installed.js'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const compiles = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0
if (!compiles) console.log('skipped: there is no C compiler, or the platform has no preload')

test('no binary names the functions', () => {
  expect(binaries().length).toBeGreaterThan(0)
  for (const path of binaries()) {
    const binary = readFileSync(path)
    expect(binary.includes('napi_create_reference'), path).toBe(true)
    expect(binary.includes('napi_create_external'), path).toBe(false)
  }
})

function compile(...args: string[]): void {
  expect(spawnSync('cc', ['-Wall', '-Wno-nonnull', ...args], { encoding: 'utf8' })).toMatchObject({
    stderr: '',
    status: 0,
  })
}

test.runIf(compiles)('everything works where they are refused', () => {
  const root = folder()
  const [library, probe] = [join(root, 'preload.so'), join(root, 'probe')]
  compile('-shared', '-fPIC', '-o', library, fixture('no-external-buffers.c'), '-ldl')
  compile('-o', probe, fixture('external-probe.c'), '-ldl')
  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, LD_PRELOAD: library } })
  // The preload does refuse, and tells.
  expect(run(probe)).toMatchObject({ status: 22, stderr: 'external\n' })
  expect(run(process.execPath, fixture('all-calls.mjs'), root)).toMatchObject({
    status: 0,
    stdout: 'done\n',
    stderr: '',
  })
})
