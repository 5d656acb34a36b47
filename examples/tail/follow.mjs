#!/usr/bin/env node
// Follows a stream that another process writes, like `tail -f`, and prints its records: seq, time, text. This is the part
// to copy.
//
//   node examples/tail/follow.mjs <folder> [name]
//
// It takes no lock: the writer does not notice it. It shows only what a power cut cannot take back, and goes on through the
// death and the return of the writer.

import { PersistentStream } from 'pstream'

const [folder, name = 'stream'] = process.argv.slice(2)
const stream = await PersistentStream.openReadOnly(folder, { name, encoding: 'utf8' })

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

try {
  for await (const { seq, time, data } of stream.read({ live: true, signal: stop.signal }))
    process.stdout.write(`${seq} ${new Date(time).toISOString()} ${data}\n`)
} catch (error) {
  if (!stop.signal.aborted) throw error
} finally {
  await stream.close()
}
