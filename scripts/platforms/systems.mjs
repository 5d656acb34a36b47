// The systems that the packed package is tested on, and what runs Node.js as each of them on a Linux machine (x64).
//
// `host` is whatever this runs on, with its own Node.js: for a real Mac, a real Windows, a real arm64.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const linux = (cpu, libc) => ({ os: 'linux', cpu, libc: libc === 'gnu' ? 'glibc' : 'musl' })

function hostTarget() {
  const { platform, arch } = process
  if (platform === 'win32') return { target: `win32-${arch}-msvc`, npm: { os: platform, cpu: arch } }
  if (platform !== 'linux') return { target: `${platform}-${arch}`, npm: { os: platform, cpu: arch } }
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'
  return { target: `linux-${arch}-${libc}`, npm: linux(arch, libc) }
}

/**
 * `runtime`: what `runtimes.sh` is asked for. `tags`: what a list of known limits may name. `patience`: how many times
 * slower than this machine it may be. `jobs`: test files at a time.
 */
export const systems = [
  { name: 'host', how: "this machine's Node.js", tags: [], patience: 1, jobs: 2, ...hostTarget() },
  ...[20, 22, 24, 26].map((version) => ({
    ...{ name: `x64-gnu-node${version}`, target: 'linux-x64-gnu', npm: linux('x64', 'gnu') },
    ...{ runtime: ['node', 'linux-x64', version], how: `Node.js ${version}`, tags: [], patience: 1, jobs: 2 },
  })),
  {
    ...{ name: 'x64-musl', target: 'linux-x64-musl', npm: linux('x64', 'musl') },
    ...{ runtime: ['musl', 'x86_64', 24], how: 'Node.js 24 built for musl, musl 1.2.5', tags: ['musl'] },
    ...{ patience: 1, jobs: 2 },
  },
  {
    ...{ name: 'arm64-gnu', target: 'linux-arm64-gnu', npm: linux('arm64', 'gnu') },
    ...{ runtime: ['qemu', 'linux-arm64', 24], how: 'Node.js 24 under qemu-user', tags: ['qemu'] },
    ...{ patience: 8, jobs: 2 },
  },
  {
    ...{ name: 'arm64-musl', target: 'linux-arm64-musl', npm: linux('arm64', 'musl') },
    ...{ runtime: ['musl', 'aarch64', 24], how: 'Node.js 24 built for musl, musl 1.2.5, under qemu-user' },
    ...{ tags: ['qemu', 'musl'], patience: 8, jobs: 2 },
  },
  {
    ...{ name: 'windows-x64', target: 'win32-x64-msvc', npm: { os: 'win32', cpu: 'x64' } },
    ...{ runtime: ['wine', 22], how: 'Node.js 22 for Windows under wine', tags: ['wine'] },
    ...{ patience: 4, jobs: 2, wine: true },
  },
]

/** What starts Node.js on a system, fetched if it is not there; `undefined` if it is not and `fetch` is false. */
export function starter({ runtime, wine }, root, fetch) {
  if (runtime === undefined) return { command: [process.execPath], env: {}, path: (path) => path }
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('only Linux on x64 runs the others')
  const script = join(root, 'scripts', 'platforms', 'runtimes.sh')
  const stdio = ['ignore', 'pipe', 'inherit']
  const asked = [...(fetch ? [] : ['--there']), ...runtime.map(String)]
  const { status, stdout } = spawnSync('bash', [script, ...asked], { encoding: 'utf8', stdio })
  if (status === 3 && !fetch) return undefined
  if (status !== 0) throw new Error(`${runtime.join(' ')} cannot be fetched`)
  const node = stdout.trim().split('\n').at(-1)
  if (!wine) return { command: [node], env: {}, path: (path) => path }
  const prefix = join(root, 'target', 'platforms', 'wineprefix')
  return {
    command: ['/usr/lib/wine/wine64', node],
    env: {
      ...{ WINEPREFIX: prefix, WINEDEBUG: '-all', WINEDLLOVERRIDES: 'bcryptprimitives=n' },
      // Node.js takes wine for a Windows that is too old.
      NODE_SKIP_PLATFORM_CHECK: '1',
    },
    path: (path) => `Z:${path.replaceAll('/', '\\')}`,
  }
}
