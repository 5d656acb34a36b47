// One list of codes in four places: the engine, the classes, the type, and the documentation.

import { readFileSync } from 'node:fs'
import * as pstream from 'pstream'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

const table = [...read('docs/errors.md').matchAll(/^\| `(PSTREAM_\w+)` \| `(\w+)` \|/gm)].map(
  ([, code, type]) => [code ?? '', type ?? ''] as const,
)

test('the documentation lists the codes of the engine, in its order, and those of the package', () => {
  const source = /CODES: \[&'static str; \d+\] = \[([^\]]*)\]/.exec(read('crates/core/src/error.rs'))?.[1] ?? ''
  const engine = [...source.matchAll(/"(\w+)"/g)].map(([, code]) => code)
  expect(engine.length).toBeGreaterThan(10)
  expect(table.map(([code]) => code)).toEqual([...engine, 'PSTREAM_NATIVE_MISSING'])
})

test('the type of codes is the same list', () => {
  const union = /export type PstreamErrorCode =((?:\s*\| '\w+')+)/.exec(read('ts/errors.ts'))?.[1] ?? ''
  expect([...union.matchAll(/'(\w+)'/g)].map(([, code]) => code)).toEqual(table.map(([code]) => code))
})

test.each(table)('%s is raised as %s', (code, name) => {
  const type = (pstream as unknown as Record<string, new (...args: unknown[]) => pstream.PstreamError>)[name]
  expect(type).toBeTypeOf('function')
  if (type === undefined) return
  const error = name === 'FileSequenceError' ? new type(code, 'text') : new type('text')
  expect(error).toBeInstanceOf(pstream.PstreamError)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ code, name, message: 'text' })
  expect(String(error)).toBe(`${name}: text`)
})

test('each exported class of errors is in the table', () => {
  const classes = Object.keys(pstream).filter((name) => name.endsWith('Error') && name !== 'PstreamError')
  expect([...new Set(table.map(([, name]) => name))].sort()).toEqual(classes.sort())
})

test('each documented message has a test', () => {
  const messages = [...read('docs/errors.md').matchAll(/^\| `([^P`][^`]*)` \| `(PSTREAM_\w+)` \|$/gm)]
  expect(messages.length).toBe(25)
  const tested = read('__test__/error-messages.test.ts') + read('__test__/sync-failure.test.ts')
  // No file system here has a file of 2^63 bytes.
  const untestable = ['file size too large']
  const missing = messages
    .map(([, message = '']) => message)
    .filter((message) => !untestable.includes(message) && !tested.includes(message.split(/'…'|0x/)[0] ?? message))
  expect(missing).toEqual([])
})
