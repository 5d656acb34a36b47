// When things happen: a clock, and lists of times, neither of which makes garbage.

/** What `performance.now` is behind the clock that all processes share (CLOCK_MONOTONIC), in nanoseconds. */
const since = behind()

function behind() {
  const clock = () => Number(process.hrtime.bigint())
  const looks = Array.from({ length: 1000 }, () => {
    const [before, between, after] = [clock(), performance.now() * 1e6, clock()]
    return { doubt: after - before, difference: (before + after) / 2 - between }
  })
  return looks.reduce((best, look) => (look.doubt < best.doubt ? look : best)).difference
}

/**
 * Nanoseconds, right to some hundred; the same clock for all processes. Without a BigInt each time, which is garbage: what is
 * timed here is as long as a collection of it.
 */
export const now = () => performance.now() * 1e6 + since

/** Times in the order of what they are of, which may be noted in another one. No garbage for each. */
export class Times {
  #all = new Float64Array(1 << 17)
  length = 0

  push(time) {
    this.set(this.length, time)
    return this.length
  }

  set(i, time) {
    if (i >= this.#all.length) {
      const larger = new Float64Array(2 * i)
      larger.set(this.#all)
      this.#all = larger
    }
    this.#all[i] = time
    this.length = Math.max(this.length, i + 1)
  }

  /** All of them, and forgets them. */
  take() {
    const all = this.#all.slice(0, this.length)
    this.length = 0
    return all
  }
}
