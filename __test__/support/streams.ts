import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PersistentStream, type StreamOptions } from 'pstream'
import { onTestFinished } from 'vitest'

/** A stream in `root`, closed when the test ends. */
export async function stream(root: string, options: StreamOptions = {}): Promise<PersistentStream> {
  const opened = await PersistentStream.open(root, options)
  onTestFinished(() => opened.close().catch(() => {}))
  return opened
}

/** Where a record of these bytes begins in the first file of the stream: behind its length, of one byte. */
export function find(root: string, text: string, name = 'stream'): number {
  const bytes = Buffer.from(text)
  const file = readdirSync(root).find((entry) => entry.startsWith(`${name}.0`)) ?? ''
  return readFileSync(join(root, file)).indexOf(Buffer.concat([Buffer.from([bytes.length]), bytes]))
}

/** How many commit threads this process has (Linux only; elsewhere none are seen). */
export function commitThreads(): number {
  if (process.platform !== 'linux') return 0
  return readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').startsWith('pstream-commit')
    } catch {
      return false
    }
  }).length
}
