#!/usr/bin/env node
// Looks at binaries, wherever they were built, and says what is wrong with them:
//
//   node scripts/binaries/inspect.mjs [folder]     default: target/binaries
//
// Their format, processor, version of the system, what they import and export, whether they are stripped and signed,
// and whether a path of the machine that built them is left inside. Ends with 1 if anything is wrong.

import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compareVersions, isElf, readElf } from './elf.mjs'
import { isMachO, readMachO } from './mach-o.mjs'
import { isPe, readPe } from './pe.mjs'
import { binaries, root } from './places.mjs'
import { table } from './table.mjs'
import { targets } from './targets.mjs'

/** What is on every system of the kind. Of Microsoft's compiler nothing: not every machine has its run-time library. */
const libraries = {
  gnu: /^(ld-linux-.*|lib(c|dl|m|pthread|rt|gcc_s))\.so(\.\d+)?$/,
  musl: /^lib(c\.so|c\.musl-\w+\.so\.1|gcc_s\.so\.1)$/,
  darwin: /^\/usr\/lib\/lib(System\.B|iconv\.2|charset\.1)\.dylib$/,
  msvc: /^(kernel32|ntdll|advapi32|ws2_32|userenv|shell32|bcrypt|bcryptprimitives|ucrtbase|node\.exe|api-ms-win-[\w-]+)(\.dll)?$/i,
}

/** Electron has no buffers whose memory is not its own; whoever asks for one gets an error there, or a crash. */
const foreign = /^napi_create_external/

const homes = /(?:\/(?:home|Users|root)\/|[A-Z]:\\(?:a|Users)\\)[\w.-]+/

const readers = [
  [isElf, readElf],
  [isMachO, readMachO],
  [isPe, readPe],
]

export function inspect(path) {
  const bytes = readFileSync(path)
  const said = read(bytes)
  if (said === undefined) return { bytes: bytes.length, format: undefined, summary: '' }
  const text = bytes.toString('latin1')
  const madeAt = [root, homedir()].find((place) => text.includes(place)) ?? homes.exec(text)?.[0]
  return { bytes: bytes.length, madeAt, ...said, summary: summary(said) }
}

function read(bytes) {
  const [, reader] = readers.find(([is]) => is(bytes)) ?? []
  try {
    return reader?.(bytes)
  } catch {
    // It tells of a place that it does not have: a part of a file.
    return undefined
  }
}

function summary({ format, cpu, glibc, macos, signature, imports, libraries }) {
  const system = glibc ? `glibc ${glibc}` : macos ? `macOS ${macos}, signature: ${signature}` : undefined
  // On Windows all names of Node-API are looked up when the binary is loaded, those that are never called, too.
  const buffers = imports.some((name) => name.startsWith('napi_')) ? 'no external buffers' : 'Node-API looked up'
  const parts = [`${format} ${cpu}`, system, 'stripped', buffers, 'no paths', `${libraries.length} libraries`]
  return parts.filter((part) => part !== undefined).join(', ')
}

/** What is wrong, a line each; none if nothing is. */
export function check(target, seen) {
  if (seen.format === undefined) return ['no binary of any system, or a part of one']
  const wrong = []
  const demand = (isSo, otherwise) => isSo || wrong.push(otherwise)
  demand(seen.os === target.os && seen.cpu === target.cpu, `it is for ${seen.os} on ${seen.cpu}`)
  if (wrong.length > 0) return wrong
  demand(seen.exports.includes('napi_register_module_v1'), 'it is no addon of Node.js')
  demand(seen.symbols.length === 0, `not stripped: ${seen.symbols.slice(0, 3).join(', ')}`)
  demand(seen.madeAt === undefined, `it holds a path of the machine that built it: ${seen.madeAt}`)
  const external = seen.imports.find((name) => foreign.test(name))
  demand(external === undefined, `it imports ${external}`)
  const known = libraries[target.libc ?? target.os]
  const unknown = seen.libraries.filter((name) => !known.test(name))
  demand(unknown.length === 0, `it needs ${unknown.join(', ')}`)
  if (target.glibc)
    demand(compareVersions(seen.glibc ?? '0', target.glibc) <= 0, `it needs glibc ${seen.glibc}, not ${target.glibc}`)
  else demand(seen.glibc === undefined, `it needs glibc ${seen.glibc}`)
  if (target.macos)
    demand(compareVersions(seen.macos ?? '99', target.macos) <= 0, `it needs macOS ${seen.macos}, not ${target.macos}`)
  if (target.os === 'darwin') {
    // Only Apple's own processors demand one.
    const signed = ['ad hoc', 'by a certificate', ...(target.cpu === 'arm64' ? [] : ['none'])]
    demand(signed.includes(seen.signature), `signature: ${seen.signature}`)
    demand(seen.id === `@rpath/${target.file}`, `it calls itself ${seen.id}`)
  }
  return wrong
}

function main(folder) {
  const lines = targets.map((target) => {
    const path = join(folder, target.file)
    if (!existsSync(path)) return { platform: target.platform, size: '', checked: 'not there', ok: true }
    const seen = inspect(path)
    const wrong = check(target, seen)
    const text = wrong.length === 0 ? seen.summary : `WRONG: ${wrong.join('; ')}`
    return {
      platform: target.platform,
      size: `${(seen.bytes / 1024).toFixed(0)} KiB`,
      checked: text,
      ok: wrong.length === 0,
    }
  })
  process.stdout.write(`${table(lines, ['platform', 'size', 'checked'])}\n`)
  if (lines.some(({ ok }) => !ok)) process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(resolve(process.argv[2] ?? binaries))
