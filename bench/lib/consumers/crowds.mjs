// Rounds of crowds of live readers, each in a process of its own.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../stats.mjs'
import { Child } from './child.mjs'
import { affordable, Figures } from './figures.mjs'
import { verifyAll } from './writing.mjs'

export async function measureCrowd(definition, { baseline, directory, rounds }) {
  const figures = new Figures()
  for (const round of affordable(rounds)) {
    // Each has a process of its own to warm up.
    if (round === 0) continue
    const path = join(directory, `${definition.name}.${round}`)
    mkdirSync(path)
    // The space for what is new is held small: by itself it grows by more than all readers need.
    const child = new Child('--expose-gc', '--max-semi-space-size=1')
    try {
      const crowd = await child.ask('crowd', { path, count: definition.readers })
      figures.add('memory each', crowd.each / 1024)
      figures.add('memory each of the next thousand', crowd.next / 1024)
      figures.add('memory each of the next thousand, of objects', crowd.objects / 1024)
      figures.add('reads from disk a commit', crowd.many.reads)
      figures.add('reads from disk a commit, one reader', crowd.one.reads)
      figures.add('until all have a commit', median(crowd.many.times))
      await verifyAll(baseline, path, crowd.records)
    } finally {
      await child.close()
    }
    rmSync(path, { recursive: true })
  }
  return figures.result(definition)
}
