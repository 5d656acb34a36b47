/**
 * The error classes: one for each thing that a caller would handle differently. The table of codes is in
 * `docs/errors.md`; a test compares it with these classes and with the engine.
 */

/** The stable codes. A message may be reworded between versions, unless it is documented; a code never is. */
export type PstreamErrorCode =
  | 'PSTREAM_INVALID_INPUT'
  | 'PSTREAM_INVALID_FILE'
  | 'PSTREAM_ALREADY_EXISTS'
  | 'PSTREAM_NOT_FOUND'
  | 'PSTREAM_UNEXPECTED_EOF'
  | 'PSTREAM_WRITE_ZERO'
  | 'PSTREAM_CAPACITY'
  | 'PSTREAM_NO_SPACE'
  | 'PSTREAM_SYNC_FAILED'
  | 'PSTREAM_IO'
  | 'PSTREAM_SEQUENCE_BAD_NAME'
  | 'PSTREAM_SEQUENCE_BROKEN'
  | 'PSTREAM_SEQUENCE_DUPLICATE'
  | 'PSTREAM_SEQUENCE_OUT_OF_ORDER'
  | 'PSTREAM_SEQUENCE_OUT_OF_RANGE'
  | 'PSTREAM_SEQUENCE_TOO_LONG'
  | 'PSTREAM_SEQUENCE_UNRECOGNIZED'
  | 'PSTREAM_LOCKED'
  | 'PSTREAM_CLOSED'
  | 'PSTREAM_UNSUPPORTED'
  | 'PSTREAM_CORRUPT'
  | 'PSTREAM_TRIMMED'
  | 'PSTREAM_BACKPRESSURE'
  | 'PSTREAM_LIMIT'
  | 'PSTREAM_NATIVE_MISSING'

/** The codes of {@link FileSequenceError}. */
export type SequenceErrorCode = Extract<PstreamErrorCode, `PSTREAM_SEQUENCE_${string}`>

/** What is known of the holder of a lock. For messages: nothing is decided by it. */
export interface LockHolder {
  /** Process id, as its own host counts. */
  pid?: number
  /** Host name. */
  host?: string
  /** When the lock was taken. */
  since?: Date
  /** Whether the process lives; absent where it cannot be told, as of another host. */
  alive?: boolean
  /** What a symbolic link in the lock's place points to. */
  note?: string
}

/** What an error carries beside its code and message, where it applies. */
export interface ErrorDetails {
  /** The system's own error, or whatever else led to this one. */
  cause?: unknown
  /** The system's error number, negative as in Node.js. */
  errno?: number
  /** The operation that the system refused. */
  syscall?: string
  /** The file or folder it is about. */
  path?: string
  /** The name of the file of a stream that it is about. */
  file?: string
  /** The block at which the failed load or store began. */
  block?: number
  /** A position in bytes. */
  position?: number
  /** A record. */
  seq?: number
}

const DETAILS = ['cause', 'errno', 'syscall', 'path', 'file', 'block', 'position', 'seq'] as const

/** Every error that pstream raises. `code` is stable; the rest is there where it applies. */
export class PstreamError extends Error {
  /** Stable, the same in the documentation and in the engine. */
  readonly code: PstreamErrorCode
  /** The system's own error: an `Error` with a `code` such as `'ENOSPC'`. */
  declare readonly cause?: unknown
  /** The system's error number, negative as in Node.js. */
  declare readonly errno?: number
  /** The operation that the system refused, named like the system call. */
  declare readonly syscall?: string
  /** The file or folder it is about. */
  declare readonly path?: string
  /** The name of the file of a stream that it is about. */
  declare readonly file?: string
  /** The block at which the failed load or store began. */
  declare readonly block?: number
  /** A position in bytes. */
  declare readonly position?: number
  /** A record. */
  declare readonly seq?: number

  constructor(code: PstreamErrorCode, message: string, details: ErrorDetails = {}) {
    super(message)
    this.code = code
    for (const key of DETAILS) if (details[key] !== undefined) define(this, key, details[key], key !== 'cause')
  }
}

