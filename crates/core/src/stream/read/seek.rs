//! Where to begin reading: binary search over block headers. They are 48 bytes each and lie in known places, so that a
//! file of 16,384 blocks takes some fourteen small reads.
//!
//! A header that cannot be read is passed over towards the start; each is looked at once, whatever the bytes are.

use std::io::IoSliceMut;
use std::ops::Range;

use super::snapshot::Part;
use crate::error::Result;
use crate::file::CachePolicy;
use crate::format::Decoded;
use crate::format::batch::{ALIGNMENT, BatchHeader, HEADER_LEN};
use crate::format::block_header::{self, BlockHeader, Crossing};

/// A place in a file where a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) seq: u64,
    /// What a batch here names as its predecessor's checksum, if it is known.
    pub(super) previous: Option<u32>,
}

/// The blocks of one file, as far as the stream reaches.
pub(super) struct Blocks<'a> {
    part: &'a Part,
    cache: CachePolicy,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(part: &'a Part, cache: CachePolicy) -> Self {
        Self { part, cache }
    }

    /// Where to begin so that the record `seq`, which lies in this file if anywhere, is met.
    pub(super) fn by_seq(&self, seq: u64) -> Result<Entry> {
        let block = self.last_where(0..self.count(), |head| head.seq <= seq)?;
        self.enter(block, |first| first.seq <= seq)
    }

    /// Where to begin so that the first record of `time` or later is met, if it is not in an earlier file.
    pub(super) fn by_time(&self, time_ms: u64) -> Result<Entry> {
        let block = self.last_where(0..self.count(), |head| head.time_ms < time_ms)?;
        self.enter(block, |first| first.time_ms < time_ms)
    }

    /// Where to begin so that no batch at or behind offset `at` is missed.
    pub(super) fn by_offset(&self, at: u64) -> Result<Entry> {
        let (block, _) = self.part.segment.layout().block_of(at);
        let last = self.count().saturating_sub(1);
        let position = self.part.segment.position_of(at);
        self.enter(Some(block.min(last)), |first| first.position <= position)
    }

    /// Behind the last batch.
    pub(super) fn behind(&self) -> Entry {
        let (segment, seq) = (&self.part.segment, self.part.bound);
        let first = segment.layout().first_batch();
        if self.part.limit > first {
            return Entry { at: self.part.limit, seq, previous: None };
        }
        // Nothing but its file batch is in the file.
        Entry { at: first, seq, previous: Some(segment.first_previous()) }
    }

    /// Blocks behind that of the file's first batch.
    pub(super) fn searchable(&self) -> Range<u64> {
        let layout = self.part.segment.layout();
        layout.block_of(layout.first_batch()).0.saturating_add(1)..self.count()
    }

    /// Number of blocks.
    pub(super) fn count(&self) -> u64 {
        match self.part.limit.checked_sub(1) {
            Some(last) => self.part.segment.layout().block_of(last).0.saturating_add(1),
            None => 0,
        }
    }

    /// The first batch in front of which everything is as `accept` wants it: the first of `block`, or of the nearest block
    /// in front of it.
    fn enter(&self, block: Option<u64>, accept: impl Fn(&BatchHeader) -> bool) -> Result<Entry> {
        let segment = &self.part.segment;
        let layout = segment.layout();
        let (zero, _) = layout.block_of(layout.first_batch());
        let mut block = block.unwrap_or(0);
        while block > zero {
            if let Some((at, first)) = self.first_of(block)?.filter(|(_, first)| accept(first)) {
                return Ok(Entry { at, seq: first.seq, previous: None });
            }
            block = match self.head(block)?.filter(|head| head.crossing != Crossing::None) {
                Some(head) => self.begin_of(block, head.seq)?,
                None => block.saturating_sub(1),
            };
        }
        Ok(Entry { at: layout.first_batch(), seq: segment.seq(), previous: Some(segment.first_previous()) })
    }

    /// The block in which the batch begins that crosses into `block`: by search, since it may fill thousands.
    pub(super) fn begin_of(&self, block: u64, seq: u64) -> Result<u64> {
        let outside = |head: &BlockHeader| head.seq < seq || head.crossing == Crossing::None;
        Ok(self.last_where(0..block, outside)?.unwrap_or(0))
    }

    /// The first batch that begins in `block`, by its header alone.
    pub(super) fn first_of(&self, block: u64) -> Result<Option<(u64, BatchHeader)>> {
        let Some(head) = self.head(block)? else { return Ok(None) };
        let layout = self.part.segment.layout();
        let at = match head.crossing {
            Crossing::None => 0,
            Crossing::EndsAt(offset) => u64::from(offset),
            Crossing::Fills => return Ok(None),
        };
        if at >= layout.block_data() || !at.is_multiple_of(ALIGNMENT) {
            return Ok(None);
        }
        let at = layout.start_of(block).saturating_add(at);
        let own = layout.next_own(at);
        let candidates = if own == at || layout.block_of(own).0 != block { vec![at] } else { vec![at, own] };
        for at in candidates {
            if let Some(header) = self.batch_at(at)?.filter(|header| header.seq >= head.seq) {
                return Ok(Some((at, header)));
            }
        }
        Ok(None)
    }

    fn batch_at(&self, at: u64) -> Result<Option<BatchHeader>> {
        let segment = &self.part.segment;
        let layout = segment.layout();
        let end = at.saturating_add(64);
        if end > self.part.limit {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_LEN];
        let (mut between, (block, within)) = ([0; block_header::LEN], layout.block_of(at));
        let left = usize::try_from(layout.block_data().saturating_sub(within)).unwrap_or(HEADER_LEN).min(HEADER_LEN);
        let (front, back) = bytes.split_at_mut_checked(left).unwrap_or_default();
        let mut buffers = vec![IoSliceMut::new(front)];
        if layout.start_of(block.saturating_add(1)) < end {
            buffers.extend([IoSliceMut::new(&mut between), IoSliceMut::new(back)]);
        }
        segment.read(layout.file_offset(at), &mut buffers, self.cache)?;
        let Decoded::Valid(header) = BatchHeader::decode(&bytes, segment.id(), segment.position_of(at)) else {
            return Ok(None);
        };
        let fits = at.checked_add(header.total_len()).is_some_and(|end| end <= self.part.limit);
        let seqs = header.seq >= segment.seq() && header.next_seq() <= self.part.bound;
        Ok((fits && seqs).then_some(header))
    }

    /// The header of `block`, if it is of this stream and this place.
    pub(super) fn head(&self, block: u64) -> Result<Option<BlockHeader>> {
        let segment = &self.part.segment;
        let layout = segment.layout();
        let (start, mut bytes) = (layout.start_of(block), [0; block_header::LEN]);
        let offset = layout.file_offset(start).saturating_sub(super::layout::BLOCK_HEADER);
        segment.read(offset, &mut [IoSliceMut::new(&mut bytes)], self.cache)?;
        let Decoded::Valid(head) = BlockHeader::decode(&bytes, segment.id()) else { return Ok(None) };
        let here = head.position == segment.position_of(start);
        Ok((here && head.seq >= segment.seq() && head.seq <= self.part.bound).then_some(head))
    }

    /// The last block of the range whose header is as `wanted`, if those that are come first.
    fn last_where(&self, range: Range<u64>, wanted: impl Fn(&BlockHeader) -> bool) -> Result<Option<u64>> {
        partition(range, |low, mid| {
            for block in (low..=mid).rev() {
                if let Some(head) = self.head(block)? {
                    return Ok(Some((block, wanted(&head))));
                }
            }
            Ok(None)
        })
    }
}

