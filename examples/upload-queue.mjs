#!/usr/bin/env node
// An upload queue that survives: a client takes orders and uploads them to a server that fails at random, and is killed
// again and again. In the end the server has every order, once. What is worth copying is in upload-queue/queue.mjs.

import { kill, main, start } from './support/program.mjs'
import { between, random } from './support/random.mjs'
import { counted, dim, fact, green, say } from './tour/terminal.mjs'
import { startServer } from './upload-queue/server.mjs'

const ORDERS = 300
const KILLS = 5
const CLIENT = new URL('./upload-queue/client.mjs', import.meta.url)

await main('upload-queue', async (folder, seed) => {
  say(`Orders are queued and uploaded, the network is bad, and the client is killed ${KILLS} times.`)
  say(dim(`--seed ${seed}\n`))
  const next = random(seed)
  let onRequest = () => {}
  const server = await startServer(next, (requests) => onRequest(requests))
  let taken = -1
  const run = () =>
    start(CLIENT, { folder, url: server.url, orders: ORDERS }, (message) => {
      taken = Math.max(taken, message.taken)
    })
  try {
    for (let killed = 0; killed < KILLS; killed += 1) {
      const client = run()
      const last = server.counts.requests + between(next, 10, 40)
      await Promise.race([
        client.ended,
        new Promise((resolve) => {
          onRequest = (requests) => requests >= last && resolve()
        }),
      ])
      await kill(client)
      fact(`kill ${killed + 1}`, `${taken + 1} taken, ${server.records.size} of them with the server`)
    }
    const { code, signal } = await run().ended
    if (code !== 0) throw new Error(`the client failed (${signal ?? `code ${code}`})`)
  } finally {
    await server.close()
  }
  check(server)
})

function check({ records, counts }) {
  const { requests, errors, lostBefore, lostAfter, repeated, conflicts } = counts
  fact(
    'requests',
    `${requests}: ${errors} answered by an error, ${lostBefore} lost on the way, ${lostAfter} answers lost`,
  )
  fact('repeated', `${counted(repeated, 'order')} came again and were known by their seq`)
  const wrong = Array.from({ length: ORDERS }, (_, seq) => seq).filter(
    (seq) => records.get(seq) !== JSON.stringify({ order: seq, text: `${seq} pieces of cake` }),
  )
  if (conflicts > 0) throw new Error(`${counted(conflicts, 'seq')} came with another order than before`)
  if (wrong.length > 0) throw new Error(`missing or wrong: ${wrong.join(', ')}`)
  if (records.size !== ORDERS) throw new Error(`${records.size} orders instead of ${ORDERS}`)
  fact('in the end', green(`the server has ${records.size} of ${ORDERS} orders, each once`))
}