/** Absent details stay absent, and a `cause` is not enumerable, as that of any other error. */
function define(error: Error, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true })
}

/** An argument is of the wrong type or out of range, or arguments do not fit together. Nothing was changed. */
export class InvalidInputError extends PstreamError {
  declare readonly code: 'PSTREAM_INVALID_INPUT'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_INVALID_INPUT', message, details)
  }
}

/** What lies at the path is not a block file: of a length that cannot be, a folder, a symbolic link. */
export class InvalidFileError extends PstreamError {
  declare readonly code: 'PSTREAM_INVALID_FILE'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_INVALID_FILE', message, details)
  }
}

/** Something of that name is there already, and was left alone. */
export class AlreadyExistsError extends PstreamError {
  declare readonly code: 'PSTREAM_ALREADY_EXISTS'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_ALREADY_EXISTS', message, details)
  }
}

/** There is nothing at the path. */
export class NotFoundError extends PstreamError {
  declare readonly code: 'PSTREAM_NOT_FOUND'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_NOT_FOUND', message, details)
  }
}

/** A load reached past the end of the file. */
export class UnexpectedEofError extends PstreamError {
  declare readonly code: 'PSTREAM_UNEXPECTED_EOF'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_UNEXPECTED_EOF', message, details)
  }
}

/** A store had nothing to write, or the system takes no more bytes. */
export class WriteZeroError extends PstreamError {
  declare readonly code: 'PSTREAM_WRITE_ZERO'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_WRITE_ZERO', message, details)
  }
}

/** A store does not fit into the file, or a record into any file of the stream. Nothing was written. */
export class CapacityError extends PstreamError {
  declare readonly code: 'PSTREAM_CAPACITY'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_CAPACITY', message, details)
  }
}

/** The disk, or the quota, is full. What was stored before is intact, and the call may be tried again. */
export class NoSpaceError extends PstreamError {
  declare readonly code: 'PSTREAM_NO_SPACE'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_NO_SPACE', message, details)
  }
}

/** A sync failed, now or earlier: what became of the bytes in flight is unknown. Close, and open anew to go on. */
export class FileSyncError extends PstreamError {
  declare readonly code: 'PSTREAM_SYNC_FAILED'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_SYNC_FAILED', message, details)
  }
}

/** Any other error of the operating system; `cause` says which. */
export class IoError extends PstreamError {
  declare readonly code: 'PSTREAM_IO'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_IO', message, details)
  }
}

/** What a {@link FileSequenceError} carries beside the details of every error. */
export interface SequenceErrorDetails extends ErrorDetails {
  /** The index it is about. */
  index?: number
  /** Of a sequence that is too long: its first index, */
  start?: number
  /** and one past its last one. */
  end?: number
  /** Which part of a file's name does not parse. */
  reason?: 'bad-index' | 'bad-shift' | 'missing-fields' | 'too-many-fields'
}

/** The files in the folder are no sequence, or a file has no place in it. `code` says what it is. */
export class FileSequenceError extends PstreamError {
  declare readonly code: SequenceErrorCode
  /** The index it is about. */
  declare readonly index?: number
  /** `PSTREAM_SEQUENCE_TOO_LONG`: the first index. */
  declare readonly start?: number
  /** `PSTREAM_SEQUENCE_TOO_LONG`: one past the last index. */
  declare readonly end?: number
  /** `PSTREAM_SEQUENCE_BAD_NAME`: which part of the file's name does not parse. */
  declare readonly reason?: 'bad-index' | 'bad-shift' | 'missing-fields' | 'too-many-fields'
  constructor(code: SequenceErrorCode, message: string, details: SequenceErrorDetails = {}) {
    super(code, message, details)
    for (const key of ['index', 'start', 'end', 'reason'] as const) {
      if (details[key] !== undefined) define(this, key, details[key], true)
    }
  }
}

