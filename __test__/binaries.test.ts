// What looks at binaries before they are packed finds out what is wrong with them: here with the one of this machine, which
// is for it alone, and copies of it that were spoilt.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { binaries } from './support/installed.js'
import { binaryName, platformPackage } from './support/projects.js'

const script = fileURLToPath(new URL('../scripts/binaries/inspect.mjs', import.meta.url))
const platform = platformPackage.replace('pstream-', '')
const foreign = platform === 'linux-arm64-musl' ? 'darwin-arm64' : 'linux-arm64-musl'

/** What is said of each platform's binary. */
function inspected(files: Record<string, Uint8Array>) {
  const root = folder()
  const home = join(root, 'binaries')
  mkdirSync(home)
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(home, `pstream.${name}.node`), bytes)
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, home], { encoding: 'utf8' })
  expect(stderr).toBe('')
  const lines = stdout.split('\n').map((line) => [line.split(' ')[0] ?? '', line] as const)
  return { said: Object.fromEntries(lines) as Record<string, string | undefined>, status }
}

const own = () => readFileSync(join(binaries().find((path) => path.endsWith(binaryName)) ?? ''))

test('of no binary nothing is said, and nothing is wrong', () => {
  const { said, status } = inspected({})
  expect(status).toBe(0)
  expect(Object.values(said).filter((line) => line?.includes('not there'))).toHaveLength(8)
})

test('this one is what it says, stripped, and an addon that asks for no external buffers', () => {
  const line = inspected({ [platform]: own() }).said[platform]
  expect(line).toContain('KiB')
  for (const wrong of ['it is for', 'not stripped', 'no addon', 'it imports']) expect(line).not.toContain(wrong)
})

test('a path of somebody is found', () => {
  const spoilt = Buffer.concat([own(), Buffer.from('\0/home/somebody/secret\0')])
  const { said, status } = inspected({ [platform]: spoilt })
  expect(said[platform]).toMatch(/WRONG: .*it holds a path of the machine that built it/)
  expect(status).toBe(1)
})

test('one for another platform, what is none, and a part of one', () => {
  const { said, status } = inspected({ [foreign]: own(), [platform]: Buffer.from('text') })
  expect(said[foreign]).toContain(`WRONG: it is for ${process.platform} on ${process.arch}`)
  expect(said[platform]).toContain('WRONG: no binary of any system')
  expect(status).toBe(1)
  expect(inspected({ [platform]: own().subarray(0, 300_000) }).said[platform]).toContain('WRONG: ')
})

test.skipIf(process.platform !== 'linux')(
  'one that asks for external buffers, or for a library that not all have',
  () => {
    const spoil = (from: string, to: string) => {
      const bytes = own()
      const at = bytes.indexOf(`\0${from}\0`, 0, 'latin1')
      expect(at).toBeGreaterThan(0)
      bytes.write(to.padEnd(from.length, '\0'), at + 1, 'latin1')
      return inspected({ [platform]: bytes }).said[platform]
    }
    expect(spoil('napi_create_threadsafe_function', 'napi_create_external_buffer')).toContain(
      'it imports napi_create_external_buffer',
    )
    expect(spoil('libc.so.6', 'libz.so.1')).toContain('it needs libz.so.1')
  },
)
