// A run in parts (`--tests`, or after it was interrupted): what became of each file is kept, and counts until the packages
// or the file itself are others. A whole run under an emulator takes many minutes.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './project.mjs'

export function partsOf({ system, place, tarballs, omitted }) {
  const note = join(root, 'target', 'platforms', 'results', `${system.name}.json`)
  const all = existsSync(note) ? JSON.parse(readFileSync(note, 'utf8')) : {}
  const packages = createHash('sha256')
  for (const path of tarballs) packages.update(readFileSync(path))
  const keyOf = (file) => {
    const test = readFileSync(join(place, '__test__', `${file}.test.js`))
    return packages
      .copy()
      .update(test)
      .update(JSON.stringify(omitted(file)))
      .digest('hex')
  }
  return {
    keep(outcome) {
      all[outcome.file] = { key: keyOf(outcome.file), outcome }
      mkdirSync(dirname(note), { recursive: true })
      writeFileSync(note, JSON.stringify(all))
    },
    /** The outcomes of all these files; `undefined` as long as one is missing. */
    joined: (files) =>
      files.every((file) => all[file]?.key === keyOf(file)) ? files.map((file) => all[file].outcome) : undefined,
  }
}
