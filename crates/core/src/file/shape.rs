//! The shape of a block file: how many blocks of what size. Pure arithmetic, all of it checked.
//!
//! The Rust crate `pstream` computes `block_count << block_shift` first and checks after: 2^60 + 1 blocks of 2^12 bytes
//! wrap to one block, and a store at block 2^52 lands on block 0. Here nothing is shifted that could overflow.

use crate::error::{Error, ErrorKind, Result};

/// Block count and block size of a file, within their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    block_count: u64,
    block_shift: u32,
}

impl Shape {
    /// The smallest block is 2^12 = 4 KiB.
    pub const MIN_SHIFT: u32 = 12;
    /// The largest block is 2^28 = 256 MiB.
    pub const MAX_SHIFT: u32 = 28;
    /// The largest file: what a signed 64-bit offset can address.
    pub const MAX_SIZE: u64 = i64::MAX.unsigned_abs();

    /// `block_count` blocks of `2^block_shift` bytes.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for a shift outside 12 to 28, no blocks, or more than 2^63 - 1 bytes in total.
    pub fn new(block_count: u64, block_shift: u32) -> Result<Self> {
        check_shift(block_shift)?;
        if block_count == 0 {
            return Err(Error::new(ErrorKind::InvalidInput, "block count must be non-zero"));
        }
        if block_count > Self::MAX_SIZE >> block_shift {
            return Err(Error::new(ErrorKind::InvalidInput, "total blocks size too large"));
        }
        Ok(Self { block_count, block_shift })
    }

    /// The shape of a file of `len` bytes that is cut into blocks of `2^block_shift` bytes.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for a shift outside 12 to 28; `PSTREAM_INVALID_FILE` for a length of zero, one that is
    /// not a multiple of the block size, or more than 2^63 - 1 bytes.
    pub fn of_len(len: u64, block_shift: u32) -> Result<Self> {
        check_shift(block_shift)?;
        let block_count = len >> block_shift;
        if len == 0 {
            Err(Error::new(ErrorKind::InvalidFile, "zero file size"))
        } else if len > Self::MAX_SIZE {
            Err(Error::new(ErrorKind::InvalidFile, "file size too large"))
        } else if block_count << block_shift == len {
            Ok(Self { block_count, block_shift })
        } else {
            Err(Error::new(ErrorKind::InvalidFile, "file size not aligned to block size"))
        }
    }

    /// Number of blocks, at least 1.
    #[must_use]
    pub fn block_count(self) -> u64 {
        self.block_count
    }

    /// Binary logarithm of the block size, 12 to 28.
    #[must_use]
    pub fn block_shift(self) -> u32 {
        self.block_shift
    }

    /// Bytes in a block.
    #[must_use]
    pub fn block_size(self) -> u64 {
        1 << self.block_shift
    }

    /// Bytes in the file, at most 2^63 - 1.
    #[must_use]
    pub fn size(self) -> u64 {
        self.block_count << self.block_shift
    }

    /// Where `block` begins, if `len` bytes from there on lie within the file.
    pub(crate) fn offset_of(self, block: u64, len: u64) -> Option<u64> {
        // `block <= block_count` first, so that the shift cannot overflow.
        let offset = if block <= self.block_count { block << self.block_shift } else { return None };
        offset.checked_add(len).filter(|end| *end <= self.size()).map(|_| offset)
    }

    /// Binary logarithm of the bytes that one write call takes in a large store: 8 MiB; less where two buffers a block
    /// would exceed the 1024 buffers of a call; one block where a block is larger.
    pub(crate) fn chunk_shift(self) -> u32 {
        const CHUNK_SHIFT: u32 = 23;
        // 1024 buffers are 512 = 2^9 blocks.
        const BLOCKS_SHIFT: u32 = 9;
        self.block_shift.saturating_add(BLOCKS_SHIFT).min(CHUNK_SHIFT).max(self.block_shift)
    }
}

