// The package as it is published, made of what is built here, and empty projects that it is installed in.

import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { folder, temporaryFolder } from './folder.js'

export const repository = fileURLToPath(new URL('../..', import.meta.url))

export interface Packed {
  /** The tarballs of the package and of this platform's. */
  tarballs: [root: string, platform: string]
  remove: () => void
}

export function packed(): Packed {
  const [out, remove] = temporaryFolder()
  const args = [
    join(repository, 'scripts', 'pack.mjs'),
    '--binaries',
    join(repository, 'dist'),
    '--out',
    out,
    '--unchecked',
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`pack: ${stdout}${stderr}`)
  const names = readdirSync(out).sort((left, right) => left.length - right.length)
  const [root = '', platform = '', ...more] = names.map((name) => join(out, name))
  if (platform === '' || more.length > 0) throw new Error(`one platform is built here, and there are: ${names}`)
  return { tarballs: [root, platform], remove }
}

/** An empty project with the tarballs, installed as offline and without scripts as a machine can be. */
export function installed(tarballs: string[], files: Record<string, string> = {}): string {
  const root = folder()
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'empty', private: true }))
  // A cache of its own: nothing that was fetched before is of help.
  const args = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', join(root, '.cache')]
  const { status, stderr } = spawnSync('npm', [...args, ...tarballs], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm install: ${stderr}`)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, name), content)
  return root
}
