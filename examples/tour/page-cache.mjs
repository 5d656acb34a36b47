// How much of some files is in the page cache.

import { execFile } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { promisify } from 'node:util'

const TMPFS = 0x01021994

export async function pageCache(folder, paths) {
  if (process.platform === 'linux' && (await statfs(folder)).type === TMPFS) return { inMemory: true }
  try {
    // Part of util-linux.
    const { stdout } = await promisify(execFile)('fincore', [
      '--bytes',
      '--raw',
      '--noheadings',
      '--output',
      'RES',
      '--',
      ...paths,
    ])
    return {
      bytes: stdout
        .trim()
        .split('\n')
        .reduce((sum, line) => sum + Number(line), 0),
    }
  } catch {
    return {}
  }
}
