// Empty projects with the packed tarballs installed, and the public test suite beside them.
//
// The tests are what `__test__/` says, without their types: translated once, here, because on most platforms nothing can
// run that would do it there. They import `pstream` and find what was installed, and `vitest`, which is
// `harness/vitest.mjs`.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import ts from 'typescript'

export const root = dirname(dirname(import.meta.dirname))
const harness = join(import.meta.dirname, 'harness')
/** What the harness is made of: packages of plain JavaScript, which vitest itself consists of. */
const PARTS = ['@vitest/runner', '@vitest/expect', 'expect-type']

/** A folder outside of the repository, so that no package can be found there by accident; with what projects share. */
export function workshop() {
  const folder = mkdtempSync(join(tmpdir(), 'pstream-platforms-'))
  const modules = join(folder, 'node_modules')
  for (const name of closure(PARTS)) cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true })
  mkdirSync(join(modules, 'vitest'))
  cpSync(join(harness, 'vitest.mjs'), join(modules, 'vitest', 'index.mjs'))
  const manifest = { name: 'vitest', type: 'module', exports: './index.mjs' }
  writeFileSync(join(modules, 'vitest', 'package.json'), JSON.stringify(manifest))
  cpSync(join(harness, 'run.mjs'), join(folder, 'run.mjs'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) }
}

/** These packages and all that they need, as they lie in the repository's own folder. */
function closure(names) {
  const found = new Set(names)
  for (const name of found) {
    const manifest = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'))
    for (const needed of Object.keys(manifest.dependencies ?? {})) found.add(needed)
  }
  return found
}

/**
 * Installs the package and the one of its binary into an empty project, without network and without scripts, as npm does
 * it on that platform; and puts the tests beside.
 */
export function project(folder, { name, target, npm }, [main, binary]) {
  const place = join(folder, name)
  mkdirSync(place)
  const manifest = {
    ...{ name: 'app', private: true, type: 'module', dependencies: { pstream: `file:${main}` } },
    // As it is to the package itself: only of what is optional does npm ask for which platform it installs.
    optionalDependencies: { [`pstream-${target}`]: `file:${binary}` },
  }
  writeFileSync(join(place, 'package.json'), JSON.stringify(manifest))
  const flags = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', `--os=${npm.os}`, `--cpu=${npm.cpu}`]
  if (npm.libc) flags.push(`--libc=${npm.libc}`)
  const options = { cwd: place, encoding: 'utf8', shell: process.platform === 'win32' }
  const { status, stderr } = spawnSync('npm', ['install', ...flags], options)
  if (status !== 0 || !existsSync(join(place, 'node_modules', `pstream-${target}`)))
    throw new Error(`npm install of ${basename(main)} and ${basename(binary)}: ${stderr}`)
  copyTests(join(root, '__test__'), join(place, '__test__'))
  // Programs that tests start, as their users do.
  for (const part of ['examples', 'scripts/soak', 'scripts/soak.mjs'])
    cpSync(join(root, part), join(place, part), { recursive: true })
  return place
}

function copyTests(from, to) {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const path = join(from, entry.name)
    if (entry.isDirectory()) copyTests(path, join(to, entry.name))
    else if (entry.name === 'tsconfig.json' || entry.name.endsWith('.d.ts')) continue
    else if (entry.name.endsWith('.ts')) writeFileSync(join(to, entry.name.replace(/ts$/, 'js')), translated(path))
    else cpSync(path, join(to, entry.name))
  }
}

const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
const translations = new Map()

function translated(path) {
  if (!translations.has(path)) {
    const source = readFileSync(path, 'utf8')
    translations.set(path, ts.transpileModule(source, { compilerOptions, fileName: path }).outputText)
  }
  return translations.get(path)
}

/** The test files of a project, without `.test.js`. */
export function testFiles(place) {
  const names = readdirSync(join(place, '__test__')).filter((name) => name.endsWith('.test.js'))
  return names.map((name) => name.replace(/\.test\.js$/, '')).sort()
}

/** The tarballs of one platform, or `undefined`. */
export function tarballsFor(folder, target) {
  const found = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.tgz')) : []
  const pick = (pattern) => found.filter((name) => pattern.test(name)).map((name) => join(folder, name))
  const [main, ...others] = pick(/^pstream-\d/)
  const [binary] = pick(new RegExp(`^pstream-${target}-\\d`))
  if (main === undefined || binary === undefined) return undefined
  if (others.length > 0) throw new Error(`more than one version in ${folder}: remove it, and npm run pack`)
  return [main, binary]
}
