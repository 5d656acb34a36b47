// `createWriteStream`: one write is one record, and backpressure is for free.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { createGunzip, gzipSync } from 'node:zlib'
import { CapacityError, ClosedError, type Encoding, PersistentStream, type PstreamError } from 'pstream'
import { expect, test } from 'vitest'
import { pattern, same } from './support/bytes.js'
import { prologue, run } from './support/children.js'
import { folder } from './support/folder.js'
import { all, range } from './support/records.js'
import { stream } from './support/streams.js'

/** What was appended, as texts. */
async function texts(log: PersistentStream): Promise<string[]> {
  return (await all(log.read())).map(({ data }) => Buffer.from(data).toString())
}

/** Ends it, and waits until all is durable. */
async function finished(sink: Writable): Promise<void> {
  sink.end()
  await once(sink, 'finish')
}

/** The error that destroys it. */
async function errorOf(sink: Writable | Readable): Promise<PstreamError> {
  const [error] = await once(sink, 'error')
  expect(sink.destroyed).toBe(true)
  return error
}

test('one write is one record, in order, beside appends', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  expect(sink).toBeInstanceOf(Writable)
  expect(sink.writableObjectMode).toBe(false)
  for (const chunk of ['a', Buffer.from('b'), new Uint8Array([99]), '', Buffer.alloc(0)]) sink.write(chunk)
  await finished(sink)
  expect(log.durableSeq).toBe(5)
  await log.append('behind')
  expect(await texts(log)).toEqual(['a', 'b', 'c', '', '', 'behind'])
})

test('strings have the encoding of the write, bytes go through as they are', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  sink.write('00ff80', 'hex')
  sink.setDefaultEncoding('latin1')
  sink.write('ä')
  sink.write(new Uint8Array([0xff, 0xfe]))
  await finished(sink)
  expect((await all(log.read())).map(({ data }) => [...data])).toEqual([[0, 255, 128], [0xe4], [0xff, 0xfe]])
})

test('what the caller does with its buffer after the callback does not matter', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  const chunk = Buffer.from('before')
  await new Promise((resolve) => sink.write(chunk, resolve))
  chunk.fill('x')
  await finished(sink)
  expect(await texts(log)).toEqual(['before'])
})

test('object mode with an encoding: what `append` takes', async () => {
  const root = folder()
  const log = await PersistentStream.open<unknown>(root, { encoding: 'json' })
  const sink = log.createWriteStream()
  expect(sink.writableObjectMode).toBe(true)
  for (const value of [{ id: 1 }, 'text', 0, false, [null]]) sink.write(value)
  await finished(sink)
  expect((await all(log.read())).map(({ data }) => data)).toEqual([{ id: 1 }, 'text', 0, false, [null]])
  await log.close()
  const dates: Encoding<Date> = {
    encode: (date) => Buffer.from(date.toISOString()),
    decode: (data) => new Date(Buffer.from(data).toString()),
  }
  const own = await PersistentStream.open(root, { name: 'own', encoding: dates })
  await pipeline(Readable.from([new Date(0), new Date(1000)]), own.createWriteStream())
  expect((await all(own.read())).map(({ data }) => data.getTime())).toEqual([0, 1000])
  await own.close()
})

test('utf8 takes texts; bytes, which may be none, are refused', async () => {
  const log = await PersistentStream.open(folder(), { encoding: 'utf8' })
  const sink = log.createWriteStream()
  // In object mode an encoding means nothing.
  sink.write('c3a4', 'hex')
  sink.write('ä')
  await new Promise((resolve) => sink.write('', resolve))
  sink.write(Buffer.from([0xff]))
  expect(await errorOf(sink)).toMatchObject({ code: 'PSTREAM_INVALID_INPUT' })
  expect((await all(log.read())).map(({ data }) => data)).toEqual(['c3a4', 'ä', ''])
  await log.close()
})

test('the callback of a write comes when its record is durable', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  const seen = await Promise.all(
    range(0, 100).map(
      (index) => new Promise<boolean>((resolve) => sink.write(String(index), () => resolve(log.durableSeq > index))),
    ),
  )
  expect(seen).toEqual(range(0, 100).map(() => true))
  await finished(sink)
})

