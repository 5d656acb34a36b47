// Records at the limit, names, and strangers in the folder of a stream: an error with a code, and nothing changed.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { CapacityError, InvalidInputError, PersistentStream, UnsupportedError } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { failure } from './support/errors.js'
import { snapshot } from './support/files.js'
import { folder } from './support/folder.js'
import { stream } from './support/streams.js'

const UNIX = process.platform !== 'win32'
const small = { fileSize: '1MiB', blockSize: '4KiB' } as const

test('records of no byte, of as many as there may be, and of one more', async () => {
  const root = folder()
  const opened = await stream(root, small)
  const most = opened.maxRecordBytes
  for (let round = 0; round < 3; round += 1) {
    const next = opened.nextSeq
    // All in one turn: what does not fit takes nothing with it.
    const outcomes = await Promise.allSettled([
      opened.append(new Uint8Array(0)),
      opened.append(new Uint8Array(most + 1)),
      opened.append(new Uint8Array(most).fill(round)),
      opened.append(new Uint8Array(most + 64)),
      opened.appendMany([new Uint8Array(most), '']),
      opened.append('small'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(
      [true, false, true, false, false, true].map((fulfilled) => (fulfilled ? 'fulfilled' : 'rejected')),
    )
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue
      expect(outcome.reason).toBeInstanceOf(CapacityError)
      expect(outcome.reason.message).toContain(`maxRecordBytes is ${most}`)
    }
    expect(opened.nextSeq).toBe(next + 3)
  }
  expect(() => opened.write(new Uint8Array(most + 1))).toThrow(CapacityError)
  await opened.flush()
  await opened.close()
  const reopened = await stream(root, small)
  expect(reopened.recovery).toMatchObject({ previous: 'closed', records: { oldestSeq: 0, nextSeq: 9 } })
})

test('as many records together as fit, and one more', async () => {
  const opened = await stream(folder(), small)
  const most = opened.maxRecordBytes
  // Of 99 bytes each takes 100; the largest record takes three for its length.
  const count = Math.floor((most + 3) / 100)
  const rest = most + 3 - count * 100
  const fits: Uint8Array[] = Array.from({ length: count }, () => new Uint8Array(99))
  if (rest > 0) fits.push(new Uint8Array(rest - 1))
  expect(await failure(opened.appendMany([...fits, '']))).toBeInstanceOf(CapacityError)
  expect(opened.nextSeq).toBe(0)
  expect(await opened.appendMany(fits)).toBe(0)
  expect(await opened.append('next')).toBe(fits.length)
})

test('names', async () => {
  const root = folder()
  for (const name of ['../up', '/etc', 'a/b', 'a\0', '..', '', 'x'.repeat(248), 'x'.repeat(10_000)]) {
    expect(await failure(PersistentStream.open(root, { name })), name).toBeInstanceOf(InvalidInputError)
  }
  expect(readdirSync(root)).toEqual([])
  for (const name of UNIX ? ['...', 'a.b', ' ', '-', '0001-12', '\u{1f4a9}', 'x'.repeat(247)] : ['a.b', '0001-12']) {
    const opened = await stream(root, { name })
    expect(await opened.append(name)).toBe(0)
    await opened.close()
    expect((await stream(root, { name })).nextSeq).toBe(1)
  }
})

if (!UNIX) console.log('skipped: links, pipes and names that are no text are of Unix')
test.runIf(UNIX)('a folder full of strangers', async () => {
  const root = folder()
  for (let number = 0; number < 200; number += 1) {
    writeFileSync(join(root, `other.${number.toString(16).padStart(4, '0')}-16`), 'x')
    writeFileSync(join(root, `stream.${number}.0001-16`), 'x')
    writeFileSync(join(root, `stream${number}`), 'x')
  }
  mkdirSync(join(root, 'stream.0000-16'))
  symlinkSync('/', join(root, 'stream.link'))
  const server = createServer().listen(join(root, 'stream.socket'))
  onTestFinished(() => {
    server.close()
  })
  expect(spawnSync('mkfifo', [join(root, 'stream.pipe')]).status).toBe(0)
  const before = readdirSync(root)
  const opened = await stream(root)
  await opened.append('one')
  await opened.close()
  expect((await stream(root)).nextSeq).toBe(1)
  expect(readdirSync(root)).toEqual(expect.arrayContaining(before))
  expect(readFileSync(join(root, 'stream.199.0001-16'), 'utf8')).toBe('x')
})

test.runIf(UNIX).each(['link', 'pipe', 'folder'])(
  'a %s in the place of a file, of the lock, of the next file',
  async (kind) => {
    for (const place of ['stream.0001-12', 'stream.lock', 'stream.0002-12']) {
      const root = folder()
      const path = join(root, place)
      if (place !== 'stream.0001-12') await (await stream(root, small)).close()
      rmSync(path, { force: true })
      if (kind === 'link') symlinkSync('/etc/hostname', path)
      else if (kind === 'folder') mkdirSync(path)
      else expect(spawnSync('mkfifo', [path]).status).toBe(0)
      const run = async () => {
        const opened = await stream(root, small)
        for (let round = 0; round < 6; round += 1) await opened.append(new Uint8Array(500_000))
      }
      const { code } = await failure(run())
      expect(code, place).toMatch(/^PSTREAM_(?:INVALID_FILE|ALREADY_EXISTS|LOCKED)$/)
      rmSync(path, { recursive: true })
    }
  },
)

test('what a later version has written is refused, and not a byte of it is changed', async () => {
  const root = folder()
  const opened = await stream(root, small)
  for (let round = 0; round < 20; round += 1) await opened.append(`record ${round}`)
  await opened.close()
  const path = join(root, 'stream.0001-12')
  const bytes = readFileSync(path)
  // The magic of a block and that of a batch, each behind the other once.
  for (const magic of ['PSB\u0001', 'PST\u0001']) {
    const at = bytes.indexOf(magic)
    const newer = Buffer.from(bytes)
    newer[at + 3] = 2
    writeFileSync(path, newer)
    const before = snapshot(root)
    for (const recovery of ['strict', 'salvage'] as const) {
      expect(await failure(PersistentStream.open(root, { ...small, recovery }))).toBeInstanceOf(UnsupportedError)
      expect(snapshot(root)).toEqual(before)
    }
  }
})
