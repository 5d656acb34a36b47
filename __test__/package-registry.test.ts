// As it is installed by most: `npm install pstream` from a registry that has all packages, here one of our own. npm takes
// the binary that fits, or another one if it is told to; without optional dependencies the package says what is missing.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createPackageFromTarballData } from '@arethetypeswrong/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { type Packed, packed, repository } from './support/packed.js'
import { node, platformPackage } from './support/projects.js'

const run = promisify(execFile)
const WINDOWS = process.platform === 'win32'

let made: Packed
let server: Server
let asked: string[] = []

/** What a registry says of the only version of a package. */
function document(manifest: { name: string; version: string }, tarball: Buffer, home: string) {
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
  const dist = { tarball: `${home}/${manifest.name}.tgz`, integrity }
  const versions = { [manifest.version]: { ...manifest, dist } }
  return { name: manifest.name, 'dist-tags': { latest: manifest.version }, versions }
}

beforeAll(async () => {
  made = packed()
  const [root, platform] = made.tarballs.map((path) => readFileSync(path))
  const others = readdirSync(join(repository, 'npm')).filter((name) => name !== 'README.md')
  server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1).replace(/\.tgz$/, '')
    asked.push(request.url ?? '')
    // What is in the tarball of another platform is of no concern: that of this one will do.
    const tarball = name === 'pstream' ? root : platform
    if (tarball === undefined || ![...others.map((other) => `pstream-${other}`), 'pstream'].includes(name))
      return response.writeHead(404).end()
    if (request.url?.endsWith('.tgz')) return response.end(tarball)
    const manifest =
      name === 'pstream'
        ? JSON.parse(createPackageFromTarballData(tarball).readFile('/node_modules/pstream/package.json'))
        : JSON.parse(readFileSync(join(repository, 'npm', name.slice(8), 'package.json'), 'utf8'))
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify(document(manifest, tarball, `http://${request.headers.host}`)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterAll(() => {
  server.close()
  made?.remove()
})

/** Which of our packages are there after an install from the registry, and where. */
async function install(...more: string[]) {
  const root = folder()
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'empty', private: true }))
  const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-online', '--fetch-retries=0']
  mkdirSync(join(root, '.cache'))
  asked = []
  await run('npm', ['install', 'pstream', `--registry=${registry}`, ...quiet, '--cache', '.cache', ...more], {
    cwd: root,
    shell: WINDOWS,
  })
  const modules = readdirSync(join(root, 'node_modules')).filter((name) => !name.startsWith('.'))
  return { root, modules }
}

const use = `import { PersistentStream } from 'pstream'
  const stream = await PersistentStream.open('data').catch(({ message }) => console.log(message))
  console.log(await stream?.append('durable'))
  await stream?.close()`

test('npm takes the binary that fits, and no other is fetched', { timeout: 120_000 }, async () => {
  const { root, modules } = await install()
  expect(modules).toEqual(['pstream', platformPackage])
  expect(asked.filter((url) => url.endsWith('.tgz')).sort()).toEqual([`/${platformPackage}.tgz`, '/pstream.tgz'])
  expect(existsSync(join(root, 'package-lock.json'))).toBe(true)
  const { optionalDependencies } = JSON.parse(
    readFileSync(join(root, 'node_modules', 'pstream', 'package.json'), 'utf8'),
  )
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  // So that the lockfile is of use on every platform.
  for (const name of Object.keys(optionalDependencies)) expect(packages).toHaveProperty([`node_modules/${name}`])
  expect(node(root, ['--input-type=module', '-e', use])).toMatchObject({ stdout: '0\n', stderr: '' })
})

test('for another platform, as when an application is packed for it', { timeout: 120_000 }, async () => {
  const { modules } = await install('--os=linux', '--cpu=arm64', '--libc=musl')
  expect(modules).toEqual(['pstream', 'pstream-linux-arm64-musl'])
})

test('without optional dependencies: what is missing is named', { timeout: 120_000 }, async () => {
  const { root, modules } = await install('--omit=optional')
  expect(modules).toEqual(['pstream'])
  expect(node(root, ['--input-type=module', '-e', use]).stdout).toContain(`install the package ${platformPackage} (is`)
})
