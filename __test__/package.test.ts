// The package as it is published: what is in the tarballs, what the judges of packages say of them, and that an empty
// folder with only Node.js can install them, without network and scripts, and use them in every way.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { parseTriple } from '@napi-rs/cli'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installed, type Packed, packed, repository } from './support/packed.js'
import { node } from './support/projects.js'

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))

let made: Packed
beforeAll(() => {
  made = packed()
})
afterAll(() => made.remove())

/** Names and contents of the files of a tarball. */
function contents(tarball: string): Map<string, string> {
  const found = createPackageFromTarballData(readFileSync(tarball))
  const home = `/node_modules/${found.packageName}/`
  return new Map(found.listFiles(home).map((path) => [path.slice(home.length), found.readFile(path)]))
}

test('what is in the package', () => {
  const files = contents(made.tarballs[0])
  const names = [...files.keys()].filter((name) => !/^dist\/[\w-]+\.(js|d\.ts)$/.test(name)).sort()
  expect(names.filter((name) => !name.startsWith('examples/tour/') && name !== 'CHANGELOG.md')).toEqual([
    ...['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'dist/binding.d.cts', 'docs/errors.md'],
    ...['examples/tour.mjs', 'package.json'],
  ])
  const { version, napi, ...own } = readJson(repository, 'package.json')
  const manifest = JSON.parse(files.get('package.json') ?? '')
  expect(manifest).toMatchObject({ version, type: 'module', publishConfig: { access: 'public', provenance: true } })
  expect(own).not.toHaveProperty('optionalDependencies')
  for (const key of ['scripts', 'devDependencies', 'dependencies', 'napi']) expect(manifest).not.toHaveProperty(key)
  const platforms = napi.targets.map((triple: string) => `pstream-${parseTriple(triple).platformArchABI}`)
  expect(manifest.optionalDependencies).toEqual(Object.fromEntries(platforms.map((name: string) => [name, version])))
})

test('the README of the package leads to what is there, or to the repository', () => {
  const files = contents(made.tarballs[0])
  const links = [...(files.get('README.md') ?? '').matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
  expect(links.length).toBeGreaterThan(10)
  const local = links.filter((link) => !/^(https:|#)/.test(link)).map((link) => link.replace(/#.*/, ''))
  expect(local.filter((link) => !files.has(link))).toEqual([])
  const { version } = readJson(repository, 'package.json')
  const home = `https://github.com/pstream/pstream/`
  for (const link of links.filter((one) => one.startsWith(home)))
    expect(link).toMatch(new RegExp(`^${home}(blob|tree|raw)/v${version.replaceAll('.', '\\.')}/`))
})

test('the packages of platforms: one for each target, all alike', () => {
  const { version, license, napi, repository: home } = readJson(repository, 'package.json')
  for (const triple of napi.targets) {
    const { platformArchABI, platform, arch, abi } = parseTriple(triple)
    const file = `pstream.${platformArchABI}.node`
    expect(readJson(repository, 'npm', platformArchABI, 'package.json')).toEqual({
      name: `pstream-${platformArchABI}`,
      description: expect.stringMatching(/^The binary of pstream for /),
      ...{ version, license, author: 'The pstream contributors' },
      ...{ homepage: expect.any(String), bugs: expect.any(Object) },
      repository: { ...home, directory: `npm/${platformArchABI}` },
      ...{ type: 'commonjs', main: file },
      files: [file, 'LICENSE-APACHE', 'LICENSE-MIT'],
      ...{ os: [platform], cpu: [arch], ...(platform === 'linux' && { libc: [abi === 'gnu' ? 'glibc' : 'musl'] }) },
      engines: { node: '>=20.19' },
      publishConfig: { access: 'public', provenance: true },
    })
    expect(readFileSync(join(repository, 'ts', 'native.ts'), 'utf8')).toContain(`'${platformArchABI}'`)
  }
  const files = [...contents(made.tarballs[1]).keys()].sort()
  expect(files).toEqual([
    ...['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'],
    expect.stringMatching(/^pstream\..*\.node$/),
  ])
})

test('publint has nothing to say', async () => {
  for (const tarball of made.tarballs) {
    const bytes = readFileSync(tarball)
    const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
    const { messages, pkg } = await publint({ pack: { tarball: copy }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg ?? {}, { color: false }))).toEqual([])
  }
})

// As its own command does with `--profile esm-only`: that a CommonJS module gets at it by `require` of an ES module, and
// that a Node.js before `exports` does not, is known.
test('the types are not wrong', async () => {
  const result = await checkPackage(createPackageFromTarballData(readFileSync(made.tarballs[0])))
  if (result.types === false) throw new Error('there are no types')
  const known = ['node10', 'node16-cjs']
  expect(
    result.problems.filter((problem) => !('resolutionKind' in problem && known.includes(problem.resolutionKind))),
  ).toEqual([])
  const resolved = result.entrypoints['.']?.resolutions
  for (const kind of ['node16-esm', 'bundler'] as const)
    expect(resolved?.[kind].resolution?.fileName).toBe('/node_modules/pstream/dist/index.d.ts')
})

const use = `PersistentStream.open('./data', { name: 'log', encoding: 'utf8' }).then(async (stream) => {
  const from = await stream.append('durable')
  for await (const { seq, data } of stream.read({ from })) console.log(seq, data)
  await stream.close()
})`

const typed = `
async function main(): Promise<void> {
  const stream: PersistentStream<string> = await PersistentStream.open('./data', { name: 'log', encoding: 'utf8' })
  const seq: number = await stream.append('durable')
  for await (const { data } of stream.read({ from: seq })) console.log(data.toUpperCase())
  // @ts-expect-error: text, not a number
  await stream.append(1)
  await stream.close().catch((error: unknown) => { if (error instanceof LockedError) console.log(error.holder?.pid) })
}
void main()
`

test('an empty folder: from ES modules, CommonJS and TypeScript, and the tour', { timeout: 120_000 }, () => {
  const options = { strict: true, noEmit: true, skipLibCheck: false, target: 'ES2022', types: ['node'] }
  const typeRoots = [join(repository, 'node_modules', '@types')]
  const imported = `import { LockedError, PersistentStream } from 'pstream'\n${typed}`
  const config = (module: string, moduleResolution: string, files: string[]) =>
    JSON.stringify({ compilerOptions: { ...options, module, moduleResolution, typeRoots }, files })
  const root = installed(made.tarballs, {
    'esm.mjs': `import { PersistentStream } from 'pstream'\nawait ${use}`,
    'cjs.cjs': `const { PersistentStream } = require('pstream')\n${use}`,
    'esm.mts': imported,
    'cjs.cts': `import pstream = require('pstream')\nimport PersistentStream = pstream.PersistentStream\nimport LockedError = pstream.LockedError\n${typed}`,
    'node16.json': config('node16', 'node16', ['esm.mts']),
    'nodenext.json': config('nodenext', 'nodenext', ['esm.mts', 'cjs.cts']),
    'bundler.json': config('esnext', 'bundler', ['esm.mts']),
  })
  expect(node(root, ['esm.mjs'])).toMatchObject({ stdout: '0 durable\n', stderr: '' })
  expect(node(root, ['--no-warnings', 'cjs.cjs'])).toMatchObject({ stdout: '1 durable\n', stderr: '' })

  const compiler = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
  for (const name of ['node16', 'nodenext', 'bundler'])
    expect(node(root, [compiler, '-p', `${name}.json`]), name).toMatchObject({ stdout: '', status: 0 })

  const tour = node(root, [join('node_modules', 'pstream', 'examples', 'tour.mjs')], { NO_COLOR: '1' })
  expect(tour).toMatchObject({ stderr: '', status: 0 })
  expect(tour.stdout).toContain('everything acknowledged is there')
})

test('without the package of the platform: what is missing is named', () => {
  const root = installed(made.tarballs.slice(0, 1))
  const { stdout } = node(root, [
    '--no-warnings',
    '-e',
    `${`const { PersistentStream } = require('pstream')\n${use}`}.catch((error) => console.log(error.code, error.message))`,
  ])
  const { name } = JSON.parse(contents(made.tarballs[1]).get('package.json') ?? '')
  expect(stdout).toContain('PSTREAM_NATIVE_MISSING')
  expect(stdout).toContain(`install the package ${name}`)
})
