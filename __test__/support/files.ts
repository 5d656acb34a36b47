import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BlockFile, FileSequence, type FileSequenceOptions } from 'pstream'
import { onTestFinished } from 'vitest'
import { folder } from './folder.js'

/** A block file of 16 blocks of 4 KiB in a folder of its own, closed when the test ends. */
export async function blockFile(blockCount = 16, blockShift = 12): Promise<BlockFile> {
  const file = await BlockFile.create(join(folder(), 'data'), { blockCount, blockShift })
  onTestFinished(() => file.close())
  return file
}

export const SHAPE = { name: 'events', blockCount: 4, blockShift: 12 } as const

/** A sequence of files of 4 blocks of 4 KiB, closed when the test ends. */
export async function sequence(root: string, options: Partial<FileSequenceOptions> = {}): Promise<FileSequence> {
  const opened = await FileSequence.open(root, { ...SHAPE, ...options })
  onTestFinished(() => opened.close().catch(() => {}))
  return opened
}

/** A file that is closed when the test ends: where Windows keeps the names of open files, their folder cannot go. */
export function closedAtEnd<File extends BlockFile>(file: File): File {
  onTestFinished(() => file.close().catch(() => {}))
  return file
}

/** Everything in a folder: names, kinds, lengths and content, for comparison. */
export function snapshot(root: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink()) found[path] = `link ${readlinkSync(path)}`
    else if (entry.isFile()) found[path] = `file ${statSync(path).size} ${readFileSync(path).toString('base64')}`
    else found[path] = 'folder'
  }
  return found
}

/** The descriptors of this process that are open on something below `root` (Linux only). */
export function openDescriptors(root: string): string[] {
  if (!existsSync('/proc/self/fd')) return []
  const targets = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return ''
    }
  })
  return targets.filter((target) => target.startsWith(root))
}
