// What docs/diagnostics.md says is what the types and the engine have.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the document has every channel and every field', () => {
  const text = readFileSync(new URL('../docs/diagnostics.md', import.meta.url), 'utf8')
  const types = readFileSync(new URL('../ts/diagnostics.ts', import.meta.url), 'utf8')
  const channels = [...types.matchAll(/'(pstream:[a-z]+)': (\w+)$/gm)]
  expect(channels.length).toBeGreaterThanOrEqual(4)
  for (const [, channel = '', name = ''] of channels) {
    expect(text).toContain(`\`${channel}\``)
    const [, body = ''] = new RegExp(`interface ${name} extends StreamMessage \\{(.*?)\\n\\}`, 's').exec(types) ?? []
    const fields = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field]) => field)
    expect(fields.length).toBeGreaterThan(0)
    const [, section = ''] = new RegExp(`## \`${channel}\`(.*?)(?:\\n## |$)`, 's').exec(text) ?? []
    for (const field of fields) expect(section, channel).toContain(`| \`${field}\` |`)
  }
})

test('what may fail in the engine is among the operations', () => {
  const engine = readFileSync(new URL('../crates/core/src/stream/background.rs', import.meta.url), 'utf8')
  const duties = [...engine.matchAll(/Self::\w+ => "([a-z-]+)"/g)].map(([, duty]) => duty)
  expect(duties.length).toBeGreaterThanOrEqual(4)
  const types = readFileSync(new URL('../ts/diagnostics.ts', import.meta.url), 'utf8')
  const [, operations = ''] = /readonly operation: (.*)/.exec(types) ?? []
  expect(operations.split(' | ').sort()).toEqual([`'commit'`, ...duties.map((duty) => `'${duty}'`)].sort())
  const text = readFileSync(new URL('../docs/diagnostics.md', import.meta.url), 'utf8')
  for (const operation of operations.split(' | ')) expect(text).toContain(`| \`${operation}\` |`)
})
