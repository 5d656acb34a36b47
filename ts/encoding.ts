/** What the values of a stream look like as bytes. */

import { type Bytes, bytesOrText, isFunction, plainBytes, refuse, text } from './arguments.js'
import type { OwnBytes } from './block-file.js'
import { InvalidInputError } from './errors.js'

/** An encoding of the caller's own. What its functions throw goes to the caller as it is. */
export interface Encoding<T> {
  /** The bytes of a value. They are copied at once. */
  encode(value: T): Bytes
  /** The value of the bytes. */
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
