// The package loads as an ES module and by require(), makes nothing global, and says what is wrong when its binary is
// missing or broken.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { binaries, packageFolder } from './support/installed.js'
import { node, project } from './support/projects.js'

const use = `.create('data', { blockCount: 1, blockShift: 12 }).then((file) => file.close()).then(() => console.log('done'))`
const report = `.catch((error) => console.log(JSON.stringify({ ...error, name: error.name, message: error.message })))`

test('by import and by require', () => {
  const root = project({ binary: true })
  writeFileSync(join(root, 'esm.mjs'), `import { BlockFile } from 'pstream'\nawait BlockFile${use}`)
  writeFileSync(join(root, 'cjs.cjs'), `const { BlockFile } = require('pstream')\nBlockFile${use}`)
  expect(node(root, ['esm.mjs'])).toMatchObject({ stdout: 'done\n', stderr: '' })
  rmSync(join(root, 'data'))
  expect(node(root, ['--no-warnings', 'cjs.cjs'])).toMatchObject({ stdout: 'done\n', stderr: '' })
})

test('importing it has no effect: nothing global, nothing that keeps the process alive', () => {
  const root = project({ binary: true })
  const script = `
    const before = Reflect.ownKeys(globalThis).length
    const { default: none, ...names } = await import('pstream')
    console.log(Reflect.ownKeys(globalThis).length - before, none, Object.keys(names).length > 15)`
  expect(node(root, ['--input-type=module', '-e', script])).toMatchObject({ stdout: '0 undefined true\n', stderr: '' })
})

test('without its binary it can be imported, and the first call says what is missing', () => {
  const root = project({ binary: false })
  const script = `import { BlockFile } from 'pstream'\nawait BlockFile${use}${report}`
  const { stdout } = node(root, ['--input-type=module', '-e', script])
  const error = JSON.parse(stdout)
  expect(error).toMatchObject({ name: 'NativeMissingError', code: 'PSTREAM_NATIVE_MISSING' })
  expect(error.message).toContain(`${process.platform}-${process.arch}`)
  expect(error.message).toMatch(/install the package pstream-\w+-\w+/)
})

test('a broken binary is told from a missing one', () => {
  const root = project({ binary: true })
  const copies = join(root, 'node_modules', 'pstream', 'dist')
  for (const path of binaries()) writeFileSync(join(copies, basename(path)), 'not a binary')
  const script = `import { FileSequence } from 'pstream'
    await FileSequence.inspect('.', 'events')${report}`
  const error = JSON.parse(node(root, ['--input-type=module', '-e', script]).stdout)
  expect(error).toMatchObject({ name: 'NativeMissingError', code: 'PSTREAM_NATIVE_MISSING' })
  expect(error.message).toContain('could not be loaded')
})

test('a binary in another place', () => {
  const root = project({ binary: false })
  const [binary] = binaries()
  const script = `import { BlockFile } from 'pstream'\nawait BlockFile${use}`
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: binary ?? '' }
  expect(node(root, ['--input-type=module', '-e', script], env)).toMatchObject({ stdout: 'done\n', stderr: '' })
})

test('a binary of another version is not taken', () => {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'))
  const root = project({ binary: true })
  const native = join(root, 'node_modules', 'pstream', 'dist', 'native.js')
  writeFileSync(native, readFileSync(native, 'utf8').replace(`'${version}'`, `'9.9.9'`))
  const script = `import { FileSequence } from 'pstream'
    await FileSequence.inspect('.', 'events')${report}`
  const error = JSON.parse(node(root, ['--input-type=module', '-e', script]).stdout)
  expect(error).toMatchObject({ name: 'NativeMissingError', code: 'PSTREAM_NATIVE_MISSING' })
  expect(error.message).toContain(`it is of version ${version}, not 9.9.9`)
})
