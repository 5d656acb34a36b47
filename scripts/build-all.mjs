#!/usr/bin/env node
// Builds the binaries of all platforms, as far as this machine can, and looks at each:
//
//   node scripts/build-all.mjs [platform...]      default: all of them, such as linux-arm64-musl
//
// Linux on x64 can do all, Windows as LLVM's flavour of it; macOS and Windows can do their own, as releases need them.
// What it takes is fetched: targets by rustup, and on Linux cargo-zigbuild and zig (linker and C library of every
// platform) from PyPI into target/platforms. The binaries are in target/binaries then, where `npm run pack` looks for
// them; the logs in target/platforms. Ends with 1 if anything that was asked for, or that should work here, did not.

import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { check, inspect } from './binaries/inspect.mjs'
import { binaries, root } from './binaries/places.mjs'
import { table } from './binaries/table.mjs'
import { chosen } from './binaries/targets.mjs'

const work = join(root, 'target', 'platforms')
const cargoHome = process.env.CARGO_HOME ?? join(homedir(), '.cargo')

/** Runs a command to its end; resolves to what it has written, and rejects with the end of that. */
function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(output)
      else reject(Object.assign(new Error(output.trim().split('\n').at(-1) || `${command}: exit ${code}`), { output }))
    })
  })
}

const onLinux = process.platform === 'linux' && process.arch === 'x64'
const fetch = (...words) => run('bash', ['scripts/platforms/tools.sh', ...words])

/** Why a platform's binary cannot be made here; `undefined` if it can. */
function hindrance({ os }) {
  if (onLinux || (os === process.platform && os !== 'linux')) return undefined
  const other = { linux: 'Linux on x64', darwin: 'macOS or Linux on x64', win32: 'Windows or Linux on x64' }[os]
  return `cannot be built on ${process.platform} ${process.arch}: ${other} can`
}

/** napi-build wants a library of Node.js where none is needed: symbols are looked up when the binary is loaded. */
function nodeLibrary() {
  const folder = join(work, 'libnode')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'libnode.dll'), '')
  writeFileSync(join(folder, 'libnode.a'), '!<arch>\n')
  return folder
}

/** Flags for the compiler. No path of this machine stays in a binary, in the messages of panics above all. */
function flags({ os, libc, file }) {
  const words = [`--remap-path-prefix=${cargoHome}=/cargo`, `--remap-path-prefix=${root}=/pstream`]
  if (libc === 'musl') words.push('-Ctarget-feature=-crt-static')
  // Not every machine has the run-time library of Microsoft's compiler.
  if (libc === 'msvc' && !onLinux) words.push('-Ctarget-feature=+crt-static')
  // Else the linker notes the place where it put the file.
  if (os === 'darwin') words.push(`-Clink-arg=-Wl,-install_name,@rpath/${file}`)
  return words.join('\x1f')
}

async function build(target) {
  const { platform, rust, glibc, macos, os, file } = target
  const triple = onLinux ? (target.build ?? rust) : rust
  const log = join(work, `build-${platform}.log`)
  const folder = join(root, 'target', 'cross')
  const env = {
    PATH: `${join(work, 'venv', 'bin')}${delimiter}${process.env.PATH}`,
    CARGO_ENCODED_RUSTFLAGS: flags(target),
    ...(macos && { MACOSX_DEPLOYMENT_TARGET: macos }),
    ...(os === 'win32' && onLinux && { LIBNODE_PATH: nodeLibrary() }),
  }
  const [command, first] = onLinux ? ['cargo-zigbuild', 'zigbuild'] : ['cargo', 'build']
  const args = [first, '--release', '--locked', '-p', 'pstream-node', '--target-dir', folder, '--target']
  try {
    await (onLinux ? fetch('need_targets', triple) : run('rustup', ['target', 'add', triple]))
    writeFileSync(log, await run(command, [...args, onLinux && glibc ? `${triple}.${glibc}` : triple], env))
  } catch (error) {
    writeFileSync(log, error.output ?? String(error))
    throw new Error(`${error.message} (see ${relative(root, log)})`)
  }
  const built = { linux: 'libpstream_node.so', darwin: 'libpstream_node.dylib', win32: 'pstream_node.dll' }[os]
  copyFileSync(join(folder, triple, 'release', built), join(binaries, file))
}

/** One line of the table. */
async function line(target, isAsked) {
  const { platform } = target
  const why = hindrance(target)
  if (why !== undefined) return { platform, built: 'no', size: '', time: '', checked: why, ok: !isAsked }
  process.stdout.write(`building ${platform} …\n`)
  const path = join(binaries, target.file)
  const begin = performance.now()
  rmSync(path, { force: true })
  try {
    await build(target)
  } catch (error) {
    return { platform, built: 'FAILED', size: '', time: '', checked: error.message, ok: false }
  }
  const seen = inspect(path)
  const wrong = check(target, seen)
  return {
    platform,
    built: onLinux && target.build ? `as ${target.build.split('-').at(-1)}` : 'yes',
    size: `${(seen.bytes / 1024).toFixed(0)} KiB`,
    time: `${((performance.now() - begin) / 1000).toFixed(0)} s`,
    checked: wrong.length === 0 ? seen.summary : `WRONG: ${wrong.join('; ')}`,
    ok: wrong.length === 0,
  }
}

async function main() {
  const names = process.argv.slice(2)
  for (const folder of [work, binaries]) mkdirSync(folder, { recursive: true })
  if (onLinux) await fetch('need_zig')
  const lines = []
  for (const target of chosen(names)) lines.push(await line(target, names.length > 0))
  process.stdout.write(`\n${table(lines, ['platform', 'built', 'size', 'time', 'checked'])}\n`)
  if (lines.some(({ built }) => built.startsWith('as ')))
    process.stdout.write(
      "\nWindows: with LLVM's linker, to be run and tested; Microsoft's, for releases, is on Windows alone\n",
    )
  if (lines.some(({ ok }) => !ok)) process.exitCode = 1
}

main().catch((error) => {
  process.stderr.write(`build-all: ${error.message}\n`)
  process.exitCode = 1
})
