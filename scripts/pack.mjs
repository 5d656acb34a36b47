#!/usr/bin/env node
// Makes the tarballs of the package and of each platform whose binary is there, and shows their sizes:
//
//   node scripts/pack.mjs [--binaries <folder>] [--out <folder>] [--all] [--unchecked] [--sizes]
//
//   --binaries <folder>  where the binaries are (default: target/binaries, where build-all puts them)
//   --out <folder>       where the tarballs go (default: target/tarballs); those of before are removed
//   --all                fail unless the binaries of all platforms are there: for releases
//   --unchecked          do not look at the binaries: for what `npm run build` made, which is for this machine alone
//   --sizes              write docs/sizes.md; with --all
//
// It packs copies, so that the checkout stays as it is.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, posix, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { check, inspect } from './binaries/inspect.mjs'
import { binaries, root, tarballs } from './binaries/places.mjs'
import { sizesPage } from './binaries/sizes.mjs'
import { table } from './binaries/table.mjs'
import { targets } from './binaries/targets.mjs'

const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT']
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`)

/**
 * The package as it is published: with its binaries among its dependencies, which the checkout's own manifest must not
 * name (they are not in the registry before they are published, and no lockfile could hold their checksums), and without
 * what only the repository needs.
 */
function published({ scripts: _scripts, devDependencies: _tools, allowScripts: _theirs, napi: _targets, ...manifest }) {
  return { ...manifest, optionalDependencies: Object.fromEntries(targets.map(({ name }) => [name, manifest.version])) }
}

/** The text of a page whose links to files that are not in the package lead to the repository, at this version. */
function withLinks(page, { version, files, repository }) {
  const home = repository.url.replace(/^git\+|\.git$/g, '')
  const isThere = (path) => files.some((file) => path === file || path.startsWith(`${file}/`))
  const text = readFileSync(join(root, page), 'utf8')
  return text.replace(/(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)/g, (whole, image, label, link) => {
    const path = posix.join(posix.dirname(page), link)
    if (!image && isThere(path.replace(/#.*/, ''))) return whole
    const kind = image ? 'raw' : path.endsWith('/') ? 'tree' : 'blob'
    return `${image}[${label}](${home}/${kind}/v${version}/${path})`
  })
}

function stageRoot(folder, manifest) {
  mkdirSync(folder)
  const wanted = manifest.files.map((file) => file.replace(/\/\*.*$/, ''))
  for (const file of new Set(wanted))
    if (existsSync(join(root, file))) cpSync(join(root, file), join(folder, file), { recursive: true })
  writeJson(join(folder, 'package.json'), published(manifest))
  for (const page of ['README.md', ...wanted.filter((file) => file.endsWith('.md') && existsSync(join(root, file)))])
    writeFileSync(join(folder, page), withLinks(page, manifest))
}

function stagePlatform(folder, { platform, name, file }, version, from) {
  cpSync(join(root, 'npm', platform), folder, { recursive: true })
  const manifest = readJson(join(folder, 'package.json'))
  if (manifest.name !== name || manifest.version !== version)
    throw new Error(`npm/${platform} is ${manifest.name} ${manifest.version}, not ${name} ${version}: npx napi version`)
  cpSync(join(from, file), join(folder, file))
  chmodSync(join(folder, file), 0o644)
  for (const licence of LICENCES) cpSync(join(root, licence), join(folder, licence))
}

/** Packs the folder; what npm says of the tarball. */
function npmPack(folder, out, required) {
  // Relative to where it runs: no path has to be quoted for a shell.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', relative(folder, out)]
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm pack: ${stderr || stdout}`)
  const said = JSON.parse(stdout)
  const [packed] = Array.isArray(said) ? said : Object.values(said)
  const missing = required.find((file) => !packed.files.some(({ path }) => path === file))
  if (missing !== undefined) throw new Error(`${packed.name} is without ${missing}`)
  return packed
}

/** Those whose binary is there, and those whose is not; throws at a binary that is not what it should be. */
function survey(from, unchecked) {
  const there = targets.filter(({ file }) => existsSync(join(from, file)))
  for (const target of unchecked ? [] : there) {
    const wrong = check(target, inspect(join(from, target.file)))
    if (wrong.length > 0) throw new Error(`${target.file}: ${wrong.join('; ')}`)
  }
  return { there, missing: targets.filter((target) => !there.includes(target)) }
}

/** Packs what is there: what npm says of each tarball. */
function pack(there, from, out) {
  const manifest = readJson(join(root, 'package.json'))
  if (!existsSync(join(root, 'dist', 'index.js'))) throw new Error('dist/ is not there: npm run build')
  mkdirSync(out, { recursive: true })
  for (const name of readdirSync(out)) if (/^pstream-.*\.tgz$/.test(name)) rmSync(join(out, name))
  const stage = mkdtempSync(join(out, '.stage-'))
  try {
    stageRoot(join(stage, manifest.name), manifest)
    const packed = [npmPack(join(stage, manifest.name), out, ['README.md', 'dist/index.js', ...LICENCES])]
    for (const target of there) {
      stagePlatform(join(stage, target.name), target, manifest.version, from)
      packed.push(npmPack(join(stage, target.name), out, ['README.md', target.file, ...LICENCES]))
    }
    return packed
  } finally {
    rmSync(stage, { recursive: true })
  }
}

function main() {
  const { values } = parseArgs({
    options: {
      binaries: { type: 'string', default: binaries },
      out: { type: 'string', default: tarballs },
      all: { type: 'boolean', default: false },
      unchecked: { type: 'boolean', default: false },
      sizes: { type: 'boolean', default: false },
    },
  })
  if (values.sizes && !values.all) throw new Error('--sizes goes with --all: the page shows all packages')
  const [from, out] = [resolve(values.binaries), resolve(values.out)]
  const { there, missing } = survey(from, values.unchecked)
  if (values.all && missing.length > 0) throw new Error(`no binary of ${missing.map((one) => one.platform).join(', ')}`)
  const packed = pack(there, from, out)
  const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`
  const rows = packed.map(({ filename, size, unpackedSize, entryCount }) => ({
    tarball: filename,
    packed: kib(size),
    unpacked: kib(unpackedSize),
    files: entryCount,
  }))
  process.stdout.write(
    `${table(rows, ['tarball', 'packed', 'unpacked', 'files'])}\n\nin ${relative('.', out) || '.'}\n`,
  )
  for (const { platform } of missing) process.stdout.write(`not packed: ${platform}, no binary of it is there\n`)
  if (missing.length > 0) process.stdout.write('npm run build:all makes binaries, as far as this machine can\n')
  if (values.sizes) writeFileSync(join(root, 'docs', 'sizes.md'), sizesPage(packed))
}

try {
  main()
} catch (error) {
  process.stderr.write(`pack: ${error.message}\n`)
  process.exitCode = 1
}
