// Who takes part in a case of streams.

import { Many, Native, Package } from './own.mjs'
import { peer } from './peers.mjs'

/** Those of these names that can be had; `missing` says why the others cannot. */
export async function streamContenders(names, baseline) {
  const [found, missing] = [[], []]
  for (const name of names) {
    try {
      found.push(await contender(name, baseline))
    } catch (error) {
      missing.push(`${name} (${reason(name, error)})`)
    }
  }
  return { found, missing: missing.length > 0 ? missing.join(', ') : undefined }
}

function reason(name, error) {
  if (name === 'node:sqlite' && error.code === 'ERR_UNKNOWN_BUILTIN_MODULE') return `not in Node.js ${process.version}`
  return error.message.split('\n')[0]
}

async function contender(name, baseline) {
  if (['plain', 'plain-direct', 'rust', 'log'].includes(name)) return new Native(name, baseline)
  if (name === 'ts') return Package.create(baseline)
  if (name === 'ts-read') {
    const contender = await Package.create(baseline)
    return Object.assign(contender, { name, each: true })
  }
  const many = /^ts-(\d+)-streams$/.exec(name)
  return many ? Many.create(Number(many[1]), baseline) : peer(name)
}
