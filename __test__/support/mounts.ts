// File systems of the test's own, where root may mount them. Always in a mount namespace of a child process, so that
// nothing is left mounted whatever happens.

import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a script of Node.js with what `setup`, a shell command, has mounted at `$1/mnt`. */
export function withMount(root: string, setup: string, script: string, ...args: string[]): Outcome {
  mkdirSync(join(root, 'mnt'), { recursive: true })
  const shell = `set -e; mount --make-rprivate /; ${setup}; shift; exec "$@"`
  const command = [process.execPath, script, join(root, 'mnt'), ...args]
  return spawnSync('unshare', ['--mount', 'sh', '-c', shell, 'sh', root, ...command], { encoding: 'utf8' })
}

/** Whether that is possible here. */
export function mayMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const probe = 'mount --make-rprivate / && mount -t tmpfs none /mnt'
  return spawnSync('unshare', ['--mount', 'sh', '-c', probe]).status === 0
}
