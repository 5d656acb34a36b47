// The reference in docs/api is what the comments say, and every exported name has one that says enough.

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from './support/folder.js'

const repository = fileURLToPath(new URL('..', import.meta.url))
const committed = join(repository, 'docs', 'api')

interface Comment {
  readonly summary: { readonly text: string }[]
  readonly blockTags?: { readonly tag: string; readonly content: { readonly text: string }[] }[]
}

/** A part of what TypeDoc writes. */
interface Reflection {
  readonly name: string
  readonly kind: number
  readonly flags: { readonly isOptional?: boolean; readonly isProtected?: boolean }
  readonly comment?: Comment
  readonly children?: Reflection[]
  readonly signatures?: Reflection[]
  readonly getSignature?: Reflection
  readonly inheritedFrom?: object
  readonly overwrites?: object
  readonly type?: { readonly type: string; readonly name?: string }
}

const CLASS = 128
const INTERFACE = 256
const CONSTRUCTOR = 512
const PROPERTY = 1024
const METHOD = 2048

let generated = ''
let exported: Reflection[] = []

beforeAll(() => {
  const [folder, remove] = temporaryFolder()
  const script = join(repository, 'node_modules', 'typedoc', 'bin', 'typedoc')
  const outputs = ['--out', join(folder, 'api'), '--json', join(folder, 'api.json')]
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...outputs], {
    cwd: repository,
    encoding: 'utf8',
  })
  expect(`${stdout}${stderr}`).not.toContain('[warning]')
  expect(status).toBe(0)
  generated = join(folder, 'api')
  exported = JSON.parse(readFileSync(join(folder, 'api.json'), 'utf8')).children
  return remove
}, 60_000)

/** The files in a folder, by their names with slashes. */
function filesIn(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort()
  const name = (path: string) => path.slice(folder.length + 1).replaceAll('\\', '/')
  return new Map(paths.map((path) => [name(path), readFileSync(path, 'utf8').replaceAll('\r\n', '\n')]))
}

test('what is committed is what the comments say: `npm run docs` writes it', () => {
  const [expected, found] = [filesIn(generated), filesIn(committed)]
  expect([...found.keys()]).toEqual([...expected.keys()])
  const stale = [...expected].filter(([name, text]) => found.get(name) !== text).map(([name]) => name)
  expect(stale).toEqual([])
})

/** All that is said of it: a method says it in its signatures, an accessor in its getter. */
function said(reflection: Reflection): string {
  const own = [reflection, ...(reflection.signatures ?? []), reflection.getSignature]
  const comments = own.flatMap((each) => (each?.comment === undefined ? [] : [each.comment]))
  const parts = comments.flatMap(({ summary, blockTags = [] }) => [
    ...summary,
    ...blockTags.flatMap(({ tag, content }) => [{ text: `${tag} ` }, ...content]),
  ])
  return parts.map(({ text }) => text).join('')
}

/** The members of all classes and interfaces, but for those that they have from another one that is here too. */
function members(): { name: string; of: Reflection; member: Reflection }[] {
  return exported.flatMap((of) =>
    (of.children ?? [])
      .filter(({ inheritedFrom, kind }) => inheritedFrom === undefined && kind !== CONSTRUCTOR)
      .map((member) => ({ name: `${of.name}.${member.name}`, of, member })),
  )
}

test('every exported name and every member has a comment', () => {
  expect(exported.length).toBeGreaterThan(50)
  expect(members().length).toBeGreaterThan(150)
  const silent = exported.filter((reflection) => said(reflection).trim() === '').map(({ name }) => name)
  const quiet = members().filter(({ member }) => said(member).trim() === '')
  expect([...silent, ...quiet.map(({ name }) => name)]).toEqual([])
})

test('every option says what it is by default, or what it does if it is there', () => {
  const options = members().filter(
    ({ of, member }) => of.kind === INTERFACE && of.name.endsWith('Options') && member.flags.isOptional === true,
  )
  expect(options.length).toBeGreaterThan(20)
  const silent = options.filter(
    ({ member }) => member.kind === PROPERTY && !/default|Ends the wait|at least one/i.test(said(member)),
  )
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('every time, size and count says its unit', () => {
  const numbers = members().filter(({ member }) => /(?:Ms|Bytes|bytes)$/.test(member.name))
  expect(numbers.length).toBeGreaterThan(8)
  const silent = numbers.filter(({ member }) => !/millisecond|bytes|\bMiB\b|\bKiB\b/i.test(said(member)))
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('whatever may fail says how', () => {
  const methods = members().filter(({ of, member }) => of.kind === CLASS && member.kind === METHOD)
  expect(methods.length).toBeGreaterThan(25)
  const promises = methods.filter(({ member }) =>
    (member.signatures ?? []).some(({ type }) => type?.type === 'reference' && type.name === 'Promise'),
  )
  const told = /PSTREAM_|reject|throws|the same as [`\w.]*close/i
  const silent = promises.filter(({ member }) => member.overwrites === undefined && !told.test(said(member)))
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('every class has an example, of its own or in a method', () => {
  const classes = exported.filter(({ kind, name }) => kind === CLASS && !name.endsWith('Error'))
  const silent = classes.filter(
    (type) => ![type, ...(type.children ?? [])].some((each) => said(each).includes('@example')),
  )
  expect(silent.map(({ name }) => name)).toEqual([])
})
