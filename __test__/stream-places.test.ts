// Streams where they may not be, or only if asked to: no locks, no reservation, a network share. And where containers
// keep them: overlayfs, tmpfs, a volume that two of them share, a root that is read-only.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LockedError, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'
import { stream } from './support/streams.js'
import { mayTrace, traced } from './support/trace.js'
import { writer } from './support/writers.js'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

/** What `stream-place.mjs` prints where everything works. */
const WELL = {
  ...{ open: 'done', second: 'PSTREAM_LOCKED', reader: 40, commit: 'done', trim: true, backup: 'done' },
  ...{ again: ['closed', 40, true], copied: [40, true], destroy: 'done' },
}
const BEST_EFFORT = JSON.stringify({ reserve: 'best-effort' })
const unsupported = (message: string) => ({
  open: { name: 'UnsupportedError', code: 'PSTREAM_UNSUPPORTED', message: expect.stringContaining(message) },
})

/** What a life there came to, with system calls that fail. */
function life(inject: string, root: string, options = '{}'): unknown {
  const { stdout, stderr } = traced(inject, 'stream-place.mjs', root, options)
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

/** The same on a file system of its own. */
function lifeOn(setup: string, options = '{}', root = folder()): unknown {
  const { status, stdout, stderr } = withMount(root, setup, fixture('stream-place.mjs'), options)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}

const traces = mayTrace()
if (!traces) console.log('skipped: strace is missing or may not trace')

test.runIf(traces)('no locks: no stream', () => {
  const root = folder()
  expect(life('inject=flock:error=EOPNOTSUPP', root)).toMatchObject(unsupported('cannot lock'))
  expect(life('inject=flock:error=ENOLCK', root)).toMatchObject(unsupported('cannot lock'))
  expect(existsSync(join(root, 'data', 'stream.0001-12'))).toBe(false)
})

test.runIf(traces)('no reservation: no stream, or one that was asked for', { timeout: 60_000 }, () => {
  const inject = 'inject=fallocate:error=EOPNOTSUPP'
  const root = folder()
  expect(life(inject, root)).toMatchObject(unsupported('cannot reserve space'))
  expect(readdirSync(join(root, 'data')).filter((name) => name.includes('.0'))).toEqual([])
  expect(life(inject, folder(), BEST_EFFORT)).toMatchObject(WELL)
})

// The magic of the file system, as statfs gives it (man 2 statfs).
const magics = { nfs: '6969', smb: '7b51', smb2: '424d53fe', cifs: '424d53ff', ceph: '0064c300' }

/** Whether this strace can change what a call returns in memory. */
const pokes = traces && spawnSync('strace', ['-e', 'inject=statfs:poke_exit=@arg2=00', 'true']).status === 0
if (traces && !pokes) console.log('skipped: strace cannot change what statfs returns')

test.runIf(pokes).each(Object.entries(magics))(
  '%s: no stream, or one that was asked for',
  { timeout: 60_000 },
  (name, hex) => {
    const inject = `inject=statfs:poke_exit=@arg2=${hex.padEnd(16, '0')}`
    const root = folder()
    expect(life(inject, root)).toMatchObject(unsupported(`is on a network file system (${name})`))
    // Nothing was made.
    expect(readdirSync(root)).toEqual([])
    expect(life(inject, root, JSON.stringify({ network: 'allow' }))).toMatchObject(WELL)
  },
)

test.runIf(pokes)(
  '9p, by which a machine shares folders with its guest, is taken for local',
  { timeout: 60_000 },
  () => {
    const inject = 'inject=statfs:poke_exit=@arg2=9719020100000000'
    expect(life(inject, folder())).toMatchObject(WELL)
  },
)

const possible = mayMount()
if (!possible) console.log('skipped: only root may mount a file system')

function has(tool: string): boolean {
  const there = spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin"; command -v ${tool}`]).status === 0
  if (!there) console.log(`skipped: ${tool} is not there`)
  return there
}

const EXT3 = 'truncate -s 64M "$1/image"; mkfs.ext3 -q -F "$1/image"; mount -o loop "$1/image" "$1/mnt"'
const UPPER = 'mkdir -p "$1/low" "$1/up" "$1/work"; mount -t overlay overlay'
const OVERLAY = `${UPPER} -o "lowerdir=$1/low,upperdir=$1/up,workdir=$1/work" "$1/mnt"`

test.runIf(possible)('ext3, which cannot reserve', { timeout: 60_000 }, () => {
  if (!has('mkfs.ext3')) return
  expect(lifeOn(EXT3)).toMatchObject(unsupported('cannot reserve space'))
  expect(lifeOn(EXT3, BEST_EFFORT)).toMatchObject(WELL)
})

test.runIf(possible)('a file system without reservation is full in the midst of a file', { timeout: 60_000 }, () => {
  if (!has('mkfs.ext3')) return
  const { status, stdout, stderr } = withMount(folder(), EXT3, fixture('stream-full-disk.mjs'), BEST_EFFORT)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(JSON.parse(stdout)).toMatchObject({
    // It is the write that meets it, not the making of the next file.
    full: { name: 'NoSpaceError', code: 'PSTREAM_NO_SPACE', syscall: 'pwritev' },
    ...{ nextSeq: true, again: true, close: 'done', reopened: { previous: 'closed', lost: 0 } },
  })
})

test.runIf(possible)('tmpfs', { timeout: 60_000 }, () => {
  expect(lifeOn('mount -t tmpfs none "$1/mnt"')).toMatchObject({ ...WELL, type: 0x01021994 })
})

test.runIf(possible)('overlayfs', { timeout: 60_000 }, () => {
  expect(lifeOn(OVERLAY)).toMatchObject({ ...WELL, type: 0x794c7630 })
})

test.runIf(possible)('FUSE, which cannot be told from a local disk', { timeout: 60_000 }, () => {
  if (!has('bindfs') || !existsSync('/dev/fuse')) return
  const mount = 'mkdir -p "$1/source"; bindfs "$1/source" "$1/mnt"'
  expect(lifeOn(mount)).toMatchObject(unsupported('cannot reserve space'))
  expect(lifeOn(mount, BEST_EFFORT)).toMatchObject({ ...WELL, type: 0x65735546 })
})

test.runIf(possible)(
  'a stream in a layer of an image: readable as it is, and written to in the layer above',
  async () => {
    const root = folder()
    const own = await stream(join(root, 'low'))
    for (let index = 0; index < 3; index += 1) await own.append(`record ${index}`)
    await own.close()
    const before = readdirSync(join(root, 'low'))
    const { status, stdout, stderr } = withMount(root, OVERLAY, fixture('stream-in-a-layer.mjs'))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    // A reader from before its files were copied up follows them.
    expect(JSON.parse(stdout)).toEqual({
      before: 3,
      seen: ['record 0', 'record 1', 'record 2', 'new 0', 'new 1'],
      fresh: 5,
    })
    expect(readdirSync(join(root, 'low'))).toEqual(before)
  },
)

test.runIf(possible)('a root that is read-only: read where it is, write to a volume', async () => {
  const root = folder()
  const own = await stream(join(root, 'source'))
  await own.append('x')
  await own.close()
  const setup = 'mount --bind "$1/source" "$1/mnt"; mount -o remount,bind,ro "$1/mnt"'
  const { stdout } = withMount(root, setup, fixture('stream-place.mjs'))
  expect(JSON.parse(stdout)).toMatchObject({ open: { code: 'PSTREAM_IO', cause: { code: 'EROFS' } } })
})

/** As two containers on one machine that share a volume: names, mounts and process ids of their own. */
const CONTAINER = ['unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc']

test.runIf(possible)('two containers and one volume: one writer', { timeout: 30_000 }, async () => {
  const root = realpathSync(folder())
  mkdirSync(join(root, 'volume'))
  const volume = join(root, 'volume')
  const one = await writer(volume, 'durable', CONTAINER)
  await one.tell('append 10 3')
  const error = (await failure(PersistentStream.open(volume))) as LockedError
  expect(error).toBeInstanceOf(LockedError)
  // A process of another namespace: its id means nothing here, and nothing is decided by it.
  expect(error.holder).toMatchObject({ pid: 1, alive: true })
  await expect(writer(volume, 'durable', [...CONTAINER, 'timeout', '1'])).rejects.toThrow('the writer says')
  const reader = await PersistentStream.openReadOnly(volume)
  expect(reader.nextSeq).toBe(3)
  await reader.close()
  // The end of a container gives the lock up, however it comes.
  await one.kill()
  const two = await writer(volume, 'durable', CONTAINER)
  expect(await two.tell('append 10 1')).toBe(4)
  await two.kill()
})

test.runIf(process.platform !== 'win32')(
  'a process that is frozen keeps its stream, and goes on',
  { timeout: 30_000 },
  async () => {
    const root = folder()
    const one = await writer(root)
    await one.tell('append 10 3')
    one.process.kill('SIGSTOP')
    expect((await failure(PersistentStream.open(root))).code).toBe('PSTREAM_LOCKED')
    one.process.kill('SIGCONT')
    expect(await one.tell('append 10 1')).toBe(4)
  },
)
