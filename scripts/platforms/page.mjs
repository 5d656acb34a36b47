// The tables of docs/platforms.md. A run replaces the rows of what it has run, and leaves the others.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './project.mjs'

const page = join(root, 'docs', 'platforms.md')

/** Replaces or adds rows, by their first cell, in the table between `<!-- name -->` and the next empty line. */
export function withRows(text, name, rows) {
  const mark = `<!-- ${name} -->\n`
  const from = text.indexOf(mark) + mark.length
  const to = text.indexOf('\n\n', from)
  if (from < mark.length || to < 0) throw new Error(`docs/platforms.md has no table '${name}'`)
  const [head, rule, ...old] = text.slice(from, to).split('\n')
  const firstCell = (row) => row.split('|')[1].trim()
  const lines = new Map(old.map((row) => [firstCell(row), row]))
  for (const cells of rows) lines.set(cells[0], `| ${cells.join(' | ')} |`)
  return `${text.slice(0, from)}${[head, rule, ...lines.values()].join('\n')}${text.slice(to)}`
}

const today = () => new Date().toISOString().slice(0, 10)

function put(name, rows) {
  writeFileSync(page, withRows(readFileSync(page, 'utf8'), name, rows))
}

/** Whole runs of the suite on the packed package. */
export function writeSuite(results) {
  const rows = results.map(({ system, version, passed, failed, known, skipped, without, wrong }) => {
    const counts = [passed, failed.length, known.length, skipped.length, without, wrong.length]
    return [system.name, `\`pstream-${system.target}\``, `${system.how} (${version})`, today(), ...counts]
  })
  put('suite', rows)
}

/** Parts of the engine's own tests: lines of name, result and text, with tabs between. */
export function writeCore(lines) {
  put(
    'core',
    lines.map((line) => {
      const [name, result, text] = line.split('\t')
      return [name, today(), result === 'ok' ? 'passed' : 'failed', text]
    }),
  )
}
