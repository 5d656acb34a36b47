// The README's figures are those of the last full run of the benchmarks.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
// @ts-expect-error The benchmarks are JavaScript.
import { withFigures } from '../bench/lib/readme.mjs'

const repository = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const results = readdirSync(repository('bench/results')).filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name))
const report = JSON.parse(readFileSync(repository(`bench/results/${results.sort().at(-1)}`), 'utf8'))
const readme = readFileSync(repository('README.md'), 'utf8')

test('the README tells the figures of the newest results', () => {
  expect(withFigures(readme, report)).toBe(readme)
})

test('the figures are of the results, and the rest of the README is left alone', () => {
  const text = 'before\n<!-- figures: written by npm run bench -->\nold 1,234\n<!-- /figures -->\nbehind\n'
  const written: string = withFigures(text, report)
  expect(written).toMatch(/^before\n<!-- figures: .*-->\n\n### Streams/)
  expect(written).toMatch(/\n<!-- \/figures -->\nbehind\n$/)
  expect(written).not.toContain('1,234')
  const changed = structuredClone(report)
  changed.cases[0].results.find(({ contender }: { contender: string }) => contender === 'ts').microseconds.median = 7777
  expect(withFigures(text, changed)).toContain('one by one, us | 7,777 |')
})

test('marks or figures that are missing are an error', () => {
  expect(() => withFigures('no marks', report)).toThrow('marks')
  const cases = report.cases.filter((each: { case: string }) => each.case !== 'append-1')
  expect(() => withFigures(readme, { ...report, cases })).toThrow('the results have no append-1')
})