test('what is written while a commit is under way is one commit', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  for (let index = 0; index < 5000; index += 1) sink.write('x')
  await finished(sink)
  expect(log.nextSeq).toBe(5000)
  expect(log.stats().commits).toBeLessThan(5)
})

test('written: the callback comes earlier, and at the end all is durable', async () => {
  const log = await stream(folder(), { syncIntervalMs: 2 ** 31 - 1 })
  const sink = log.createWriteStream({ durability: 'written' })
  await new Promise((resolve) => sink.write('x', resolve))
  expect(log.durableSeq).toBe(0)
  await finished(sink)
  expect(log.durableSeq).toBe(1)
  const own = await stream(folder(), { durability: 'written', syncIntervalMs: 2 ** 31 - 1 })
  const second = own.createWriteStream()
  second.write('x')
  await finished(second)
  expect(own.durableSeq).toBe(1)
})

test('a finished stream survives kill -9', async () => {
  const root = folder()
  const script = `
    const stream = await PersistentStream.open(root, { commitDelayMs: 50 })
    const sink = stream.createWriteStream()
    for (let index = 0; index < 20_000; index += 1) sink.write('record ' + index)
    sink.end()
    sink.on('finish', () => process.kill(process.pid, 'SIGKILL'))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${prologue}${script}`, root])
  const [status, signal] = await once(child, 'exit')
  // Windows ends it as hard, and has no signals.
  expect(process.platform === 'win32' ? status : signal).toBe(process.platform === 'win32' ? 1 : 'SIGKILL')
  const log = await stream(root)
  expect(log.recovery).toMatchObject({ previous: 'crashed', records: { nextSeq: 20_000 } })
  expect((await texts(log)).at(-1)).toBe('record 19999')
})

test('a tiny maxPendingBytes: it waits for room, beside others that want it too', async () => {
  const log = await stream(folder(), { maxPendingBytes: 100 })
  const [left, right] = [log.createWriteStream({ highWaterMark: 1000 }), log.createWriteStream()]
  for (let index = 0; index < 300; index += 1) {
    left.write(`left ${index}`)
    right.write('r'.repeat(index))
  }
  // Larger than all that may wait.
  left.write(new Uint8Array(5000))
  await Promise.all([finished(left), finished(right)])
  expect(log.nextSeq).toBe(601)
  const found = (await texts(log)).filter((text) => text.startsWith('left'))
  expect(found).toEqual(range(0, 300).map((index) => `left ${index}`))
})

test('write returns false when enough waits, and drain comes', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream({ highWaterMark: 10 })
  expect(sink.write('12345')).toBe(true)
  expect(sink.write('67890')).toBe(false)
  await once(sink, 'drain')
  expect(log.durableSeq).toBe(2)
  await finished(sink)
})

test('pipeline from zlib and a Transform', async () => {
  const log = await stream(folder())
  const source = pattern(2_000_000)
  await pipeline(Readable.from([gzipSync(source)]), createGunzip(), log.createWriteStream())
  const found = (await all(log.read())).map(({ data }) => data)
  expect(same(Buffer.concat(found), source)).toBe(true)
  const lines = new Transform({
    readableObjectMode: true,
    transform(chunk, _, callback) {
      for (const line of String(chunk).split('\n')) this.push(line)
      callback()
    },
  })
  const text = await PersistentStream.open(folder(), { encoding: 'utf8' })
  await pipeline(Readable.from(['a\nb\nc']), lines, text.createWriteStream())
  expect((await all(text.read())).map(({ data }) => data)).toEqual(['a', 'b', 'c'])
  await text.close()
})

