// The workflows of GitHub, without asking anybody: what they use is pinned, they may do no more than they need, and what
// they run is there.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n')
const folder = '.github/workflows'
const names = readdirSync(join(root, folder)).sort()
const workflows = names.map((name) => ({ name, text: read(`${folder}/${name}`) }))
const all = workflows.map(({ text }) => text).join('\n')
const textOf = (name: string) => workflows.find((workflow) => workflow.name === name)?.text ?? ''

/** Its jobs: the name, and the lines below. */
function jobs(text: string): [name: string, lines: string][] {
  const [, body = ''] = text.split('\njobs:\n')
  return body
    .split(/^ {2}(?=\w)/m)
    .filter((part) => part !== '')
    .map((part) => [part.slice(0, part.indexOf(':')), part])
}

const everyJob = workflows.flatMap(({ name, text }) =>
  jobs(text).map(([job, lines]) => [`${name}: ${job}`, lines] as const),
)

test('there are four', () => {
  expect(names).toEqual(['artifacts.yml', 'ci.yml', 'nightly.yml', 'release.yml'])
  expect(everyJob.length).toBeGreaterThan(10)
})

test.each(workflows)('$name: each action is pinned, with the version that it is', ({ text }) => {
  const uses = [...text.matchAll(/^.*\buses: (.*)$/gm)]
    .map(([, what = '']) => what)
    .filter((what) => !what.startsWith('./'))
  expect(uses.length).toBeGreaterThan(0)
  for (const what of uses) expect(what).toMatch(/^actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
})

test('one action has one pin', () => {
  const pins = new Set([...all.matchAll(/uses: (actions\/.*)$/gm)].map(([, pin]) => pin))
  expect(new Set([...pins].map((pin) => pin?.split('@')[0])).size).toBe(pins.size)
})

test.each(workflows)('$name: may read the repository, and nothing else', ({ text }) => {
  expect(text).toMatch(/^permissions:\n {2}contents: read\n(?! )/m)
})

test('more than that two jobs of a release may', () => {
  const more = everyJob.flatMap(([job, lines]) => {
    const block = /^ {4}permissions:\n((?: {6}.*\n)+)/m.exec(lines)?.[1] ?? ''
    return [...block.matchAll(/^ {6}([\w-]+): write/gm)].map(([, what]) => `${job}: ${what}`)
  })
  expect(more).toEqual(['release.yml: publish: id-token', 'release.yml: github: contents'])
  expect(all).not.toContain('secrets.')
})

test('no checkout leaves its token behind', () => {
  const checkouts = all.match(/uses: actions\/checkout@/g) ?? []
  const without = all.match(/uses: actions\/checkout@.*\n {8}with:\n {10}persist-credentials: false\n/g) ?? []
  expect(without.length).toBe(checkouts.length)
})

test.each(everyJob)('%s has a bound, and runs nothing that others have written', (_, lines) => {
  if (!lines.includes('uses: ./')) expect(lines).toMatch(/^ {4}timeout-minutes: /m)
  // What is run is fixed text: whatever differs comes by the environment.
  for (const [, block = ''] of lines.matchAll(/^ +(?:- )?run: ((?:.*\n)(?: {10,}.*\n)*)/gm))
    expect(block).not.toContain('${{')
})

test('what they run is there', () => {
  const { scripts } = JSON.parse(read('package.json'))
  const commands = [...all.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name)
  expect(commands).toContain('build:all')
  expect(commands.filter((name) => !(name in scripts))).toEqual([])
  const files = [...all.matchAll(/(?:run: |node |^ +)((?:scripts|\.ci|node_modules)\/[\w./-]+)/gm)].map(
    ([, path = '']) => path,
  )
  expect(files).toContain('scripts/release.mjs')
  expect(files).toContain('.ci/run')
  expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([])
  const tests = /vitest\.mjs run\n +(.*)$/m.exec(all)?.[1]?.split(' ') ?? []
  expect(tests.length).toBeGreaterThan(3)
  expect(tests.filter((name) => !existsSync(join(root, '__test__', `${name}.test.ts`)))).toEqual([])
})

test('the nightly jobs are those of the script', () => {
  const listed = /^jobs=\((.*)\)$/m.exec(read('scripts/nightly.sh'))?.[1]?.split(' ')
  expect([...textOf('nightly.yml').matchAll(/\{ job: (\w+),/g)].map(([, job]) => job)).toEqual(listed)
})

test('all platforms are built, each once', async () => {
  const { targets } = await import('../scripts/binaries/targets.mjs' as string)
  const built = [...textOf('artifacts.yml').matchAll(/^ +platforms: (.*)$/gm)].flatMap(([, line = '']) =>
    line.split(' '),
  )
  expect(built.sort()).toEqual(targets.map(({ platform }: { platform: string }) => platform).sort())
})

test('tested are the versions of Node.js that the package says it runs on', () => {
  const matrices = [...all.matchAll(/^ +node: \[(.*)\]$/gm)].map(([, list = '']) => list.split(', ').map(Number))
  const widest = [20, 22, 24, 26]
  expect(matrices.filter((versions) => versions.length > 2)).toEqual([widest, widest])
  expect(matrices.flat().filter((version) => !widest.includes(version))).toEqual([])
  const oldest = Number(/(\d+)\.\d+/.exec(JSON.parse(read('package.json')).engines.node)?.[1])
  expect(widest[0]).toBe(oldest)
  expect(read('README.md').includes(`Node.js ${widest.slice(0, -1).join(', ')} and ${widest.at(-1)}`)).toBe(true)
})

test('a release is made of tags alone, and of what was tested', () => {
  const release = textOf('release.yml')
  expect(release).toMatch(/^on:\n {2}push:\n {4}tags: \[["']v\*["']\]\n(?! )/m)
  const needs = Object.fromEntries(jobs(release).map(([job, lines]) => [job, /^ {4}needs: (.*)$/m.exec(lines)?.[1]]))
  expect(needs).toMatchObject({ artifacts: 'version', publish: '[ready, artifacts]', github: 'publish' })
  expect(release).toMatch(/^ {2}publish:[\s\S]*?^ {4}environment: npm$/m)
})

test('actionlint', (context) => {
  const { error, status, stdout } = spawnSync('actionlint', ['-no-color'], { cwd: root, encoding: 'utf8' })
  if (error) {
    context.skip('actionlint is not on PATH: npm run lint:workflows fetches it')
    return
  }
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
})
