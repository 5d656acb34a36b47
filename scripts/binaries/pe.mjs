// What a PE file says of itself: Windows.

import { textAt } from './elf.mjs'

const machines = { 34404: 'x64', 43620: 'arm64' }
const [EXPORTS, IMPORTS, DELAYED] = [0, 1, 13]

export const isPe = (bytes) =>
  bytes.length > 256 && bytes.toString('latin1', 0, 2) === 'MZ' && textAt(bytes, bytes.readUInt32LE(60)) === 'PE'

export function readPe(bytes) {
  const head = bytes.readUInt32LE(60) + 4
  const optional = head + 20
  const sections = readSections(bytes, optional + bytes.readUInt16LE(head + 16), bytes.readUInt16LE(head + 2))
  /** Where in the file lies what has this address in memory. */
  const place = (address) => {
    const home = sections.find((one) => address >= one.address && address < one.address + one.size)
    return address - home.address + home.offset
  }
  const directory = (index) => bytes.readUInt32LE(optional + 112 + index * 8)
  const read = { bytes, place }
  const libraries = [
    ...readImports(read, directory(IMPORTS), { size: 20, nameAt: 12, namesAt: 0 }),
    ...readImports(read, directory(DELAYED), { size: 32, nameAt: 4, namesAt: 16 }),
  ]
  const debug = sections.filter(({ name }) => name.startsWith('.debug') || name.startsWith('/')).map(({ name }) => name)
  const symbols = bytes.readUInt32LE(head + 12)
  return {
    format: 'PE',
    os: 'win32',
    cpu: machines[bytes.readUInt16LE(head)] ?? `machine ${bytes.readUInt16LE(head)}`,
    libraries: libraries.map(({ name }) => name),
    imports: libraries.flatMap(({ names }) => names),
    exports: readExports(read, directory(EXPORTS)),
    symbols: symbols === 0 ? debug : [`${symbols} symbols`, ...debug],
  }
}

function readSections(bytes, start, count) {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * 40
    const [virtual, address, raw, offset] = [8, 12, 16, 20].map((more) => bytes.readUInt32LE(at + more))
    const name = bytes.toString('latin1', at, at + 8).replace(/\0+$/, '')
    return { name, address, size: Math.max(virtual, raw), offset }
  })
}

function readImports({ bytes, place }, address, { size, nameAt, namesAt }) {
  const libraries = []
  if (address === 0) return libraries
  for (let at = place(address); bytes.readUInt32LE(at + nameAt) !== 0; at += size) {
    const names = []
    const thunks = bytes.readUInt32LE(at + namesAt)
    // A set top bit means a number in place of a name.
    for (let one = thunks && place(thunks); one !== 0 && bytes.readBigUInt64LE(one) !== 0n; one += 8)
      if (bytes[one + 7] < 0x80) names.push(textAt(bytes, place(bytes.readUInt32LE(one)) + 2))
    libraries.push({ name: textAt(bytes, place(bytes.readUInt32LE(at + nameAt))), names })
  }
  return libraries
}

function readExports({ bytes, place }, address) {
  if (address === 0) return []
  const [count, names] = [24, 32].map((offset) => bytes.readUInt32LE(place(address) + offset))
  return Array.from({ length: count }, (_, index) => textAt(bytes, place(bytes.readUInt32LE(place(names) + index * 4))))
}
