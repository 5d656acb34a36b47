/** Loads the native binary: the only file that knows it. It is loaded at the first call, not at the import. */

import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type * as Binding from '../dist/binding.d.cts'
import { damageOf } from './elf.js'
import { NativeMissingError } from './errors.js'

export type {
  Failure,
  FollowerInfo,
  Holder,
  NativeCursor,
  NativeFile,
  NativeFollower,
  NativeReader,
  NativeRetrieve,
  NativeSequence,
  NativeStream,
  RawBackground,
  RawFileOptions,
  RawListedCursor,
  RawProblem,
  RawReadGap,
  RawReadOptions,
  RawRecord,
  RawReleased,
  RawRetention,
  RawRun,
  RawSequenceOptions,
  RawSettled,
  RawStanding,
  RawStreamOptions,
  RawVerified,
  StreamInfo,
} from '../dist/binding.d.cts'

/** The version of this package: its binary has the same one. */
const VERSION = '0.1.0'

let loaded: typeof Binding | undefined

/** The binding. Throws {@link NativeMissingError} where there is none for this platform. @internal */
export function native(): typeof Binding {
  loaded ??= load()
  return loaded
}

function load(): typeof Binding {
  // A bundle that is no ES module has no `import.meta.url`, but the other.
  const require = createRequire(import.meta.url ?? __filename)
  const target = platform()
  // A path to one binary: for platforms that are emulated, and for bundles that keep it elsewhere.
  const override = process.env.NAPI_RS_NATIVE_LIBRARY_PATH
  // In a checkout the binary is where it was built, beside this file; installed, it is a package of its own.
  const candidates = override ? [resolve(override)] : [`./pstream.${target}.node`, `pstream-${target}`]
  const errors: Error[] = []
  for (const candidate of candidates) {
    try {
      const path = require.resolve(candidate)
      const damage = process.platform === 'linux' && path.endsWith('.node') ? damageOf(path) : undefined
      if (damage !== undefined) throw new Error(`${path}: ${damage}; install it anew`)
      return checked(require(path) as Partial<typeof Binding>)
    } catch (error) {
      errors.push(error instanceof Error ? error : new Error(String(error)))
    }
  }
  throw missing(target, candidates, errors, Boolean(override))
}

/** A package manager may have kept a binary of another version. */
function checked(binding: Partial<typeof Binding>): typeof Binding {
  const version = typeof binding.version === 'function' ? binding.version() : undefined
  if (version === undefined) throw new Error('it is not the binary of pstream')
  if (version !== VERSION) throw new Error(`it is of version ${version}, not ${VERSION}; install both anew`)
  return binding as typeof Binding
}

/** As napi-rs names its targets: `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`. */
function platform(): string {
  const base = `${process.platform}-${process.arch}`
  if (process.platform === 'win32') return `${base}-msvc`
  if (process.platform !== 'linux') return base
  return `${base}-${isMusl() ? 'musl' : 'gnu'}`
}

/** Only a Node.js that was built against glibc reports its version. */
function isMusl(): boolean {
  // Electron is built against glibc alone, and there are builds of it in which a report ends the process.
  if (process.versions.electron !== undefined) return false
  // `excludeNetwork` is younger than the oldest Node.js we run on; there it is ignored.
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean | undefined }) | undefined
  if (report === undefined) return false
  const before = report.excludeNetwork
  // Looking up the network interfaces can take seconds, and nobody asks for them.
  report.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header !== undefined && header.glibcVersionRuntime === undefined
  } finally {
    report.excludeNetwork = before
  }
}

const supported = [
  ...['linux-x64-gnu', 'linux-arm64-gnu', 'linux-x64-musl', 'linux-arm64-musl'],
  ...['darwin-x64', 'darwin-arm64', 'win32-x64-msvc', 'win32-arm64-msvc'],
]

function missing(target: string, candidates: string[], errors: Error[], isOverridden: boolean): NativeMissingError {
  const isAbsent = (error: Error) => (error as { code?: unknown }).code === 'MODULE_NOT_FOUND'
  const broken = errors.find((error) => !isAbsent(error))
  const what = `the native binary of pstream for ${target} ${broken ? 'could not be loaded' : 'was not found'}`
  const why = broken?.message ?? howToGet(target, isOverridden)
  const message = `${what} (looked for ${candidates.join(', ')}): ${why}`
  return new NativeMissingError(message, { cause: errors.length === 1 ? errors[0] : new AggregateError(errors) })
}

function howToGet(target: string, isOverridden: boolean): string {
  if (isOverridden) return 'NAPI_RS_NATIVE_LIBRARY_PATH is set, and there is no such file; unset it, or correct it'
  if (!supported.includes(target)) return `there is none for this platform; supported are ${supported.join(' ')}`
  if (isTooOld(process.versions.node))
    // A package manager leaves out what is not for the Node.js in use.
    return `Node.js ${process.versions.node} is too old, 20.19 or later is needed; install pstream with that`
  return `install the package pstream-${target} (is \`npm install\` run with --no-optional or --omit=optional, or was node_modules copied from another platform?)`
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 20 || (major === 20 && minor < 19)
}
