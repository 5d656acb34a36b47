// Every argument of every public call, with every bad value there is: an error with a code, and nothing changed.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BlockFile, FileSequence, InvalidInputError } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { SHAPE, snapshot } from './support/files.js'
import { folder } from './support/folder.js'

/** Each behind a function: some cannot be used twice, and none may be printed by accident. */
type Values = Record<string, () => unknown>

const notAnything: Values = {
  null: () => null,
  true: () => true,
  'a bigint': () => 1n,
  'a symbol': () => Symbol('x'),
  'a function': () => () => 1,
  'an object': () => ({}),
  'a list': () => [[]],
  'a date': () => new Date(0),
  'a proxy': () => new Proxy({}, {}),
  'an object without a prototype': () => Object.create(null),
}
const notText: Values = { ...notAnything, 'a number': () => 1, NaN: () => Number.NaN }
const notNumber: Values = { ...notAnything, text: () => '1', 'a boxed number': () => Object(1) }
const notInteger: Values = {
  ...notNumber,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-Infinity': () => Number.NEGATIVE_INFINITY,
  'a fraction': () => 12.5,
}
const outside: Values = {
  negative: () => -1,
  huge: () => Number.MAX_VALUE,
  '2^53': () => 2 ** 53,
  '-2^63': () => -(2 ** 63),
}
const missing: Values = { undefined: () => undefined }
const notPath: Values = {
  ...missing,
  ...notText,
  empty: () => '',
  'with a zero byte': () => 'a\0b',
  'with a lone surrogate': () => 'a\ud800b',
  'a web address': () => new URL('http://localhost/x'),
  // On Windows it is a path, to a share.
  ...(process.platform === 'win32' ? {} : { 'a file address of another host': () => new URL('file://elsewhere/x') }),
  'a file address with an encoded slash': () => new URL('file:///a%2fb'),
  'a Buffer': () => Buffer.from('/tmp/x'),
}
const notName: Values = {
  ...missing,
  ...notText,
  empty: () => '',
  dot: () => '.',
  'two dots': () => '..',
  'a path': () => 'a/b',
  'a path upwards': () => '../a',
  'an absolute path': () => '/a',
  'with a slash behind it': () => 'a/',
  'with a zero byte': () => 'a\0',
  'with a lone surrogate': () => '\udfff',
  '248 bytes': () => 'x'.repeat(248),
  '248 bytes in 124 letters': () => 'ä'.repeat(124),
  'a megabyte': () => 'x'.repeat(1 << 20),
}
const notFlag: Values = {
  null: () => null,
  'a number': () => 1,
  text: () => 'true',
  'an object': () => ({}),
}
const notChoice: Values = { ...notText, 'another word': () => 'sometimes', empty: () => '', 'other case': () => 'DROP' }
const notMode: Values = { ...notInteger, negative: () => -1, 'too large': () => 0o10000 }
const notTimeout: Values = { ...notInteger, negative: () => -1, 'too long': () => 2 ** 31 }
const notShift: Values = { ...missing, ...notInteger, ...outside, '11': () => 11, '29': () => 29 }
const notCount: Values = { ...missing, ...notInteger, ...outside, zero: () => 0 }
const notOptions: Values = {
  ...missing,
  null: () => null,
  text: () => 'x',
  'a number': () => 1,
  'a function': () => () => 1,
}
const notOptionalOptions: Values = { null: () => null, text: () => 'x', 'a number': () => 1 }
const notBlock: Values = { ...missing, ...notInteger, ...outside }

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

const notBuffer: Values = {
  ...missing,
  null: () => null,
  text: () => 'hello',
  'a number': () => 8,
  'an object': () => ({}),
  'an object that pretends': () => ({ byteLength: 8, buffer: new ArrayBuffer(8), byteOffset: 0 }),
  'an ArrayBuffer': () => new ArrayBuffer(8),
  'a DataView': () => new DataView(new ArrayBuffer(8)),
  'another view': () => new Uint16Array(4),
  'a clamped view': () => new Uint8ClampedArray(8),
  'a proxy of a view': () => new Proxy(new Uint8Array(8), {}),
  'a derived object': () => Object.create(new Uint8Array(8)),
  detached,
}
const notBuffers: Values = {
  ...notBuffer,
  ...Object.fromEntries(
    Object.entries(notBuffer).map(([name, value]) => [`a list with ${name}`, () => [new Uint8Array(8), value()]]),
  ),
  'a list with a hole': () => new Array(2),
  'a huge empty list': () => new Array(2 ** 32 - 1),
  'a list of lists': () => [[new Uint8Array(8), new Uint8Array(8)]],
  'a set': () => new Set([new Uint8Array(8)]),
}

const create = { blockCount: 4, blockShift: 12 }

interface Context {
  root: string
  file: BlockFile
  sequence: FileSequence
}

