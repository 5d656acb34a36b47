// Where the binaries and the packages made of them are put.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '')
export const binaries = join(root, 'target', 'binaries')
export const tarballs = join(root, 'target', 'tarballs')
