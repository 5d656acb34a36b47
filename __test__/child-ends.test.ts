// As close to Electron's utility processes as Node.js alone comes: a forked child with everything in use, which ends in each
// of the ways there are. What it was told is durable is there, its locks are free, and its parent hears nothing of it.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { checkEverything, NAMES, type Told, toldBy } from './support/everything.js'
import { folder } from './support/folder.js'

const fixture = fileURLToPath(new URL('fixtures/everything-child.mjs', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
  readonly messages: unknown[]
  readonly told: Told
}

type End = 'exit' | 'disconnect' | 'SIGTERM' | 'SIGKILL'

/** What is in the file that a child writes. */
function toldIn(path: string): Told {
  const bytes = readFileSync(path)
  return toldBy(new Int32Array(bytes.buffer, bytes.byteOffset, NAMES.length))
}

/** A child in `root` that is ended at a random moment; not before all has been done once, if it is to be `busy`. */
async function live(root: string, end: End, busy: boolean): Promise<Ended> {
  mkdirSync(root)
  const path = join(root, 'told')
  writeFileSync(path, new Int32Array(NAMES.length).fill(-1))
  const args = [root, 'stream', path, NAMES.join()]
  const child = fork(fixture, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let output = ''
  // Not 'close', which Node.js does not always emit for a child that its parent has disconnected from.
  const ends = [once(child, 'exit')]
  for (const from of [child.stdout, child.stderr]) {
    if (from === null) continue
    from.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    ends.push(once(from, 'end'))
  }
  const messages: unknown[] = []
  child.on('message', (message) => messages.push(message))
  const closed = Promise.all(ends)
  await Promise.race([once(child, 'message'), closed])
  if (busy) await expect.poll(() => Math.min(...Object.values(toldIn(path))), { timeout: 20_000 }).toBeGreaterThan(0)
  await pause(Math.random() * 300)
  if (end === 'exit') child.send('exit')
  else if (end === 'disconnect') child.disconnect()
  else child.kill(end)
  const [[code, signal] = []] = await closed
  return { code, signal, output, messages, told: toldIn(path) }
}

test.each([
  // What waits is committed, and nothing is closed.
  ['exit', { previous: 'crashed', flushed: true }],
  ['disconnect', { previous: 'closed', flushed: true }],
  ['SIGTERM', { previous: 'crashed', flushed: false }],
  ['SIGKILL', { previous: 'crashed', flushed: false }],
] as const)('a child with everything in use ends by %s', { timeout: 60_000 }, async (end, left) => {
  const root = folder()
  for (let round = 0; round < 5; round += 1) {
    const place = join(root, String(round))
    const { told, ...ended } = await live(place, end, round % 2 === 1)
    const how = left.flushed ? { code: 0, signal: null } : { code: null, signal: end }
    expect(ended).toEqual({ ...how, output: '', messages: ['started'] })
    await checkEverything(place, 'stream', told, left)
  }
})
