// The logic of the example app for Electron, without Electron: what is sent, when, and what a window is told.

import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { PersistentStream } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { run } from './support/children.js'
import { folder } from './support/folder.js'

const module = new URL('../examples/electron/queue.mjs', import.meta.url).href
const { OfflineQueue } = await import(module)
const { sender } = await import(new URL('../examples/electron/send.mjs', import.meta.url).href)
const { startServer } = await import(new URL('../examples/upload-queue/server.mjs', import.meta.url).href)

interface Note {
  readonly seq: number
  readonly text: string
}
type Send = (note: Note, options: { signal: AbortSignal }) => Promise<void>

async function open(root: string, send: Send, options: object = {}) {
  const queue = await OfflineQueue.open(root, send, { retryMs: 5, ...options })
  onTestFinished(() => queue.close())
  return queue
}

/** Waits until the window would be told something of this kind. */
async function until(queue: InstanceType<typeof OfflineQueue>, expected: object) {
  for (const end = Date.now() + 5000; Date.now() < end; await pause(2)) {
    const snapshot = await queue.snapshot()
    try {
      expect(snapshot).toMatchObject(expected)
      return snapshot
    } catch {}
  }
  expect(await queue.snapshot()).toMatchObject(expected)
}

const texts = (items: Note[]) => items.map(({ text }) => text)

test('what is added is sent once and in order, and stays in the list of what was sent', async () => {
  const got: Note[] = []
  const queue = await open(folder(), async (note) => void got.push(note))
  await Promise.all(['a', 'b', 'c'].map((text) => queue.add(text)))
  const { sent } = await until(queue, { phase: 'idle', sent: { count: 3 }, waiting: { count: 0, items: [] } })
  expect(texts(got)).toEqual(['a', 'b', 'c'])
  expect(texts(sent.items)).toEqual(['c', 'b', 'a'])
})

test('offline everything waits, also through a restart; online it is sent', async () => {
  const root = folder()
  const got: Note[] = []
  const send: Send = async (note) => void got.push(note)
  const first = await open(root, send, { online: false })
  await first.add('one')
  await first.add('two')
  const state = await until(first, { phase: 'offline', online: false, waiting: { count: 2 }, sent: { count: 0 } })
  expect(texts(state.waiting.items)).toEqual(['one', 'two'])
  await first.close()
  expect(got).toEqual([])

  const second = await open(root, send, { online: false })
  await until(second, { phase: 'offline', waiting: { count: 2 }, wasInterrupted: false })
  second.setOnline(true)
  await until(second, { phase: 'idle', online: true, sent: { count: 2 } })
  expect(texts(got)).toEqual(['one', 'two'])
})

test('a failure is told and tried again, after longer and longer; nobody who does not want to wait has to', async () => {
  let failing = true
  const attempts: number[] = []
  const queue = await open(folder(), async () => {
    attempts.push(Date.now())
    if (failing) throw new Error('the server is on fire')
  })
  await queue.add('note')
  await until(queue, { phase: 'retrying', problem: 'the server is on fire', waiting: { count: 1 } })
  while (attempts.length < 7) await once(queue, 'change')
  // Between a half and the whole of 5, 10, 20 … ms.
  expect((attempts[6] ?? 0) - (attempts[5] ?? 0)).toBeGreaterThanOrEqual(79)
  const { retryAt } = await until(queue, { phase: 'retrying' })
  expect(retryAt).toBeGreaterThan(Date.now())
  failing = false
  queue.retry()
  await until(queue, { phase: 'idle', problem: undefined, sent: { count: 1 } })
})

test('going offline gives up what is under way, and sends it again', async () => {
  let calls = 0
  const queue = await open(folder(), async (_, { signal }) => {
    calls += 1
    if (calls === 1) await once(signal, 'abort').then(() => signal.throwIfAborted())
  })
  await queue.add('note')
  await until(queue, { phase: 'sending' })
  queue.setOnline(false)
  await until(queue, { phase: 'offline', waiting: { count: 1 } })
  queue.setOnline(true)
  await until(queue, { phase: 'idle', sent: { count: 1 } })
  expect(calls).toBe(2)
})

test('what the server refuses for good stops the sending, and loses nothing', async () => {
  const root = folder()
  const refuse: Send = async () => {
    throw Object.assign(new Error('no'), { refused: true })
  }
  const queue = await open(root, refuse)
  await queue.add('note')
  await queue.add('another')
  await until(queue, { phase: 'stopped', problem: 'no', waiting: { count: 2 } })
  await queue.close()
  const again = await open(root, async () => {})
  await until(again, { phase: 'idle', sent: { count: 2 } })
})

test('killed, and started again: told, and nothing lost', async () => {
  const root = folder()
  const script = `
    const { OfflineQueue } = await import(${JSON.stringify(module)})
    const queue = await OfflineQueue.open(root, async () => {}, { online: false })
    for (let index = 0; index < 20; index += 1) await queue.add('note ' + index)
    process.kill(process.pid, 'SIGKILL')`
  expect(run(script, root).signal).toBe('SIGKILL')
  const queue = await open(root, async () => {}, { online: false })
  await until(queue, { wasInterrupted: true, waiting: { count: 20 } })
  await queue.add('the next')
  await until(queue, { wasInterrupted: false, waiting: { count: 21 } })
})

test('with a server that fails at random each note arrives once', async () => {
  const root = folder()
  let step = 0
  // Of each kind of failure some: an error, a lost request, a lost answer.
  const server = await startServer(
    () => [0.1, 0.2, 0.9, 0.3][step++ % 4] as number,
    () => {},
  )
  onTestFinished(() => server.close())
  const queue = await open(root, sender(server.url), { retryMs: 1 })
  await Promise.all(Array.from({ length: 25 }, (_, index) => queue.add(`note ${index}`)))
  await until(queue, { sent: { count: 25 }, phase: 'idle' })
  expect([...server.records.keys()]).toEqual(Array.from({ length: 25 }, (_, index) => index))
  expect(server.counts).toMatchObject({ conflicts: 0 })
  expect(server.counts.repeated).toBeGreaterThan(0)
})

test('what the server says becomes a message, and whether it is for good', async () => {
  let status = 404
  const { createServer } = await import('node:http')
  const server = createServer((_, response) => response.writeHead(status).end()).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const send = sender(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
  const note = { seq: 1, time: 0, text: 'x' }
  const signal = new AbortController().signal
  await expect(send(note, { signal })).rejects.toMatchObject({
    message: 'the server answers with status 404',
    refused: true,
  })
  for (status of [408, 429, 500]) await expect(send(note, { signal })).rejects.toMatchObject({ refused: false })
  status = 204
  await send(note, { signal })
  await expect(sender('http://127.0.0.1:1')(note, { signal })).rejects.toThrow('the server cannot be reached')
})

test('a queue that is open already says so, and so does one that is closed', async () => {
  const root = folder()
  const queue = await open(root, async () => {}, { online: false })
  await expect(OfflineQueue.open(root, async () => {})).rejects.toMatchObject({ code: 'PSTREAM_LOCKED' })
  await queue.close()
  await expect(queue.add('too late')).rejects.toMatchObject({ code: 'PSTREAM_CLOSED' })
  const stream = await PersistentStream.open(root, { name: 'notes', encoding: 'utf8' })
  expect(stream.recovery.previous).toBe('closed')
  await stream.close()
})
