// Programs that a bundler has put into one file: with pstream left outside, and with it inside, as an ES module and as
// CommonJS.

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build, type Format } from 'esbuild'
import { expect, test } from 'vitest'
import { binaries } from './support/installed.js'
import { addPlatformPackage, node, project } from './support/projects.js'

const program = `import { PersistentStream } from 'pstream'
PersistentStream.open('./data', { name: 'log' }).then(async (stream) => {
  console.log(await stream.append('durable'))
  await stream.close()
}, (error) => console.log(error.code, error.message))`

/** A project with the program as one file. */
async function bundle(format: Format, external: string[]) {
  const root = project({ binary: true })
  writeFileSync(join(root, 'main.mjs'), program)
  const outfile = join(root, 'out', format === 'esm' ? 'main.mjs' : 'main.cjs')
  const options = { bundle: true, platform: 'node', format, external, outfile, logLevel: 'error' } as const
  await build({ ...options, absWorkingDir: root, entryPoints: ['main.mjs'] })
  return { root, file: join('out', basename(outfile)) }
}

const formats: Format[] = ['esm', 'cjs']

test.each(formats)('with the package outside, %s', async (format) => {
  const { root, file } = await bundle(format, ['pstream'])
  expect(node(root, ['--no-warnings', file])).toMatchObject({ stdout: '0\n', stderr: '' })
})

test.each(formats)('with the package inside and the binary beside it, %s', async (format) => {
  const { root, file } = await bundle(format, [])
  rmSync(join(root, 'node_modules'), { recursive: true })
  expect(node(root, [file]).stdout).toMatch(/^PSTREAM_NATIVE_MISSING .* install the package pstream-/)
  for (const binary of binaries()) cpSync(binary, join(root, 'out', basename(binary)))
  expect(node(root, [file])).toMatchObject({ stdout: '0\n', stderr: '' })
})

test.each(formats)('with the package inside and the platform package installed, %s', async (format) => {
  const { root, file } = await bundle(format, [])
  rmSync(join(root, 'node_modules'), { recursive: true })
  addPlatformPackage(root, readFileSync(binaries()[0] ?? ''))
  expect(node(root, [file])).toMatchObject({ stdout: '0\n', stderr: '' })
})