/// The last number of the range for which `probe` says yes, if those come first. `probe(low, mid)` answers for the nearest
/// number from `mid` down to `low` that it can answer for, if there is one; what it passes over is not asked again.
pub(super) fn partition(
    range: Range<u64>,
    mut probe: impl FnMut(u64, u64) -> Result<Option<(u64, bool)>>,
) -> Result<Option<u64>> {
    let mut bisect = Bisect::of(range);
    while let Some((low, mid)) = bisect.probe() {
        let answer = probe(low, mid)?;
        bisect.narrow(answer);
    }
    Ok(bisect.best())
}

/// A [`partition`] that waits for its answers.
#[derive(Clone, Debug)]
pub(super) struct Bisect {
    low: u64,
    high: u64,
    best: Option<u64>,
}

impl Bisect {
    pub(super) fn of(range: Range<u64>) -> Self {
        Self { low: range.start, high: range.end, best: None }
    }

    /// What to probe next, if anything is open: the nearest number to the second one, down to the first one.
    pub(super) fn probe(&self) -> Option<(u64, u64)> {
        (self.low < self.high).then(|| (self.low, self.low.midpoint(self.high)))
    }

    /// The answer to the probe: for which number, and whether it is yes. `None` if there is none for any of them.
    pub(super) fn narrow(&mut self, answer: Option<(u64, bool)>) {
        let above = self.low.midpoint(self.high).saturating_add(1);
        match answer {
            Some((at, false)) => self.high = at,
            Some((at, true)) => (self.best, self.low) = (Some(at), above),
            None => self.low = above,
        }
    }

    /// The last number that was answered with yes.
    pub(super) fn best(&self) -> Option<u64> {
        self.best
    }

    /// The first number that was answered with no, or the end of the range.
    pub(super) fn end(&self) -> u64 {
        self.high
    }
}
