// Figures of consumers: in each round a value of each, and what becomes of them.

import { spread } from '../stats.mjs'

/** On a slow or busy disk there are fewer rounds, so that a case is over in its time; but so many at least. */
const SECONDS_A_CASE = 6
const FEWEST_ROUNDS = 3

/** The rounds that there is time for: 0, which warms up and does not count, and then from 1 on. */
export function* affordable(rounds) {
  const deadline = performance.now() + SECONDS_A_CASE * 1000
  for (let round = 0; round <= rounds; round++) {
    if (round > FEWEST_ROUNDS && performance.now() > deadline) return
    yield round
  }
}

export class Figures {
  #values = new Map()

  add(name, value) {
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }

  /** A row for each figure of the case, in its order: `most` or `least` is its target. */
  result({ name, title, note, figures }, missing) {
    const results = figures
      .filter((figure) => this.#values.has(figure.name))
      .map(({ name: figure, unit, most, least }) => {
        const value = spread(this.#values.get(figure))
        const checks = [
          ...(most === undefined ? [] : [{ text: `≤ ${most.toLocaleString('en')}`, met: value.median <= most }]),
          ...(least === undefined ? [] : [{ text: `≥ ${least.toLocaleString('en')}`, met: value.median >= least }]),
        ]
        return { figure, unit, value, checks }
      })
    return { case: name, kind: 'consumers', title, note, missing, results }
  }
}

/** The value that so many percent of them do not exceed. */
export function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)]
}
