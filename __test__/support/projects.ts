// Projects that have a copy of the package, and programs that are run in them.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { folder } from './folder.js'
import { binaries, dist, packageFolder } from './installed.js'

export function node(cwd: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, ...env } })
}

/** A project that has a copy of the package, with its binary or without. */
export function project({ binary }: { binary: boolean }): string {
  const root = folder()
  const target = join(root, 'node_modules', 'pstream')
  mkdirSync(target, { recursive: true })
  cpSync(join(packageFolder, 'package.json'), join(target, 'package.json'))
  cpSync(dist, join(target, 'dist'), { recursive: true })
  for (const path of binaries()) {
    if (binary) cpSync(path, join(target, 'dist', basename(path)))
    else rmSync(join(target, 'dist', basename(path)), { force: true })
  }
  return root
}

/** The name of this platform's binary, and of the package that it is published in. */
export const binaryName = basename(binaries()[0] ?? '')
export const platformPackage = `pstream-${binaryName.split('.')[1]}`

/** Adds the package of this platform to a project, with these bytes for its binary. */
export function addPlatformPackage(root: string, bytes: Uint8Array): void {
  const home = join(root, 'node_modules', platformPackage)
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: platformPackage, main: binaryName }))
  writeFileSync(join(home, binaryName), bytes)
}
