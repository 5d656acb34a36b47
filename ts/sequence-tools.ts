/** Looking at sequences and changing them as a whole, without opening them. */

import { componentName, flag, optionsObject, type Path, path } from './arguments.js'
import type { LockHolder } from './errors.js'
import { holderOf, present, unwrap } from './failure.js'
import { native, type RawProblem } from './native.js'

/** One thing that is wrong with a sequence. */
export interface SequenceProblem {
  /**
   * `gap`: indexes are missing between two files. `duplicate`: another file has the same index. `stranger`: a file under
   * the sequence's name that is none of its files. `leftover`: left by an interrupted call; harmless. `bad-length`: zero,
   * or not a multiple of the block size. `bad-shift`: not within 12 to 28. `out-of-range`: the index is too far from the
   * others. `too-long`: more files than a sequence can hold.
   */
  kind: 'gap' | 'duplicate' | 'stranger' | 'leftover' | 'bad-length' | 'bad-shift' | 'out-of-range' | 'too-long'
  /** The file's name, without the folder. */
  file?: string
  /** The index it is about; of a gap the first missing one. */
  index?: number
  /** The same in words. */
  message: string
}

/** What lies in the folder under the name of a sequence. */
export interface SequenceReport {
  /** Data files in order, those that do not fit last; sizes in bytes. */
  files: { index: number; name: string; blockShift: number; size: number; problem?: SequenceProblem }[]
  /** Index of the first file. */
  start: number
  /** One past the index of the last file. */
  end: number
  /** Everything that is wrong, gaps and strangers included. */
  problems: SequenceProblem[]
  /** Who has it open; absent if nobody has. */
  lock?: LockHolder
  /** Whether, once nobody else has it open, open and retrieve will both succeed. */
  openable: boolean
}

/** What a repair may do. */
export interface RepairOptions {
  /** Do it. Default false: only say what would be done. */
  apply?: boolean
  /** Close gaps by giving the files behind them lower indexes. Default false: only you know whether that makes sense. */
  closeGaps?: boolean
}

/** What a repair did, or would do. */
export interface RepairReport {
  /** Whether it was done. */
  applied: boolean
  /** In the order in which it is done. Names are relative to the folder. */
  actions: { action: 'move' | 'rename' | 'keep'; from: string; to?: string; why: string }[]
}

/** @internal */
export async function inspect(root: Path, name: string): Promise<SequenceReport> {
  const [folder, sequence] = [path('root', root), componentName('name', name)]
  const { files, problems, lock, ...rest } = unwrap(await native().inspectSequence(folder, sequence))
  return {
    ...rest,
    files: files.map(({ problem, ...file }) => ({ ...file, ...present({ problem: problem && problemOf(problem) }) })),
    problems: problems.map(problemOf),
    ...present({ lock: lock && holderOf(lock) }),
  }
}

function problemOf(problem: RawProblem): SequenceProblem {
  return { ...problem, kind: problem.kind as SequenceProblem['kind'] }
}

/** @internal */
export async function repair(root: Path, name: string, options?: RepairOptions): Promise<RepairReport> {
  const [folder, sequence] = [path('root', root), componentName('name', name)]
  const given = options === undefined ? {} : optionsObject('options', options)
  const [apply, closeGaps] = [flag('options.apply', given.apply), flag('options.closeGaps', given.closeGaps)]
  return unwrap(await native().repairSequence(folder, sequence, apply, closeGaps)) as RepairReport
}

/** @internal */
export async function rename(root: Path, from: string, to: string): Promise<void> {
  const folder = path('root', root)
  const [source, target] = [componentName('from', from), componentName('to', to)]
  unwrap(await native().renameSequence(folder, source, target))
}

/** @internal */
export async function breakLock(
  root: Path,
  name: string,
  options?: { force?: boolean },
): Promise<LockHolder | undefined> {
  const [folder, sequence] = [path('root', root), componentName('name', name)]
  const given = options === undefined ? {} : optionsObject('options', options)
  const holder = unwrap(await native().breakSequenceLock(folder, sequence, flag('options.force', given.force)))
  return holder === null ? undefined : holderOf(holder)
}
