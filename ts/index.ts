/** The public API of pstream. */

export type { AbortOptions, Bytes, Path, Size } from './arguments.js'
export type { BackupOptions, BackupProgress } from './backup.js'
export {
  BlockFile,
  type CreateBlockFileOptions,
  type OpenBlockFileOptions,
  type OwnBytes,
  type SequenceFile,
} from './block-file.js'
export { Cursor, type CursorInfo, type CursorReadOptions, type Lag } from './cursor.js'
export type {
  CommitMessage,
  DiagnosticsMessages,
  FailureMessage,
  RecoveryMessage,
  StreamMessage,
  TrimMessage,
} from './diagnostics.js'
export type { Encoding } from './encoding.js'
export {
  AlreadyExistsError,
  BackpressureError,
  CapacityError,
  ClosedError,
  CorruptionError,
  type CorruptionErrorDetails,
  type ErrorDetails,
  FileSequenceError,
  FileSyncError,
  InvalidFileError,
  InvalidInputError,
  IoError,
  LimitError,
  LockedError,
  type LockHolder,
  NativeMissingError,
  NoSpaceError,
  NotFoundError,
  PstreamError,
  type PstreamErrorCode,
  type SequenceErrorCode,
  type SequenceErrorDetails,
  TrimmedError,
  type TrimmedErrorDetails,
  UnexpectedEofError,
  UnsupportedError,
  WriteZeroError,
} from './errors.js'
export { FileSequence, type FileSequenceOptions } from './file-sequence.js'
export type { BlockFileOptions, FileCreation } from './options.js'
export { type AppendOptions, PersistentStream } from './persistent-stream.js'
export { type ReaderOptions, ReadOnlyStream } from './read-only-stream.js'
export type { ReadOptions, StreamRecord, WriterReadOptions } from './read-options.js'
export type { ReadStreamOptions } from './read-stream.js'
export type { RecordIterator } from './record-iterator.js'
export type { RetentionOptions, TrimOptions } from './retention.js'
export type { RepairOptions, RepairReport, SequenceProblem, SequenceReport } from './sequence-tools.js'
export type { StreamOptions } from './stream-options.js'
export { type CursorOptions, StreamReader, type VerifyOptions, type VerifyProgress } from './stream-reader.js'
export type { Gap, RecoveryReport, VerifyReport } from './stream-report.js'
export type { StreamStats } from './stream-stats.js'
export type { WriteStreamOptions } from './write-stream.js'
