/** What the values of a stream look like as bytes. */

import { type Bytes, bytesOrText, isFunction, plainBytes, refuse, text } from './arguments.js'
import type { OwnBytes } from './block-file.js'
import { InvalidInputError } from './errors.js'

/** An encoding of the caller's own. What its functions throw goes to the caller as it is. */
export interface Encoding<T> {
  /** The bytes of a value. They are copied at once. */
  encode(value: T): Bytes
  /** The value of the bytes, which are the caller's to keep; see {@link ReadOptions.copy}. */
  decode(data: OwnBytes): T
}

/** What goes into a record: a text becomes UTF-8 where it is written, without bytes in between. @internal */
export type Item = Bytes | string
/** Throws for what cannot be encoded; `name` is what the caller calls the value. @internal */
export type Encode = (name: string, value: unknown) => Item

function json(name: string, value: unknown): string {
  let encoded: string | undefined
  try {
    encoded = JSON.stringify(value)
  } catch (cause) {
    throw new InvalidInputError(`${name} cannot be encoded as JSON`, { cause })
  }
  if (encoded === undefined) throw refuse(name, 'a value that JSON has', value)
  return encoded
}

/** The value of a record that lies in a run of bytes, from `begin` to `end`. What it throws goes to the reader. @internal */
export type Decode = (run: Buffer<ArrayBuffer>, begin: number, end: number, seq: number) => unknown

/** A view that shares the memory of the run. */
function view({ buffer, byteOffset }: Buffer<ArrayBuffer>, begin: number, end: number): OwnBytes {
  return new Uint8Array(buffer, byteOffset + begin, end - begin)
}

/** Memory of its own. */
function copied({ buffer, byteOffset }: Buffer<ArrayBuffer>, begin: number, end: number): OwnBytes {
  return new Uint8Array(buffer.slice(byteOffset + begin, byteOffset + end))
}

function utf8(run: Buffer<ArrayBuffer>, begin: number, end: number): string {
  return run.toString('utf8', begin, end)
}

function parse(run: Buffer<ArrayBuffer>, begin: number, end: number, seq: number): unknown {
  const encoded = run.toString('utf8', begin, end)
  try {
    return JSON.parse(encoded)
  } catch (cause) {
    throw new InvalidInputError(`record ${seq} is not JSON`, { cause, seq })
  }
}

/** Whether nobody sees the memory of a run that the decoder is given: what it gives has memory of its own. @internal */
export function isHidden(encoding: unknown, copy: boolean): boolean {
  return copy || encoding === 'utf8' || encoding === 'json'
}

/** Of an encoding that {@link encoder} has checked. `copy`: what it gives has memory of its own. @internal */
export function decoder(encoding: unknown, copy: boolean): Decode {
  const bytes = copy ? copied : view
  switch (encoding) {
    case undefined:
    case 'buffer':
      return bytes
    case 'utf8':
      return utf8
    case 'json':
      return parse
  }
  const own = encoding as Encoding<unknown>
  return (run, begin, end) => own.decode(bytes(run, begin, end))
}

/** @internal */
export function encoder(encoding: unknown): Encode {
  switch (encoding) {
    case undefined:
    case 'buffer':
      return bytesOrText
    case 'utf8':
      return text
    case 'json':
      return json
  }
  const { encode, decode } = (typeof encoding === 'object' && encoding !== null ? encoding : {}) as Partial<
    Encoding<unknown>
  >
  if (!isFunction(encode) || !isFunction(decode))
    throw refuse('options.encoding', `'buffer', 'utf8', 'json' or an object with encode and decode`, encoding)
  return (name, value) => plainBytes(`the encoding of ${name}`, encode.call(encoding as Encoding<unknown>, value))
}
