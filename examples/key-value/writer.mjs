// Changes the map until it is killed, sixteen changes at a time, and says how many were acknowledged.

import { once } from 'node:events'
import { change } from './changes.mjs'
import { KeyValueStore } from './store.mjs'

const [{ folder, options, from }] = await once(process, 'message')
const store = await KeyValueStore.open(folder, options)
const AT_A_TIME = 16

for (let number = from; ; number += AT_A_TIME) {
  const changes = Array.from({ length: AT_A_TIME }, async (_, index) => {
    const { key, value } = change(number + index)
    await (value === undefined ? store.delete(key) : store.set(key, value))
    process.send({ acknowledged: number + index + 1 })
  })
  // Beside the changes, to show that it may.
  if (store.wantsCompaction) changes.push(store.compact())
  await Promise.all(changes)
}
