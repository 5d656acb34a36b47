// Where the package under test is: in this repository, or wherever it was installed.

import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of its code. */
export const dist = dirname(fileURLToPath(import.meta.resolve('pstream')))

/** The folder of its package.json. */
export const packageFolder = dirname(dist)

function binariesIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => (name.endsWith('.node') ? [join(folder, name)] : []))
}

/** Its native binaries: in a checkout beside its code; installed, in a package of its own beside it. */
export function binaries(): string[] {
  const beside = binariesIn(dist)
  const modules = dirname(packageFolder)
  if (beside.length > 0 || basename(modules) !== 'node_modules') return beside
  const packages = readdirSync(modules).filter((name) => name.startsWith('pstream-'))
  return packages.flatMap((name) => binariesIn(join(modules, name)))
}
