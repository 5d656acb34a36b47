#!/usr/bin/env node
// Starts the app of examples/electron where Electron is installed, and says how to get it where it is not.
//
//   node examples/electron.mjs [switches of Electron...]

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('electron/main.mjs', import.meta.url))

/** The script that starts Electron, and fetches its binary first if need be. */
function command() {
  const require = createRequire(import.meta.url)
  try {
    const manifest = require.resolve('electron/package.json')
    return join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin.electron)
  } catch {
    return undefined
  }
}

const script = command()
if (script === undefined) {
  process.stderr.write(
    'Electron is not installed: it is no dependency of this repository, being large.\n' +
      'Get it with `npm install --no-save electron`, and run this again.\n',
  )
  process.exitCode = 1
} else {
  const child = spawn(process.execPath, [script, ...process.argv.slice(2), main], { stdio: 'inherit' })
  child.on('close', (code) => {
    process.exitCode = code ?? 1
  })
}
