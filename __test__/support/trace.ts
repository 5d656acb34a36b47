// System calls that fail on command: strace lets those of a child process return an error instead of being made.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Runs a script of `fixtures/` under strace, with `inject` as its manual says. */
export function traced(inject: string, fixture: string, ...args: string[]): SpawnSyncReturns<string> {
  return run(['-e', inject], fixture, args)
}

/** The same, for calls on one file alone. */
export function tracedAt(path: string, inject: string, fixture: string, ...args: string[]): SpawnSyncReturns<string> {
  return run(['-P', path, '-e', inject], fixture, args)
}

function run(what: string[], fixture: string, args: string[]): SpawnSyncReturns<string> {
  const script = fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url))
  const strace = ['-f', '-qq', '-o', '/dev/null', ...what]
  // One thread in the pool: strace counts calls for each thread apart.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  return spawnSync('strace', [...strace, process.execPath, script, ...args], { encoding: 'utf8', env })
}

/** Whether strace is here and may trace. */
export function mayTrace(): boolean {
  if (process.platform !== 'linux') return false
  return spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0
}
