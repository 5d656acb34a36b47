// A server behind a bad network: it answers with errors, and loses requests before and after it has accepted them.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

/** `onRequest` is called with each request, once it was answered, or not. */
export async function startServer(random, onRequest) {
  const records = new Map()
  const counts = { requests: 0, errors: 0, lostBefore: 0, lostAfter: 0, repeated: 0, conflicts: 0 }

  /** Each seq is taken once. The one line that turns at least once into exactly once. */
  function accept(seq, body) {
    if (!records.has(seq)) records.set(seq, body)
    else if (records.get(seq) === body) counts.repeated += 1
    else counts.conflicts += 1
  }

  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined)
    // The client is gone.
    if (body === undefined) return
    counts.requests += 1
    const fate = random()
    if (fate < 0.15) {
      counts.errors += 1
      response.writeHead(500).end()
    } else if (fate < 0.25) {
      counts.lostBefore += 1
      request.socket.destroy()
    } else {
      accept(Number(request.url.split('/').at(-1)), body)
      if (fate < 0.4) {
        counts.lostAfter += 1
        request.socket.destroy()
      } else response.writeHead(204).end()
    }
    onRequest(counts.requests)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { url: `http://127.0.0.1:${server.address().port}/records`, records, counts, close }
}
