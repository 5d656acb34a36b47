// One case in a process of its own: started by run.mjs, which sends the options and gets the result back.

import { once } from 'node:events'
import { all } from '../cases/index.mjs'
import { Baseline } from './baseline.mjs'

const [{ name, directory, rounds, quick }] = await once(process, 'message')
const definition = all.find((candidate) => candidate.name === name)
const baseline = new Baseline()
try {
  const result = await definition.measure(definition, { baseline, directory, rounds, quick })
  process.send({ result })
} catch (error) {
  process.send({ error: error.message })
} finally {
  await baseline.close()
  process.disconnect()
}
