// The main process of the example app, with a stand-in for Electron that uses it once and quits.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url))
const stub = new URL('fixtures/electron-stub.mjs', import.meta.url).href

function start(STUB_FOLDER: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  const args = ['--no-warnings', '--import', stub, example('electron/main.mjs')]
  const options = { encoding: 'utf8', timeout: 20_000, env: { ...process.env, STUB_FOLDER, ...env } } as const
  return spawnSync(process.execPath, args, options)
}

const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('a window that can do nothing else, a queue that is closed before the end', async () => {
  const root = folder()
  const { status, stdout, stderr } = start(root)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const page = expect.stringMatching(/^file:.*\/window\/index\.html$/)
  expect(lines(stdout)).toEqual([
    [
      'window',
      { preload: example('electron/preload.cjs'), contextIsolation: true, sandbox: true, nodeIntegration: false },
    ],
    ['open', { action: 'deny' }],
    ['page', page],
    ['navigation', 'prevented'],
    ['state', 'idle'],
    ...Array(4).fill(['refused', 'not a note']),
    ['refused', 'not for this page'],
    ['added', 0],
    ['sent', 'a note'],
    ['quit', 'held up'],
    ['quit', 'done'],
  ])
  const stream = await PersistentStream.open(join(root, 'userData', 'notes'), { name: 'notes', lockTimeoutMs: 0 })
  expect(stream.recovery).toMatchObject({ previous: 'closed', records: { nextSeq: 1 } })
  await stream.close()
})

test('a second start of the app leaves the stream alone', () => {
  const { status, stdout } = start(folder(), { STUB_SECOND: '1' })
  expect({ status, lines: lines(stdout) }).toEqual({ status: 0, lines: [['quit', 'done']] })
})

test('a queue that cannot be opened is told to the user, with the code', async () => {
  const root = folder()
  const stream = await PersistentStream.open(join(root, 'userData', 'notes'), { name: 'notes' })
  const { status, stdout } = start(root)
  await stream.close()
  expect(status).toBe(0)
  const [[what, text], ended] = lines(stdout)
  expect(what).toBe('error')
  expect(text).toMatch(/^The queue cannot be opened: .*PSTREAM_LOCKED$/s)
  expect(ended).toEqual(['quit', 'done'])
})

test('the command starts Electron where it is installed, and says how to get it where it is not', () => {
  const root = folder()
  const command = join(root, 'electron.mjs')
  cpSync(example('electron.mjs'), command)
  const run = () => spawnSync(process.execPath, [command, '--some-switch'], { encoding: 'utf8' })
  const missing = run()
  expect(missing.status).toBe(1)
  expect(missing.stderr).toContain('npm install --no-save electron')

  const installed = join(root, 'node_modules', 'electron')
  mkdirSync(installed, { recursive: true })
  writeFileSync(join(installed, 'package.json'), JSON.stringify({ name: 'electron', bin: { electron: 'cli.js' } }))
  writeFileSync(join(installed, 'cli.js'), 'console.log(process.argv.slice(2).join()); process.exit(3)')
  const { status, stdout } = run()
  expect({ status, stdout }).toEqual({ status: 3, stdout: `--some-switch,${join(root, 'electron', 'main.mjs')}\n` })
})
