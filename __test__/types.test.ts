// The types that users see. Nothing here runs: `tsc -p __test__` checks it, as a part of `npm run ready`.

import {
  BlockFile,
  type Cursor,
  type CursorInfo,
  type FileSequence,
  type FileSequenceError,
  type Lag,
  type LockedError,
  type NativeMissingError,
  PersistentStream,
  type PstreamError,
  type PstreamErrorCode,
  type ReadOptions,
  type RecordIterator,
  type SequenceFile,
  type StreamReader,
  type StreamRecord,
  type WriterReadOptions,
} from 'pstream'
import { expectTypeOf, test } from 'vitest'

test('memory: any Uint8Array is taken, plain memory is given', () => {
  expectTypeOf<BlockFile['store']>().parameter(1).toEqualTypeOf<Uint8Array | readonly Uint8Array[]>()
  expectTypeOf<Buffer>().toExtend<Parameters<BlockFile['load']>[1]>()
  expectTypeOf<BlockFile['loadBytes']>().returns.resolves.toEqualTypeOf<Uint8Array<ArrayBuffer>>()
  const blob = async (file: BlockFile) => new Blob([await file.loadBytes(0, 1)])
  expectTypeOf(blob).returns.resolves.toEqualTypeOf<Blob>()
})

test('a sequence gives files that are block files with an index', () => {
  expectTypeOf<SequenceFile>().toExtend<BlockFile>()
  expectTypeOf<FileSequence['alloc']>().returns.resolves.toEqualTypeOf<SequenceFile>()
  expectTypeOf<FileSequence['retrieve']>().returns.toExtend<AsyncIterable<SequenceFile>>()
  expectTypeOf<FileSequence>().toExtend<AsyncDisposable>()
  expectTypeOf<BlockFile>().toExtend<AsyncDisposable>()
})

test('nobody but the package makes instances, and nobody changes them', () => {
  // @ts-expect-error The constructor is private.
  const construct = () => new BlockFile()
  // @ts-expect-error It is fixed for life.
  const assign = (file: BlockFile) => (file.blockCount = 1)
  expectTypeOf(construct).toBeFunction()
  expectTypeOf(assign).toBeFunction()
})

test('options are checked', () => {
  // @ts-expect-error The shift is needed.
  const missing = () => BlockFile.open('x', {})
  // @ts-expect-error There is no such choice.
  const unknown = () => BlockFile.open('x', { blockShift: 12, cache: 'sometimes' })
  expectTypeOf(missing).toBeFunction()
  expectTypeOf(unknown).toBeFunction()
})

test('errors are told apart by their codes', () => {
  expectTypeOf<PstreamError['code']>().toEqualTypeOf<PstreamErrorCode>()
  expectTypeOf<LockedError['code']>().toEqualTypeOf<'PSTREAM_LOCKED'>()
  expectTypeOf<NativeMissingError['code']>().toEqualTypeOf<'PSTREAM_NATIVE_MISSING'>()
  expectTypeOf<FileSequenceError['code']>().toExtend<PstreamErrorCode>()
})

test('a stream takes what its encoding says', () => {
  const bytes = () => PersistentStream.open('x', { name: 'events', fileSize: '8MiB', maxPendingBytes: 4096 })
  expectTypeOf(bytes).returns.resolves.toEqualTypeOf<PersistentStream>()
  expectTypeOf<PersistentStream['append']>().parameter(0).toEqualTypeOf<Uint8Array | string>()
  const text = () => PersistentStream.open('x', { encoding: 'utf8' })
  expectTypeOf(text).returns.resolves.toEqualTypeOf<PersistentStream<string>>()
  expectTypeOf<PersistentStream<string>['append']>().parameter(0).toEqualTypeOf<string>()
  const json = () => PersistentStream.open<{ id: number }>('x', { encoding: 'json' })
  expectTypeOf(json).returns.resolves.toEqualTypeOf<PersistentStream<{ id: number }>>()
  expectTypeOf<PersistentStream<{ id: number }>['appendMany']>().parameter(0).toEqualTypeOf<readonly { id: number }[]>()
  // @ts-expect-error There is no such unit.
  const unit = () => PersistentStream.open('x', { fileSize: '8MB' })
  expectTypeOf(unit).toBeFunction()
  expectTypeOf<PersistentStream>().toExtend<AsyncDisposable>()
})

test('a stream gives what its encoding says', () => {
  type Bytes = StreamRecord<Uint8Array<ArrayBuffer>>
  expectTypeOf<StreamRecord>().toEqualTypeOf<Bytes>()
  expectTypeOf<PersistentStream['read']>().returns.toEqualTypeOf<RecordIterator<Bytes>>()
  expectTypeOf<PersistentStream['readBatches']>().returns.toEqualTypeOf<RecordIterator<Bytes[]>>()
  expectTypeOf<PersistentStream<string>['get']>().returns.resolves.toEqualTypeOf<StreamRecord<string> | undefined>()
  expectTypeOf<PersistentStream<number>['search']>()
    .parameter(0)
    .toEqualTypeOf<(record: StreamRecord<number>) => number>()
  expectTypeOf<RecordIterator<Bytes>>().toExtend<AsyncIterableIterator<Bytes> & AsyncDisposable>()
  expectTypeOf<PersistentStream>().toExtend<StreamReader>()
  const bodies = async (stream: PersistentStream) => {
    for await (const { data } of stream.read()) return [new Blob([data]), new Response(data)]
    return []
  }
  expectTypeOf(bodies).toBeFunction()
})

test('a cursor gives what its stream does, from where it is', () => {
  type Text = StreamRecord<string>
  expectTypeOf<PersistentStream<string>['cursor']>().returns.resolves.toEqualTypeOf<Cursor<string>>()
  expectTypeOf<StreamReader['cursors']>().returns.resolves.toEqualTypeOf<CursorInfo[]>()
  expectTypeOf<Cursor<string>>().toExtend<AsyncIterable<Text> & AsyncDisposable>()
  expectTypeOf<Cursor<string>['read']>().returns.toEqualTypeOf<RecordIterator<Text>>()
  expectTypeOf<Cursor<string>['readBatches']>().returns.toEqualTypeOf<RecordIterator<Text[]>>()
  expectTypeOf<Cursor['lag']>().toEqualTypeOf<Lag>()
  // @ts-expect-error It has a position.
  const from = (cursor: Cursor) => cursor.read({ from: 0 })
  // @ts-expect-error Nobody moves it so.
  const assign = (cursor: Cursor) => (cursor.position = 1)
  // @ts-expect-error Only who writes the stream deletes.
  const remove = (reader: StreamReader) => reader.deleteCursor('a')
  for (const never of [from, assign, remove]) expectTypeOf(never).toBeFunction()
})

test('only the writer sees what is not durable', () => {
  expectTypeOf<PersistentStream['read']>().parameter(0).toEqualTypeOf<WriterReadOptions | undefined>()
  expectTypeOf<StreamReader['read']>().parameter(0).toEqualTypeOf<ReadOptions | undefined>()
  // @ts-expect-error It is not among the options of every reader.
  const visible = (reader: StreamReader) => reader.read({ visibility: 'written' })
  // @ts-expect-error There is no such place.
  const nowhere = (stream: PersistentStream) => stream.read({ from: 'newest' })
  // @ts-expect-error Nobody assigns to a record.
  const assign = (record: StreamRecord) => (record.seq = 1)
  // @ts-expect-error Its constructor is protected, and it is abstract.
  const construct = (type: typeof StreamReader) => new type()
  for (const never of [visible, nowhere, assign, construct]) expectTypeOf(never).toBeFunction()
})
