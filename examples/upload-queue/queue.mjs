// A queue of what is to be uploaded, which survives crashes and power cuts. This is the part to copy.
//
// A record is uploaded at least once: the cursor moves behind it when the server has accepted it, so that after a crash
// it is uploaded again if that was not noted yet. Its seq goes along, and the server takes each seq once: which makes it
// exactly once. A seq never stands for two records, since only what is durable is read.

import { setTimeout as sleep } from 'node:timers/promises'
import { PersistentStream } from 'pstream'

/** Append to it what is to be uploaded, online or not: it is safe once `append` has resolved. */
export function openQueue(folder) {
  return PersistentStream.open(folder, {
    name: 'uploads',
    encoding: 'json',
    // Files are removed when all that is in them was uploaded: what the cursor has not passed is kept. A queue that is
    // never uploaded does not fill the disk: at the limit an append rejects with PSTREAM_LIMIT.
    retention: { maxBytes: '8MiB', limitBytes: '1GiB' },
  })
}

/** Uploads what is in the queue and what comes, in order, until the signal aborts. */
export async function upload(queue, url, { signal, retryMs = 100, onUploaded }) {
  const cursor = await queue.cursor('uploader')
  try {
    for await (const { seq, data } of cursor.read({ signal })) {
      await put(`${url}/${seq}`, data, { signal, retryMs })
      // Not before: a crash in between uploads it once more, and the server sees that it has it.
      await cursor.commit(seq)
      onUploaded?.(seq)
    }
  } finally {
    await cursor.close()
  }
}

/** Until it is accepted. Waits longer after each failure, 30 s at most, and not all clients the same. */
async function put(url, data, { signal, retryMs }) {
  for (let attempt = 0; ; attempt += 1) {
    const status = await tryPut(url, data, signal)
    if (status >= 200 && status < 300) return
    if (status >= 400 && status < 500 && status !== 408 && status !== 429)
      throw new Error(`the server refuses ${url} for good: status ${status}`)
    const delay = Math.min(30_000, retryMs * 2 ** Math.min(attempt, 20))
    await sleep(delay * (0.5 + Math.random() / 2), undefined, { signal })
  }
}

/** The status of the answer; 0 if there is none: whether the server has accepted it is unknown then. */
async function tryPut(url, data, signal) {
  try {
    const response = await fetch(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(data),
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    signal.throwIfAborted()
    return 0
  }
}