test('100 MiB go through both in flat memory', { timeout: 120_000 }, async () => {
  const script = `
    import { pipeline } from 'node:stream/promises'
    import { Writable } from 'node:stream'
    const stream = await PersistentStream.open(root)
    const chunk = Buffer.alloc(64 << 10, 7)
    let most = 0
    const look = () => { gc(); most = Math.max(most, process.memoryUsage().rss) }
    const source = function* () { for (let index = 0; index < 1600; index += 1) { if (index % 100 === 99) look(); yield chunk } }
    await pipeline(source(), stream.createWriteStream())
    let [bytes, chunks] = [0, 0]
    const before = most
    await pipeline(stream.createReadStream({ as: 'data' }), new Writable({ write (data, _, callback) {
      bytes += data.length
      chunks += 1
      if (chunks % 100 === 99) look()
      setImmediate(callback)
    } }))
    console.log(JSON.stringify({ bytes, before: before / 2 ** 20, most: most / 2 ** 20 }))`
  const { stdout, stderr } = run(script, folder())
  expect(stderr).toBe('')
  const { bytes, before, most } = JSON.parse(stdout)
  expect(bytes).toBe(100 << 20)
  // Node.js itself takes 50 MiB or so.
  expect(before).toBeLessThan(130)
  expect(most).toBeLessThan(150)
})

test('a record that fits into no file destroys it; those before it are there', async () => {
  const log = await stream(folder(), { fileSize: '1MiB' })
  const sink = log.createWriteStream()
  sink.write('good')
  sink.write('good too')
  sink.write(new Uint8Array(2 << 20))
  sink.write('never')
  expect(await errorOf(sink)).toBeInstanceOf(CapacityError)
  expect(await texts(log)).toEqual(['good', 'good too'])
  await log.append('the stream goes on')
})

test('what an encoder throws destroys it with that', async () => {
  const log = await PersistentStream.open<unknown>(folder(), { encoding: 'json' })
  const sink = log.createWriteStream()
  sink.write(() => {})
  expect(await errorOf(sink)).toMatchObject({ code: 'PSTREAM_INVALID_INPUT' })
  const circle: { self?: unknown } = {}
  circle.self = circle
  const other = log.createWriteStream()
  other.write(circle)
  expect(await errorOf(other)).toMatchObject({ code: 'PSTREAM_INVALID_INPUT' })
  expect(log.nextSeq).toBe(0)
  await log.close()
})

test('destroyed in the midst: what was handed over is there, nothing more is', async () => {
  const log = await stream(folder(), { maxPendingBytes: 1000 })
  const sink = log.createWriteStream()
  const callbacks: unknown[] = []
  sink.cork()
  for (let index = 0; index < 100; index += 1) sink.write('x'.repeat(100), (error) => callbacks.push(error))
  sink.uncork()
  sink.destroy()
  await once(sink, 'close')
  await log.flush()
  for (let round = 0; callbacks.length < 100 && round < 100; round += 1) await turn()
  // They were handed over together, as far as there was room, and fail together.
  expect(callbacks).toHaveLength(100)
  for (const error of callbacks) expect(error).toMatchObject({ code: 'PSTREAM_CLOSED' })
  expect(log.nextSeq).toBeGreaterThan(0)
  expect(log.nextSeq).toBeLessThan(100)
  expect(await log.append('next')).toBe(log.nextSeq - 1)
})

test('destroyed with a commit under way: the rest fails', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  const outcome = () => new Promise((resolve) => sink.write('x', resolve))
  const outcomes = Promise.all([outcome(), outcome()])
  // Behind the microtask that hands the first one over, and before the loop can tell of its end.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  sink.destroy()
  const [first, second] = await outcomes
  expect(first ?? undefined).toBe(undefined)
  expect(second).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
  expect(log.nextSeq).toBe(1)
})

test('destroyed with an error, and a source that fails in a pipeline', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  const reason = new Error('enough')
  sink.destroy(reason)
  expect(await errorOf(sink)).toBe(reason)
  const second = log.createWriteStream()
  const source = async function* () {
    yield 'one'
    throw reason
  }
  await expect(pipeline(source(), second)).rejects.toBe(reason)
  expect(second.destroyed).toBe(true)
})

test('a signal destroys it with its reason', async () => {
  const log = await stream(folder())
  const controller = new AbortController()
  const sink = log.createWriteStream({ signal: controller.signal })
  sink.write('x')
  const reason = new Error('enough')
  const failed = errorOf(sink)
  controller.abort(reason)
  expect(await failed).toBe(reason)
  expect(await errorOf(log.createWriteStream({ signal: controller.signal }))).toBe(reason)
})

