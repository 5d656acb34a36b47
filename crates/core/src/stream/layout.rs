//! Where the data of a stream lies in a file.
//!
//! The data of a file is what its blocks hold behind their headers, one after the other: offset `d` of the data is byte
//! `d mod (block size - 48)` behind the header of block `d div (block size - 48)`. A position of the stream is the
//! position at which its file starts plus such an offset.
//!
//! A *sector of its own* is one that holds nothing older than what is about to be written: it begins at a file offset
//! that is a multiple of 4,096, or at the start of a block's data, whose header is older and never changes.

use std::ops::Range;

use crate::file::Shape;
use crate::format::batch::total_len;

/// The unit that a disk may damage when it rewrites a part of it.
pub const SECTOR: u64 = 4096;
/// Size of a block's header.
pub const BLOCK_HEADER: u64 = 48;
/// Size of a batch without records: a seal or watermark.
pub const EMPTY_BATCH: u64 = 64;
/// Size of a copy of the file batch, padded.
pub const FILE_BATCH: u64 = 104;

/// The layout of one file. All offsets are of its data unless they are called file offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    block_size: u64,
    block_count: u64,
}

impl Layout {
    /// Of a file of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { block_size: shape.block_size(), block_count: shape.block_count() }
    }

    /// Data bytes in a block.
    #[must_use]
    pub fn block_data(self) -> u64 {
        self.block_size.saturating_sub(BLOCK_HEADER)
    }

    /// Data bytes in the file.
    #[must_use]
    pub fn capacity(self) -> u64 {
        self.block_data().saturating_mul(self.block_count)
    }

    /// The block that holds offset `at`, and where in its data.
    #[must_use]
    pub fn block_of(self, at: u64) -> (u64, u64) {
        // A block holds at least 4,048 data bytes.
        let size = self.block_data().max(1);
        (at.checked_div(size).unwrap_or(0), at.checked_rem(size).unwrap_or(0))
    }

    /// Where the data of `block` begins.
    #[must_use]
    pub fn start_of(self, block: u64) -> u64 {
        block.saturating_mul(self.block_data())
    }

    /// The file offset of offset `at`.
    #[must_use]
    pub fn file_offset(self, at: u64) -> u64 {
        let (block, within) = self.block_of(at);
        block.saturating_mul(self.block_size).saturating_add(BLOCK_HEADER).saturating_add(within)
    }

    /// The file offsets that the data `range` takes, with the headers of the blocks that begin in it.
    #[must_use]
    pub fn file_range(self, range: &Range<u64>) -> Range<u64> {
        let begins = self.block_of(range.start).1 == 0;
        let start = self.file_offset(range.start).saturating_sub(if begins { BLOCK_HEADER } else { 0 });
        // By its last byte: an end at a block's end does not take the next block's header.
        let end = range.end.checked_sub(1).map_or(start, |last| self.file_offset(last).saturating_add(1));
        start..end.max(start)
    }

    /// The first sector of its own at or behind `at`.
    #[must_use]
    pub fn next_own(self, at: u64) -> u64 {
        let (block, within) = self.block_of(at);
        if within == 0 {
            return at;
        }
        let in_block = within.saturating_add(BLOCK_HEADER);
        let own = in_block.checked_next_multiple_of(SECTOR).unwrap_or(u64::MAX);
        if own >= self.block_size {
            self.start_of(block.saturating_add(1))
        } else {
            self.start_of(block).saturating_add(own.saturating_sub(BLOCK_HEADER))
        }
    }

    /// Where the second copy of the file batch lies: in the second sector of the file's data. The first one is at 0.
    #[must_use]
    pub fn second_copy(self) -> u64 {
        self.next_own(1)
    }

    /// Where the first batch behind the file batch may lie, called D0.
    #[must_use]
    pub fn first_batch(self) -> u64 {
        self.second_copy().saturating_add(FILE_BATCH)
    }

    /// The last sector of its own that a seal fits into: kept free for it alone.
    #[must_use]
    pub fn seal_sector(self) -> u64 {
        self.last_own_before(self.capacity().saturating_sub(EMPTY_BATCH).saturating_add(1))
    }

    /// The sector of its own in front of that: the last one that a watermark may take, and where records must end.
    #[must_use]
    pub fn watermark_sector(self) -> u64 {
        self.last_own_before(self.seal_sector())
    }

    /// The last sector of its own that begins in front of `at`.
    fn last_own_before(self, at: u64) -> u64 {
        let (block, within) = self.block_of(at.saturating_sub(1));
        let in_block = within.saturating_add(BLOCK_HEADER) & !SECTOR.saturating_sub(1);
        self.start_of(block).saturating_add(in_block.saturating_sub(BLOCK_HEADER))
    }

    /// Whether a batch with so long a payload fits behind `at` and leaves the two sectors free.
    #[must_use]
    pub fn fits(self, at: u64, payload_len: u64) -> bool {
        at.saturating_add(total_len(payload_len)) <= self.watermark_sector()
    }

    /// The largest payload that fits into an empty file, at the start of a sector if batches are aligned.
    #[must_use]
    pub fn max_payload(self, aligned: bool) -> u64 {
        let first = self.first_batch();
        let start = if aligned { self.next_own(first) } else { first };
        let room = self.watermark_sector().saturating_sub(start).saturating_sub(EMPTY_BATCH);
        // Padding goes behind the payload.
        room & !7
    }
}

