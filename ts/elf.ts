/**
 * Whether a binary of Linux is whole and for this processor. The loaders of glibc and musl do not look: what lies behind
 * the end of a file that was cut off kills the process with SIGBUS, and a foreign processor is told as a missing file.
 * The systems of macOS and Windows look themselves.
 *
 * No checksum: whoever ships a binary may change it, by `patchelf` for one.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEAD = 64
/** Of those that Node.js names, the ones that there are binaries for. */
const machines: Record<string, number> = { x64: 62, arm64: 183 }

/** What is wrong with the file, in words; `undefined` if nothing is, or if it is not for us to say. @internal */
export function damageOf(path: string, arch: string = process.arch): string | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    return look(file, arch)
  } finally {
    closeSync(file)
  }
}

function look(file: number, arch: string): string | undefined {
  const { size } = fstatSync(file)
  const head = read(file, 0, HEAD)
  const isElf = head.length === HEAD && head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2
  if (!isElf) return `it is no binary for Linux, or a damaged one, of ${size} bytes`
  const machine = head.readUInt16LE(18)
  if (machine !== machines[arch]) return `it is for another processor than ${arch} (ELF machine ${machine})`
  const [segments, sections] = [tableAt(head, 32, 54), tableAt(head, 40, 58)]
  const ends = [segments.end, sections.end]
  if (segments.end <= size) ends.push(...endsOfSegments(read(file, segments.start, segments.end - segments.start)))
  const wanted = Math.max(...ends)
  return size < wanted ? `it is cut off: ${size} bytes of ${wanted}` : undefined
}

/** Where in the file a table lies, by the place of its offset in the head and that of the size of an entry. */
function tableAt(head: Buffer, offsetAt: number, sizeAt: number): { start: number; end: number } {
  const start = Number(head.readBigUInt64LE(offsetAt))
  return { start, end: start + head.readUInt16LE(sizeAt) * head.readUInt16LE(sizeAt + 2) }
}

const SEGMENT = 56

function endsOfSegments(table: Buffer): number[] {
  return Array.from({ length: Math.floor(table.length / SEGMENT) }, (_, index) => {
    const entry = table.subarray(index * SEGMENT)
    return Number(entry.readBigUInt64LE(8) + entry.readBigUInt64LE(32))
  })
}

/** What is there of these bytes. */
function read(file: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(file, bytes, 0, length, from))
}
