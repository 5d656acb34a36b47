#!/usr/bin/env node
// Makes the tarballs of the package and of each platform whose binary is there, and shows their sizes:
//
//   node scripts/pack.mjs [--binaries <folder>] [--out <folder>] [--all] [--sizes]
//
//   --binaries <folder>  where the binaries are (default: target/binaries, where build-all puts them)
//   --out <folder>       where the tarballs go (default: target/tarballs); it is emptied first
//   --all                fail unless the binaries of all platforms are there: for releases
//   --sizes              write docs/sizes.md; with --all
//
// It packs copies, so that the checkout stays as it is. Each binary is looked at before.

import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
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
export function published({ scripts: _scripts, devDependencies: _tools, napi: _targets, ...manifest }) {
  return { ...manifest, optionalDependencies: Object.fromEntries(targets.map(({ name }) => [name, manifest.version])) }
}

/** Links to files that are not in the package lead to the repository, at this version. */
export function withLinks(text, { version, files, repository }) {
  const home = repository.url.replace(/^git\+|\.git$/g, '')
  const isThere = (path) => files.some((file) => path === file || path.startsWith(`${file}/`))
  return text.replace(/(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)/g, (whole, image, label, path) => {
    if (!image && isThere(path.replace(/#.*/, ''))) return whole
    const kind = image ? 'raw' : path.endsWith('/') ? 'tree' : 'blob'
    return `${image}[${label}](${home}/${kind}/v${version}/${path})`
  })
}

function stageRoot(folder, manifest) {
  const wanted = manifest.files.map((file) => file.replace(/\/\*.*$/, ''))
  for (const file of new Set(wanted))
    if (existsSync(join(root, file))) cpSync(join(root, file), join(folder, file), { recursive: true })
  writeJson(join(folder, 'package.json'), published(manifest))
  writeFileSync(join(folder, 'README.md'), withLinks(readFileSync(join(root, 'README.md'), 'utf8'), manifest))
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

/** Packs what is there; resolves to what npm says of each tarball, and the platforms whose binary is missing. */
export function pack({ from = binaries, out = tarballs, stage = join(root, 'target', 'pack'), all = false } = {}) {
  const manifest = readJson(join(root, 'package.json'))
  if (!existsSync(join(root, 'dist', 'index.js'))) throw new Error('dist/ is not there: npm run build')
  const there = targets.filter(({ file }) => existsSync(join(from, file)))
  const missing = targets.filter((target) => !there.includes(target))
  if (all && missing.length > 0) throw new Error(`no binary of ${missing.map(({ platform }) => platform).join(', ')}`)
  for (const target of there) {
    const wrong = check(target, inspect(join(from, target.file)))
    if (wrong.length > 0) throw new Error(`${target.file}: ${wrong.join('; ')}`)
  }
  for (const folder of [stage, out]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
  }
  const staged = join(stage, manifest.name)
  stageRoot(staged, manifest)
  const packed = [npmPack(staged, out, ['README.md', 'dist/index.js', 'dist/index.d.ts', ...LICENCES])]
  for (const target of there) {
    stagePlatform(join(stage, target.name), target, manifest.version, from)
    packed.push(npmPack(join(stage, target.name), out, ['README.md', target.file, ...LICENCES]))
  }
  rmSync(stage, { recursive: true })
  return { packed, missing }
}

function main() {
  const { values } = parseArgs({
    options: {
      binaries: { type: 'string', default: binaries },
      out: { type: 'string', default: tarballs },
      all: { type: 'boolean', default: false },
      sizes: { type: 'boolean', default: false },
    },
  })
  if (values.sizes && !values.all) throw new Error('--sizes goes with --all: the page shows all packages')
  const out = resolve(values.out)
  const { packed, missing } = pack({ from: resolve(values.binaries), out, all: values.all })
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
  if (values.sizes) writeFileSync(join(root, 'docs', 'sizes.md'), sizesPage(packed))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    main()
  } catch (error) {
    process.stderr.write(`pack: ${error.message}\n`)
    process.exitCode = 1
  }
}