/** Each argument: the values that it must not have, and a call that puts one there. */
const table: Record<string, [bad: Values, call: (context: Context, value: never) => Promise<unknown>]> = {
  'BlockFile.create path': [{ ...notPath, 'a folder': () => '/tmp/' }, (_, value) => BlockFile.create(value, create)],
  'BlockFile.create options': [notOptions, ({ root }, value) => BlockFile.create(join(root, 'n'), value)],
  ...perOption('BlockFile.create', { ...createOptions() }, ({ root }, options) =>
    BlockFile.create(join(root, 'new'), { ...create, ...options }),
  ),
  'BlockFile.open path': [
    { ...notPath, 'a folder': () => `${process.cwd()}/` },
    (_, value) => BlockFile.open(value, { blockShift: 12 }),
  ],
  'BlockFile.open options': [notOptions, ({ root }, value) => BlockFile.open(join(root, 'data'), value)],
  ...perOption(
    'BlockFile.open',
    { blockShift: notShift, cache: notChoice, sync: notChoice, readOnly: notFlag },
    (c, o) => BlockFile.open(join(c.root, 'data'), { blockShift: 12, ...o }),
  ),
  'load block': [notBlock, ({ file }, value) => file.load(value, new Uint8Array(8))],
  'load into': [notBuffers, ({ file }, value) => file.load(0, value)],
  'loadBytes block': [notBlock, ({ file }, value) => file.loadBytes(value, 8)],
  'loadBytes byteLength': [notBlock, ({ file }, value) => file.loadBytes(0, value)],
  'store block': [notBlock, ({ file }, value) => file.store(value, new Uint8Array(8))],
  'store from': [notBuffers, ({ file }, value) => file.store(0, value)],
  'FileSequence.open root': [notPath, (_, value) => FileSequence.open(value, SHAPE)],
  'FileSequence.open options': [notOptions, ({ root }, value) => FileSequence.open(root, value)],
  ...perOption(
    'FileSequence.open',
    { ...createOptions(), name: notName, lock: notChoice, lockTimeoutMs: notTimeout },
    ({ root }, options) => FileSequence.open(root, { ...SHAPE, name: 'other', ...options }),
  ),
  'alloc options': [notOptionalOptions, ({ sequence }, value) => sequence.alloc(value)],
  'alloc options.blockCount': [without(notCount), ({ sequence }, value) => sequence.alloc({ blockCount: value })],
  'release file': [{ ...missing, ...notAnything, 'a number': () => 1 }, (c, value) => c.sequence.release(value)],
  'inspect root': [notPath, (_, value) => FileSequence.inspect(value, 'events')],
  'inspect name': [notName, ({ root }, value) => FileSequence.inspect(root, value)],
  'repair root': [notPath, (_, value) => FileSequence.repair(value, 'events')],
  'repair name': [notName, ({ root }, value) => FileSequence.repair(root, value, { apply: true })],
  'repair options': [notOptionalOptions, ({ root }, value) => FileSequence.repair(root, 'events', value)],
  'repair options.apply': [notFlag, ({ root }, value) => FileSequence.repair(root, 'events', { apply: value })],
  'repair options.closeGaps': [notFlag, ({ root }, value) => FileSequence.repair(root, 'events', { closeGaps: value })],
  'rename root': [notPath, (_, value) => FileSequence.rename(value, 'events', 'b')],
  'rename from': [notName, ({ root }, value) => FileSequence.rename(root, value, 'b')],
  'rename to': [notName, ({ root }, value) => FileSequence.rename(root, 'events', value)],
  'breakLock root': [notPath, (_, value) => FileSequence.breakLock(value, 'events')],
  'breakLock name': [notName, ({ root }, value) => FileSequence.breakLock(root, value)],
  'breakLock options': [notOptionalOptions, ({ root }, value) => FileSequence.breakLock(root, 'events', value)],
  'breakLock options.force': [notFlag, ({ root }, value) => FileSequence.breakLock(root, 'events', { force: value })],
}

function createOptions(): Record<string, Values> {
  return {
    blockCount: notCount,
    blockShift: notShift,
    cache: notChoice,
    sync: notChoice,
    reserve: notChoice,
    prewrite: notFlag,
    mode: notMode,
  }
}

/** For options that may be left out. */
function without({ undefined: _, ...values }: Values): Values {
  return values
}

function perOption(
  method: string,
  options: Record<string, Values>,
  call: (context: Context, options: object) => Promise<unknown>,
): typeof table {
  const rows = Object.entries(options).map(([option, values]): [string, (typeof table)[string]] => [
    `${method} options.${option}`,
    [values, (context, value) => call(context, { [option]: value })],
  ])
  return Object.fromEntries(rows)
}

test('the constructors are not for users', () => {
  for (const type of [BlockFile, FileSequence] as unknown as (new (
    ...args: unknown[]
  ) => unknown)[]) {
    for (const args of [[], [Symbol('pstream'), {}], [undefined, undefined]]) {
      expect(() => new type(...args)).toThrow(InvalidInputError)
    }
  }
})

test.each(Object.entries(table))('%s', async (_, [values, call]) => {
  const root = folder()
  const file = await BlockFile.create(join(root, 'data'), create)
  await file.store(0, new Uint8Array(100).fill(1))
  const sequence = await FileSequence.open(root, SHAPE)
  await (await sequence.alloc()).close()
  writeFileSync(join(root, 'bystander'), 'x')
  const before = snapshot(root)
  for (const [name, value] of Object.entries(values)) {
    let promise: Promise<unknown>
    try {
      promise = call({ root, file, sequence }, value() as never)
    } catch (error) {
      throw new Error(`${name}: thrown, not rejected`, { cause: error })
    }
    const error = await failure(promise)
    expect(error, name).toBeInstanceOf(InvalidInputError)
    expect(error.code, name).toBe('PSTREAM_INVALID_INPUT')
    expect(error.message.length, name).toBeLessThan(2000)
  }
  expect(snapshot(root)).toEqual(before)
  await file.close()
  await sequence.close()
})
