// Every argument of every call on a stream, with bad values: an error with a code, and nothing changed.

import { existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidInputError, NotFoundError, PersistentStream, type StreamOptions } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { folder } from './support/folder.js'
import { stream } from './support/streams.js'

const badOptions: Record<string, unknown[]> = {
  name: [1, null, '', '.', '..', 'a/b', 'x'.repeat(300), 'a\0b', 'a\ud800'],
  create: [1, 'yes', null],
  lockTimeoutMs: [-1, 1.5, '1', 2 ** 31, Number.NaN],
  fileSize: [0, -1, 1.5, '1', '1MB', '1 MiB', 'MiB', '512KiB', '3GiB', 2 ** 60, 1_500_000, null, 1n],
  blockSize: [0, 4095, '2KiB', '2MiB', '5KiB', 12_288, Number.NaN],
  durability: ['always', 1, null],
  syncIntervalMs: [0, -1, 2 ** 31, '1'],
  commitDelayMs: [-1, 0.5, 60_001, '1'],
  commitAlignment: ['8KiB', 4096],
  maxPendingBytes: [0, -1, '0KiB', 'much', {}],
  recovery: ['force', true],
  mode: [-1, 0o10000, '600'],
  cache: ['all', true],
  sync: ['none', 1],
  network: ['any', true],
  reserve: ['none', false],
  encoding: ['latin1', 1, null, {}, { encode: () => 1 }, { encode: 1, decode: 1 }],
  signal: [{}, 1, null],
}

test.each(Object.entries(badOptions).flatMap(([key, values]) => values.map((value, index) => [key, index, value])))(
  'options.%s, bad value %i',
  async (key, _, value) => {
    const root = join(folder(), 'new')
    const error = await failure(PersistentStream.open(root, { [key as string]: value } as StreamOptions))
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(existsSync(root)).toBe(false)
  },
)

test('options and directory', async () => {
  for (const bad of [null, 1, 'x', () => 1]) {
    expect(await failure(PersistentStream.open(folder(), bad as never))).toBeInstanceOf(InvalidInputError)
  }
  for (const bad of [undefined, null, 1, '', {}, 'a\0b', new URL('http://localhost/x')]) {
    expect(await failure(PersistentStream.open(bad as never))).toBeInstanceOf(InvalidInputError)
  }
  expect(() => Reflect.construct(PersistentStream, [])).toThrow(InvalidInputError)
})

test('data and options of the calls', async () => {
  const opened = await stream(folder())
  const gone = new Uint8Array(8)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  for (const bad of [
    undefined,
    null,
    1,
    1n,
    {},
    [],
    [1, 2],
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
    gone,
  ]) {
    expect(await failure(opened.append(bad as never))).toBeInstanceOf(InvalidInputError)
    expect(await failure(opened.appendMany(['x', bad] as never))).toBeInstanceOf(InvalidInputError)
    expect(() => opened.write(bad as never)).toThrow(InvalidInputError)
  }
  for (const bad of [undefined, null, 'text', new Uint8Array(2), {}]) {
    expect(await failure(opened.appendMany(bad as never))).toBeInstanceOf(InvalidInputError)
  }
  for (const bad of [null, 1, 'x', { signal: 1 }, { signal: {} }]) {
    expect(await failure(opened.append('x', bad as never))).toBeInstanceOf(InvalidInputError)
    expect(await failure(opened.appendMany(['x'], bad as never))).toBeInstanceOf(InvalidInputError)
    expect(await failure(opened.flush(bad as never))).toBeInstanceOf(InvalidInputError)
    expect(await failure(opened.ready(bad as never))).toBeInstanceOf(InvalidInputError)
  }
  expect(await failure(opened.append('x', { durability: 'maybe' } as never))).toBeInstanceOf(InvalidInputError)
  expect(opened.nextSeq).toBe(0)
})

test('what lies in the way', async () => {
  const root = folder()
  writeFileSync(join(root, 'file'), 'x')
  expect((await failure(PersistentStream.open(join(root, 'file')))).code).toMatch(/^PSTREAM_/)
  expect((await failure(PersistentStream.open(join(root, 'file', 'below')))).code).toMatch(/^PSTREAM_/)
  symlinkSync('nowhere', join(root, 'link'))
  expect((await failure(PersistentStream.open(join(root, 'link')))).code).toMatch(/^PSTREAM_/)
})

test('create: false', async () => {
  const root = folder()
  expect(await failure(PersistentStream.open(join(root, 'none'), { create: false }))).toBeInstanceOf(NotFoundError)
  const error = await failure(PersistentStream.open(root, { create: false }))
  expect(error).toBeInstanceOf(NotFoundError)
  expect(error.message).toContain("no stream 'stream'")
  expect(readdirSync(root)).toEqual([])
  await (await stream(root)).close()
  expect((await stream(root, { create: false })).recovery.previous).toBe('closed')
})

test('sizes as texts', async () => {
  const opened = await stream(folder(), { fileSize: '1MiB', blockSize: '4KiB', maxPendingBytes: '0.5KiB' })
  expect(opened.maxRecordBytes).toBeLessThan(1 << 20)
  expect(opened.maxRecordBytes).toBeGreaterThan(1_000_000)
})

test('the stack of an error shows the caller', async () => {
  const opened = await stream(folder(), { maxPendingBytes: 100 })
  async function theCaller() {
    opened.append(new Uint8Array(100)).catch(() => {})
    await opened.append(new Uint8Array(100))
  }
  expect((await failure(theCaller())).stack).toContain('theCaller')
})
