// Live reads while the disk fails: what is durable goes on, and who has read more than that is told.

import { expect, test } from 'vitest'
import { folder } from './support/folder.js'
import { mayTrace, traced } from './support/trace.js'

const possible = mayTrace()
if (!possible) console.log('skipped: strace is missing or may not trace')

interface Printed {
  flush: { code?: string } | string
  before: number[]
  last: number
  rest: number[]
  seen: { seqs: [number, string][]; ending: string }[]
  late: { seqs: [number, string][]; ending: string }
}

test.runIf(possible)('a sync fails, and the writer recovers in place', { timeout: 60_000 }, () => {
  // Which of the syncs is that of the flush is the engine's business: each is made to fail in turn.
  let met = 0
  for (let nth = 1; nth <= 4; nth += 1) {
    const { stdout, stderr, status } = traced(`inject=fdatasync:error=EIO:when=${nth}`, 'live-faults.mjs', folder())
    if (status !== 0) continue
    expect(stderr).toBe('')
    const { flush, before, last, rest, seen, late }: Printed = JSON.parse(stdout)
    const durable = [[0, 'durable'], ...(last === 2 ? [[1, 'written']] : []), [last, 'after'], [last + 1, 'last']]
    expect(seen[0]).toEqual({ seqs: durable, ending: 'done' })
    expect(seen[2]).toEqual(seen[0])
    // Who has read no more than what was durable goes on with what is there now.
    expect(rest).toEqual(durable.slice(1).map(([seq]) => seq))
    if (typeof flush === 'string') {
      expect(seen[1]).toEqual(seen[0])
      continue
    }
    met += 1
    expect(flush.code).toBe('PSTREAM_SYNC_FAILED')
    expect(before).toEqual([1, 2, 1, 2])
    for (const index of [1, 3]) {
      expect(seen[index]).toEqual({ seqs: durable.slice(0, 1).concat([[1, 'written']]), ending: 'PSTREAM_SYNC_FAILED' })
    }
    // It was given nothing that could be taken back.
    expect(late).toEqual({ seqs: durable.filter(([seq]) => Number(seq) >= 3), ending: 'done' })
  }
  expect(met).toBeGreaterThan(0)
})
