// The environments of Electron come and go: workers, utility processes. Wherever one ends with everything in use, nothing
// of it stays: no lock, no descriptor, no thread, and what was acknowledged is there.

import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { checkEverything, NAMES, type Told, toldBy } from './support/everything.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { commitThreads } from './support/streams.js'

const fixture = new URL('fixtures/everything-worker.mjs', import.meta.url)
const WORKERS = Number(process.env.PSTREAM_WORKERS ?? 200)
const AT_ONCE = 6
/** Longer than a worker takes to start, where nothing else is to be done, so that all moments of its life are hit. */
const LIFE_MS = 400

const linux = process.platform === 'linux'
if (!linux) console.log('skipped: threads and descriptors are counted on Linux only')

/** What this process has of each: the names of its threads, and what its descriptors are open on. */
function held(): { threads: string[]; descriptors: string[] } {
  if (!linux) return { threads: [], descriptors: [] }
  const each = (folder: string, look: (path: string) => string) =>
    readdirSync(folder).flatMap((name) => {
      try {
        return [look(join(folder, name))]
      } catch {
        return []
      }
    })
  const threads = each('/proc/self/task', (path) => readFileSync(join(path, 'comm'), 'utf8').trim())
  // Node.js itself leaves a module open whose thread is terminated while it reads it.
  const descriptors = each('/proc/self/fd', readlinkSync).filter((target) => !/\.m?js$/.test(target))
  return { threads: threads.sort(), descriptors: descriptors.map((target) => target.replace(/\d+/g, '')).sort() }
}

interface Ended {
  /** Whether it had begun to use the stream. */
  readonly started: boolean
  readonly told: Told
  readonly code: number
}

interface Life {
  /** It is terminated after so many ms; else it ends itself. */
  readonly ms?: number
  /** Counted from when it has everything in use, however long that takes; else from its start. */
  readonly inUse?: boolean
  readonly end?: 'exit' | 'throw'
}

/** A worker with everything in use, to its end. */
async function live(root: string, name: string, { ms, inUse = false, end }: Life): Promise<Ended> {
  const told = new Int32Array(new SharedArrayBuffer(4 * NAMES.length)).fill(-1)
  const worker = new Worker(fixture, { workerData: { root, name, told, names: NAMES, end } })
  let started = false
  const starting = new Promise<void>((resolve) => {
    worker.on('message', () => {
      started = true
      resolve()
    })
  })
  const failures: Error[] = []
  worker.on('error', (error) => failures.push(error as Error))
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve))
  if (ms !== undefined) {
    if (inUse) await Promise.race([starting, exited])
    await Promise.race([pause(ms), exited])
    await worker.terminate()
  }
  const code = await exited
  expect(failures.map(({ message }) => message)).toEqual(end === 'throw' ? ['on purpose'] : [])
  return { started, told: toldBy(told), code }
}

/** That the locks are free at once, and that all is there. */
async function check(root: string, name: string, { told }: Ended): Promise<void> {
  await checkEverything(root, name, told, { previous: 'closed', flushed: true })
  expect(openDescriptors(root)).toEqual([])
  for (const entry of readdirSync(root)) rmSync(join(root, entry), { recursive: true })
}

test(`${WORKERS} workers are terminated at random with everything in use`, { timeout: 300_000 }, async () => {
  const root = folder()
  const lane = async (index: number, count: number): Promise<Ended[]> => {
    const all: Ended[] = []
    const place = join(root, `lane-${index}`)
    for (let round = 0; round < count; round += 1) {
      const ended = await live(place, 'stream', { ms: Math.random() * LIFE_MS, inUse: round % 2 === 1 })
      if (existsSync(place)) await check(place, 'stream', ended)
      all.push(ended)
    }
    return all
  }
  // Threads and descriptors that Node.js makes once, at the first worker and the first call.
  await lane(0, 2)
  const before = held()
  const lanes = Array.from({ length: AT_ONCE }, (_, index) => lane(index, Math.ceil(WORKERS / AT_ONCE)))
  const all = (await Promise.all(lanes)).flat()
  // All kinds of moments were hit.
  expect(all.filter(({ started }) => !started).length).toBeGreaterThan(0)
  expect(all.filter(({ told }) => told.acknowledged > 0).length).toBeGreaterThan(WORKERS / 10)
  expect(commitThreads()).toBe(0)
  expect(held()).toEqual(before)
})

test.each(['exit', 'throw'] as const)('a worker that ends itself with everything in use: %s', async (end) => {
  const root = folder()
  for (let round = 0; round < 5; round += 1) {
    const ended = await live(root, 'stream', { end })
    expect(ended).toMatchObject({ started: true, code: end === 'throw' ? 1 : 0 })
    await check(root, 'stream', ended)
  }
  expect(commitThreads()).toBe(0)
})
