import { type SpawnSyncReturns, spawnSync } from 'node:child_process'

const entry = JSON.stringify(import.meta.resolve('pstream'))
/** What scripts for `run` begin with. */
export const prologue = `import { PersistentStream } from ${entry}\nconst root = process.argv[1]\n`

/** Runs a script in a process of its own, with `PersistentStream` and `root`, its first argument. */
export function run(script: string, ...args: string[]): SpawnSyncReturns<string> {
  const source = ['--expose-gc', '--input-type=module', '-e', `${prologue}${script}`, ...args]
  return spawnSync(process.execPath, source, { encoding: 'utf8', timeout: 20_000 })
}
