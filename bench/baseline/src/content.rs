//! What the benchmarks write: pseudo-random bytes, so that no disk can compress them, with the number of the operation
//! in front, so that no two operations write the same. `bench/lib/content.mjs` makes the same bytes.

use std::io::{Error, Result};

/// `len` bytes by xorshift32.
pub(crate) fn content(seed: u32, len: usize) -> Vec<u8> {
    let mut word = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut bytes = vec![0; len];
    for chunk in bytes.chunks_exact_mut(4) {
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Puts the number of the operation in front.
pub(crate) fn stamp(bytes: &mut [u8], operation: u64) {
    if let Some(front) = bytes.first_chunk_mut() {
        *front = operation.to_le_bytes();
    }
}

/// Whether the bytes that were read are those that were to be written.
pub(crate) fn check(read: &[u8], expected: &[u8], operation: u64) -> Result<()> {
    if read == expected {
        return Ok(());
    }
    let same = read.iter().zip(expected).take_while(|(ours, theirs)| ours == theirs).count();
    Err(Error::other(format!("operation {operation} did not store what it was given: differs at byte {same}")))
}
