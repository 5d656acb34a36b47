// What a stream tells on the channels of `node:diagnostics_channel`; and that nothing fails in silence.

import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'
import type {
  CommitMessage,
  DiagnosticsMessages,
  FailureMessage,
  PersistentStream,
  RecoveryMessage,
  TrimMessage,
} from 'pstream'
import { expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { run } from './support/children.js'
import { folder } from './support/folder.js'
import { stream } from './support/streams.js'
import { mayTrace, traced } from './support/trace.js'

/** What is told on a channel from now on, of the streams in a folder. */
function watch<C extends keyof DiagnosticsMessages>(channel: C, root: string): DiagnosticsMessages[C][] {
  const messages: DiagnosticsMessages[C][] = []
  const listener: ChannelListener = (message) => {
    const told = message as DiagnosticsMessages[C]
    if (told.directory === root) messages.push(told)
  }
  subscribe(channel, listener)
  onTestFinished(() => {
    unsubscribe(channel, listener)
  })
  return messages
}

test('pstream:commit', async () => {
  const root = folder()
  const messages = watch('pstream:commit', root)
  // So that all that is appended at once is one commit.
  const log = await stream(root, { name: 'events', commitDelayMs: 30 })
  await log.append('12345')
  await Promise.all([log.append('a'), log.appendMany(['bc', 'def']), log.append('')])
  const [first, second] = messages as [CommitMessage, CommitMessage]
  const stream1 = { directory: root, name: 'events' }
  expect(first).toEqual({
    ...stream1,
    firstSeq: 0,
    records: 1,
    bytes: 5,
    durableSeq: 1,
    durationMs: expect.any(Number),
  })
  expect(second).toMatchObject({ ...stream1, firstSeq: 1, records: 4, bytes: 6, durableSeq: 5 })
  expect(messages).toHaveLength(2)
  for (const { durationMs } of messages) {
    expect(durationMs).toBeGreaterThan(0)
    expect(durationMs).toBeLessThan(10_000)
  }
  expect(log.stats().commits).toBe(2)
})

test('pstream:commit of what is only written, and nothing of a flush that writes nothing', async () => {
  const root = folder()
  const log = await stream(root, { durability: 'written', syncIntervalMs: 2 ** 31 - 1 })
  const messages = watch('pstream:commit', root)
  await log.append('x')
  await log.flush()
  await log.flush()
  expect(messages).toMatchObject([{ firstSeq: 0, records: 1, durableSeq: 0 }])
})

test('a commit that is settled by a call that blocks', async () => {
  const root = folder()
  const log = await stream(root)
  const messages = watch('pstream:commit', root)
  log.write('a')
  log.appendSync('b')
  log.write('c')
  log.closeSync()
  expect(messages.map(({ records }) => records).reduce((sum, records) => sum + records)).toBe(3)
})

test('pstream:recovery, of an open', async () => {
  const root = folder()
  const messages = watch('pstream:recovery', root)
  const log = await stream(root)
  expect(messages).toEqual([{ directory: root, name: 'stream', cause: 'open', report: log.recovery }])
  expect(messages[0]?.report).toBe(log.recovery)
  await log.append('x')
  await log.close()
  await stream(root)
  expect(messages[1]).toMatchObject({ report: { previous: 'closed', records: { nextSeq: 1 } } })
})

test('nobody who watches is told of another stream than it says', async () => {
  const [one, other] = [folder(), folder()]
  const messages = watch('pstream:commit', one)
  await (await stream(other)).append('x')
  expect(messages).toEqual([])
})

test('a subscriber that calls the stream, also by calls that block', async () => {
  const root = folder()
  const log = await stream(root)
  const appends: Promise<number>[] = []
  const listener = (message: unknown) => {
    const { directory, records } = message as CommitMessage
    if (directory !== root || appends.length >= 10) return
    appends.push(log.append('from the subscriber'))
    if (records % 2 === 1) log.flushSync()
  }
  subscribe('pstream:commit', listener)
  await log.append('x')
  while (appends.length < 10) await pause(1)
  unsubscribe('pstream:commit', listener)
  expect(await Promise.all(appends)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

test('a subscriber that closes the stream', async () => {
  const root = folder()
  const log = await stream(root)
  const listener = (message: unknown) => {
    if ((message as CommitMessage).directory === root) log.closeSync()
  }
  subscribe('pstream:commit', listener)
  expect(await log.append('x')).toBe(0)
  unsubscribe('pstream:commit', listener)
  await expect(log.append('y')).rejects.toMatchObject({ code: 'PSTREAM_CLOSED' })
})

test('a subscriber that throws hurts nobody but whoever has it', () => {
  const script = `
    import { subscribe } from 'node:diagnostics_channel'
    const caught = []
    process.on('uncaughtException', (error) => caught.push(error.message))
    for (const channel of ['pstream:commit', 'pstream:recovery']) subscribe(channel, () => { throw new Error(channel) })
    const stream = await PersistentStream.open(root)
    const seqs = await Promise.all([stream.append('a'), stream.append('b')])
    seqs.push(await stream.append('c'))
    await stream.close()
    setTimeout(() => console.log(JSON.stringify({ seqs, caught })))`
  const { stdout, stderr, status } = run(script, folder())
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  const { seqs, caught } = JSON.parse(stdout)
  expect(seqs).toEqual([0, 1, 2])
  // As Node.js has it for all channels.
  expect(caught).toEqual(['pstream:recovery', 'pstream:commit', 'pstream:commit'])
})

const possible = mayTrace()
if (!possible) console.log('skipped: strace is missing or may not trace')

interface Told {
  readonly messages: (Record<string, unknown> & { error?: Record<string, unknown> })[]
  readonly outcomes: unknown[]
  readonly stderr: string
}

/** Runs the script with the calls of the commit thread that fail. */
function failing(inject: string, ...args: string[]): Told {
  const { stdout, stderr } = traced(inject, 'failing-streams.mjs', ...args)
  return { ...JSON.parse(stdout), stderr }
}

// What an open syncs is synced by another thread, and strace counts the calls of each apart.
const SYNC = 'fdatasync:error=EIO:when=1'
const COMMIT = 'pwritev2:error=EIO:when=1'

test.runIf(possible)('pstream:failure and pstream:recovery, of a commit', () => {
  const root = folder()
  const { messages, outcomes, stderr } = failing(`inject=${COMMIT}`, 'commit', root)
  expect(stderr).toBe('')
  const where = { directory: root, name: 'stream' }
  expect(messages).toMatchObject([
    { channel: 'pstream:failure', ...where, operation: 'commit', loss: false, error: { code: 'PSTREAM_SYNC_FAILED' } },
    { channel: 'pstream:recovery', ...where, cause: 'failure', report: { previous: 'crashed', elapsed: true } },
  ])
  expect(messages[0]?.error).toMatchObject({ name: 'FileSyncError', cause: { code: 'EIO' } })
  expect(outcomes).toMatchObject([{ code: 'PSTREAM_SYNC_FAILED' }, 'done', 'done'])
})

test.runIf(possible)('pstream:failure, of a sync in the background; without a flush the close tells of it', () => {
  const { messages, outcomes, stderr } = failing(`inject=${SYNC}`, 'background', folder())
  expect(messages).toMatchObject([{ operation: 'sync', loss: true, error: { code: 'PSTREAM_SYNC_FAILED' } }])
  expect(outcomes).toMatchObject(['done', 'done', { code: 'PSTREAM_SYNC_FAILED' }])
  expect(stderr).toBe('')
})

test.runIf(possible)('nobody watches: a warning, once', () => {
  const root = folder()
  const { messages, outcomes, stderr } = failing(`inject=${SYNC}`, 'background', root, 'quiet')
  expect(messages).toEqual([])
  expect(outcomes).toMatchObject(['done', 'done', { code: 'PSTREAM_SYNC_FAILED' }])
  const [warning] = stderr.split('\n')
  expect(warning).toContain(
    `[PSTREAM_SYNC_FAILED] PstreamWarning: records of the stream 'stream' in ${root} may be lost`,
  )
  expect(stderr.match(/PstreamWarning/g)).toHaveLength(1)
})

test.runIf(possible)('records that nobody waits for are lost: told, or a warning; and the flush rejects', () => {
  const told = failing(`inject=${COMMIT}`, 'write', folder())
  expect(told.messages).toMatchObject([{ operation: 'commit', loss: true, error: { code: 'PSTREAM_SYNC_FAILED' } }])
  expect(told.outcomes).toMatchObject([{ code: 'PSTREAM_SYNC_FAILED' }, 'done'])
  expect(told.stderr).toBe('')
  const quiet = failing(`inject=${COMMIT}`, 'write', folder(), 'quiet')
  expect(quiet.outcomes).toMatchObject([{ code: 'PSTREAM_SYNC_FAILED' }, 'done'])
  expect(quiet.stderr.match(/PstreamWarning/g)).toHaveLength(1)
  // Whoever flushes is told by that, and nobody else is bothered.
  const flushed = failing(`inject=${COMMIT}`, 'write', folder(), 'told')
  expect(flushed).toMatchObject({ outcomes: [{ code: 'PSTREAM_SYNC_FAILED' }, 'done'], stderr: '' })
})

test('types', () => {
  expectTypeOf<keyof DiagnosticsMessages>().toEqualTypeOf<
    'pstream:commit' | 'pstream:recovery' | 'pstream:trim' | 'pstream:failure'
  >()
  expectTypeOf<RecoveryMessage['report']>().toEqualTypeOf<PersistentStream['recovery']>()
  expectTypeOf<FailureMessage['operation']>().toEqualTypeOf<'commit' | 'sync' | 'next-file' | 'trim' | 'watermark'>()
  expectTypeOf<TrimMessage['files']>().toBeNumber()
})
