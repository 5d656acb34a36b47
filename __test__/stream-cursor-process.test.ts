// Cursors and what ends their processes: no record is missed, whatever happens.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { LockedError, PersistentStream } from 'pstream'
import { expect, onTestFinished, test } from 'vitest'
import { killed, prologue, run } from './support/children.js'
import { openDescriptors } from './support/files.js'
import { folder } from './support/folder.js'
import { mayMount, withMount } from './support/mounts.js'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const ROUNDS = Number(process.env.PSTREAM_KILL_ROUNDS ?? 10)

test.each(['durable', 'written'])(
  'a consumer is killed in the middle, again and again: %s',
  { timeout: 60_000 + ROUNDS * 4000 },
  async (level) => {
    const root = folder()
    const handled = new Map<number, string>()
    let committed = -1
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const line of await killed([fixture('cursor-consumer.mjs'), root, level], 250)) {
        const [what, seq, record] = line.split(' ')
        if (what === 'o') {
          expect(Number(seq)).toBeGreaterThan(committed)
        } else if (what === 'h') handled.set(Number(seq), record ?? '')
        else committed = Math.max(committed, Number(seq))
      }
      const stream = await PersistentStream.open(root, { encoding: 'utf8' })
      const cursor = await stream.cursor('consumer')
      expect(cursor.position).toBeGreaterThan(committed)
      expect(cursor.position).toBeLessThanOrEqual(stream.durableSeq)
      // All in front of it was handled, and was what is there.
      for await (const { seq, data } of stream.read({ to: cursor.position })) {
        expect(handled.get(seq)).toBe(data.trimEnd())
      }
      await stream.close()
    }
    expect(committed).toBeGreaterThan(ROUNDS)
  },
)

test('a consumer in another process has a cursor by a read-only stream', async () => {
  const root = folder()
  const stream = await PersistentStream.open(root)
  onTestFinished(() => stream.close())
  await stream.appendMany(['a', 'b', 'c', 'd', 'e'])
  const script = `const stream = await PersistentStream.openReadOnly(root)
    const cursor = await stream.cursor('far')
    for await (const { seq } of cursor) {
      if (seq < 3) await cursor.commit(seq)
      console.log(seq, cursor.position)
      if (seq === 3) break
    }
    const beyond = await cursor.commit(9).catch((error) => error.code)
    console.log(beyond, cursor.lag.records, (await stream.cursors()).map(({ name }) => name).join())
    await new Promise((resolve) => process.stdin.once('data', resolve))
    await stream.close()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${prologue}${script}`, root], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  while (!output.includes('PSTREAM')) await once(child.stdout, 'data')
  expect(output).toBe('0 1\n1 2\n2 3\n3 3\nPSTREAM_INVALID_INPUT 2 far\n')
  const error = (await stream.cursor('far').catch((reason: unknown) => reason)) as LockedError
  expect(error).toBeInstanceOf(LockedError)
  expect(error.holder).toMatchObject({ pid: child.pid, alive: true })
  expect(await stream.deleteCursor('far').catch((reason) => reason.code)).toBe('PSTREAM_LOCKED')
  expect((await stream.cursors()).map(({ name, position }) => [name, position])).toEqual([['far', 3]])
  child.stdin.end('end')
  await once(child, 'close')
  const cursor = await stream.cursor('far')
  expect(cursor.position).toBe(3)
  await cursor.close()
  // The stream is not to be destroyed while somebody has one.
  await stream.close()
  const reader = await PersistentStream.openReadOnly(root)
  const held = await reader.cursor('far')
  expect(await PersistentStream.destroy(root).catch((reason) => reason.code)).toBe('PSTREAM_LOCKED')
  await held.commit(4)
  await reader.close()
  expect(held.position).toBe(5)
  await PersistentStream.destroy(root)
})

test('a process that ends by itself is waited for by what it commits', () => {
  const root = folder()
  const { status, stderr } = run(
    `const stream = await PersistentStream.open(root, { durability: 'written', syncIntervalMs: 200 })
    const cursor = await stream.cursor('a')
    await stream.append('x')
    cursor.commit(0).then(() => console.error('committed'))`,
    root,
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: 'committed\n' })
})

test('a cursor that waits for records does not hold its process up', () => {
  const root = folder()
  const { status, stdout } = run(
    `const stream = await PersistentStream.open(root)
    const cursor = await stream.cursor('a')
    void cursor.read().next()
    console.log('end')`,
    root,
  )
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'end\n' })
})

test('who is gone does not hold a cursor, and a worker that is terminated neither', async () => {
  const root = folder()
  const source = `${prologue.replace('process.argv[1]', "(await import('node:worker_threads')).workerData")}
    const stream = await PersistentStream.open(root)
    await stream.cursor('a')
    ;(await import('node:worker_threads')).parentPort.postMessage('open')
    setInterval(() => {}, 1000)`
  for (let round = 0; round < 3; round += 1) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: root })
    await once(worker, 'message')
    await worker.terminate()
    const stream = await PersistentStream.open(root, { lockTimeoutMs: 0 })
    await stream.cursor('a')
    await stream.close()
  }
  expect(openDescriptors(root)).toEqual([])
})

const possible = mayMount()
if (!possible) console.log('skipped: only root may mount a small file system')

const systems = {
  tmpfs: 'mount -t tmpfs -o size=24m none "$1/mnt"',
  ext4: 'truncate -s 32M "$1/image"; mkfs.ext4 -q -m 0 "$1/image"; mount -o loop "$1/image" "$1/mnt"',
  xfs: 'truncate -s 320M "$1/image"; mkfs.xfs -q "$1/image"; mount -o loop "$1/image" "$1/mnt"',
}

test.runIf(possible).each(Object.entries(systems))('a full disk: %s', { timeout: 60_000 }, (name, setup) => {
  if (name === 'xfs' && spawnSync('sh', ['-c', 'command -v mkfs.xfs']).status !== 0) {
    console.log('skipped: mkfs.xfs is not there')
    return
  }
  const { status, stdout, stderr } = withMount(folder(), setup, fixture('cursor-full-disk.mjs'))
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  // Their files are reserved.
  expect(JSON.parse(stdout)).toEqual({
    ...{ commit: 'done', seek: 'done', position: 1, opened: 'done', made: 'PSTREAM_NO_SPACE', listed: true },
    ...{ deleted: 'done', goesOn: 'done', madeLater: 'done', kept: 4 },
  })
})
