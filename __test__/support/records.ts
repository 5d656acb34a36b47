import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { PersistentStream } from 'pstream'
import { find } from './streams.js'

/** Everything that an iterator gives. */
export async function all<R>(records: AsyncIterable<R>): Promise<R[]> {
  const found: R[] = []
  for await (const record of records) found.push(record)
  return found
}

/** The seqs of everything that an iterator gives. */
export async function seqsOf(records: AsyncIterable<{ seq: number }>): Promise<number[]> {
  return (await all(records)).map(({ seq }) => seq)
}

/** `from`, and all integers up to `to`, which is not among them. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)
}

/** Appends `record 0`, `record 1` and so on, each in a batch of its own. */
export async function appendEach(stream: PersistentStream, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await stream.append(`record ${index}`)
}

/** Changes one byte of a record in the first file of the stream. */
export function damage(root: string, text: string, name = 'stream'): void {
  const at = find(root, text, name)
  if (at < 0) throw new Error(`there is no '${text}'`)
  const file = readdirSync(root).find((entry) => entry.startsWith(`${name}.0`)) ?? ''
  const handle = openSync(join(root, file), 'r+')
  const byte = Buffer.alloc(1)
  readSync(handle, byte, 0, 1, at + 2)
  byte[0] = (byte[0] ?? 0) ^ 0x10
  writeSync(handle, byte, 0, 1, at + 2)
  closeSync(handle)
}
