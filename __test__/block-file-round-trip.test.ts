// What was stored is what is loaded: in this handle, and after opening the file anew.

import { join } from 'node:path'
import { BlockFile } from 'pstream'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'

test('a single buffer comes back', async () => {
  const path = join(folder(), 'data')
  const file = await BlockFile.create(path, { blockCount: 16, blockShift: 12 })
  const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => index % 251)
  await file.store(3, bytes)
  const into = new Uint8Array(bytes.length)
  await file.load(3, into)
  expect(into).toEqual(bytes)
  await file.close()

  const again = await BlockFile.open(path, { blockShift: 12 })
  expect(await again.loadBytes(3, bytes.length)).toEqual(bytes)
  await again.close()
})
