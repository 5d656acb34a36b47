// What a Mach-O file says of itself: macOS.

import { createHash } from 'node:crypto'
import { textAt } from './elf.mjs'

const cpus = { 16777223: 'x64', 16777228: 'arm64' }
const [SYMTAB, LOAD, ID, SIGNATURE, LEAST_OLD, LEAST] = [0x2, 0xc, 0xd, 0x1d, 0x24, 0x32]
const [STAB, TYPE, EXTERNAL] = [0xe0, 0x0e, 0x01]

export const isMachO = (bytes) => bytes.length > 32 && bytes.readUInt32LE(0) === 0xfeedfacf

export function readMachO(bytes) {
  const commands = readCommands(bytes)
  const all = (kind) => commands.filter(({ command }) => command === kind).map(({ at }) => at)
  const nameIn = (at) => textAt(bytes, at + bytes.readUInt32LE(at + 8))
  const names = all(SYMTAB).flatMap((at) => readNames(bytes, at))
  const others = names.filter(({ type }) => (type & (STAB | TYPE)) === 0)
  return {
    format: 'Mach-O',
    os: 'darwin',
    cpu: cpus[bytes.readUInt32LE(4)] ?? `cpu ${bytes.readUInt32LE(4)}`,
    libraries: all(LOAD).map(nameIn),
    imports: others.map(({ name }) => name),
    exports: names.filter((one) => !others.includes(one) && one.type & EXTERNAL).map(({ name }) => name),
    symbols: names.filter(({ type }) => (type & STAB) !== 0 || (type & EXTERNAL) === 0).map(({ name }) => name),
    id: all(ID).map(nameIn)[0],
    macos: [...all(LEAST).map((at) => at + 12), ...all(LEAST_OLD).map((at) => at + 8)].map((at) =>
      version(bytes, at),
    )[0],
    signature: all(SIGNATURE).map((at) => readSignature(bytes, bytes.readUInt32LE(at + 8)))[0] ?? 'none',
  }
}

function readCommands(bytes) {
  const commands = []
  for (let left = bytes.readUInt32LE(16), at = 32; left > 0; left--) {
    commands.push({ command: bytes.readUInt32LE(at), at })
    at += bytes.readUInt32LE(at + 4)
  }
  return commands
}

/** Without the underscore that each name has there. */
function readNames(bytes, at) {
  const [from, count, strings] = [8, 12, 16].map((offset) => bytes.readUInt32LE(at + offset))
  return Array.from({ length: count }, (_, index) => {
    const entry = from + index * 16
    return { name: textAt(bytes, strings + bytes.readUInt32LE(entry)).replace(/^_/, ''), type: bytes[entry + 4] }
  })
}

const version = (bytes, at) => `${bytes.readUInt16LE(at + 2)}.${bytes[at + 1]}`

/**
 * Whether each page is what was signed. Processors by Apple run nothing that is unsigned, and stop a program at a page
 * that is not as signed; what strips a binary after it was signed may leave one such.
 */
function readSignature(bytes, at) {
  const count = bytes.readUInt32BE(at + 8)
  const slot = Array.from({ length: count }, (_, index) => at + 12 + index * 8).find(
    (one) => bytes.readUInt32BE(one) === 0,
  )
  if (slot === undefined) return 'without a directory'
  const directory = at + bytes.readUInt32BE(slot + 4)
  const [flags, hashes, pages, limit] = [12, 16, 28, 32].map((offset) => bytes.readUInt32BE(directory + offset))
  const [size, page] = [bytes[directory + 36], 2 ** bytes[directory + 39]]
  for (let index = 0; index < pages; index++) {
    const content = bytes.subarray(index * page, Math.min(limit, (index + 1) * page))
    const signed = bytes.subarray(directory + hashes + index * size, directory + hashes + (index + 1) * size)
    if (!createHash('sha256').update(content).digest().subarray(0, size).equals(signed))
      return `broken at page ${index}`
  }
  return flags & 2 ? 'ad hoc' : 'by a certificate'
}