#[cfg(test)]
#[allow(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "tests say what they expect by panicking, and sizes are small"
)]
mod tests {
    use super::*;
    use crate::format::batch;
    use crate::format::file_batch;
    use proptest::prelude::*;

    fn layout(block_shift: u32, block_count: u64) -> Layout {
        Layout::new(Shape::new(block_count, block_shift).unwrap())
    }

    #[test]
    fn sizes_are_those_of_the_format() {
        assert_eq!(BLOCK_HEADER, crate::format::block_header::LEN as u64);
        assert_eq!(EMPTY_BATCH, batch::HEADER_LEN as u64);
        assert_eq!(FILE_BATCH, total_len(file_batch::PAYLOAD_LEN as u64));
    }

    #[test]
    fn a_file_of_64_kib_blocks() {
        let layout = layout(16, 64);
        assert_eq!((layout.block_data(), layout.capacity()), (65_488, 64 * 65_488));
        assert_eq!((layout.second_copy(), layout.first_batch()), (4048, 4152));
        assert_eq!(layout.file_offset(4048), 4096);
        assert_eq!(layout.file_offset(65_488), 65_536 + 48);
        // The last two sectors of the last block.
        assert_eq!(layout.file_offset(layout.seal_sector()), 64 * 65_536 - 4096);
        assert_eq!(layout.file_offset(layout.watermark_sector()), 64 * 65_536 - 8192);
    }

    #[test]
    fn blocks_of_4_kib_are_a_sector_each() {
        let layout = layout(12, 16);
        assert_eq!((layout.second_copy(), layout.first_batch()), (4048, 4152));
        assert_eq!((layout.watermark_sector(), layout.seal_sector()), (14 * 4048, 15 * 4048));
        assert_eq!(layout.next_own(4049), 2 * 4048);
    }

    #[test]
    fn a_range_takes_the_headers_of_the_blocks_that_begin_in_it() {
        let layout = layout(12, 16);
        assert_eq!(layout.file_range(&(0..8)), 0..56);
        assert_eq!(layout.file_range(&(8..4048)), 56..4096);
        assert_eq!(layout.file_range(&(8..4049)), 56..4096 + 49);
        assert_eq!(layout.file_range(&(4048..4056)), 4096..4096 + 56);
        assert_eq!(layout.file_range(&(100..100)), 148..148);
    }

    proptest! {
        #[test]
        fn own_sectors_are_what_they_are_called(shift in 12_u32..=20, count in 4_u64..=64, at: u64) {
            let layout = layout(shift, count);
            let at = at % layout.capacity();
            let own = layout.next_own(at);
            prop_assert!(own >= at && own - at < SECTOR);
            let (_, within) = layout.block_of(own);
            prop_assert!(within == 0 || layout.file_offset(own).is_multiple_of(SECTOR));
            prop_assert_eq!(layout.next_own(own), own);
            // Nothing in between is one.
            if own > at {
                prop_assert_eq!(layout.next_own(own - 1), own);
            }
        }

        #[test]
        fn the_two_last_sectors_are_kept(shift in 12_u32..=20, count in 16_u64..=64) {
            let layout = layout(shift, count);
            let (watermark, seal) = (layout.watermark_sector(), layout.seal_sector());
            prop_assert_eq!(layout.next_own(watermark), watermark);
            prop_assert_eq!(layout.next_own(watermark + EMPTY_BATCH), seal);
            prop_assert!(seal + EMPTY_BATCH <= layout.capacity());
            prop_assert!(layout.next_own(seal + 1) + EMPTY_BATCH > layout.capacity());
            let most = layout.max_payload(false);
            prop_assert!(layout.fits(layout.first_batch(), most) && !layout.fits(layout.first_batch(), most + 1));
        }

        #[test]
        fn offsets_of_data_and_file_agree(shift in 12_u32..=16, count in 1_u64..=8, at: u64) {
            let layout = layout(shift, count);
            let at = at % layout.capacity();
            let (block, within) = layout.block_of(at);
            prop_assert_eq!(layout.start_of(block) + within, at);
            prop_assert_eq!(layout.file_offset(at), (block << shift) + 48 + within);
        }
    }
}
