// What the README and the guides show compiles, and runs.

import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { PersistentStream } from 'pstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { type Snippet, snippetsIn } from './support/snippets.js'

const repository = fileURLToPath(new URL('..', import.meta.url))
const guides = readdirSync(join(repository, 'docs', 'guides'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/guides/${name}`)
const fixtures = join(repository, '__test__', 'fixtures')
const snippets = ['README.md', 'docs/diagnostics.md', ...guides].flatMap(snippetsIn)
/** In the package, whose name they import. */
const place = join(repository, 'dist', 'snippets')

/** As a module, with a stream if it opens none. Its imports come first wherever they are. */
function module({ code, setup }: Snippet): string {
  const imports = /import \{[^}]*\bPersistentStream\b/.test(code) ? '' : `import { PersistentStream } from 'pstream'\n`
  const opens = `${setup}${code}`.includes('PersistentStream.open(') || !/\bstream\b/.test(code)
  const opening = opens ? '' : `const stream = await PersistentStream.open('./prepared')\n`
  return `${imports}${opening}${setup}\n${code}\nexport {}\n`
}

const fileOf = (snippet: Snippet) => `${snippets.indexOf(snippet)}.mts`

beforeAll(() => {
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { recursive: true })
  for (const snippet of snippets) writeFileSync(join(place, fileOf(snippet)), module(snippet))
  cpSync(join(fixtures, 'electron.d.ts'), join(place, 'electron.d.ts'))
  const compilerOptions = {
    ...{ rootDir: '.', outDir: 'out', declaration: false, noUnusedLocals: false, noUnusedParameters: false },
    lib: ['ES2024', 'DOM', 'DOM.AsyncIterable', 'ESNext.Disposable'],
  }
  const config = { extends: '../../tsconfig.json', compilerOptions, include: ['*.mts', '*.d.ts'] }
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', place], { encoding: 'utf8' })
  // With the names of the documents in place of the files.
  const complaint = stdout.replace(/^.*?(\d+)\.mts/gm, (_, index) => snippets[Number(index)]?.name ?? '')
  expect(complaint).toBe('')
}, 60_000)

afterAll(() => rmSync(place, { recursive: true, force: true }))

const scriptOf = (snippet: Snippet) => join(place, 'out', fileOf(snippet).replace('.mts', '.mjs'))

/** Runs it in a folder of its own, with the files that they take for granted. */
function runIn(cwd: string, snippet: Snippet): SpawnSyncReturns<string> {
  writeFileSync(join(cwd, 'upload.gz'), gzipSync('an upload'))
  writeFileSync(join(cwd, 'access.log'), 'one\ntwo\n')
  return spawnSync(process.execPath, [scriptOf(snippet)], { cwd, encoding: 'utf8', timeout: 20_000 })
}

test('there are some', () => {
  expect(snippets.length).toBeGreaterThan(10)
})

test.each(snippets.filter((snippet) => snippet.test === undefined))('$name', (snippet) => {
  const { status, stderr } = runIn(folder(), snippet)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

function named(name: string): Snippet {
  const found = snippets.filter(({ test }) => test === name)
  expect(found).toHaveLength(1)
  return found[0] as Snippet
}

/** What is in the stream that it has left. */
async function recordsIn(cwd: string): Promise<string[]> {
  const stream = await PersistentStream.open(join(cwd, 'data'), { encoding: 'utf8', lockTimeoutMs: 5000 })
  const found: string[] = []
  for await (const { data } of stream.read()) found.push(data)
  await stream.close()
  return found
}

/** Starts it with more behind it, and waits until that says something. */
async function start(cwd: string, name: string, more: string, ...args: string[]) {
  const script = join(cwd, 'script.mjs')
  const source = readFileSync(scriptOf(named(name)), 'utf8').replaceAll(
    `'pstream'`,
    `'${import.meta.resolve('pstream')}'`,
  )
  writeFileSync(script, `${source}\n${more}`)
  const child = spawn(process.execPath, [...args, script], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout, 'data')
  return { child, said: String(said) }
}

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

test.runIf(process.platform !== 'win32').each(signals)('the guide: %s commits what waits', async (signal) => {
  const cwd = folder()
  // What is handed over in one turn and a signal in the same one; an open handle keeps the process.
  const more = `
    setInterval(() => {}, 1000)
    for (let index = 0; index < 5000; index += 1) stream.write('record ' + index)
    console.log('ready')
    process.kill(process.pid, '${signal}')`
  const { child } = await start(cwd, 'signal', more)
  const [code, by] = await once(child, 'exit')
  expect({ code, by }).toEqual({ code: null, by: signal })
  expect(await recordsIn(cwd)).toHaveLength(5000)
})

test.runIf(process.platform !== 'win32')('the guide: a server answers and closes', async () => {
  const cwd = folder()
  const more = `server.once('listening', () => console.log(server.address().port))`
  const { child, said } = await start(cwd, 'server', more)
  const answers = ['/a', '/b', '/c'].map(async (path) => (await fetch(`http://localhost:${said.trim()}${path}`)).text())
  expect((await Promise.all(answers)).sort()).toEqual(['0', '1', '2'])
  child.kill('SIGTERM')
  const [code, by] = await once(child, 'exit')
  expect({ code, by }).toEqual({ code: 0, by: null })
  expect((await recordsIn(cwd)).sort()).toEqual(['/a', '/b', '/c'])
})

test('the guide: process.exit()', async () => {
  const cwd = folder()
  expect(runIn(cwd, named('exit')).status).toBe(3)
  expect(await recordsIn(cwd)).toEqual(['the last words', 'ended with 3'])
})

test('the guide: a crash', async () => {
  const cwd = folder()
  expect(runIn(cwd, named('crash')).status).toBe(1)
  const [record = ''] = await recordsIn(cwd)
  expect(record).toMatch(/^Error: on purpose\n {4}at /)
})

test('the guide: a worker', async () => {
  const cwd = folder()
  // A script that is evaluated has no package: it is told where the module is.
  const { child } = await start(cwd, 'worker', `console.log('done')`)
  if (child.exitCode === null) await once(child, 'exit')
  await pause(1)
  expect(await recordsIn(cwd)).toHaveLength(100)
})

test('the guide: an app for Electron closes its stream before it ends', async () => {
  const cwd = folder()
  // With a stand-in, which ends the process when nobody holds a quit up.
  const stub = new URL('fixtures/electron-stub.mjs', import.meta.url).href
  const more = `
    while (stream === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
    for (let index = 0; index < 100; index += 1) stream.write('record ' + index)
    app.quit()`
  process.env.STUB_FOLDER = cwd
  const { child, said } = await start(cwd, 'electron', more, '--no-warnings', '--import', stub)
  delete process.env.STUB_FOLDER
  expect(said).toContain('["quit","held up"]')
  if (child.exitCode === null) await once(child, 'exit')
  expect(child.exitCode).toBe(0)
  const stream = await PersistentStream.open(join(cwd, 'userData', 'stream'))
  expect(stream.recovery).toMatchObject({ previous: 'closed', records: { nextSeq: 100 } })
  await stream.close()
})
