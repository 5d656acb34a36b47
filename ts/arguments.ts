/** Checks arguments before anything else is done with them. Every complaint names the argument. */

import { isAbsolute, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isUint8Array } from 'node:util/types'
import { InvalidInputError, NotFoundError } from './errors.js'

/** A path, or a `file:` URL. A relative path starts at the working directory of the moment of the call. */
export type Path = string | URL
/** What is taken: any `Uint8Array`, a `Buffer` among them. */
export type Bytes = Uint8Array

/** Bytes as a number, or as text: `4096`, `'64KiB'`, `'8MiB'`, `'2GiB'` (powers of two). */
export type Size = number | `${number}${'B' | 'KiB' | 'MiB' | 'GiB'}`

/** What everything that can wait takes. */
export interface AbortOptions {
  /** Ends the wait: the call rejects with the signal's reason. What was begun goes on. */
  signal?: AbortSignal
}

/** The value for a message: short, and without running code of the caller. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null)
    return String(value)
  if (typeof value === 'bigint') return 'a bigint'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** @internal */
export function refuse(name: string, expected: string, value: unknown): InvalidInputError {
  return new InvalidInputError(`${name} must be ${expected}, not ${show(value)}`)
}

/** @internal */
export function integer(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} to 2^53 - 1` : `${least} to ${most}`
  throw refuse(name, `an integer from ${range}`, value)
}

/** An integer of whatever size: the engine knows the limits, and has words for what is beyond them. @internal */
export function anyInteger(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw refuse(name, 'an integer', value)
  return Math.max(-1, Math.min(value, Number.MAX_SAFE_INTEGER))
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** Bytes, given as {@link Size}. @internal */
export function size(name: string, value: unknown, least: number, fallback: number): number {
  if (value === undefined) return fallback
  const [, digits, unit] = (typeof value === 'string' && /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/.exec(value)) || []
  const bytes = digits === undefined ? value : Number(digits) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= least) return bytes
  throw refuse(
    name,
    `a whole number of bytes, at least ${least}, or a text such as '64MiB' (in B, KiB, MiB or GiB)`,
    value,
  )
}

/** @internal */
export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (value instanceof AbortSignal) return value
  throw refuse(name, 'an AbortSignal', value)
}

/** One of these, or the default. @internal */
export function oneOf<T extends string>(name: string, value: unknown, choices: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  for (const choice of choices) if (value === choice) return choice
  throw refuse(name, choices.map((choice) => `'${choice}'`).join(' or '), value)
}

/** @internal */
export function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value === 'boolean') return value
  throw refuse(name, 'a boolean', value)
}

/** Whether an option of two values has the second one; the first is the default. @internal */
export function isSecond(name: string, value: unknown, first: string, second: string): boolean {
  if (value === undefined || value === first) return false
  if (value === second) return true
  throw refuse(name, `'${first}' or '${second}'`, value)
}

/** @internal */
export function optionsObject<T extends object>(name: string, value: T | undefined): Partial<T> {
  if (typeof value === 'object' && value !== null) return value
  throw refuse(name, 'an object', value)
}

function wellFormed(name: string, value: string): string {
  if (/\p{Surrogate}/u.test(value)) throw new InvalidInputError(`${name} contains a lone surrogate`)
  if (value.includes('\0')) throw new InvalidInputError(`${name} contains a zero byte`)
  return value
}

/** The engine's limit, in bytes. It quotes the name in its messages, so nothing longer gets there. */
const LONGEST_NAME = 247

/** One path component; that it is one is for the engine to check. @internal */
export function componentName(name: string, value: unknown): string {
  if (typeof value !== 'string') throw refuse(name, 'a string', value)
  if (value.length > LONGEST_NAME) throw new InvalidInputError(`${name} is longer than ${LONGEST_NAME} bytes`)
  return wellFormed(name, value)
}

/** An absolute path: what the working directory is later does not matter. @internal */
export function path(name: string, value: unknown): string {
  const text = value instanceof URL ? fromUrl(name, value) : value
  if (typeof text !== 'string') throw refuse(name, 'a string or a file: URL', value)
  if (text === '') throw refuse(name, 'a path', value)
  wellFormed(name, text)
  // Not `path.resolve`: it takes `..` for the folder above by name, where the system follows links.
  return isAbsolute(text) ? text : `${workingDirectory(name)}${sep}${text}`
}

function workingDirectory(name: string): string {
  try {
    return process.cwd()
  } catch (cause) {
    throw new NotFoundError(`${name} is relative, and the working directory is gone`, { cause })
  }
}

function fromUrl(name: string, url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new InvalidInputError(`${name} must be a string or a file: URL`, { cause })
  }
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const lengthGetter = Object.getOwnPropertyDescriptor(typedArray, 'byteLength')?.get
const { at } = Uint8Array.prototype

/** The true length, whatever a subclass says. @internal */
export function byteLength(bytes: Bytes): number {
  return (lengthGetter?.call(bytes) as number | undefined) ?? 0
}

/** Whether its memory is gone: detached, or shrunk below where it begins. @internal */
export function isGone(bytes: Bytes): boolean {
  if (byteLength(bytes) > 0) return false
  try {
    // Throws for exactly these two. (`ArrayBuffer.prototype.detached` came with Node.js 21.)
    at.call(bytes, 0)
    return false
  } catch {
    return true
  }
}

/** The bytes of a record, or a text. @internal */
export function bytesOrText(name: string, value: unknown): Bytes | string {
  if (typeof value === 'string') return value
  if (!isUint8Array(value)) throw refuse(name, 'a Uint8Array or a string', value)
  lengthOf(name, value)
  return value
}

/** The bytes of a record. @internal */
export function plainBytes(name: string, value: unknown): Bytes {
  if (!isUint8Array(value)) throw refuse(name, 'a Uint8Array', value)
  lengthOf(name, value)
  return value
}

/** @internal */
export function text(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw refuse(name, 'a string', value)
}

/** A list as it was at the call. @internal */
export function list(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return Array.from(value)
  throw refuse(name, 'an array', value)
}

/** @internal */
export function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function'
}

/** A list of buffers as it was at the call. @internal */
export interface ByteList {
  /** Whether it was given as one buffer, not as a list. */
  readonly single: boolean
  readonly buffers: readonly Bytes[]
  readonly lengths: number[]
  readonly total: number
}

/** @internal */
export function byteList(name: string, value: unknown): ByteList {
  if (isUint8Array(value)) {
    const length = lengthOf(name, value)
    return { single: true, buffers: [value], lengths: [length], total: length }
  }
  if (!Array.isArray(value)) throw refuse(name, 'a Uint8Array or an array of them', value)
  const count = value.length
  // The limit of the engine, and its words for it.
  if (count > 0x7fff_ffff) throw new InvalidInputError('too many bufs')
  const buffers: Bytes[] = []
  const lengths: number[] = []
  let total = 0
  for (let index = 0; index < count; index += 1) {
    const item: unknown = value[index]
    if (!isUint8Array(item)) throw refuse(`${name}[${index}]`, 'a Uint8Array', item)
    const length = lengthOf(`${name}[${index}]`, item)
    buffers.push(item)
    lengths.push(length)
    total += length
  }
  return { single: false, buffers, lengths, total }
}

function lengthOf(name: string, bytes: Bytes): number {
  if (isGone(bytes)) throw new InvalidInputError(`${name} is detached, or its buffer has become too short for it`)
  return byteLength(bytes)
}
