// The bytes that the benchmarks write; `bench/baseline/src/content.rs` makes the same.

/** `length` bytes by xorshift32, each operation the same but for its number in front. */
export function content(seed, length) {
  const words = new Uint32Array(length / 4)
  let word = Math.imul(seed, 0x9e3779b9) | 1
  for (let i = 0; i < words.length; i++) {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    words[i] = word
  }
  return Buffer.from(words.buffer)
}

export function stamp(bytes, operation) {
  bytes.writeBigUInt64LE(BigInt(operation), 0)
}
