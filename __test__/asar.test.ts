// An app that is packed into an archive, as Electron's packagers do it: the JavaScript in app.asar, the binary beside it in
// app.asar.unpacked. The archive is a real one; Electron's part, which redirects what is loaded, is emulated.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createPackageWithOptions, listPackage, statFile } from '@electron/asar'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const repository = fileURLToPath(new URL('..', import.meta.url))
const preload = new URL('fixtures/electron-asar.mjs', import.meta.url).href
const binary = readdirSync(join(repository, 'dist')).find((name) => name.endsWith('.node')) ?? ''
/** As an installation has it: the binary is a package of its own. */
const platformPackage = binary.replace(/^pstream\.(.*)\.node$/, 'pstream-$1')

const MAIN = `
  import { PersistentStream } from 'pstream'
  process.on('loaded', (file) => console.log(file))
  const stream = await PersistentStream.open(process.argv[2], { encoding: 'utf8' })
  await stream.append('from the archive')
  for await (const { data } of stream.read()) console.log(data)
  await stream.close()`

/** Packs an app that uses the package; returns where app.asar is. */
async function packed(options: { unpack?: string }, { withBinary = true } = {}): Promise<string> {
  const root = folder()
  const app = join(root, 'app')
  const modules = join(app, 'node_modules')
  mkdirSync(join(modules, 'pstream'), { recursive: true })
  cpSync(join(repository, 'package.json'), join(modules, 'pstream', 'package.json'))
  const isScript = (path: string) => !/\.node$|snippets/.test(path)
  cpSync(join(repository, 'dist'), join(modules, 'pstream', 'dist'), { recursive: true, filter: isScript })
  if (withBinary) {
    mkdirSync(join(modules, platformPackage))
    cpSync(join(repository, 'dist', binary), join(modules, platformPackage, binary))
    const manifest = { name: platformPackage, version: '0.1.0', main: binary }
    writeFileSync(join(modules, platformPackage, 'package.json'), JSON.stringify(manifest))
  }
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', type: 'module', main: 'main.mjs' }))
  writeFileSync(join(app, 'main.mjs'), MAIN)
  const archive = join(root, 'app.asar')
  await createPackageWithOptions(app, archive, options)
  // Nothing but the archive is left to be found.
  rmSync(app, { recursive: true })
  return archive
}

/** Runs the app, with its data outside of the archive. */
function run(archive: string) {
  const args = ['--no-warnings', '--import', preload, join(archive, 'main.mjs'), folder()]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, lines: stdout.trim().split('\n'), stderr }
}

const posix = process.platform !== 'win32'
if (!posix) console.log('skipped: the emulation of Electron knows no paths of Windows')
const binaryPath = `node_modules/${platformPackage}/${binary}`

test('the archive has the JavaScript, and the binary lies beside it', async () => {
  const archive = await packed({ unpack: '*.node' })
  const list = listPackage(archive, { isPack: false })
  expect(list).toContain('/node_modules/pstream/dist/index.js')
  expect(list).toContain(`/${binaryPath}`)
  expect(statFile(archive, 'node_modules/pstream/dist/index.js')).not.toHaveProperty('unpacked')
  expect(statFile(archive, binaryPath)).toMatchObject({ unpacked: true })
  const beside = readdirSync(`${archive}.unpacked`, { recursive: true, withFileTypes: true })
  expect(beside.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual([binary])
  const inPlace = readFileSync(join(`${archive}.unpacked`, binaryPath))
  expect(inPlace.equals(readFileSync(join(repository, 'dist', binary)))).toBe(true)
})

test.runIf(posix)('an app runs from the archive, with the binary beside it', async () => {
  const archive = await packed({ unpack: '*.node' })
  const loaded = pathToFileURL(join(`${archive}.unpacked`, binaryPath)).href
  expect(run(archive)).toEqual({ status: 0, lines: [loaded, 'from the archive'], stderr: '' })
})

test.runIf(posix)('a binary that was packed is loaded from a copy', async () => {
  const archive = await packed({})
  const { status, lines, stderr } = run(archive)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(lines).toEqual([expect.stringMatching(/electron-asar-\w+\/copy\.node$/), 'from the archive'])
})

test.runIf(posix)('an archive without the binary says which package is missing', async () => {
  const archive = await packed({ unpack: '*.node' }, { withBinary: false })
  const { status, stderr } = run(archive)
  expect(status).toBe(1)
  expect(stderr).toContain('PSTREAM_NATIVE_MISSING')
  expect(stderr).toContain(`install the package ${platformPackage}`)
})
