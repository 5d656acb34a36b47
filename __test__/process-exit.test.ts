// A process that exits with calls under way ends as it was told to, without a crash; what was acknowledged is there.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { BlockFile } from 'pstream'
import { expect, test } from 'vitest'
import { same } from './support/bytes.js'
import { folder } from './support/folder.js'

const script = `
  import { BlockFile, FileSequence } from ${JSON.stringify(import.meta.resolve('pstream'))}
  const [root, how] = process.argv.slice(1)
  const file = await BlockFile.create(root + '/data', { blockCount: 2048, blockShift: 12 })
  await file.store(0, Uint8Array.from({ length: 4096 }, (_, index) => index % 7))
  for (let index = 0; index < 4; index += 1) {
    file.store(1, new Uint8Array(8 << 20).subarray(4096))
    file.loadBytes(0, 8 << 20)
    file.load(0, new Uint8Array(8 << 20))
    FileSequence.open(root, { name: 'events', blockCount: 4, blockShift: 12 })
  }
  if (how === 'exit') process.exit(7)
  if (how === 'throw') throw new Error('on purpose')
  if (how === 'end') process.on('unhandledRejection', () => {})
`

test.each([
  ['exit', 7],
  ['throw', 1],
  ['end', 0],
])('%s', async (how, expected) => {
  const root = folder()
  for (let round = 0; round < 3; round += 1) {
    const place = join(root, String(round))
    const args = [
      '--input-type=module',
      '-e',
      `import { mkdirSync } from 'node:fs'; mkdirSync(process.argv[1])\n${script}`,
    ]
    const { status, signal } = spawnSync(process.execPath, [...args, place, how], { encoding: 'utf8' })
    expect({ status, signal }).toEqual({ status: expected, signal: null })
    const file = await BlockFile.open(join(place, 'data'), { blockShift: 12 })
    const bytes = Uint8Array.from({ length: 4096 }, (_, index) => index % 7)
    expect(same(await file.loadBytes(0, 4096), bytes)).toBe(true)
    await file.close()
  }
})
