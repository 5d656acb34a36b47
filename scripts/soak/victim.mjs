// A child process that writes until it is killed.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { PersistentStream } from 'pstream'
import { Records } from './records.mjs'

const [{ folder, name, salt }] = await once(process, 'message')
process.on('disconnect', () => process.exit(1))
const records = new Records('mixed', salt)
const stream = await PersistentStream.open(folder, {
  name,
  fileSize: '4MiB',
  lockTimeoutMs: 5000,
  retention: { maxBytes: '32MiB' },
})
process.send({ opened: stream.nextSeq, previous: stream.recovery.previous })

async function write() {
  for (;;) {
    const seq = await stream.append(records.of(stream.nextSeq))
    process.send({ durable: seq + 1, disk: stream.stats().bytesOnDisk })
    await sleep(10)
  }
}
await Promise.all([write(), write(), write(), write()])
