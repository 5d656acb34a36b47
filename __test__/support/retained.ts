import { readdirSync } from 'node:fs'
import type { PersistentStream } from 'pstream'

/** Small files, so that some of them go. */
export const SMALL = { fileSize: '1MiB' } as const

/** Appends so many records of 100 KB each, of which a file of 1 MiB takes ten. */
export async function fill(stream: PersistentStream, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await stream.append(new Uint8Array(100_000).fill(stream.nextSeq % 256))
}

/** The data files of a stream. */
export function dataFiles(root: string): string[] {
  return readdirSync(root).filter((name) => /\.[0-9a-f]{4}-\d+$/.test(name))
}

/** Waits until it is so; for ten seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not after ten seconds: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
