// What a live reader in another process costs while nothing is appended: how often any thread of it is woken, beside a
// process that has opened the stream and reads nothing.

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { importPackage } from '../package.mjs'
import { Child } from './child.mjs'
import { Figures } from './figures.mjs'
import { appendFor, verifyAll } from './writing.mjs'

const ROUND_MS = 1000

/** Voluntary context switches of each thread so far: each is a wait that has ended, or will. */
function switches(pid) {
  const counts = new Map()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
      counts.set(thread, Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)[1]))
    } catch (error) {
      // It has ended meanwhile.
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error
    }
  }
  return counts
}

function more(before, after) {
  let sum = 0
  for (const [thread, count] of after) sum += count - (before.get(thread) ?? 0)
  return sum
}

export async function measureIdle(definition, { baseline, directory, rounds, quick }) {
  const { PersistentStream } = await importPackage()
  const path = join(directory, definition.name)
  mkdirSync(path)
  const stream = await PersistentStream.open(path)
  const figures = new Figures()
  const processes = { 'with a live reader': new Child(), 'without one': new Child() }
  const [live] = Object.values(processes)
  const roundMs = quick ? ROUND_MS / 4 : ROUND_MS
  try {
    for (const child of Object.values(processes)) await child.ask('open', { path })
    await live.ask('live')
    const { end } = await appendFor(stream, 100, 1)
    if ((await live.ask('seen', { end })).length !== end) throw new Error('the live reader has missed records')
    // What it began with comes to an end.
    await setTimeout(roundMs)
    for (let round = 1; round <= rounds; round++) {
      const before = Object.values(processes).map(({ pid }) => switches(pid))
      const started = performance.now()
      await setTimeout(roundMs)
      const seconds = (performance.now() - started) / 1000
      for (const [i, [who, { pid }]] of Object.entries(processes).entries())
        figures.add(`${who}: wake-ups`, more(before[i], switches(pid)) / seconds)
    }
    // It was waiting all the time, and was not dead.
    const last = await appendFor(stream, 10, 1)
    if ((await live.ask('seen', { end: last.end })).length !== last.end - end)
      throw new Error('the live reader does not wake up')
    await live.ask('close')
    await stream.close()
    await verifyAll(baseline, path, last.end)
  } finally {
    for (const child of Object.values(processes)) await child.close()
  }
  rmSync(path, { recursive: true })
  return figures.result(definition)
}
