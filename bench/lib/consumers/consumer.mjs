// A process of its own that consumes: it answers requests, and ends when who has started it lets go.

import { importPackage } from '../package.mjs'
import { crowd } from './crowd.mjs'
import { Watched } from './watched.mjs'

const { PersistentStream } = await importPackage()
let stream
let watched

const operations = {
  /** Opens the stream beside its writer. */
  async open({ path }) {
    stream = await PersistentStream.openReadOnly(path)
  },
  /** Reads live from here on. */
  live() {
    watched = new Watched(stream)
  },
  /** When the records in front of `end` were seen that have not been asked for. */
  seen: ({ end }) => watched.seen(end),
  crowd,
  async close() {
    await stream.close()
    await watched?.ended
  },
}

process.on('message', async ({ op, ...fields }) => {
  try {
    process.send({ answer: await operations[op](fields) })
  } catch (error) {
    process.send({ error: error.message })
  }
})
