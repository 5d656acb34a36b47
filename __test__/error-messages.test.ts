// The messages that callers of the Rust crate match, word for word, each with its code and class.

import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as pstream from 'pstream'
import { BlockFile, FileSequence } from 'pstream'
import { expect, test } from 'vitest'
import { failure } from './support/errors.js'
import { blockFile, SHAPE, sequence } from './support/files.js'
import { folder } from './support/folder.js'

const types = new Map<string, unknown>(Object.entries(pstream))

function bytes(...lengths: number[]): Uint8Array[] {
  return lengths.map((length) => new Uint8Array(length))
}

function sized(length: number): string {
  const path = join(folder(), 'data')
  writeFileSync(path, '')
  truncateSync(path, length)
  return path
}

const create = (blockCount: number, blockShift: number) =>
  BlockFile.create(join(folder(), 'data'), { blockCount, blockShift })

type Case = [message: string, code: pstream.PstreamErrorCode, type: keyof typeof pstream, call: () => Promise<unknown>]

const SHIFT = 'block shift must be between 12 and 28 inclusive'
const LARGE = 'total blocks size too large'
const files: Case[] = [
  ...[11, 29, 0, -1, 2 ** 32 + 12, 2 ** 60].flatMap((shift): Case[] => [
    [SHIFT, 'PSTREAM_INVALID_INPUT', 'InvalidInputError', () => create(1, shift)],
    [SHIFT, 'PSTREAM_INVALID_INPUT', 'InvalidInputError', () => BlockFile.open(sized(4096), { blockShift: shift })],
  ]),
  ['block count must be non-zero', 'PSTREAM_INVALID_INPUT', 'InvalidInputError', () => create(0, 12)],
  ...[2 ** 51, 2 ** 52, 2 ** 53, 2 ** 60, 2 ** 64, Number.MAX_VALUE, -1].map(
    (count): Case => [LARGE, 'PSTREAM_INVALID_INPUT', 'InvalidInputError', () => create(count, 12)],
  ),
  ['zero file size', 'PSTREAM_INVALID_FILE', 'InvalidFileError', () => BlockFile.open(sized(0), { blockShift: 12 })],
  [
    'file size not aligned to block size',
    'PSTREAM_INVALID_FILE',
    'InvalidFileError',
    () => BlockFile.open(sized(4097), { blockShift: 12 }),
  ],
  ...[bytes(1), bytes(4096, 0, 1)].map(
    (list): Case => [
      'odd number of bufs',
      'PSTREAM_INVALID_INPUT',
      'InvalidInputError',
      async () => (await blockFile()).store(0, list),
    ],
  ),
  [
    'uneven pair of bufs is too large',
    'PSTREAM_INVALID_INPUT',
    'InvalidInputError',
    async () => (await blockFile()).store(0, bytes(4096, 1)),
  ],
  [
    'uneven pair of bufs is not the last pair',
    'PSTREAM_INVALID_INPUT',
    'InvalidInputError',
    async () => (await blockFile()).store(0, bytes(4095, 0, 4096, 0)),
  ],
  ...(['store', 'load'] as const).map(
    (method): Case => [
      'too many bufs',
      'PSTREAM_INVALID_INPUT',
      'InvalidInputError',
      async () => (await blockFile())[method](0, new Array(2 ** 31)),
    ],
  ),
  ...(
    [
      [16, 1],
      [15, 4097],
      [2 ** 52, 1],
      [2 ** 53 - 1, 1],
    ] as const
  ).flatMap(([block, length]): Case[] => [
    [
      'write exceeds file capacity',
      'PSTREAM_CAPACITY',
      'CapacityError',
      async () => (await blockFile()).store(block, new Uint8Array(length)),
    ],
    [
      'failed to fill all buffers',
      'PSTREAM_UNEXPECTED_EOF',
      'UnexpectedEofError',
      async () => (await blockFile()).load(block, new Uint8Array(length)),
    ],
    [
      'failed to fill all buffers',
      'PSTREAM_UNEXPECTED_EOF',
      'UnexpectedEofError',
      async () => (await blockFile()).loadBytes(block, length),
    ],
  ]),
  ...[new Uint8Array(0), bytes(0), bytes(0, 0)].map(
    (into): Case => [
      'failed to fill all buffers',
      'PSTREAM_UNEXPECTED_EOF',
      'UnexpectedEofError',
      async () => (await blockFile()).load(0, into),
    ],
  ),
  ...[new Uint8Array(0), bytes(0, 0)].map(
    (from): Case => [
      'failed to write all buffers',
      'PSTREAM_WRITE_ZERO',
      'WriteZeroError',
      async () => (await blockFile()).store(0, from),
    ],
  ),
]

test.each(files)('%s', async (message, code, type, call) => {
  const error = await failure(call())
  expect(error.message).toBe(message)
  expect(error.code).toBe(code)
  expect(error).toBeInstanceOf(types.get(type))
  expect(error.name).toBe(type)
})

