/** Loads the native binary: the only file that knows it. It is loaded at the first call, not at the import. */

import { createRequire } from 'node:module'
import type * as Binding from '../dist/binding.d.cts'
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
  const require = createRequire(import.meta.url)
  const target = platform()
  // A path to one binary: for platforms that are emulated, and for bundles that keep it elsewhere.
  const override = process.env.NAPI_RS_NATIVE_LIBRARY_PATH
  // In a checkout the binary is where it was built, beside this file; installed, it is a package of its own.
  const candidates = override ? [override] : [`./pstream.${target}.node`, `pstream-${target}`]
  const errors: Error[] = []
  for (const candidate of candidates) {
    try {
      return checked(require(candidate) as typeof Binding)
    } catch (error) {
      errors.push(error instanceof Error ? error : new Error(String(error)))
    }
  }
  throw missing(target, candidates, errors)
}

/** A package manager may have kept a binary of another version. */
function checked(binding: typeof Binding): typeof Binding {
  const version = binding.version()
  if (version !== VERSION) throw new Error(`it is of version ${version}, not ${VERSION}; install both anew`)
  return binding
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

function missing(target: string, candidates: string[], errors: Error[]): NativeMissingError {
  const supported =
    'linux-x64-gnu linux-arm64-gnu linux-x64-musl linux-arm64-musl darwin-x64 darwin-arm64 win32-x64-msvc win32-arm64-msvc'
  const absent = errors.every((error) => (error as { code?: unknown }).code === 'MODULE_NOT_FOUND')
  const found = absent ? 'was not found' : 'could not be loaded'
  const fix = !supported.split(' ').includes(target)
    ? `there is none for this platform; supported are ${supported}`
    : absent
      ? `install the package pstream-${target} (is \`npm install\` run with --no-optional or --omit=optional, or was node_modules copied from another platform?)`
      : (errors.find((error) => (error as { code?: unknown }).code !== 'MODULE_NOT_FOUND')?.message ?? '')
  const message = `the native binary of pstream for ${target} ${found} (looked for ${candidates.join(', ')}): ${fix}`
  return new NativeMissingError(message, { cause: errors.length === 1 ? errors[0] : new AggregateError(errors) })
}
