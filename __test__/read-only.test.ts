// Reading a stream that another process writes.

import { spawn } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  ClosedError,
  InvalidInputError,
  NotFoundError,
  PersistentStream,
  ReadOnlyStream,
  type StreamRecord,
} from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { failure } from './support/errors.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'
import { all, appendEach, damage, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'
import { writer } from './support/writers.js'

const mark = (root: string) => join(root, 'stream.meta', 'mark')
const linux = process.platform === 'linux'

async function readOnly(root: string, options: { name?: string } = {}): Promise<ReadOnlyStream> {
  const opened = await PersistentStream.openReadOnly(root, options)
  onTestFinished(() => opened.close())
  return opened
}

/** Whether the record is the one that a told writer appends at its seq. */
const isRight = ({ seq, data }: StreamRecord) => Buffer.from(data).toString().startsWith(`${seq};`)

// Without it what a reader sees is late by the last commit, until the writer is idle or closes.
const marks = process.platform !== 'win32'
if (!marks) console.log('skipped: Windows has no boot id, without which a writer leaves no mark to readers')

test.runIf(marks)('everything that a reader has, beside its writer in the same process', async () => {
  const root = folder()
  const own = await stream(root, { fileSize: '1MiB', blockSize: '4KiB' })
  await appendEach(own, 20)
  const reader = await readOnly(root)
  expect(reader).toBeInstanceOf(ReadOnlyStream)
  expect(reader).toMatchObject({ directory: root, name: 'stream', oldestSeq: 0, nextSeq: 20, durableSeq: 20 })
  expect(reader.maxRecordBytes).toBe(own.maxRecordBytes)
  expect(await seqsOf(reader.read())).toEqual(range(0, 20))
  expect((await all(reader.readBatches())).flat()).toHaveLength(20)
  expect(Buffer.from((await reader.get(7))?.data ?? []).toString()).toBe('record 7')
  expect(await reader.get(20)).toBe(undefined)
  expect(await reader.search(({ seq }) => seq - 13)).toBe(13)
  expect(await reader.verify()).toMatchObject({ ok: true, records: 20 })
  const { files, bytesOnDisk, bytesUsed, ...counted } = reader.stats()
  expect({ files, bytesOnDisk, bytesUsed }).toMatchObject({ files: 1, bytesOnDisk: own.stats().bytesOnDisk })
  expect(counted).toEqual({
    ...{ appends: 0, bytes: 0, commits: 0, syncs: 0, pendingBytes: 0, pendingAppends: 0 },
    commitLatency: { p50: 0, p99: 0, max: 0 },
  })
  // Each call looks anew.
  await appendEach(own, 5)
  expect(reader.nextSeq).toBe(20)
  expect((await reader.get(24))?.seq).toBe(24)
  expect(reader.nextSeq).toBe(25)
  await own.append('one more')
  expect(await seqsOf(reader.read({ from: 23 }))).toEqual([23, 24, 25])
  await own.append('and one')
  expect((await reader.verify()).records).toBe(27)
  await own.append('and one')
  expect(await reader.search(() => -1)).toBe(28)
})

test('encodings, names, and what is refused', async () => {
  const root = folder()
  const own = await PersistentStream.open(root, { name: 'other', encoding: 'json' })
  await own.append({ a: 1 })
  await own.close()
  const reader = await PersistentStream.openReadOnly<{ a: number }>(root, { name: 'other', encoding: 'json' })
  expect((await reader.get(0))?.data.a).toBe(1)
  await reader.close()
  const text = await PersistentStream.openReadOnly(root, { name: 'other', encoding: 'utf8' })
  expect((await text.get(0))?.data).toBe('{"a":1}')
  await text.close()
  await text.close()
  expect(text.nextSeq).toBe(1)
  await expect(text.get(0)).rejects.toBeInstanceOf(ClosedError)
  await expect(all(text.read())).rejects.toBeInstanceOf(ClosedError)
  await expect(PersistentStream.openReadOnly(root)).rejects.toBeInstanceOf(NotFoundError)
  await expect(PersistentStream.openReadOnly(join(root, 'none'))).rejects.toBeInstanceOf(NotFoundError)
  for (const wrong of [{ name: '' }, { recovery: 'yes' }, { cache: 1 }, { encoding: 'latin9' }, 7]) {
    await expect(PersistentStream.openReadOnly(root, wrong as object)).rejects.toBeInstanceOf(InvalidInputError)
  }
  expect(() => new (ReadOnlyStream as unknown as new () => unknown)()).toThrow(InvalidInputError)
})

test.runIf(marks)('no lock is taken, and nothing is changed', async () => {
  const root = folder()
  const own = await stream(root)
  await own.append('x')
  await own.close()
  const look = () =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, statSync(join(entry.parentPath, entry.name)).mtimeMs])
      .sort()
  const before = look()
  const [one, two] = [await readOnly(root), await readOnly(root)] as const
  expect(await seqsOf(two.read())).toEqual([0])
  expect(look()).toEqual(before)
  const again = await stream(root)
  await again.append('y')
  expect(await seqsOf(one.read())).toEqual([0, 1])
  await readOnly(root)
})

