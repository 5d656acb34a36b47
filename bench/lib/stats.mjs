// Figures of rounds and what becomes of them.

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * From nanoseconds an operation, by contender and round, to a row for each contender. `ratio` is its speed by that of
 * `plain` in the same round: 1 is the limit.
 */
export function summarise(figures, { bytes, targets = {}, marks = {} }) {
  const plain = figures.get('plain')
  return [...figures].map(([contender, rounds]) => {
    const ratio = spread(rounds.map((nanoseconds, round) => plain[round] / nanoseconds))
    const target = targets[contender]
    const microseconds = spread(rounds.map((nanoseconds) => nanoseconds / 1000))
    return {
      contender,
      microseconds,
      megabytesPerSecond: bytes / microseconds.median,
      ratio,
      ...(target !== undefined && { target, met: ratio.median >= target }),
      ...(marks[contender] !== undefined && { mark: marks[contender] }),
    }
  })
}
