//! The rules for lists of buffers, and taking a bounded piece of one.
//!
//! The buffers of a store come in pairs, one pair a block: a head and a body that add up to the block size, so that a
//! format can keep a header in each block while its data stays contiguous in memory.

use std::io::{IoSlice, IoSliceMut};

use crate::error::{Error, ErrorKind, Result};
use crate::io::MAX_BUFFERS;

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// At most 2^31 - 1 buffers, a limit shared with the Rust crate.
pub(super) fn check_count(count: usize) -> Result<()> {
    if i32::try_from(count).is_ok() { Ok(()) } else { Err(invalid("too many bufs")) }
}

/// Whether buffers of these lengths are pairs that fill a block each, the last pair excepted.
pub(super) fn check_pairs(lengths: &[usize], block_size: u64) -> Result<()> {
    if !lengths.len().is_multiple_of(2) {
        return Err(invalid("odd number of bufs"));
    }
    check_count(lengths.len())?;
    let sizes = lengths.chunks_exact(2).map(total);
    let mut uneven = sizes.skip_while(|size| *size == block_size);
    if uneven.next().is_some_and(|size| size > block_size) {
        return Err(invalid("uneven pair of bufs is too large"));
    }
    if uneven.next().is_some() {
        return Err(invalid("uneven pair of bufs is not the last pair"));
    }
    Ok(())
}

/// The sum of the lengths; saturates, which no memory can hold and every later check refuses.
pub(super) fn total(lengths: &[usize]) -> u64 {
    lengths.iter().fold(0, |sum, len| sum.saturating_add(u64::try_from(*len).unwrap_or(u64::MAX)))
}

/// The front of `buffers`: at most `limit` bytes in at most [`MAX_BUFFERS`] buffers.
pub(super) fn front<'a>(buffers: &'a [IoSlice<'_>], limit: usize) -> Vec<IoSlice<'a>> {
    let mut left = limit;
    let mut front = Vec::with_capacity(buffers.len().min(MAX_BUFFERS));
    for buffer in buffers.iter().take(MAX_BUFFERS) {
        let len = buffer.len().min(left);
        front.push(IoSlice::new(buffer.get(..len).unwrap_or_default()));
        left = left.saturating_sub(len);
        if left == 0 {
            break;
        }
    }
    front
}

/// The same for buffers to be filled.
pub(super) fn front_mut<'a>(buffers: &'a mut [IoSliceMut<'_>], limit: usize) -> Vec<IoSliceMut<'a>> {
    let mut left = limit;
    let mut front = Vec::with_capacity(buffers.len().min(MAX_BUFFERS));
    for buffer in buffers.iter_mut().take(MAX_BUFFERS) {
        let len = buffer.len().min(left);
        front.push(IoSliceMut::new(buffer.get_mut(..len).unwrap_or_default()));
        left = left.saturating_sub(len);
        if left == 0 {
            break;
        }
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lengths: &[usize], block_size: u64) -> Option<String> {
        check_pairs(lengths, block_size).err().map(|error| {
            assert_eq!(*error.kind(), ErrorKind::InvalidInput);
            error.to_string()
        })
    }

    #[test]
    fn pairs_fill_a_block_each_but_for_the_last_one() {
        for good in [&[][..], &[0, 0], &[1, 2], &[48, 4048], &[4096, 0, 0, 4096], &[48, 4048, 48, 4048, 3, 0]] {
            assert_eq!(message(good, 4096), None, "{good:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_pairs_is_said_word_for_word() {
        let table: [(&[usize], &str); 6] = [
            (&[4096], "odd number of bufs"),
            (&[48, 4048, 1], "odd number of bufs"),
            (&[48, 4049], "uneven pair of bufs is too large"),
            (&[48, 4048, 4096, 1], "uneven pair of bufs is too large"),
            (&[48, 4047, 48, 4048], "uneven pair of bufs is not the last pair"),
            (&[0, 0, 0, 0], "uneven pair of bufs is not the last pair"),
        ];
        for (lengths, expected) in table {
            assert_eq!(message(lengths, 4096).as_deref(), Some(expected), "{lengths:?}");
        }
        assert_eq!(message(&[usize::MAX, usize::MAX], 4096).as_deref(), Some("uneven pair of bufs is too large"));
    }

    #[test]
    fn more_buffers_than_an_int_counts_are_too_many() {
        assert!(check_count(0x7fff_ffff).is_ok());
        assert_eq!(check_count(0x8000_0000).unwrap_err().to_string(), "too many bufs");
    }

    #[test]
    fn a_front_is_bounded_in_bytes_and_in_buffers() {
        let bytes = [7_u8; 10];
        let buffers = [IoSlice::new(&bytes), IoSlice::new(&[]), IoSlice::new(&bytes)];
        let lens = |limit| front(&buffers, limit).iter().map(|buffer| buffer.len()).collect::<Vec<_>>();
        assert_eq!(lens(100), [10, 0, 10]);
        assert_eq!(lens(20), [10, 0, 10]);
        assert_eq!(lens(13), [10, 0, 3]);
        assert_eq!(lens(10), [10]);
        assert_eq!(lens(4), [4]);
        assert_eq!(front(&vec![IoSlice::new(&bytes); 3000], 1 << 20).len(), MAX_BUFFERS);
        let mut memory = vec![[0_u8; 4]; 2000];
        let mut mutable = memory.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect::<Vec<_>>();
        assert_eq!(front_mut(&mut mutable, 1 << 20).len(), MAX_BUFFERS);
        assert_eq!(front_mut(&mut mutable, 6).iter().map(|buffer| buffer.len()).collect::<Vec<_>>(), [4, 2]);
    }
}
