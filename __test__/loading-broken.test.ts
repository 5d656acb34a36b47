// What a binary can be other than right: each is an error that names it, what is wrong, and what helps; none ends the
// process.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { binaries, packageFolder } from './support/installed.js'
import { addPlatformPackage, node, platformPackage, project } from './support/projects.js'

const platform = platformPackage.replace('pstream-', '')
let good: Buffer

beforeAll(() => {
  good = readFileSync(binaries()[0] ?? '')
})

interface Failure {
  name: string
  code: string
  message: string
}

/** What the first call fails with, in a project of its own whose platform package is this file. */
function failure({ bytes, before = '', env = {} }: { bytes?: Uint8Array; before?: string; env?: NodeJS.ProcessEnv }) {
  const root = project({ binary: false })
  if (bytes !== undefined) addPlatformPackage(root, bytes)
  const script = `import { PersistentStream } from 'pstream'
    ${before}
    await PersistentStream.open('data').then(
      (stream) => stream.close(),
      ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })))`
  const { stdout, signal, stderr, status } = node(root, ['--input-type=module', '-e', script], env)
  expect({ signal, stderr, status }).toEqual({ signal: null, stderr: '', status: 0 })
  if (stdout === '') return undefined
  const error = JSON.parse(stdout) as Failure
  expect(error).toMatchObject({ name: 'NativeMissingError', code: 'PSTREAM_NATIVE_MISSING' })
  return error.message
}

test('the whole one, from a package of its own, is taken', () => {
  expect(failure({ bytes: good })).toBeUndefined()
})

// Elsewhere the system looks, at what it needs: the end of a file may be nothing that it does.
const cuts = [0, 1, 64, 4096, 0.1, 0.5, ...(process.platform === 'linux' ? [0.9, 0.99999] : [])]

test.each(cuts)('cut off at %d (of its bytes, or of its length)', (at) => {
  const message = failure({ bytes: good.subarray(0, at > 0 && at < 1 ? Math.floor(good.length * at) : at) })
  expect(message).toContain(`the native binary of pstream for ${platform} could not be loaded`)
  expect(message).toContain(`pstream-${platform}`)
  if (process.platform === 'linux') expect(message).toMatch(/it is (cut off|no binary for Linux).*install it anew/)
})

test('of a file system that has lost its content: zeros', () => {
  expect(failure({ bytes: new Uint8Array(good.length) })).toContain('could not be loaded')
})

test('for another processor', () => {
  const foreign = Buffer.from(good)
  const other =
    process.arch === 'arm64' ? { linux: 62, darwin: 7, win32: 0x8664 } : { linux: 183, darwin: 12, win32: 0xaa64 }
  const at = { linux: 18, darwin: 4, win32: foreign.readUInt32LE(60) + 4 }
  const system = process.platform as keyof typeof at
  foreign.writeUInt16LE(other[system], at[system])
  const message = failure({ bytes: foreign })
  expect(message).toContain('could not be loaded')
  if (system === 'linux') expect(message).toContain(`it is for another processor than ${process.arch}`)
})

if (process.platform !== 'linux')
  console.log('skipped: heads of binaries for other systems than Linux have another layout')

test.skipIf(process.platform === 'win32')('with a head that tells nonsense', () => {
  for (const at of [32, 40]) {
    const mad = Buffer.from(good)
    mad.fill(0xff, at, at + 8)
    expect(failure({ bytes: mad })).toContain('could not be loaded')
  }
})

test.skipIf(process.platform !== 'linux')('of another system', () => {
  const message = failure({ bytes: Buffer.concat([Buffer.from('MZ'), Buffer.alloc(4096)]) })
  expect(message).toContain('it is no binary for Linux')
})

test('of another version, from a package of its own', () => {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'))
  const root = project({ binary: false })
  addPlatformPackage(root, good)
  const native = join(root, 'node_modules', 'pstream', 'dist', 'native.js')
  writeFileSync(native, readFileSync(native, 'utf8').replace(`'${version}'`, `'9.9.9'`))
  const script = `const { PersistentStream } = require('pstream')
    PersistentStream.open('data').catch(({ message }) => console.log(message))`
  const { stdout } = node(root, ['--no-warnings', '-e', script])
  expect(stdout).toContain(`could not be loaded`)
  expect(stdout).toContain(`it is of version ${version}, not 9.9.9; install both anew`)
})

test('a variable that points nowhere, or at something else', () => {
  const nowhere = failure({ bytes: good, env: { NAPI_RS_NATIVE_LIBRARY_PATH: './nowhere.node' } })
  expect(nowhere).toContain('was not found')
  expect(nowhere).toContain('nowhere.node')
  expect(nowhere).toContain('NAPI_RS_NATIVE_LIBRARY_PATH is set, and there is no such file')

  const other = failure({ bytes: good, env: { NAPI_RS_NATIVE_LIBRARY_PATH: join(packageFolder, 'package.json') } })
  expect(other).toContain('it is not the binary of pstream')
})

const pretend = (name: string, value: unknown) =>
  `Object.defineProperty(process, '${name}', { value: ${JSON.stringify(value)} })`

test('a platform that there is no binary for', () => {
  const message = failure({ before: pretend('arch', 'riscv64') })
  expect(message).toContain(`${process.platform}-riscv64`)
  expect(message).toContain('was not found')
  expect(message).toContain('there is none for this platform; supported are linux-x64-gnu linux-arm64-gnu')
})

test('a Node.js that is too old: package managers leave out what is not for it', () => {
  const old = { ...process.versions, node: '18.20.8' }
  expect(failure({ before: pretend('versions', old) })).toContain(
    'Node.js 18.20.8 is too old, 20.19 or later is needed; install pstream with that',
  )
  expect(failure({ bytes: good, before: pretend('versions', old) })).toBeUndefined()
})

test('what is missing, and how to get it', () => {
  const message = failure({})
  expect(message).toContain(`for ${platform} was not found`)
  expect(message).toContain(`install the package pstream-${platform}`)
})
