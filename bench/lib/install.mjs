// The peers, which are dependencies of this package alone: installed when they were not, or for another Node.js.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** A peer that cannot be had is left out by the cases, which say so: no reason to stop. */
export function installPeers(say) {
  const note = here('node_modules/.pstream-bench-installed')
  const hash = createHash('sha256').update(readFileSync(here('package-lock.json')))
  const input = hash.update(`${process.versions.modules} ${process.platform} ${process.arch}`).digest('hex')
  if (existsSync(note) && readFileSync(note, 'utf8') === input) return
  say('Installing the peers, which may be compiled: some minutes, once …')
  rmSync(note, { force: true })
  const { status, stderr } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: here('.'),
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status === 0) writeFileSync(note, input)
  else say(`The peers could not be installed, and are left out:\n${stderr}`)
}
