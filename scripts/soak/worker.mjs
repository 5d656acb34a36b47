// In a worker thread: small records by every way of appending, read live and with a cursor, and trimmed. The thread is
// terminated now and then, in the midst of it all.

import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { PersistentStream } from 'pstream'
import { readMany } from './reading.mjs'
import { Checker, Records } from './records.mjs'

const { folder, name, salt, committed } = workerData
const records = new Records('small', salt)
const stream = await PersistentStream.open(folder, {
  name,
  fileSize: '1MiB',
  durability: 'written',
  syncIntervalMs: 200,
  lockTimeoutMs: 5000,
})
const begin = stream.nextSeq
parentPort.postMessage({ opened: begin, previous: stream.recovery.previous })

/** All records of seqs from the next one on. */
const next = (count) => Array.from({ length: count }, (_, index) => records.of(stream.nextSeq + index))

async function write() {
  for (;;) {
    for (let left = 300; left > 0; left -= 1) if (!stream.write(records.of(stream.nextSeq))) await stream.ready()
    await stream.flush()
    parentPort.postMessage({ durable: stream.durableSeq })
    await stream.appendMany(next(50), { durability: 'durable' })
    await Promise.all([1, 2, 3].map(() => stream.append(records.of(stream.nextSeq))))
    await sleep(15)
  }
}

const reader = new Checker('reader in the worker', records, begin)

/** Commits each record without waiting for it: the commits of a turn are one. */
async function consume() {
  const cursor = await stream.cursor('soak')
  // What was told to be committed is.
  if (cursor.position < committed) throw new Error(`the worker's cursor is at ${cursor.position}, not ${committed}`)
  const checker = new Checker('cursor in the worker', records, cursor.position)
  let failure
  for await (const record of cursor.read()) {
    if (failure !== undefined) throw failure
    checker.take(record)
    cursor.commit(record.seq).then(
      () => {
        if (record.seq % 1000 === 0) parentPort.postMessage({ committed: record.seq + 1 })
      },
      (error) => {
        failure = error
      },
    )
  }
}

async function trim() {
  for (;;) {
    await sleep(500)
    const oldest = await stream.trim(Math.max(0, stream.durableSeq - 20_000))
    const { bytesOnDisk: disk } = stream.stats()
    parentPort.postMessage({ oldest, read: reader.next, disk })
  }
}

await Promise.all([write(), readMany(stream, reader), consume(), trim()])