/** Opens and reads back a folder that holds files of these names, each of 4 blocks. */
async function withFiles(...names: string[]): Promise<unknown> {
  const root = folder()
  for (const name of names) truncateSync(writeEmpty(join(root, name)), 4 * 4096)
  const opened = await sequence(root)
  for await (const file of opened.retrieve()) await file.close()
  return opened
}

function writeEmpty(path: string): string {
  writeFileSync(path, '')
  return path
}

const names: [name: string, message: string, reason: string][] = [
  ['events.xxx', "filesequence: bad index: 'xxx'", 'bad-index'],
  ['events.10000-12', "filesequence: bad index: '10000-12'", 'bad-index'],
  ['events.f0-a', "filesequence: bad shift: 'f0-a'", 'bad-shift'],
  ['events.f0', "filesequence: fields missing: 'f0'", 'missing-fields'],
  ['events.f0-9-', "filesequence: too many fields: 'f0-9-'", 'too-many-fields'],
]

test.each(names)('a file called %s: %s', async (name, message, reason) => {
  const error = await failure(withFiles(name))
  expect(error).toBeInstanceOf(pstream.FileSequenceError)
  expect(error).toMatchObject({ code: 'PSTREAM_SEQUENCE_BAD_NAME', message, reason })
  expect(error.path).toMatch(new RegExp(`${name}$`))
})

test('a gap', async () => {
  expect(await failure(withFiles('events.0001-12', 'events.0003-12'))).toMatchObject({
    code: 'PSTREAM_SEQUENCE_BROKEN',
    message: 'filesequence: indexes are not monotonically increasing',
  })
})

test('a duplicate, in two spellings', async () => {
  const error = await failure(withFiles('events.0002-12', 'events.0003-12', 'events.3-12'))
  expect(error).toMatchObject({
    code: 'PSTREAM_SEQUENCE_DUPLICATE',
    message: 'filesequence: duplicate index 0x0003',
    index: 3,
  })
})

test('indexes that are too far apart', async () => {
  expect(await failure(withFiles('events.0001-12', 'events.4001-12', 'events.8001-12'))).toMatchObject({
    code: 'PSTREAM_SEQUENCE_OUT_OF_RANGE',
    message: expect.stringMatching(/^filesequence: index 0x\w{4} out of range$/),
    index: expect.any(Number),
  })
})

test('too many files', async () => {
  const root = folder()
  const first = writeEmpty(join(root, 'events.0001-12'))
  for (let index = 2; index <= 0x4000; index += 1) {
    linkSync(first, join(root, `events.${index.toString(16).padStart(4, '0')}-12`))
  }
  expect(await failure(FileSequence.open(root, SHAPE))).toMatchObject({
    code: 'PSTREAM_SEQUENCE_TOO_LONG',
    message: 'filesequence: 0x0001..0x4001 is too long',
    start: 1,
    end: 0x4001,
  })
})

test('releasing in the wrong order, twice, and where it does not belong', async () => {
  const [ours, other] = [await sequence(folder()), await sequence(folder())]
  const [first, second] = [await ours.alloc(), await ours.alloc()]
  expect(await failure(ours.release(second))).toMatchObject({
    code: 'PSTREAM_SEQUENCE_OUT_OF_ORDER',
    message: 'filesequence: index 0x0002 out of order',
    index: 2,
  })
  expect(await failure(other.release(first))).toMatchObject({
    code: 'PSTREAM_SEQUENCE_UNRECOGNIZED',
    message: 'filesequence: file does not belong to this sequence',
  })
  // Still open and in place.
  await first.store(0, new Uint8Array(10))
  await ours.release(first)
  expect(await failure(ours.release(first))).toMatchObject({
    code: 'PSTREAM_SEQUENCE_OUT_OF_RANGE',
    message: 'filesequence: index 0x0001 out of range',
    index: 1,
  })
  await second.close()
})

test('a lock that is held', async () => {
  const root = folder()
  await sequence(root)
  const error = await failure(FileSequence.open(root, { ...SHAPE, lockTimeoutMs: 0 }))
  expect(error).toBeInstanceOf(pstream.LockedError)
  expect(error).toMatchObject({
    code: 'PSTREAM_LOCKED',
    message: 'filesequence: lock file is held by another instance',
    holder: { pid: process.pid, alive: true, since: expect.any(Date) },
  })
})

if (process.platform === 'win32') console.log('skipped: links are of Unix')

test.runIf(process.platform !== 'win32')('what is no regular file', async () => {
  const root = folder()
  mkdirSync(join(root, 'folder'))
  writeFileSync(join(root, 'file'), new Uint8Array(4096))
  symlinkSync('file', join(root, 'link'))
  for (const name of ['folder', 'link']) {
    const error = await failure(BlockFile.open(join(root, name), { blockShift: 12 }))
    expect(error).toBeInstanceOf(pstream.InvalidFileError)
    expect(error).toMatchObject({ code: 'PSTREAM_INVALID_FILE', path: join(root, name) })
    expect(error.message).toContain('is not a regular file')
  }
})
