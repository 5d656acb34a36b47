// `createReadStream`: records, or their bytes, as a stream of Node.js.

import { once } from 'node:events'
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Transform, Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { CorruptionError, PersistentStream, type PstreamError, type StreamRecord } from 'pstream'
import { expect, expectTypeOf, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { all, appendEach, damage, range, seqsOf } from './support/records.js'
import { stream } from './support/streams.js'

type Records = AsyncIterable<StreamRecord>

test('records, in object mode, as `read` gives them', async () => {
  const log = await stream(folder())
  await log.appendMany(['a', 'b', 'c'])
  const readable = log.createReadStream()
  expect(readable).toBeInstanceOf(Readable)
  expect(readable.readableObjectMode).toBe(true)
  expect(await all(readable as Records)).toEqual(await all(log.read()))
  expect(readable.destroyed).toBe(true)
  expect(await seqsOf(log.createReadStream({ from: 1, to: 2 }) as Records)).toEqual([1])
  expect(await seqsOf(log.createReadStream({ limit: 2 }) as Records)).toEqual([0, 1])
  expect(await seqsOf(log.createReadStream({ from: 'end' }) as Records)).toEqual([])
})

test('many records, and every high-water mark', async () => {
  const log = await stream(folder())
  await log.appendMany(range(0, 20_000).map(String))
  for (const highWaterMark of [0, 1, 2, 16, 100_000]) {
    const seqs = await seqsOf(log.createReadStream({ highWaterMark }) as Records)
    expect(seqs, String(highWaterMark)).toEqual(range(0, 20_000))
  }
})

test('the end is where it was at the call', async () => {
  const log = await stream(folder())
  await log.append('before')
  const readable = log.createReadStream()
  await log.append('after')
  expect(await seqsOf(readable as Records)).toEqual([0])
})

test('as data: the bytes, one behind the other, whatever the encoding', async () => {
  const root = folder()
  for (const encoding of ['buffer', 'utf8', 'json'] as const) {
    const log = await PersistentStream.open<string>(root, { name: encoding, encoding: encoding as 'json' })
    await log.appendMany(['ä', '', 'bc'])
    const readable = log.createReadStream({ as: 'data' })
    expect(readable.readableObjectMode).toBe(false)
    expect(await text(readable)).toBe(encoding === 'json' ? '"ä""""bc"' : 'äbc')
    expect(await text(log.createReadStream({ as: 'data' }).setEncoding('utf8'))).toContain('ä')
    await log.close()
  }
})

test('as data: nothing but empty records, more of them than are read together', async () => {
  const log = await stream(folder())
  await log.appendMany(range(0, 5000).map(() => ''))
  expect(await text(log.createReadStream({ as: 'data' }))).toBe('')
  await log.append('x')
  expect(await text(log.createReadStream({ as: 'data' }))).toBe('x')
})

test('records have the values of the encoding', async () => {
  const log = await PersistentStream.open<{ id: number } | null>(folder(), { encoding: 'json' })
  await log.appendMany([{ id: 1 }, null])
  const records = (await all(log.createReadStream())) as StreamRecord<unknown>[]
  expect(records.map(({ data }) => data)).toEqual([{ id: 1 }, null])
  await log.close()
})

test('through zlib into a file and back', async () => {
  const root = folder()
  const log = await stream(root)
  const source = pattern(3 << 20)
  for (let at = 0; at < source.length; at += 100_000) log.write(source.subarray(at, at + 100_000))
  await log.flush()
  const file = join(root, 'out.gz')
  await pipeline(log.createReadStream({ as: 'data' }), createGzip(), createWriteStream(file))
  const back = await buffer(createReadStream(file).pipe(createGunzip()))
  expect(same(back, source)).toBe(true)
})

test('through a Transform of objects, and the helpers of Readable', async () => {
  const log = await stream(folder(), {})
  await appendEach(log, 10)
  const lines: string[] = []
  const format = new Transform({
    objectMode: true,
    transform: ({ seq, data }: StreamRecord, _, callback) => callback(null, `${seq}: ${Buffer.from(data)}\n`),
  })
  const sink = new Writable({
    write(chunk, _, callback) {
      lines.push(String(chunk))
      callback()
    },
  })
  await pipeline(log.createReadStream({ from: 8 }), format, sink)
  expect(lines).toEqual(['8: record 8\n', '9: record 9\n'])
  const seqs = await log
    .createReadStream()
    .map(({ seq }: StreamRecord) => seq)
    .toArray()
  expect(seqs).toEqual(range(0, 10))
})

test('a consumer that is slow is waited for', async () => {
  const root = folder()
  const log = await stream(root)
  for (let index = 0; index < 64; index += 1) log.write(new Uint8Array(256 << 10))
  await log.flush()
  const readable = log.createReadStream({ as: 'data' })
  await once(readable, 'readable')
  for (let round = 0; round < 20; round += 1) await turn()
  // One record is larger than the high-water mark.
  expect(readable.readableLength).toBeLessThanOrEqual((64 << 10) + (256 << 10))
  expect(await buffer(readable)).toHaveLength(64 * (256 << 10))
})

test('paused, and going on; and `read` of so many bytes', async () => {
  const log = await stream(folder())
  await log.appendMany(['abc', 'def', 'ghi'])
  const readable = log.createReadStream({ as: 'data' })
  await once(readable, 'readable')
  expect(String(readable.read(4))).toBe('abcd')
  expect(await text(readable)).toBe('efghi')
  const records = log.createReadStream()
  const seen: number[] = []
  records.on('data', ({ seq }) => {
    seen.push(seq)
    records.pause()
    setTimeout(() => records.resume(), 5)
  })
  await once(records, 'end')
  expect(seen).toEqual([0, 1, 2])
})

test('what a listener throws is an exception, and not an error of the stream', async () => {
  const log = await stream(folder())
  await appendEach(log, 3)
  const readable = log.createReadStream()
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  try {
    const caught = once(process, 'uncaughtException')
    readable.once('data', () => {
      throw new Error('on purpose')
    })
    expect((await caught)[0].message).toBe('on purpose')
  } finally {
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
  expect(readable.errored).toBe(null)
  readable.destroy()
})

test('destroyed, it gives up its files at once', async () => {
  const root = folder()
  const log = await stream(root)
  for (let index = 0; index < 15; index += 1) log.write(new Uint8Array(100_000))
  await log.flush()
  // No next file is being made: the first one is less than half full.
  const before = openDescriptors(root).length
  const readable = log.createReadStream()
  await once(readable, 'readable')
  if (process.platform === 'linux') expect(openDescriptors(root).length).toBeGreaterThan(before)
  readable.destroy()
  await once(readable, 'close')
  expect(openDescriptors(root)).toHaveLength(before)
  // In the midst of a load, and before anything was read.
  const loading = log.createReadStream()
  loading.read()
  loading.destroy()
  await once(loading, 'close')
  const fresh = log.createReadStream()
  fresh.destroy()
  await once(fresh, 'close')
  for (let round = 0; openDescriptors(root).length > before && round < 100; round += 1) await turn()
  expect(openDescriptors(root)).toHaveLength(before)
})

test('left in the midst of a loop, it is destroyed', async () => {
  const log = await stream(folder())
  await appendEach(log, 10)
  const readable = log.createReadStream()
  for await (const { seq } of readable as Records) if (seq === 3) break
  expect(readable.destroyed).toBe(true)
})

test('disposed of as Node.js has it', async () => {
  const log = await stream(folder())
  const both = [log.createReadStream(), log.createWriteStream()]
  for (const each of both) {
    // Node.js has it of readable streams since 20.5, of writable ones since 22.
    const dispose = (each as Partial<AsyncDisposable>)[Symbol.asyncDispose]
    if (dispose === undefined) continue
    await dispose.call(each)
    expect(each.destroyed).toBe(true)
  }
  expect(both[0]?.destroyed).toBe(true)
})

test('a pipeline whose sink fails destroys it', async () => {
  const log = await stream(folder())
  await appendEach(log, 10)
  const readable = log.createReadStream()
  const sink = new Writable({ objectMode: true, write: (_chunk, _encoding, callback) => callback(new Error('full')) })
  await expect(pipeline(readable, sink)).rejects.toThrow('full')
  expect(readable.destroyed).toBe(true)
})

test.each([
  ['an error', new Error('enough')],
  ['the default', undefined],
  ['a text', 'enough'],
  ['nothing', null],
])('a signal destroys it with its reason: %s', async (_, reason) => {
  const log = await stream(folder())
  await appendEach(log, 10)
  const controller = new AbortController()
  const readable = log.createReadStream({ signal: controller.signal })
  await once(readable, 'readable')
  const failed = once(readable, 'error')
  controller.abort(reason)
  const [error] = await failed
  if (typeof reason === 'object' && reason !== null) expect(error).toBe(reason)
  else if (reason === undefined) expect(error).toBe(controller.signal.reason)
  else expect(error.cause).toBe(reason)
  const aborted = log.createReadStream({ signal: controller.signal })
  await once(aborted, 'error')
  expect(aborted.destroyed).toBe(true)
})

test('a signal that lives on is not listened to for ever', async () => {
  const log = await stream(folder())
  await log.append('x')
  const { signal } = new AbortController()
  let listeners = 0
  const [add, remove] = [signal.addEventListener, signal.removeEventListener]
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove.apply(signal, args)
  }
  await all(log.createReadStream({ signal }))
  log.createWriteStream({ signal }).destroy()
  expect(listeners).toBe(0)
})

test('live: it goes on with what is appended, until it is destroyed or the stream is closed', async () => {
  const log = await stream(folder())
  await log.append('before')
  const controller = new AbortController()
  const [ended, aborted] = [
    log.createReadStream({ live: true }),
    log.createReadStream({ live: true, from: 'end', signal: controller.signal }),
  ]
  const seen: number[] = []
  ended.on('data', ({ seq }) => seen.push(seq))
  const next = once(aborted, 'data')
  for (let round = 0; round < 5; round += 1) await turn()
  await log.append('after')
  expect((await next)[0].seq).toBe(1)
  const failed = once(aborted, 'error')
  const reason = new Error('enough')
  controller.abort(reason)
  expect((await failed)[0]).toBe(reason)
  const end = once(ended, 'end')
  await log.close()
  await end
  expect(seen).toEqual([0, 1])
})

test('damage is told as by `read`, and `onGap` goes past it', async () => {
  const root = folder()
  const log = await stream(root)
  await appendEach(log, 5)
  damage(root, 'record 2')
  const failed = await all(log.createReadStream()).catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(CorruptionError)
  expect(failed).toMatchObject({ fromSeq: 2 })
  const gaps: number[] = []
  const readable = log.createReadStream({ onGap: ({ fromSeq }) => gaps.push(fromSeq) })
  expect((await seqsOf(readable as Records)).includes(2)).toBe(false)
  expect(gaps).toEqual([2])
  const thrown = new Error('from onGap')
  const picky = log.createReadStream({
    onGap: () => {
      throw thrown
    },
  })
  await expect(all(picky)).rejects.toBe(thrown)
})

test('of a stream that is closed, before and meanwhile', async () => {
  const log = await stream(folder())
  for (let index = 0; index < 40; index += 1) log.write(new Uint8Array(100_000))
  await log.flush()
  const readable = log.createReadStream()
  await once(readable, 'readable')
  await log.close()
  await expect(all(readable)).rejects.toMatchObject({ code: 'PSTREAM_CLOSED' })
  await expect(all(log.createReadStream())).rejects.toMatchObject({ code: 'PSTREAM_CLOSED' })
})

test('what a decoder throws', async () => {
  const root = folder()
  const log = await stream(root)
  await log.append('no json')
  await log.close()
  const wrong = await PersistentStream.open(root, { encoding: 'json' })
  await expect(all(wrong.createReadStream())).rejects.toMatchObject({ code: 'PSTREAM_INVALID_INPUT', seq: 0 })
  expect(await text(wrong.createReadStream({ as: 'data' }))).toBe('no json')
  await wrong.close()
})

test.each<[string, unknown, string]>([
  ['as', { as: 'bytes' }, 'options.as'],
  ['highWaterMark', { highWaterMark: -1 }, 'options.highWaterMark'],
  ['highWaterMark', { highWaterMark: '1' }, 'options.highWaterMark'],
  ['from', { from: -1 }, 'options.from'],
  ['signal', { signal: {} }, 'options.signal'],
  ['onGap', { onGap: 1 }, 'options.onGap'],
  ['options', null, 'options'],
])('bad input: %s', async (_, options, name) => {
  const log = await stream(folder())
  const create = () => log.createReadStream(options as object)
  expect(create).toThrow(name)
  try {
    create()
  } catch (error) {
    expect((error as PstreamError).code).toBe('PSTREAM_INVALID_INPUT')
  }
})

test('as a web stream, of records and of bytes', async () => {
  const log = await stream(folder())
  await appendEach(log, 3)
  const seqs: number[] = []
  for await (const record of Readable.toWeb(log.createReadStream())) seqs.push(record.seq)
  expect(seqs).toEqual([0, 1, 2])
  const bytes = Readable.toWeb(log.createReadStream({ as: 'data' })) as ReadableStream<Uint8Array<ArrayBuffer>>
  expect(await new Response(bytes).text()).toBe('record 0record 1record 2')
  const left = log.createReadStream()
  const reader = Readable.toWeb(left).getReader()
  await reader.read()
  await reader.cancel()
  expect(left.destroyed).toBe(true)
})

test('a file goes in and comes out', async () => {
  const root = folder()
  const source = pattern(5_000_000)
  writeFileSync(join(root, 'in'), source)
  const log = await stream(root)
  await pipeline(createReadStream(join(root, 'in')), log.createWriteStream())
  await pipeline(log.createReadStream({ as: 'data' }), createWriteStream(join(root, 'out')))
  expect(same(readFileSync(join(root, 'out')), source)).toBe(true)
})

test('types', () => {
  expectTypeOf<PersistentStream['createReadStream']>().returns.toEqualTypeOf<Readable>()
  expectTypeOf<PersistentStream['createWriteStream']>().returns.toEqualTypeOf<Writable>()
  // @ts-expect-error There is no such choice.
  const wrong = (log: PersistentStream) => log.createReadStream({ as: 'bytes' })
  expectTypeOf(wrong).toBeFunction()
})
