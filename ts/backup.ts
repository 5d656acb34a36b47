/** Copies of streams. */

import { abortable } from './abort.js'
import { type AbortOptions, abortSignal, isFunction, optionsObject, type Path, path, refuse } from './arguments.js'
import { unwrap } from './failure.js'
import { native } from './native.js'
import type { ReadSide } from './run-source.js'

/** How far a backup is. */
export interface BackupProgress {
  /** Bytes that were copied, and bytes of the copy that were read again and checked. */
  bytes: number
  /** What that comes to in the end: twice the bytes of the stream. */
  totalBytes: number
}

/** How a stream is copied. */
export interface BackupOptions extends AbortOptions {
  /** Called after every MiB or so, and at the end. What it throws ends the backup. */
  onProgress?(done: BackupProgress): void
}

/** Copies a stream; what there is of a copy that does not come to its end is removed first. @internal */
export async function backup(
  open: () => ReadSide,
  { directory, name, options }: { directory: Path; name: string; options: BackupOptions },
): Promise<void> {
  const folder = path('directory', directory)
  const given: BackupOptions = optionsObject('options', options)
  const { onProgress } = given
  if (onProgress !== undefined && !isFunction(onProgress)) throw refuse('options.onProgress', 'a function', onProgress)
  const signal = abortSignal('options.signal', given.signal)
  signal?.throwIfAborted()
  const side = open()
  const copying = unwrap(native().backupStream(side.native, folder, name))
  try {
    for (;;) {
      signal?.throwIfAborted()
      side.checkOpen()
      const { bytes, totalBytes, done } = unwrap(
        await abortable(
          side.call(() => copying.step()),
          signal,
        ),
      )
      onProgress?.call(given, { bytes, totalBytes })
      if (done) return
    }
  } finally {
    await copying.free()
  }
}
