// The bytes that the benchmarks write; `bench/baseline/src/content.rs` makes the same.

/** `length` bytes by xorshift32, each operation the same but for its number in front. */
export function content(seed, length) {
  const words = new Uint32Array(length >> 2)
  let word = Math.imul(seed, 0x9e3779b9) | 1
  for (let i = 0; i < words.length; i++) {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    words[i] = word
  }
  // What is left of the last word is zeros.
  return Buffer.concat([Buffer.from(words.buffer)], length)
}

export function stamp(bytes, operation) {
  bytes.writeBigUInt64LE(BigInt(operation), 0)
}

/** The same, for records: numbers below 2^32, in little time; the rest of the eight bytes is zeros. */
export function stampRecord(bytes, number) {
  if (bytes.length < 8) return
  bytes[0] = number
  bytes[1] = number >>> 8
  bytes[2] = number >>> 16
  bytes[3] = number >>> 24
}

/** A record to be stamped. */
export function record({ seed, bytes }) {
  const buffer = content(seed, bytes)
  if (bytes >= 8) buffer.fill(0, 0, 8)
  return buffer
}
