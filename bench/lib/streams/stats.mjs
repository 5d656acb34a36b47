// From nanoseconds a record, by contender and round, to a row for each contender.

import { spread } from '../stats.mjs'

/** Who frames and finds what was torn, so that a comparison with ours is one of like with like. */
const FRAMED_PEERS = ['better-sqlite3', 'node:sqlite', 'classic-level', 'lmdb']

/**
 * `ratio` is the speed by that of the limit in the same round: of the contenders whose names begin with `plain`, the
 * fastest. `byPeer` is the speed by that of the fastest framed peer, `speedup` that by its own, one record at a time.
 */
export function summariseStreams(figures, { bytes, targets = {}, marks = {} }, { found, alone }) {
  const fastest = (names) => {
    const lists = names.filter((name) => figures.has(name)).map((name) => figures.get(name))
    return lists[0]?.map((_, round) => Math.min(...lists.map((rounds) => rounds[round])))
  }
  const plain = fastest([...figures.keys()].filter((name) => name.startsWith('plain')))
  const peer = fastest(FRAMED_PEERS)
  const by = (others, rounds) => others && spread(rounds.map((nanoseconds, round) => others[round] / nanoseconds))
  return [...figures].map(([contender, rounds]) => {
    const microseconds = spread(rounds.map((nanoseconds) => nanoseconds / 1000))
    const loopMs = found.find(({ name }) => name === contender)?.loopDelay
    const lone = alone?.get(contender)
    const row = {
      contender,
      microseconds,
      perSecond: 1e6 / microseconds.median,
      megabytesPerSecond: bytes / microseconds.median,
      ratio: by(plain, rounds),
      byPeer: by(peer, rounds),
      ...(lone?.length > 0 && { speedup: by(lone, rounds) }),
      ...(loopMs !== undefined && { loopMs }),
      ...(marks[contender] !== undefined && { mark: marks[contender] }),
    }
    const wanted = targets[contender] ?? {}
    return { ...row, ...(wanted.ratio !== undefined && { target: wanted.ratio }), checks: checks(wanted, row) }
  })
}

const millions = (value) => `${value / 1e6} M/s`

function checks({ ratio, perSecond, byPeer, loopMs, speedup }, row) {
  const list = [
    ['≥', ratio, row.ratio?.median, `${ratio} of the limit`],
    ['≥', perSecond, row.perSecond, perSecond && millions(perSecond)],
    ['≥', byPeer, row.byPeer?.median, `${byPeer} × the best framed peer`],
    ['≥', speedup, row.speedup?.median, `${speedup} × one at a time`],
    ['≤', loopMs, row.loopMs, `${loopMs} ms of delay`],
  ]
  return list
    .filter(([, wanted, value]) => wanted !== undefined && value !== undefined)
    .map(([sign, wanted, value, what]) => ({
      text: `${sign} ${what}`,
      met: sign === '≥' ? value >= wanted : value <= wanted,
    }))
}
