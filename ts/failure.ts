/** Makes errors of the data that native code returns in their place, on the caller's stack. */

import { getSystemErrorMap } from 'node:util'
import {
  AlreadyExistsError,
  BackpressureError,
  CapacityError,
  ClosedError,
  CorruptionError,
  type ErrorDetails,
  FileSequenceError,
  FileSyncError,
  InvalidFileError,
  InvalidInputError,
  IoError,
  LimitError,
  LockedError,
  type LockHolder,
  NoSpaceError,
  NotFoundError,
  type PstreamError,
  type SequenceErrorCode,
  type SequenceErrorDetails,
  TrimmedError,
  UnexpectedEofError,
  UnsupportedError,
  WriteZeroError,
} from './errors.js'
import type { Failure, Holder } from './native.js'
import { shownPath, shownText } from './windows-path.js'

/** The value, or the error thrown. @internal */
export function unwrap<T>(outcome: T | Failure): T {
  if (isFailure(outcome)) throw errorOf(outcome, unwrap)
  return outcome
}

/** Nothing else that native code returns has a `code`. @internal */
export function isFailure(outcome: unknown): outcome is Failure {
  return typeof outcome === 'object' && outcome !== null && 'code' in outcome
}

/** The error object. Its stack begins at the caller of `above`: how it came about in here helps nobody. @internal */
export function errorOf(told: Failure, above: (...args: never[]) => unknown = errorOf): PstreamError {
  const failure = { ...told, message: shownText(told.message) }
  const details = detailsOf(failure)
  const build = builders[failure.code]
  const error = build === undefined ? new IoError(failure.message, details) : build(failure, details)
  Error.captureStackTrace(error, above)
  if (details.cause instanceof Error) Error.captureStackTrace(details.cause, above)
  return error
}

type Builder = (failure: Failure, details: ErrorDetails) => PstreamError

function plain(type: new (message: string, details: ErrorDetails) => PstreamError): Builder {
  return (failure, details) => new type(failure.message, details)
}

const sequence: Builder = (failure, details) =>
  new FileSequenceError(failure.code as SequenceErrorCode, failure.message, {
    ...details,
    ...present({ index: failure.index, start: failure.start, end: failure.end }),
    ...present({ reason: failure.reason as SequenceErrorDetails['reason'] }),
  })

const builders: Readonly<Record<string, Builder>> = {
  PSTREAM_INVALID_INPUT: plain(InvalidInputError),
  PSTREAM_INVALID_FILE: plain(InvalidFileError),
  PSTREAM_ALREADY_EXISTS: plain(AlreadyExistsError),
  PSTREAM_NOT_FOUND: plain(NotFoundError),
  PSTREAM_UNEXPECTED_EOF: plain(UnexpectedEofError),
  PSTREAM_WRITE_ZERO: plain(WriteZeroError),
  PSTREAM_CAPACITY: plain(CapacityError),
  PSTREAM_NO_SPACE: plain(NoSpaceError),
  PSTREAM_SYNC_FAILED: plain(FileSyncError),
  PSTREAM_IO: plain(IoError),
  PSTREAM_SEQUENCE_BAD_NAME: sequence,
  PSTREAM_SEQUENCE_BROKEN: sequence,
  PSTREAM_SEQUENCE_DUPLICATE: sequence,
  PSTREAM_SEQUENCE_OUT_OF_ORDER: sequence,
  PSTREAM_SEQUENCE_OUT_OF_RANGE: sequence,
  PSTREAM_SEQUENCE_TOO_LONG: sequence,
  PSTREAM_SEQUENCE_UNRECOGNIZED: sequence,
  PSTREAM_LOCKED: (failure, details) =>
    new LockedError(failure.message, {
      ...details,
      ...present({ holder: failure.holder && holderOf(failure.holder) }),
    }),
  PSTREAM_CLOSED: plain(ClosedError),
  PSTREAM_UNSUPPORTED: plain(UnsupportedError),
  PSTREAM_CORRUPT: (failure, details) =>
    new CorruptionError(failure.message, {
      ...details,
      ...present({ fromSeq: failure.fromSeq, toSeq: failure.toSeq }),
    }),
  PSTREAM_TRIMMED: (failure, details) =>
    new TrimmedError(failure.message, { ...details, oldestSeq: failure.oldestSeq ?? 0 }),
  PSTREAM_BACKPRESSURE: plain(BackpressureError),
  PSTREAM_LIMIT: (failure, details) =>
    new LimitError(failure.message, { ...details, ...present({ cause: tooManyFiles(failure) }) }),
}

