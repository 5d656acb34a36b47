// The steps of a release, with an npm that notes what it is asked for in place of the real one.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const { version, name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function release(args: string[], env: Record<string, string> = {}) {
  const script = join(root, 'scripts', 'release.mjs')
  const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], options)
  return { status, stdout, stderr }
}

test('the tag has to be the version of everything', () => {
  for (const tag of ['v9.9.9', 'v9.9.9-rc.1']) {
    const { status, stderr } = release(['check', tag])
    expect(status).toBe(1)
    for (const path of ['package.json', 'Cargo.toml', 'ts/native.ts', 'npm/darwin-arm64/package.json'])
      expect(stderr).toContain(`${path} is of version ${version}, not ${tag.slice(1)}\n`)
    expect(stderr).toContain(`CHANGELOG.md says nothing of ${tag.slice(1)}\n`)
  }
  expect(release(['check', 'main']).stderr).toBe("'main' is no tag of a release, such as v1.2.3\n")
  expect(release(['check']).status).toBe(1)
  expect(release(['publish']).stderr).toContain('usage')
})

test('the version of the repository is in the changelog; with a date, it can be released', () => {
  const { status, stdout, stderr } = release(['notes', `v${version}`])
  if (/ - unreleased$/m.test(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')))
    expect(stderr).toBe(`CHANGELOG.md has no date for ${version}\n`)
  else expect({ status, stdout: stdout.startsWith('#') || stdout.length > 50 }).toEqual({ status: 0, stdout: true })
})

/** Tarballs of all packages, and an npm that answers as it is told; what it was asked to publish. */
function registry(published: string[] = [], failing = '', without = '') {
  const place = folder()
  const [bin, tarballs, log] = [join(place, 'bin'), join(place, 'tarballs'), join(place, 'log')]
  for (const path of [bin, tarballs, join(place, 'package')]) mkdirSync(path)
  const platforms = ['linux-x64-gnu', 'linux-arm64-gnu', 'linux-x64-musl', 'linux-arm64-musl', 'darwin-x64']
  platforms.push('darwin-arm64', 'win32-x64-msvc', 'win32-arm64-msvc')
  const names = [name, ...platforms.map((platform) => `${name}-${platform}`)]
  for (const own of names.filter((one) => one !== without)) {
    writeFileSync(join(place, 'package', 'package.json'), JSON.stringify({ name: own, version }))
    const file = join(tarballs, `${own}-${version}.tgz`)
    expect(spawnSync('tar', ['-czf', file, '-C', place, 'package']).status).toBe(0)
  }
  writeFileSync(
    join(bin, 'npm'),
    `#!/bin/sh
    if [ "$1" = view ]; then
      case " ${published.map((own) => `${own}@${version}`).join(' ')} " in *" $2 "*) echo ${version}; exit 0 ;; esac
      echo "npm error code E404" >&2; exit 1
    fi
    case "$2" in *"/${failing || 'none'}-${version}.tgz") echo "npm error code E403" >&2; exit 1 ;; esac
    echo "$@" >> "${log}"\n`,
  )
  chmodSync(join(bin, 'npm'), 0o755)
  writeFileSync(log, '')
  const run = () => release(['publish', tarballs], { PATH: `${bin}${delimiter}${process.env.PATH}` })
  const asked = () => readFileSync(log, 'utf8').trim().split('\n')
  const order = () => asked().map((line) => /\/(pstream[\w-]*?)-\d+\.\d+\.\d+[^/]*\.tgz/.exec(line)?.[1])
  return { run, asked, order, names }
}

const unix = process.platform !== 'win32'
if (!unix) console.log('skipped: the npm in place of the real one is a shell script')

test.runIf(unix)('platforms first, the package last, each with provenance', () => {
  const { run, asked, order, names } = registry()
  expect(run()).toMatchObject({ status: 0, stderr: '' })
  expect(order()).toEqual([...names.slice(1), name])
  for (const line of asked()) expect(line).toMatch(/^publish .*\.tgz --provenance --access public --tag latest$/)
})

test.runIf(unix)('what is published already is left as it is', () => {
  const { run, order, names } = registry([`${name}-linux-x64-gnu`, `${name}-darwin-x64`])
  const { status, stdout } = run()
  expect(status).toBe(0)
  expect(stdout).toContain(`${name}-darwin-x64 ${version}: published already\n`)
  expect(order()).toEqual(
    names
      .slice(1)
      .filter((one) => !/linux-x64-gnu|darwin-x64/.test(one))
      .concat(name),
  )
})

test.runIf(unix)('a failure ends it before the package itself', () => {
  const { run, order } = registry([], `${name}-darwin-arm64`)
  const { status, stderr } = run()
  expect({ status, stderr }).toEqual({ status: 1, stderr: `npm publish ${name}-darwin-arm64: npm error code E403\n` })
  expect(order()).not.toContain(name)
})

test.runIf(unix)('a platform that is missing: nothing is published', () => {
  const { run, order } = registry([], '', `${name}-linux-x64-musl`)
  expect(run().stderr).toContain(`not there: ${name}-linux-x64-musl\n`)
  expect(order()).toEqual([undefined])
})
