// The client: takes orders and uploads them, both at the same time, until it has done all of them or is killed.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { openQueue, upload } from './queue.mjs'

const [{ folder, url, orders }] = await once(process, 'message')
const queue = await openQueue(folder)
const done = new AbortController()

async function takeOrders() {
  // Goes on where it was: what is in the queue is its memory.
  for (let number = queue.nextSeq; number < orders; number += 1) {
    await queue.append({ order: number, text: `${number} pieces of cake` })
    process.send({ taken: number })
    await sleep(3)
  }
}

async function uploadOrders() {
  const onUploaded = (seq) => {
    if (seq === orders - 1) done.abort()
  }
  try {
    await upload(queue, url, { signal: done.signal, retryMs: 2, onUploaded })
  } catch (error) {
    if (!done.signal.aborted) throw error
  }
}

await Promise.all([takeOrders(), uploadOrders()])
await queue.close()
process.disconnect()