/** What a sequence says that has as many files as there can be. */
function tooManyFiles({ start, end, path }: Failure): FileSequenceError | undefined {
  if (start === undefined || end === undefined) return undefined
  const hex = (index: number) => `0x${index.toString(16).padStart(4, '0')}`
  const message = `filesequence: ${hex(start)}..${hex(end)} is too long`
  return new FileSequenceError('PSTREAM_SEQUENCE_TOO_LONG', message, { start, end, ...present({ path }) })
}

/** The holder of a lock, with its time as a `Date`. @internal */
export function holderOf(holder: Holder): LockHolder {
  const { since, ...rest } = holder
  return { ...rest, ...present({ since: since === undefined ? undefined : new Date(since) }) }
}

/** Without the keys whose value is `undefined`. @internal */
export function present<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof present<T>
  >
}

function detailsOf(failure: Failure): ErrorDetails {
  const path = failure.path === undefined ? undefined : shownPath(failure.path)
  const cause = systemErrorOf(failure, path)
  const { syscall, file, block, position, seq } = failure
  return present({ cause, errno: cause?.errno, syscall, path, file, block, position, seq })
}

interface SystemError extends Error {
  code?: string
  errno?: number
  syscall?: string
  path?: string
}

/** What Node.js itself would have thrown for the same error. */
function systemErrorOf(failure: Failure, path: string | undefined): SystemError | undefined {
  if (failure.errno === undefined && failure.osKind === undefined) return undefined
  const [errno, code, text] = systemNameOf(failure)
  const where = [failure.syscall, path === undefined ? undefined : `'${path}'`]
  const place = where.filter((part) => part !== undefined).join(' ')
  const error: SystemError = new Error(`${code ?? 'unknown error'}: ${text}${place === '' ? '' : `, ${place}`}`)
  return Object.assign(error, present({ errno, code, syscall: failure.syscall, path }))
}

function systemNameOf(failure: Failure): [errno: number | undefined, code: string | undefined, text: string] {
  const byName = process.platform === 'win32' ? windowsNames[failure.errno ?? -1] : undefined
  const name = byName ?? kindNames[failure.osKind ?? '']
  if (failure.errno !== undefined && process.platform !== 'win32') {
    const known = getSystemErrorMap().get(-failure.errno)
    return [-failure.errno, known?.[0] ?? name, known?.[1] ?? failure.message]
  }
  for (const [errno, [code, text]] of getSystemErrorMap()) if (code === name) return [errno, code, text]
  return [failure.errno === undefined ? undefined : -failure.errno, name, failure.message]
}

/** Errors that have no number, because the engine met them without asking the system: by their kind in Rust. */
const kindNames: Readonly<Record<string, string>> = {
  AlreadyExists: 'EEXIST',
  NotFound: 'ENOENT',
  PermissionDenied: 'EACCES',
  StorageFull: 'ENOSPC',
  QuotaExceeded: 'EDQUOT',
  Unsupported: 'ENOTSUP',
  ReadOnlyFilesystem: 'EROFS',
  NotADirectory: 'ENOTDIR',
  IsADirectory: 'EISDIR',
  InvalidInput: 'EINVAL',
}

/** Windows' error numbers (winerror.h), as libuv names them. */
const windowsNames: Readonly<Record<number, string>> = {
  1: 'EISDIR',
  2: 'ENOENT',
  3: 'ENOENT',
  4: 'EMFILE',
  5: 'EPERM',
  6: 'EBADF',
  8: 'ENOMEM',
  17: 'EXDEV',
  19: 'EROFS',
  23: 'EIO',
  32: 'EBUSY',
  33: 'EBUSY',
  39: 'ENOSPC',
  50: 'ENOTSUP',
  80: 'EEXIST',
  87: 'EINVAL',
  112: 'ENOSPC',
  123: 'ENOENT',
  145: 'ENOTEMPTY',
  161: 'ENOENT',
  183: 'EEXIST',
  206: 'ENAMETOOLONG',
  267: 'ENOENT',
  1117: 'EIO',
  1295: 'EDQUOT',
  1314: 'EPERM',
  1920: 'EACCES',
}
