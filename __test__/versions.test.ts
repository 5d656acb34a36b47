import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test('the versions of the repository agree', () => {
  const { version } = JSON.parse(read('package.json'))
  expect(read('ts/native.ts')).toContain(`const VERSION = '${version}'`)
  expect(read('Cargo.toml')).toContain(`version = "${version}"`)
})
