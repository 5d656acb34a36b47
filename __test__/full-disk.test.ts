// A full disk: what was reserved can be stored to, nothing half made is left, and once there is room it goes on.

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'

const script = fileURLToPath(new URL('fixtures/full-disk.mjs', import.meta.url))
const possible = mayMount()
if (!possible) console.log('skipped: only root may mount a small file system')

const systems = {
  tmpfs: 'mount -t tmpfs -o size=8m none "$1/mnt"',
  ext4: 'truncate -s 24M "$1/image"; mkfs.ext4 -q -m 0 "$1/image"; mount -o loop "$1/image" "$1/mnt"',
}

test.runIf(possible).each(Object.entries(systems))('%s', (_, setup) => {
  const { stdout, stderr } = withMount(folder(), setup, script)
  expect(stderr).toBe('')
  const results = JSON.parse(stdout)
  const full = { name: 'NoSpaceError', code: 'PSTREAM_NO_SPACE', cause: { code: 'ENOSPC' } }
  expect(results.create).toMatchObject(full)
  expect(results.create.errno).toBe(-28)
  expect(results).toMatchObject({ prewrite: full, alloc: full })
  expect(results).toMatchObject({ store: 'done', length: 1, again: 'done', same: true, openable: true })
})