/** Somebody has it open: another process, a worker thread, or this very thread. */
export class LockedError extends PstreamError {
  declare readonly code: 'PSTREAM_LOCKED'
  /** As far as is known. */
  declare readonly holder?: LockHolder
  constructor(message: string, details: ErrorDetails & { holder?: LockHolder } = {}) {
    super('PSTREAM_LOCKED', message, details)
    if (details.holder !== undefined) define(this, 'holder', details.holder, true)
  }
}

/** It has been closed. */
export class ClosedError extends PstreamError {
  declare readonly code: 'PSTREAM_CLOSED'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_CLOSED', message, details)
  }
}

/** The file system or platform cannot do what was asked for, or a later version of pstream has written what is there. */
export class UnsupportedError extends PstreamError {
  declare readonly code: 'PSTREAM_UNSUPPORTED'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_UNSUPPORTED', message, details)
  }
}

/** What a {@link CorruptionError} carries beside the details of every error. */
export interface CorruptionErrorDetails extends ErrorDetails {
  /** The first record that may be gone, */
  fromSeq?: number
  /** and the first one behind the damage. */
  toSeq?: number
}

/** What was durable in a stream is damaged or gone: `file`, `block` and `position` say where. Nothing was changed. */
export class CorruptionError extends PstreamError {
  declare readonly code: 'PSTREAM_CORRUPT'
  /** The first record that may be gone. */
  declare readonly fromSeq?: number
  /** The first record behind the damage, where that is known. */
  declare readonly toSeq?: number
  constructor(message: string, details: CorruptionErrorDetails = {}) {
    super('PSTREAM_CORRUPT', message, details)
    for (const key of ['fromSeq', 'toSeq'] as const) {
      if (details[key] !== undefined) define(this, key, details[key], true)
    }
  }
}

/** What a {@link TrimmedError} carries beside the details of every error. */
export interface TrimmedErrorDetails extends ErrorDetails {
  /** The oldest record that is left. */
  oldestSeq?: number
}

/** The record was released, with the file that held it. */
export class TrimmedError extends PstreamError {
  declare readonly code: 'PSTREAM_TRIMMED'
  /** The oldest record that is left. */
  declare readonly oldestSeq: number
  constructor(message: string, details: TrimmedErrorDetails = {}) {
    super('PSTREAM_TRIMMED', message, details)
    define(this, 'oldestSeq', details.oldestSeq ?? 0, true)
  }
}

/** Too much waits to be committed already, and nothing was taken: wait for `ready()`, then try again. */
export class BackpressureError extends PstreamError {
  declare readonly code: 'PSTREAM_BACKPRESSURE'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_BACKPRESSURE', message, details)
  }
}

/**
 * The stream may not grow: `limitBytes` is reached, or the most files that there can be (`cause` is the error of the
 * sequence then). Nothing was written. It goes on once something was released: by a cursor that commits, or by `trim`.
 */
export class LimitError extends PstreamError {
  declare readonly code: 'PSTREAM_LIMIT'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_LIMIT', message, details)
  }
}

/** There is no binary for this platform, or it cannot be loaded. The message says which one was looked for. */
export class NativeMissingError extends PstreamError {
  declare readonly code: 'PSTREAM_NATIVE_MISSING'
  constructor(message: string, details?: ErrorDetails) {
    super('PSTREAM_NATIVE_MISSING', message, details)
  }
}

const classes = {
  PstreamError,
  InvalidInputError,
  InvalidFileError,
  AlreadyExistsError,
  NotFoundError,
  UnexpectedEofError,
  WriteZeroError,
  CapacityError,
  NoSpaceError,
  FileSyncError,
  IoError,
  FileSequenceError,
  LockedError,
  ClosedError,
  UnsupportedError,
  CorruptionError,
  TrimmedError,
  BackpressureError,
  LimitError,
  NativeMissingError,
}

// On the prototype, as the names of the built-in errors; and from these keys, which no minifier renames.
for (const [name, { prototype }] of Object.entries(classes)) {
  Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
}