test('of a stream that is closed, before, meanwhile and while it waits for room', async () => {
  const root = folder()
  const log = await stream(root, { maxPendingBytes: 100, commitDelayMs: 50 })
  const waiting = log.createWriteStream()
  for (let index = 0; index < 10; index += 1) waiting.write('x'.repeat(60))
  const idle = log.createWriteStream()
  const failed = errorOf(waiting)
  await turn()
  await log.close()
  expect(await failed).toBeInstanceOf(ClosedError)
  idle.write('x')
  expect(await errorOf(idle)).toMatchObject({ code: 'PSTREAM_CLOSED' })
  const late = log.createWriteStream({ durability: 'written' })
  late.end()
  expect(await errorOf(late)).toMatchObject({ code: 'PSTREAM_CLOSED' })
})

test('to end it does not close the stream, and several follow each other', async () => {
  const log = await stream(folder())
  for (const text of ['a', 'b', 'c']) await pipeline([text], log.createWriteStream())
  expect(await texts(log)).toEqual(['a', 'b', 'c'])
})

test('an append that waits keeps the process alive, one that is done does not', () => {
  const root = folder()
  const script = `
    const stream = await PersistentStream.open(root)
    const sink = stream.createWriteStream()
    for (let index = 0; index < 1000; index += 1) sink.write('x')
    sink.on('finish', () => console.log(stream.durableSeq))
    sink.end()`
  const { stdout, stderr, status } = run(script, root)
  expect({ stdout, stderr, status }).toEqual({ stdout: '1000\n', stderr: '', status: 0 })
})

test('process.exit() in the same tick commits what it was given, also by an exit listener', async () => {
  const root = folder()
  const script = `
    const stream = await PersistentStream.open(root, { maxPendingBytes: 20_000 })
    const [sink, other] = [stream.createWriteStream(), stream.createWriteStream()]
    process.on('exit', () => {
      sink.write('last')
      other.write('very last')
      other.write('the end')
    })
    for (let index = 0; index < 1000; index += 1) sink.write('record ' + index)
    process.exit(7)`
  const { stderr, status } = run(script, root)
  expect({ stderr, status }).toEqual({ stderr: '', status: 7 })
  const found = await texts(await stream(root))
  expect(found.slice(0, 1000)).toEqual(range(0, 1000).map((index) => `record ${index}`))
  expect(found.slice(1000)).toEqual(['last', 'very last', 'the end'])
})

test.each<[string, unknown, string]>([
  ['durability', { durability: 'soon' }, 'options.durability'],
  ['highWaterMark', { highWaterMark: 1.5 }, 'options.highWaterMark'],
  ['signal', { signal: 1 }, 'options.signal'],
  ['options', 1, 'options'],
])('bad input: %s', async (_, options, name) => {
  const log = await stream(folder())
  expect(() => log.createWriteStream(options as object)).toThrow(name)
})

test('bad chunks', async () => {
  const log = await stream(folder())
  const sink = log.createWriteStream()
  expect(() => sink.write(1)).toThrow(TypeError)
  expect(() => sink.write(null)).toThrow(TypeError)
  sink.write('still good')
  await finished(sink)
  const late = await new Promise((resolve) => sink.write('late', resolve))
  expect(late).toMatchObject({ code: 'ERR_STREAM_WRITE_AFTER_END' })
  expect(await texts(log)).toEqual(['still good'])
})

test('as a web stream', async () => {
  const log = await stream(folder())
  await new Response('from the web').body?.pipeTo(Writable.toWeb(log.createWriteStream()))
  expect(await texts(log)).toEqual(['from the web'])
  const writer = Writable.toWeb(log.createWriteStream()).getWriter()
  await writer.write(new TextEncoder().encode('by hand'))
  // There a write waits for room only, and the close for what is durable.
  await writer.close()
  expect(log.durableSeq).toBe(2)
  const failing = Writable.toWeb(log.createWriteStream()).getWriter()
  const closed = failing.closed.catch((error: unknown) => error)
  failing.write(new Uint8Array(log.maxRecordBytes + 1)).catch(() => {})
  expect(await closed).toMatchObject({ code: 'PSTREAM_CAPACITY' })
})
