// A child process that reads a stream of its parent live, and says how far it is and what it takes.

import { once } from 'node:events'
import { PersistentStream } from 'pstream'
import { resources } from './measure.mjs'
import { readMany } from './reading.mjs'
import { Checker, Records } from './records.mjs'

const [{ folder, name, salt }] = await once(process, 'message')
const stream = await PersistentStream.openReadOnly(folder, { name })
const checker = new Checker('reader in another process', new Records('mixed', salt))

process.on('disconnect', () => process.exit(1))
process.on('message', async () => {
  process.send({ next: checker.next, resources: await resources() })
})
process.send({ opened: true })
await readMany(stream, checker)
