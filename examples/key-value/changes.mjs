// The changes that the example makes: the same in every process, so that any of them knows what the map must be.

const KEYS = 400

/** The change of a number: of ten, one deletes. */
export function change(number) {
  // Knuth's multiplicative hash.
  const hash = Math.imul(number + 1, 2654435761) >>> 0
  const key = `key ${(hash >>> 8) % KEYS}`
  return hash % 10 === 0 ? { key } : { key, value: { number, text: '·'.repeat(hash % 200) } }
}

/** The map behind so many changes, as a function that can go on with the next one. */
export class Model {
  #map = new Map()
  changes = 0

  next() {
    const { key, value } = change(this.changes)
    if (value === undefined) this.#map.delete(key)
    else this.#map.set(key, value)
    this.changes += 1
  }

  /** Every value is a change of its own: its number says all of it. */
  equals(store) {
    if (store.size !== this.#map.size) return false
    for (const [key, { number, text }] of this.#map) {
      const found = store.get(key)
      if (found?.number !== number || found.text !== text) return false
    }
    return true
  }
}
