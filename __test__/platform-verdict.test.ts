// What a run on other systems makes of its results: nothing is left out, skipped or excused without a reason.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

const script = (path: string) => new URL(`../scripts/platforms/${path}`, import.meta.url).href
const { judge, leftOut, omittedTests } = await import(script('verdict.mjs'))
const { outcomeOf } = await import(script('suite.mjs'))
const { aboutTheRepository, known } = await import(script('known.mjs'))
const { systems } = await import(script('systems.mjs'))

const isThere = (file: string) => existsSync(new URL(`${file}.test.ts`, import.meta.url))

const system = { name: 'arm64-gnu', tags: ['qemu'] }
const why = 'there is no such call'
const outcome = (state: string, text?: string, reasons: string[] = []) => [
  { file: 'a', tests: [{ name: 'one', state, text }], reasons },
]
const entry = { on: 'qemu', file: 'a', tests: ['one'], does: 'fails', why }

test('what passes', () => {
  expect(judge(system, outcome('pass'), [])).toMatchObject({ ok: true, passed: 1, failed: [], wrong: [] })
})

test('what fails is wrong, unless it is listed for this system and this test', () => {
  const failed = outcome('fail', 'text')
  expect(judge(system, failed, [])).toMatchObject({ ok: false, failed: [{ label: 'a: one', text: 'text' }] })
  expect(judge(system, failed, [entry])).toMatchObject({ ok: true, failed: [], known: [{ label: 'a: one', why }] })
  expect(judge(system, failed, [{ ...entry, on: 'arm64-gnu' }])).toMatchObject({ ok: true })
  expect(judge(system, failed, [{ ...entry, tests: [/^o/] }])).toMatchObject({ ok: true })
  expect(judge(system, failed, [{ ...entry, tests: undefined }])).toMatchObject({ ok: true })
  for (const other of [{ on: 'wine' }, { file: 'b' }, { tests: ['two'] }, { does: 'skips' }])
    expect(judge(system, failed, [{ ...entry, ...other }])).toMatchObject({ ok: false })
})

test('an entry that is out of date is wrong', () => {
  expect(judge(system, outcome('pass'), [entry])).toMatchObject({
    ok: false,
    wrong: [expect.stringContaining('passes')],
  })
  const gone = judge(system, outcome('pass'), [{ ...entry, tests: ['two'] }])
  expect(gone).toMatchObject({ ok: false, wrong: [expect.stringContaining('no such test')] })
  // Of a file that was not run nothing is known.
  expect(judge(system, outcome('pass'), [{ ...entry, file: 'b' }])).toMatchObject({ ok: true })
})

test('what is skipped has its reason from the test, the file or the list', () => {
  expect(judge(system, outcome('skip'), [])).toMatchObject({ ok: false, wrong: [expect.stringContaining('without a')] })
  expect(judge(system, outcome('skip', why), [])).toMatchObject({ ok: true, skipped: [{ label: 'a: one', why }] })
  expect(judge(system, outcome('skip', undefined, [why]), [])).toMatchObject({ ok: true, skipped: [{ why }] })
  expect(judge(system, outcome('skip'), [{ ...entry, does: 'skips' }])).toMatchObject({ ok: true, skipped: [{ why }] })
})

test('files that are left out', () => {
  const out = { on: 'qemu', file: 'a', does: 'leave out', why }
  expect(leftOut(system, [entry, out])).toEqual(new Map([['a', why]]))
  expect(leftOut({ ...system, tags: [] }, [out])).toEqual(new Map())
  // Or some of their tests.
  const some = { ...out, tests: ['one'] }
  expect(leftOut(system, [some])).toEqual(new Map())
  expect(omittedTests(system, [entry, some], 'a')).toEqual(['one'])
  expect(omittedTests(system, [some], 'b')).toEqual([])
  expect(judge(system, outcome('skip'), [some])).toMatchObject({ ok: true, skipped: [{ why }] })
  expect(judge(system, outcome('fail'), [some])).toMatchObject({ ok: false })
})

test('a test whose process dies has failed, and so has a file that does not load', () => {
  const results = join(folder(), 'results')
  const write = (...lines: object[]) => writeFileSync(results, lines.map((line) => JSON.stringify(line)).join('\n'))
  const statesOf = () =>
    outcomeOf(results, 'skipped: why\r\n', 'SIGKILL').tests.map(({ state }: { state: string }) => state)

  expect(statesOf()).toEqual(['fail'])
  write({ tests: ['one', 'two'] }, { name: 'one', state: 'pass' }, { begins: 'two' })
  expect(statesOf()).toEqual(['pass', 'fail', 'fail'])
  expect(outcomeOf(results, '', 'SIGKILL').tests.at(-1).text).toMatch(/SIGKILL.* 'two'/)
  write({ tests: ['one', 'two'] }, { name: 'one', state: 'pass' }, { name: 'two', state: 'skip' }, { ended: true })
  expect(statesOf()).toEqual(['pass', 'skip'])
  expect(outcomeOf(results, 'skipped: why\r\n', '').reasons).toEqual(['why'])
  write({ tests: ['one'] }, { name: 'one', state: 'pass' }, { ended: true, text: 'a hook has failed' })
  expect(statesOf()).toEqual(['pass', 'fail'])
  write({ tests: ['one'] }, { ended: true })
  expect(statesOf()).toEqual(['fail'])
})

test('the list itself: systems and files that there are, and a reason each', () => {
  const names = systems.flatMap(({ name, tags }: { name: string; tags: string[] }) => [name, ...tags])
  for (const { on, file, does, why: reason } of known) {
    for (const one of [on].flat()) expect(names).toContain(one)
    expect(['fails', 'skips', 'leave out']).toContain(does)
    expect(isThere(file), file).toBe(true)
    // Of what runs nowhere else nothing is known.
    expect(Object.keys(aboutTheRepository)).not.toContain(file)
    expect(reason.length).toBeGreaterThan(10)
  }
  for (const file of Object.keys(aboutTheRepository)) expect(isThere(file), file).toBe(true)
})

test('a row of results takes the place of the one before it', async () => {
  const { withRows } = await import(script('page.mjs'))
  const text = 'a\n\n<!-- suite -->\n| system | n |\n| --- | --- |\n| x | 1 |\n| y | 2 |\n\nb\n'
  const expected = text.replace('| y | 2 |', '| y | 3 |\n| z | 4 |')
  expect(
    withRows(text, 'suite', [
      ['y', 3],
      ['z', 4],
    ]),
  ).toBe(expected)
  expect(() => withRows(text, 'other', [])).toThrow("no table 'other'")
})