test.runIf(marks)(
  'live beside a writer in another process, which is killed and comes again, over many files',
  {
    timeout: 90_000,
  },
  async () => {
    const root = folder()
    let other = await writer(root)
    const reader = await readOnly(root)
    const [seen, control] = [[] as number[], new AbortController()]
    const reading = (async () => {
      for await (const record of reader.read({ live: true, signal: control.signal })) {
        if (!isRight(record)) throw new Error(`record ${record.seq} is wrong`)
        seen.push(record.seq)
      }
    })().catch((error) => {
      if (!control.signal.aborted) throw error
    })
    let next = 0
    for (let round = 0; round < 4; round += 1) {
      next = await other.tell('append 30000 60')
      // In the midst of it.
      other.tell('append 5000 100000').catch(() => {})
      await pause(150)
      await other.kill()
      other = await writer(root)
    }
    next = await other.tell('append 10 1')
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(next)
    expect(seen).toEqual(range(0, next))
    expect(reader.stats().files).toBeGreaterThan(5)
    control.abort()
    await reading
    expect((await reader.verify()).ok).toBe(true)
  },
)

test.runIf(marks)('a live reader learns of a commit at once', { timeout: 30_000 }, async () => {
  const root = folder()
  const other = await writer(root)
  await other.tell('append 10 3')
  const reader = await readOnly(root)
  const records = reader.read({ from: 'end', live: true })
  const took: number[] = []
  for (let seq = 3; seq < 13; seq += 1) {
    const coming = records.next()
    await pause(100)
    const begin = performance.now()
    await other.tell('append 10 1')
    expect((await coming).value).toMatchObject({ seq })
    took.push(performance.now() - begin)
  }
  await records.return()
  took.sort((one, two) => one - two)
  // Where nobody tells, it takes as long as a look.
  if (linux) expect(took[5]).toBeLessThan(100)
})

test.runIf(marks)('from the end means from the call on, whatever was seen last', async () => {
  const root = folder()
  const own = await stream(root)
  const reader = await readOnly(root)
  await appendEach(own, 10)
  const coming = reader.read({ from: 'end', live: true })
  const first = coming.next()
  await pause(200)
  await own.append('now')
  expect((await first).value).toMatchObject({ seq: 10 })
  await coming.return()
})

test.runIf(marks)('without a mark that holds, later commits tell', async () => {
  const root = folder()
  const other = await writer(root)
  await other.tell('append 10 5')
  await other.kill()
  expect((await readOnly(root)).nextSeq).toBe(5)
  const bytes = readFileSync(mark(root))
  // Of another boot.
  bytes.write('another boot', 40)
  writeFileSync(mark(root), bytes)
  expect((await readOnly(root)).nextSeq).toBe(4)
  rmSync(mark(root))
  const reader = await readOnly(root)
  expect(reader.nextSeq).toBe(4)
  // The next writer makes another.
  const again = await writer(root)
  await again.tell('append 10 2')
  expect(await seqsOf(reader.read())).toEqual(range(0, 7))
})

test.runIf(marks)('a live reader does without a mark', { timeout: 30_000 }, async () => {
  const root = folder()
  const other = await writer(root)
  await other.tell('append 10 1')
  rmSync(mark(root))
  const reader = await readOnly(root)
  const records = reader.read({ live: true })
  const seqs: number[] = []
  const reading = (async () => {
    for await (const { seq } of records) {
      seqs.push(seq)
      if (seq === 5) break
    }
  })()
  for (let index = 0; index < 6; index += 1) {
    await other.tell('append 10 1')
    await pause(50)
  }
  await reading
  expect(seqs).toEqual(range(0, 6))
})

test('what is written and not durable is not shown', async () => {
  const root = folder()
  const other = await writer(root, 'written')
  const reader = await readOnly(root)
  await other.tell('append 10 50')
  const shown = await seqsOf(reader.read())
  await expect.poll(async () => (await seqsOf(reader.read())).length, { timeout: 5000 }).toBe(50)
  expect(shown.length).toBeLessThanOrEqual(50)
})

