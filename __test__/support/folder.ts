import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/**
 * A folder of its own, and how to remove it. With its links resolved, as paths are shown: where temporary files go is
 * behind a link on macOS, and may be behind a short name on Windows.
 */
export function temporaryFolder(): [path: string, remove: () => void] {
  const path = realpathSync.native(mkdtempSync(join(tmpdir(), 'pstream-test-')))
  return [path, () => rmSync(path, { recursive: true, force: true })]
}

/** The same for the running test, gone when it ends. */
export function folder(): string {
  const [path, remove] = temporaryFolder()
  onTestFinished(remove)
  return path
}
