// What an ELF file says of itself: Linux.

const machines = { 62: 'x64', 183: 'arm64' }
const [SYMTAB, DYNAMIC, DYNSYM, VERNEED] = [2, 6, 11, 0x6ffffffe]
const NEEDED = 1n

export const isElf = (bytes) => bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46

export function readElf(bytes) {
  const sections = readSections(bytes)
  const text = (table, offset) => textAt(bytes, sections[table].offset + offset)
  const names = readNames(bytes, sections, text)
  return {
    format: 'ELF',
    os: 'linux',
    cpu: machines[bytes.readUInt16LE(18)] ?? `machine ${bytes.readUInt16LE(18)}`,
    libraries: readLibraries(bytes, sections, text),
    imports: names.filter(({ isHere }) => !isHere).map(({ name }) => name),
    exports: names.filter(({ isHere }) => isHere).map(({ name }) => name),
    symbols: sections.filter(({ type, name }) => type === SYMTAB || name.startsWith('.debug')).map(({ name }) => name),
    glibc: newest(readVersions(bytes, sections, text)),
  }
}

export function textAt(bytes, offset) {
  return bytes.toString('latin1', offset, bytes.indexOf(0, offset))
}

function readSections(bytes) {
  const [start, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)]
  const sections = Array.from({ length: count }, (_, index) => {
    const head = bytes.subarray(start + index * size)
    return {
      nameAt: head.readUInt32LE(0),
      type: head.readUInt32LE(4),
      offset: Number(head.readBigUInt64LE(24)),
      size: Number(head.readBigUInt64LE(32)),
      link: head.readUInt32LE(40),
      info: head.readUInt32LE(44),
    }
  })
  const names = sections[bytes.readUInt16LE(62)].offset
  return sections.map((section) => ({ ...section, name: textAt(bytes, names + section.nameAt) }))
}

/** The names that are asked of others, and those that are there for others. */
function readNames(bytes, sections, text) {
  const names = []
  for (const { offset, size, link } of sections.filter(({ type }) => type === DYNSYM))
    for (let at = offset + 24; at < offset + size; at += 24)
      names.push({ name: text(link, bytes.readUInt32LE(at)), isHere: bytes.readUInt16LE(at + 6) !== 0 })
  return names
}

function readLibraries(bytes, sections, text) {
  const libraries = []
  for (const { offset, size, link } of sections.filter(({ type }) => type === DYNAMIC))
    for (let at = offset; at < offset + size; at += 16)
      if (bytes.readBigUInt64LE(at) === NEEDED) libraries.push(text(link, Number(bytes.readBigUInt64LE(at + 8))))
  return libraries
}

/** Versions of symbols that are asked for, such as `GLIBC_2.17`. */
function readVersions(bytes, sections, text) {
  const versions = []
  for (const { offset, info, link } of sections.filter(({ type }) => type === VERNEED)) {
    let library = offset
    for (let left = info; left > 0; left--) {
      let version = library + bytes.readUInt32LE(library + 8)
      for (let more = bytes.readUInt16LE(library + 2); more > 0; more--) {
        versions.push(text(link, bytes.readUInt32LE(version + 8)))
        version += bytes.readUInt32LE(version + 12)
      }
      library += bytes.readUInt32LE(library + 12)
    }
  }
  return versions
}

function newest(versions) {
  const glibc = versions.filter((version) => version.startsWith('GLIBC_')).map((version) => version.slice(6))
  return glibc.sort(compareVersions).at(-1)
}

export function compareVersions(left, right) {
  const [mine, other] = [left, right].map((version) => version.split('.').map(Number))
  for (let index = 0; index < Math.max(mine.length, other.length); index++)
    if ((mine[index] ?? 0) !== (other[index] ?? 0)) return (mine[index] ?? 0) - (other[index] ?? 0)
  return 0
}
