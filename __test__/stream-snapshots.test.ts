// Copies of a stream in use that are not made by `backup`: a snapshot of the file system is one, files copied one after
// the other are none.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'
import { all } from './support/records.js'
import { stream } from './support/streams.js'

const possible = mayMount() && spawnSync('sh', ['-c', 'command -v mkfs.btrfs && command -v btrfs']).status === 0
if (!possible) console.log('skipped: only root may mount a btrfs, and its tools must be there')

test.runIf(possible)('snapshots of btrfs have all that was acknowledged before', { timeout: 60_000 }, () => {
  const make =
    'truncate -s 512M "$1/image"; mkfs.btrfs -q "$1/image" >/dev/null 2>&1; mount -o loop "$1/image" "$1/mnt"'
  const setup = `${make}; btrfs subvolume create "$1/mnt/live" >/dev/null`
  const script = fileURLToPath(new URL('fixtures/stream-snapshots.mjs', import.meta.url))
  const { status, stdout, stderr } = withMount(folder(), setup, script)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const results = JSON.parse(stdout) as { least: number; found: number; gaps: unknown[]; previous: string }[]
  expect(results).toHaveLength(10)
  for (const { least, found, gaps } of results) {
    expect(gaps).toEqual([])
    expect(found).toBeGreaterThanOrEqual(least)
  }
  // The stream did go on in between, and the snapshots are of one that was open.
  expect(new Set(results.map(({ found }) => found)).size).toBe(10)
  expect(results.every(({ previous }) => previous === 'crashed')).toBe(true)
})

test('files that are copied one after the other are no copy, and reading says so', async () => {
  const root = folder()
  const [live, copy] = [join(root, 'live'), join(root, 'copy')]
  const own = await stream(live, { fileSize: '1MiB', blockSize: '4KiB' })
  mkdirSync(copy)
  const record = new Uint8Array(100_000).fill(1)
  const files = () =>
    readdirSync(live)
      .filter((name) => /^stream\.\d/.test(name))
      .sort()
  const first = files()[0] ?? ''
  await own.append(record)
  cpSync(join(live, first), join(copy, first))
  for (let index = 0; index < 15; index += 1) await own.append(record)
  for (const name of files().slice(1)) cpSync(join(live, name), join(copy, name))
  // An open reads no more than the last file.
  const opened = await stream(copy)
  const found = await opened.verify()
  expect({ ok: found.ok, next: opened.nextSeq }).toEqual({ ok: false, next: 16 })
  expect((await failure(all(opened.read()))).code).toBe('PSTREAM_CORRUPT')
})
