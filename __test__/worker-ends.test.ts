// The environments of Electron come and go: workers, utility processes. Wherever one ends with everything in use, nothing
// of it stays: no lock, no descriptor, no thread, and what was acknowledged is there.

import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { FileSequence, PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { commitThreads } from './support/streams.js'

const fixture = new URL('fixtures/everything-worker.mjs', import.meta.url)
const WORKERS = Number(process.env.PSTREAM_WORKERS ?? 200)
const AT_ONCE = 6
/** Half of them end at some moment after they were made, half after they have started, however long that takes. */
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
  /** The last seq that it was told is durable; -1 if there was none. */
  readonly acknowledged: number
  readonly code: number
}

type End = 'exit' | 'throw' | { readonly after: 'made' | 'started'; readonly ms: number }

/** A worker with everything in use, until it is terminated or has ended itself. */
async function live(root: string, name: string, end: End): Promise<Ended> {
  const acknowledged = new Int32Array(new SharedArrayBuffer(4)).fill(-1)
  const worker = new Worker(fixture, {
    workerData: { root, name, acknowledged, end: typeof end === 'string' ? end : undefined },
  })
  let started = false
  const begun = new Promise<void>((resolve) => {
    worker.once('message', () => {
      started = true
      resolve()
    })
  })
  const failures: Error[] = []
  worker.on('error', (error) => failures.push(error as Error))
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve))
  if (typeof end !== 'string') {
    if (end.after === 'started') await Promise.race([begun, exited])
    await Promise.race([pause(end.ms), exited])
    await worker.terminate()
  }
  const code = await exited
  expect(failures.map(({ message }) => message)).toEqual(end === 'throw' ? ['on purpose'] : [])
  return { started, acknowledged: Atomics.load(acknowledged, 0), code }
}

/** That the locks are free at once, and that all is there. */
async function check(root: string, name: string, { acknowledged }: Ended): Promise<void> {
  const stream = await PersistentStream.open(root, { name, fileSize: '1MiB', blockSize: '4KiB', lockTimeoutMs: 0 })
  expect(stream.recovery.previous).not.toBe('crashed')
  expect(stream.nextSeq).toBeGreaterThan(acknowledged)
  expect((await stream.verify()).ok).toBe(true)
  await (await stream.cursor('consumer')).close()
  await stream.close()
  const sequence = await FileSequence.open(root, { name: `${name}-files`, blockCount: 64, blockShift: 12 })
  await sequence.close()
  expect(openDescriptors(root)).toEqual([])
  for (const entry of readdirSync(root)) rmSync(join(root, entry), { recursive: true })
}

test(`${WORKERS} workers are terminated at random with everything in use`, { timeout: 300_000 }, async () => {
  const root = folder()
  const lane = async (index: number, count: number): Promise<Ended[]> => {
    const all: Ended[] = []
    const place = join(root, `lane-${index}`)
    for (let round = 0; round < count; round += 1) {
      const after = round % 2 === 0 ? 'made' : 'started'
      const ended = await live(place, 'stream', { after, ms: Math.random() * LIFE_MS })
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
  expect(all.filter(({ acknowledged }) => acknowledged > 0).length).toBeGreaterThan(WORKERS / 10)
  expect(commitThreads()).toBe(0)
  expect(held()).toEqual(before)
})

test.each(['exit', 'throw'] as const)('a worker that ends itself with everything in use: %s', async (end) => {
  const root = folder()
  for (let round = 0; round < 5; round += 1) {
    const ended = await live(root, 'stream', end)
    expect(ended).toMatchObject({ started: true, code: end === 'throw' ? 1 : 0 })
    await check(root, 'stream', ended)
  }
  expect(commitThreads()).toBe(0)
})
