// A stream on file systems without a free byte: nothing acknowledged is lost, the process lives, and it goes on.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'

const script = fileURLToPath(new URL('fixtures/stream-no-byte-free.mjs', import.meta.url))
const possible = mayMount()
if (!possible) console.log('skipped: only root may mount a small file system')

const systems = {
  ext4: { size: '32M', make: 'mkfs.ext4 -q -m 0' },
  xfs: { size: '320M', make: 'mkfs.xfs -q' },
  btrfs: { size: '160M', make: 'mkfs.btrfs -q' },
}

test.runIf(possible).each(Object.entries(systems))('%s', { timeout: 60_000 }, (_, { size, make }) => {
  if (spawnSync('sh', ['-c', `command -v ${make.split(' ')[0]}`]).status !== 0) {
    console.log(`skipped: ${make} is not there`)
    return
  }
  const setup = `truncate -s ${size} "$1/image"; ${make} "$1/image" >/dev/null; mount -o loop "$1/image" "$1/mnt"`
  const { status, stdout, stderr } = withMount(folder(), setup, script)
  // A store to a mapping would have been a bus error on btrfs.
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const results = JSON.parse(stdout)
  expect(results).toMatchObject({
    full: { name: 'NoSpaceError', code: 'PSTREAM_NO_SPACE' },
    again: 'PSTREAM_NO_SPACE',
    opened: 'done',
    ...{ goesOn: true, close: 'done', lost: 0, extra: true, previous: 'closed' },
  })
})
