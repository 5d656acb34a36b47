// The file to be copied: named by the user, or the sample.

import { access, constants, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sample } from './sample.mjs'

/** What is wrong with what was asked for, in words; not a failure of the program. */
export class TourError extends Error {}

const reasons = {
  ENOENT: (path) => `there is no file '${path}'`,
  ENOTDIR: (path) => `there is no file '${path}'`,
  EACCES: (path) => `no permission to read '${path}'`,
  EPERM: (path) => `no permission to read '${path}'`,
}

/** The size of the file at `path`, if it can be copied. */
export async function check(path) {
  let found
  try {
    found = await stat(path)
    await access(path, constants.R_OK)
  } catch (error) {
    throw new TourError(reasons[error.code]?.(path) ?? `'${path}' cannot be read: ${error.message}`)
  }
  if (found.isDirectory()) throw new TourError(`'${path}' is a folder; the tour takes one file`)
  if (!found.isFile()) throw new TourError(`'${path}' is not a regular file`)
  if (found.size === 0) throw new TourError(`'${path}' is empty; there is nothing to copy`)
  return found.size
}

export async function writeSample(folder) {
  const path = join(folder, 'events.jsonl')
  await writeFile(path, sample())
  return path
}
