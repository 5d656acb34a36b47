#!/usr/bin/env node
// The steps of a release that are more than one command. The workflow `release` runs them, and so can anybody:
//
//   node scripts/release.mjs check v1.2.3      the tag, every manifest, the binding and the changelog name one version
//   node scripts/release.mjs notes v1.2.3      the changelog's part of that version
//   node scripts/release.mjs publish <folder>  publishes the tarballs there: the platforms first, the package itself last,
//                                              so that nobody can install it without its binary; what is published
//                                              already is left as it is

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './binaries/places.mjs'
import { targets } from './binaries/targets.mjs'

const text = (path) => readFileSync(join(root, path), 'utf8')
const MAIN = JSON.parse(text('package.json')).name

/** What says a version, and which. */
function versions() {
  const manifests = ['package.json', ...targets.map(({ platform }) => `npm/${platform}/package.json`)]
  return {
    ...Object.fromEntries(manifests.map((path) => [path, JSON.parse(text(path)).version])),
    'Cargo.toml': /^\[workspace\.package\]\nversion = "([^"]+)"/m.exec(text('Cargo.toml'))?.[1],
    'ts/native.ts': /VERSION = '([^']+)'/.exec(text('ts/native.ts'))?.[1],
  }
}

const versionOf = (tag = '') => /^v(\d+\.\d+\.\d+(?:-[\w.]+)?)$/.exec(tag)?.[1]

/** The changelog's part of a version: its date, and what is below. */
function partOf(version) {
  const [, ...parts] = text('CHANGELOG.md').split(/^## /m)
  const part = parts.find((one) => one.startsWith(`[${version}]`))
  if (part === undefined) return undefined
  const [title, ...lines] = part.split('\n')
  return { date: / - (\d{4}-\d{2}-\d{2})$/.exec(title)?.[1], notes: lines.join('\n').trim() }
}

function check(tag) {
  const version = versionOf(tag)
  if (version === undefined) return [`'${tag}' is no tag of a release, such as v1.2.3`]
  const wrong = Object.entries(versions())
    .filter(([, own]) => own !== version)
    .map(([path, own]) => `${path} is of version ${own}, not ${version}`)
  const part = partOf(version)
  if (!part?.notes) wrong.push(`CHANGELOG.md says nothing of ${version}`)
  else if (part.date === undefined) wrong.push(`CHANGELOG.md has no date for ${version}`)
  return wrong
}

/** Runs npm; its output, and whether that is an answer. */
function npm(...args) {
  const { status, stdout, stderr } = spawnSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' })
  return { ok: status === 0, stdout, stderr }
}

/** Whether the registry has it. An answer that is none ends the release: it can be made to go on. */
function isPublished(name, version) {
  const { ok, stdout, stderr } = npm('view', `${name}@${version}`, 'version')
  // Of a version that is not there, of a package that is, npm says nothing.
  if (ok) return stdout.trim() !== ''
  if (/\bE404\b/.test(stderr)) return false
  throw new Error(`npm view ${name}@${version}: ${stderr.trim()}`)
}

function manifestOf(tarball) {
  const { status, stdout, stderr } = spawnSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${tarball}: ${stderr.trim()}`)
  return JSON.parse(stdout)
}

function publish(folder) {
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  const packages = tarballs.map((name) => ({ path: join(folder, name), ...manifestOf(join(folder, name)) }))
  const wanted = [...targets.map(({ name }) => name), MAIN]
  const missing = wanted.filter((name) => !packages.some((one) => one.name === name))
  if (missing.length > 0 || packages.length !== wanted.length)
    throw new Error(`${folder} must hold the ${wanted.length} packages; not there: ${missing.join(', ') || 'none'}`)
  const [{ version }] = packages
  if (packages.some((one) => one.version !== version)) throw new Error(`${folder} holds more than one version`)
  for (const name of wanted) {
    if (isPublished(name, version)) {
      process.stdout.write(`${name} ${version}: published already\n`)
      continue
    }
    const { path } = packages.find((one) => one.name === name)
    // A version such as 1.0.0-beta.1 must not become what everybody installs.
    const tag = version.includes('-') ? 'next' : 'latest'
    const { ok, stderr } = npm('publish', path, '--provenance', '--access', 'public', '--tag', tag)
    if (!ok) throw new Error(`npm publish ${name}: ${stderr.trim()}`)
    process.stdout.write(`${name} ${version}: published\n`)
  }
}

function main([command, argument]) {
  if (command === 'publish' && argument !== undefined) return publish(argument)
  if (command !== 'check' && command !== 'notes') throw new Error('usage: check <tag> | notes <tag> | publish <folder>')
  const wrong = check(argument)
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  const { notes, date } = partOf(versionOf(argument))
  process.stdout.write(command === 'notes' ? `${notes}\n` : `${argument}, ${date}: all agree\n`)
}

try {
  main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
