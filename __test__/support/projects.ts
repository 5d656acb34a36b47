// Projects that have a copy of the package, and programs that are run in them.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { folder } from './folder.js'

export const repository = fileURLToPath(new URL('../..', import.meta.url))

export function node(cwd: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, ...env } })
}

/** A project that has a copy of the package, with its binary or without. */
export function project({ binary }: { binary: boolean }): string {
  const root = folder()
  const target = join(root, 'node_modules', 'pstream')
  mkdirSync(target, { recursive: true })
  cpSync(join(repository, 'package.json'), join(target, 'package.json'))
  cpSync(join(repository, 'dist'), join(target, 'dist'), { recursive: true })
  if (!binary) for (const name of binariesOf(target)) rmSync(name)
  return root
}

export function binariesOf(target: string): string[] {
  const dist = join(target, 'dist')
  return readdirSync(dist).flatMap((name) => (name.endsWith('.node') ? [join(dist, name)] : []))
}