fn check_shift(block_shift: u32) -> Result<()> {
    if (Shape::MIN_SHIFT..=Shape::MAX_SHIFT).contains(&block_shift) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::InvalidInput, "block shift must be between 12 and 28 inclusive"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<Shape>) -> (ErrorKind, String) {
        let error = result.expect_err("should fail");
        (error.kind().clone(), error.to_string())
    }

    #[test]
    fn the_limits_of_the_shift_are_12_and_28() {
        for shift in [0, 11, 29, 64, u32::MAX] {
            let text = "block shift must be between 12 and 28 inclusive".to_owned();
            assert_eq!(message(Shape::new(1, shift)), (ErrorKind::InvalidInput, text.clone()));
            assert_eq!(message(Shape::of_len(1 << 28, shift)), (ErrorKind::InvalidInput, text));
        }
        for shift in 12..=28 {
            assert_eq!(Shape::new(3, shift).unwrap().size(), 3 << shift);
        }
    }

    #[test]
    fn a_file_has_at_least_one_block() {
        let text = "block count must be non-zero".to_owned();
        assert_eq!(message(Shape::new(0, 12)), (ErrorKind::InvalidInput, text));
    }

    #[test]
    fn the_largest_file_fits_into_a_signed_offset() {
        for shift in 12..=28 {
            let most = Shape::MAX_SIZE >> shift;
            assert_eq!(Shape::new(most, shift).unwrap().block_count(), most);
            let text = "total blocks size too large".to_owned();
            for count in [most + 1, u64::MAX >> shift, u64::MAX] {
                assert_eq!(message(Shape::new(count, shift)), (ErrorKind::InvalidInput, text.clone()));
            }
        }
    }

    /// The crate accepts 2^60 blocks of 2^12 bytes and makes an empty file, and 2^60 + 1 make a file of one block.
    #[test]
    fn a_block_count_whose_size_overflows_is_refused() {
        for count in [1 << 52, 1 << 60, (1 << 60) + 1] {
            assert_eq!(message(Shape::new(count, 12)).1, "total blocks size too large");
        }
    }

    /// In the crate a store at block 2^52 of 2^12 bytes wraps to offset 0 and overwrites block 0.
    #[test]
    fn a_block_whose_offset_overflows_is_past_the_end() {
        let shape = Shape::new(4, 12).unwrap();
        assert_eq!(shape.offset_of(3, 4096), Some(3 * 4096));
        assert_eq!(shape.offset_of(4, 0), Some(4 * 4096));
        for (block, len) in [(4, 1), (3, 4097), (1 << 52, 1), (1 << 52, 0), (u64::MAX, 0), (0, u64::MAX), (1, u64::MAX)]
        {
            assert_eq!(shape.offset_of(block, len), None, "{block} {len}");
        }
    }

    #[test]
    fn a_length_must_be_a_multiple_of_the_block_size() {
        assert_eq!(message(Shape::of_len(0, 12)), (ErrorKind::InvalidFile, "zero file size".to_owned()));
        let text = "file size not aligned to block size".to_owned();
        assert_eq!(message(Shape::of_len(123, 17)), (ErrorKind::InvalidFile, text.clone()));
        assert_eq!(message(Shape::of_len((1 << 17) + 1, 17)), (ErrorKind::InvalidFile, text));
        let text = "file size too large".to_owned();
        assert_eq!(message(Shape::of_len(1 << 63, 12)), (ErrorKind::InvalidFile, text));
        assert_eq!(Shape::of_len(10 << 17, 18).unwrap().block_count(), 5);
    }

    #[test]
    fn a_chunk_is_8_mib_or_what_1024_buffers_hold_or_one_block() {
        let chunk = |shift| Shape::new(1, shift).unwrap().chunk_shift();
        assert_eq!((chunk(12), chunk(13)), (21, 22));
        for shift in 14..=23 {
            assert_eq!(chunk(shift), 23);
        }
        for shift in 24..=28 {
            assert_eq!(chunk(shift), shift);
        }
    }
}
