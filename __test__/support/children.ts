import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

const entry = JSON.stringify(import.meta.resolve('pstream'))
/** What scripts for `run` begin with. */
export const prologue = `import { PersistentStream } from ${entry}\nconst root = process.argv[1]\n`

/** Runs a script in a process of its own, with `PersistentStream` and `root`, its first argument. */
export function run(script: string, ...args: string[]): SpawnSyncReturns<string> {
  const source = ['--expose-gc', '--input-type=module', '-e', `${prologue}${script}`, ...args]
  return spawnSync(process.execPath, source, { encoding: 'utf8', timeout: 20_000 })
}

/** Runs a program that prints lines, kills it after so many ms from the first on at most, and returns its whole lines. */
export async function killed(args: string[], most: number): Promise<string[]> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  await once(child.stdout, 'data')
  await pause(Math.random() * most)
  child.kill('SIGKILL')
  await once(child, 'close')
  // The last one may be torn.
  return output.split('\n').slice(0, -1)
}
