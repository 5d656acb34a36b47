// The child process that copies until it is killed. It says how many blocks are durable after each store, and waits to
// be told to go on: but not before the next store is under way, so that the blow falls in the middle of one.

import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { copy } from './copy.mjs'

process.on('disconnect', () => process.exit(1))

const [{ path, folder, name, layout }] = await once(process, 'message')
let goOn = Promise.resolve()

try {
  const { FileSequence } = await import('pstream')
  const { blocksPerFile: blockCount, blockShift } = layout
  const sequence = await FileSequence.open(folder, { name, blockCount, blockShift, reserve: 'best-effort' })
  const source = await open(path)
  await copy({
    source,
    sequence,
    layout,
    onStored: async (stored) => {
      await goOn
      goOn = once(process, 'message')
      process.send({ stored })
    },
  })
  await goOn
} catch (error) {
  process.send({ error: { message: error.message, code: error.code } })
}
// Not closed, and not ended: whoever started this process wants to kill it.
await new Promise(() => setInterval(() => {}, 60_000))
