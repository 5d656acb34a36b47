// Writes a line every few milliseconds, and says of each that it is durable, until it is killed.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { PersistentStream } from 'pstream'

const [{ folder, name }] = await once(process, 'message')
const stream = await PersistentStream.open(folder, { name, encoding: 'utf8' })
process.send({ opened: stream.nextSeq })

for (;;) {
  const line = `line ${stream.nextSeq} by process ${process.pid}`
  const seq = await stream.append(line)
  process.send({ seq, line })
  await sleep(5)
}
