// Whatever ends a writer, what it has acknowledged is there.

import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { PersistentStream } from 'pstream'
import { expect, test } from 'vitest'
import { killed } from './support/children.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'
import { commitThreads } from './support/streams.js'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

const ROUNDS = Number(process.env.PSTREAM_KILL_ROUNDS ?? 25)

test('a process is killed in the middle, again and again', { timeout: 60_000 + ROUNDS * 4000 }, async () => {
  const root = folder()
  /** What was acknowledged, by seq; and every record that was ever seen. */
  const acknowledged: (string | undefined)[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const line of await killed([fixture('stream-appends.mjs'), root], 300)) {
      const [seq, record] = line.split(' ')
      acknowledged[Number(seq)] = record
    }
    const stream = await PersistentStream.open(root, { encoding: 'utf8' })
    expect(stream.recovery.previous).toBe('crashed')
    acknowledged[await stream.append('from the survivor')] = 'from the survivor'
    const found: string[] = []
    for await (const batch of stream.readBatches()) for (const { data } of batch) found.push(data.trimEnd())
    expect(found).toHaveLength(stream.nextSeq)
    const wrong = acknowledged.findIndex((record, seq) => record !== undefined && found[seq] !== record)
    expect(wrong).toBe(-1)
    // One that was never acknowledged is there once, or not at all.
    const own = found.filter((record) => record !== 'from the survivor')
    expect(new Set(own).size).toBe(own.length)
    // What was seen stays.
    for (const [seq, record] of found.entries()) acknowledged[seq] = record
    await stream.close()
  }
})

test('workers are terminated in the middle', { timeout: 60_000 }, async () => {
  const root = folder()
  await Promise.all(
    Array.from({ length: 32 }, async (_, index) => {
      const name = `w${index}`
      const worker = new Worker(fixture('stream-worker.mjs'), { workerData: { root, name } })
      let acknowledged = -1
      worker.on('message', (seq: number) => {
        acknowledged = Math.max(acknowledged, seq)
      })
      await once(worker, 'message')
      await pause(Math.random() * 300)
      await worker.terminate()
      // Its commit thread was joined: the stream is closed, and its lock free.
      const stream = await PersistentStream.open(root, { name, lockTimeoutMs: 0 })
      expect(stream.recovery.previous).toBe('closed')
      expect(stream.nextSeq).toBeGreaterThan(acknowledged)
      await stream.close()
    }),
  )
  expect(commitThreads()).toBe(0)
  expect(openDescriptors(root)).toEqual([])
})

test('a worker ends by itself, in the middle of opening, appending and closing', { timeout: 60_000 }, async () => {
  const root = folder()
  const source = `
    const { workerData } = require('node:worker_threads')
    import(workerData.entry).then(async ({ PersistentStream }) => {
      const { root, when } = workerData
      const opening = PersistentStream.open(root + '/' + when)
      if (when === 'opening') process.exit(0)
      const stream = await opening
      for (let index = 0; index < 100; index += 1) stream.append(new Uint8Array(10000))
      if (when === 'unsubmitted') process.exit(0)
      await null
      await null
      if (when === 'appending') process.exit(0)
      stream.close()
      process.exit(0)
    })`
  const entry = import.meta.resolve('pstream')
  for (let round = 0; round < 3; round += 1) {
    for (const when of ['opening', 'unsubmitted', 'appending', 'closing']) {
      const worker = new Worker(source, { eval: true, workerData: { entry, root, when } })
      const [code] = await once(worker, 'exit')
      expect(code).toBe(0)
    }
  }
  expect(commitThreads()).toBe(0)
  const stream = await PersistentStream.open(`${root}/appending`)
  expect(stream.nextSeq).toBe(300)
  await stream.close()
  expect(openDescriptors(root)).toEqual([])
})

const possible = mayMount()
if (!possible) console.log('skipped: only root may mount a small file system')
const systems = {
  tmpfs: 'mount -t tmpfs -o size=16m none "$1/mnt"',
  ext4: 'truncate -s 32M "$1/image"; mkfs.ext4 -q -m 0 "$1/image"; mount -o loop "$1/image" "$1/mnt"',
}

test.runIf(possible).each(Object.entries(systems))('a full disk: %s', (_, setup) => {
  const { stdout, stderr } = withMount(folder(), setup, fixture('stream-full-disk.mjs'))
  expect(stderr).toBe('')
  const full = { name: 'NoSpaceError', code: 'PSTREAM_NO_SPACE', cause: { code: 'ENOSPC' } }
  expect(JSON.parse(stdout)).toMatchObject({
    full,
    caller: true,
    others: ['PSTREAM_NO_SPACE', 'PSTREAM_NO_SPACE'],
    flush: full,
    nextSeq: true,
    still: 'done',
    again: true,
    close: 'done',
    reopened: { previous: 'closed', lost: 0 },
  })
})
