// Copies of a stream: consistent under load, whole or not there.

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AlreadyExistsError,
  ClosedError,
  CorruptionError,
  InvalidFileError,
  InvalidInputError,
  PersistentStream,
} from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { all, damage } from './support/records.js'
import { fill, SMALL } from './support/retained.js'
import { stream } from './support/streams.js'

// Windows has no boot id, without which there is no mark.
const marks = process.platform !== 'win32'

test('a backup under load holds what was durable, record by record', async () => {
  const [root, to] = [folder(), `${folder()}/made/for/it`]
  const opened = await stream(root, { ...SMALL, name: 'events' })
  await fill(opened, 35)
  const atLeast = opened.durableSeq
  let end = false
  const loading = (async () => {
    while (!end) await opened.append(`record ${opened.nextSeq}`)
  })()
  const progress: number[] = []
  let total = 0
  const onProgress = ({ bytes, totalBytes }: { bytes: number; totalBytes: number }) => {
    progress.push(bytes)
    total = totalBytes
  }
  await opened.backup(to, { onProgress })
  end = true
  await loading
  expect(progress).toEqual([...progress].sort((one, other) => one - other))
  expect([progress.at(-1), progress.length > 5]).toEqual([total, true])
  expect(readdirSync(to).filter((name) => !name.startsWith('events.0'))).toEqual(marks ? ['events.meta'] : [])
  if (marks) expect(readdirSync(join(to, 'events.meta'))).toEqual(['mark'])
  const copy = await stream(to, { name: 'events' })
  expect(copy.recovery).toMatchObject({ previous: 'closed', gaps: [], leftovers: [] })
  expect(copy.nextSeq).toBeGreaterThanOrEqual(atLeast)
  const [here, there] = [await all(opened.read({ to: copy.nextSeq })), await all(copy.read())]
  expect(there.length).toBe(copy.nextSeq)
  for (const [index, record] of there.entries()) {
    expect(Buffer.compare(record.data, here[index]?.data ?? Buffer.alloc(0))).toBe(0)
    expect([record.seq, record.time]).toEqual([here[index]?.seq, here[index]?.time])
  }
  expect(await copy.verify()).toMatchObject({ ok: true })
  expect(await copy.append('on its own')).toBe(there.length)
})

test('an abort, an error of onProgress, a close: nothing is left', async () => {
  const [root, to] = [folder(), folder()]
  const opened = await stream(root, SMALL)
  await fill(opened, 60)
  const controller = new AbortController()
  const reason = new Error('enough')
  const aborted = opened.backup(to, { signal: controller.signal, onProgress: () => controller.abort(reason) })
  expect(await aborted.catch((error: unknown) => error)).toBe(reason)
  expect(readdirSync(to)).toEqual([])
  expect(await opened.backup(to, { signal: controller.signal }).catch((error: unknown) => error)).toBe(reason)
  const thrown = new Error('thrown')
  const onProgress = () => {
    throw thrown
  }
  expect(await opened.backup(to, { onProgress }).catch((error: unknown) => error)).toBe(thrown)
  expect(readdirSync(to)).toEqual([])
  const closing = failure(opened.backup(to, { onProgress: () => void opened.close() }))
  expect(await closing).toBeInstanceOf(ClosedError)
  expect(readdirSync(to)).toEqual([])
  expect(await failure(opened.backup(to))).toBeInstanceOf(ClosedError)
})

test('where it cannot go', async () => {
  const [root, to] = [folder(), folder()]
  const opened = await stream(root)
  await opened.append('x')
  expect(await failure(opened.backup(root))).toBeInstanceOf(AlreadyExistsError)
  await opened.backup(to)
  const again = await failure(opened.backup(to))
  expect(again).toBeInstanceOf(AlreadyExistsError)
  expect(again.path).toBe(join(to, 'stream.0001-16'))
  const file = join(folder(), 'file')
  writeFileSync(file, 'x')
  expect(['InvalidFileError', 'IoError']).toContain((await failure(opened.backup(file))).name)
  expect(await failure(opened.backup(file))).not.toBeInstanceOf(InvalidInputError)
  for (const bad of [undefined, 1, '', null]) {
    expect(await failure(opened.backup(bad as unknown as string))).toBeInstanceOf(InvalidInputError)
  }
  for (const bad of [null, 1, { signal: 1 }, { onProgress: 1 }]) {
    expect(await failure(opened.backup(folder(), bad as object))).toBeInstanceOf(InvalidInputError)
  }
  void InvalidFileError
})

test('damage is not copied', async () => {
  const [root, to] = [folder(), folder()]
  const opened = await stream(root, SMALL)
  await opened.append('to be damaged')
  await fill(opened, 20)
  damage(root, 'to be damaged')
  const error = await failure(opened.backup(to))
  expect(error).toBeInstanceOf(CorruptionError)
  expect(error).toMatchObject({ file: 'stream.0001-16', block: 0, fromSeq: 0, path: join(root, 'stream.0001-16') })
  expect(readdirSync(to)).toEqual([])
})

test('with retention at work, it is one of the past', async () => {
  const [root, to] = [folder(), folder()]
  const opened = await stream(root, { retention: { maxBytes: '4MiB' } })
  await fill(opened, 60)
  const backup = opened.backup(to)
  await fill(opened, 60)
  await backup
  const copy = await PersistentStream.open(to)
  expect((await copy.verify()).ok).toBe(true)
  expect(copy.oldestSeq).toBeGreaterThan(0)
  await copy.close()
})
