// The child process that copies until it is killed. It says how many records are durable, about thirty times, and waits to
// be told to go on: but not before the next records are under way, so that the blow falls in the middle of them.

import { once } from 'node:events'
import { copy } from './copy.mjs'

process.on('disconnect', () => process.exit(1))

const [{ source, folder, name }] = await once(process, 'message')
let goOn = Promise.resolve()

try {
  const { PersistentStream } = await import('pstream')
  const stream = await PersistentStream.open(folder, { name })
  await copy({
    stream,
    source,
    onDurable: async (durable) => {
      await goOn
      goOn = once(process, 'message')
      process.send({ durable })
    },
  })
  await goOn
} catch (error) {
  process.send({ error: { message: error.message, code: error.code } })
}
// Not closed, and not ended: whoever started this process wants to kill it.
await new Promise(() => setInterval(() => {}, 60_000))
