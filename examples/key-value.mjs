#!/usr/bin/env node
// A write-ahead log in front of a map: a process changes the map until it is killed, again and again; each time the map is
// made anew from the log, and every change that was acknowledged is in it. What is worth copying is in key-value/store.mjs.

import { setTimeout as sleep } from 'node:timers/promises'
import { Model } from './key-value/changes.mjs'
import { KeyValueStore } from './key-value/store.mjs'
import { kill, main, start } from './support/program.mjs'
import { between, random } from './support/random.mjs'
import { counted, dim, fact, green, say, size } from './tour/terminal.mjs'

const KILLS = 5
const WRITER = new URL('./key-value/writer.mjs', import.meta.url)
// Small files, so that there is something to let go of.
const options = { fileSize: '1MiB' }

await main('key-value', async (folder, seed) => {
  say(`A map is changed by a process that is killed ${KILLS} times.`)
  say(dim(`--seed ${seed}\n`))
  const next = random(seed)
  const model = new Model()
  for (let round = 1; round <= KILLS; round += 1) {
    const acknowledged = await writeAndKill(folder, model.changes, next)
    const store = await KeyValueStore.open(folder, options)
    try {
      const { found, files } = compare(store, model, acknowledged)
      fact(
        `kill ${round}`,
        `${acknowledged} changes acknowledged, ${found} found: ${counted(store.size, 'key')}, ${files}`,
      )
      if (round === KILLS) await finish(store, model)
    } finally {
      await store.close()
    }
  }
})

/** Resolves to how many changes had been acknowledged. */
async function writeAndKill(folder, from, next) {
  let acknowledged = from
  let onMore = () => {}
  const writer = start(WRITER, { folder, options, from }, (message) => {
    acknowledged = Math.max(acknowledged, message.acknowledged)
    onMore()
  })
  const enough = from + between(next, 1000, 4000)
  await Promise.race([
    writer.ended,
    new Promise((resolve) => {
      onMore = () => acknowledged >= enough && resolve()
    }),
  ])
  await sleep(between(next, 0, 5))
  await kill(writer)
  return acknowledged
}

/** The map must be what some number of changes makes of it, and no less than were acknowledged. */
function compare(store, model, acknowledged) {
  while (model.changes < acknowledged) model.next()
  // Some more were under way, or were acknowledged and not yet told.
  const most = acknowledged + 100_000
  while (!model.equals(store)) {
    if (model.changes >= most) throw new Error(`the map is not what ${acknowledged} changes or more make of it`)
    model.next()
  }
  const { files, bytesOnDisk } = store.stats
  return { found: model.changes, files: `${counted(files, 'file')}, ${size(bytesOnDisk)} on disk` }
}

async function finish(store, model) {
  const oldest = await store.compact()
  if (!model.equals(store)) throw new Error('compaction has changed the map')
  if (!(await store.verify())) throw new Error('the log is damaged')
  fact('compacted', `the first ${counted(oldest, 'record')} of the log are gone`)
  fact(
    'in the end',
    green(`every acknowledged change is there: ${model.changes} changes, ${counted(store.size, 'key')}`),
  )
}