test('a stream that is destroyed ends its readers with an error', { timeout: 20_000 }, async () => {
  const root = folder()
  const own = await stream(root)
  await own.append('x')
  const reader = await readOnly(root)
  const live = reader.read({ live: true })
  expect((await live.next()).value).toMatchObject({ seq: 0 })
  const waiting = failure(live.next())
  await own.close()
  await PersistentStream.destroy(root)
  expect((await waiting).code).toBe('PSTREAM_NOT_FOUND')
  expect((await failure(reader.get(0))).code).toBe('PSTREAM_NOT_FOUND')
  const another = await stream(root)
  await another.append('y')
  const error = await failure(all(reader.read()))
  expect(error.code).toBe('PSTREAM_NOT_FOUND')
  expect(error.message).toContain('another one is in its place')
})

test('closing ends what waits', async () => {
  const root = folder()
  const own = await stream(root)
  await own.append('x')
  const reader = await readOnly(root)
  const live = reader.read({ live: true, from: 'end' })
  const waiting = live.next()
  await pause(50)
  await reader.close()
  expect(await waiting).toEqual({ done: true, value: undefined })
})

test.runIf(marks)('damage is a matter of where it is', async () => {
  const root = folder()
  const own = await stream(root)
  await appendEach(own, 10)
  await own.close()
  damage(root, 'record 9')
  rmSync(mark(root))
  expect((await failure(PersistentStream.openReadOnly(root))).code).toBe('PSTREAM_CORRUPT')
  const reader = await PersistentStream.openReadOnly(root, { recovery: 'salvage' })
  expect(reader.nextSeq).toBe(10)
  expect(await seqsOf(reader.read({ to: 9 }))).toEqual(range(0, 9))
  expect((await failure(reader.get(9))).code).toBe('PSTREAM_CORRUPT')
  await reader.close()
})

if (!linux) console.log('skipped: only Linux shows descriptors and wake-ups')
test.runIf(linux)('descriptors do not leak', async () => {
  const root = folder()
  const own = await stream(root)
  await appendEach(own, 10)
  const round = async () => {
    const reader = await PersistentStream.openReadOnly(root)
    const live = reader.read({ live: true })
    for (let index = 0; index < own.durableSeq; index += 1) await live.next()
    const waiting = live.next()
    await pause(20)
    await own.append('x')
    await waiting
    await reader.verify()
    await reader.close()
  }
  await round()
  const before = openDescriptors(root).length
  for (let index = 0; index < 5; index += 1) await round()
  expect(openDescriptors(root).length).toBe(before)
})

const script = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

test.runIf(linux)('a reader that waits wakes up at most five times a second', { timeout: 30_000 }, async () => {
  const root = folder()
  const own = await stream(root)
  await own.append('x')
  const child = spawn(process.execPath, [script('waiting-reader.mjs'), root], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  const { without, waiting } = JSON.parse(output)
  expect(waiting - without).toBeGreaterThan(0)
  expect(waiting - without).toBeLessThanOrEqual(5)
})

test('without the permission to write', async (context) => {
  if (process.platform === 'win32' || process.getuid?.() === 0) {
    context.skip('root may write everywhere')
    return
  }
  const root = folder()
  const own = await stream(root)
  await appendEach(own, 3)
  await own.close()
  const paths = readdirSync(root, { recursive: true }).map((entry) => join(root, String(entry)))
  for (const path of [...paths, root]) chmodSync(path, statSync(path).isDirectory() ? 0o500 : 0o400)
  onTestFinished(() => {
    for (const path of [root, ...paths]) chmodSync(path, 0o700)
  })
  expect(await seqsOf((await readOnly(root)).read())).toEqual([0, 1, 2])
})

test('on a read-only file system', async (context) => {
  if (!mayMount()) {
    context.skip('only root may mount')
    return
  }
  const root = folder()
  const own = await stream(join(root, 'data'))
  await appendEach(own, 3)
  const setup = 'mount --bind "$1/data" "$1/mnt" && mount -o remount,bind,ro "$1/mnt"'
  // Once while its writer has it open, and once without its mark.
  for (const expected of [3, 3]) {
    const { status, stdout, stderr } = withMount(root, setup, script('read-only-mount.mjs'))
    expect(stderr).toBe('')
    expect([status, JSON.parse(stdout)]).toEqual([0, { seqs: range(0, expected), error: 'PSTREAM_IO' }])
    await own.close()
    rmSync(join(root, 'data', 'stream.meta', 'mark'), { force: true })
  }
})
