// How the tour cuts a file into records: a text into its lines, anything else into pieces of 64 KiB. Put one behind the
// other the records are the file.

import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

const NEWLINE = 0x0a
const PIECE = 64 * 1024
/** A longer line is cut. */
const LONGEST_LINE = 1024 * 1024
const READ = 1024 * 1024

/** Reads the file once: what it is cut into, how many records that is, and its SHA-256. */
export async function survey(path) {
  const file = await open(path)
  try {
    const start = Buffer.alloc(PIECE)
    const { bytesRead } = await file.read(start, 0, PIECE, 0)
    const front = start.subarray(0, bytesRead)
    const source = { path, isText: front.includes(NEWLINE) && !front.includes(0), size: 0, records: 0 }
    const hash = createHash('sha256')
    for await (const records of recordsOf(source)) {
      source.records += records.length
      for (const record of records) {
        source.size += record.length
        hash.update(record)
      }
    }
    return { ...source, sha256: hash.digest('hex') }
  } finally {
    await file.close()
  }
}

/** The records from an offset of the file on, in lists of about 1 MiB. They can be used until the next list is asked for. */
export async function* recordsOf({ path, isText }, offset = 0) {
  const file = await open(path)
  try {
    // Behind the records that are whole there may be the beginning of one more.
    const memory = Buffer.alloc(READ + LONGEST_LINE)
    let rest = 0
    for (let position = offset; ; ) {
      const { bytesRead } = await file.read(memory, rest, READ, position)
      position += bytesRead
      const bytes = memory.subarray(0, rest + bytesRead)
      const { records, end } = cut(bytes, isText, bytesRead === 0)
      if (records.length > 0) yield records
      if (bytesRead === 0) return
      bytes.copyWithin(0, end)
      rest = bytes.length - end
    }
  } finally {
    await file.close()
  }
}

function cut(bytes, isText, isLast) {
  const records = []
  let begin = 0
  while (begin < bytes.length) {
    const end = isText ? endOfLine(bytes, begin) : begin + PIECE
    if (end > bytes.length && !isLast) break
    records.push(bytes.subarray(begin, end))
    begin = end
  }
  return { records, end: begin }
}

/** Behind the newline; if there is none yet, beyond the end. */
function endOfLine(bytes, begin) {
  const newline = bytes.indexOf(NEWLINE, begin)
  const end = newline < 0 ? Number.POSITIVE_INFINITY : newline + 1
  return Math.min(end, begin + LONGEST_LINE)
}
