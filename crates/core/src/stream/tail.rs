//! Where the stream ends in its last file: found by binary search over the headers of blocks, then verified forward from
//! what was durable when the batch found was written (rule 7).

use super::head::Head;
use super::image::Image;
use super::layout::Layout;
use crate::format::batch::{BatchHeader, Kind};
use crate::format::block_header::{BlockHeader, Crossing};
use crate::format::{Decoded, StreamId};

/// The batches of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain<'a> {
    pub(super) image: &'a Image,
    pub(super) id: StreamId,
    /// Position at which the file starts.
    pub(super) base: u64,
}

/// Where a walk has come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// Offset behind the last batch.
    pub(super) at: u64,
    /// Of the next record.
    pub(super) seq: u64,
    /// Checksum of the last batch.
    pub(super) previous: u32,
    pub(super) last: Kind,
    /// Everything in front of this position was durable once: if the stream ends before it, it is damaged.
    pub(super) needed: u64,
    /// The last position that any batch on the way has called durable.
    pub(super) durable_upto: u64,
    /// The highest on the way.
    pub(super) epoch: u32,
    pub(super) time_ms: u64,
}

/// What is known of the batch in front of a walk's first one.
#[derive(Clone, Copy, Debug)]
struct Before {
    previous: Option<u32>,
    seq: Option<u64>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(image: &'a Image, head: &Head) -> Self {
        Self { image, id: head.start.id, base: head.start.position }
    }

    fn layout(&self) -> Layout {
        self.image.layout()
    }

    /// The header at `at`, if there is a valid one that says it is there.
    pub(super) fn header_at(&self, at: u64) -> Decoded<BatchHeader> {
        let position = self.base.saturating_add(at);
        self.image.header(at).map_or(Decoded::Invalid, |bytes| BatchHeader::decode(bytes, self.id, position))
    }

    /// The batch at `at`, if all of it is there.
    fn batch_at(&self, at: u64) -> Option<BatchHeader> {
        let Decoded::Valid(header) = self.header_at(at) else { return None };
        let from = at.checked_add(super::layout::EMPTY_BATCH)?;
        let payload = self.image.bytes(&(from..from.checked_add(u64::from(header.payload_len))?))?;
        let whole = self.id.checksum(payload) == header.payload_checksum;
        (whole && header.kind != Kind::File && at.checked_add(header.total_len())? <= self.layout().capacity())
            .then_some(header)
    }

    /// The header of a block, if it is valid and in its place.
    pub(super) fn block(&self, block: u64) -> Decoded<BlockHeader> {
        let expected = self.base.saturating_add(self.layout().start_of(block));
        match self.image.block_header(block).map(|bytes| BlockHeader::decode(bytes, self.id)) {
            Some(Decoded::Valid(header)) if header.position == expected => Decoded::Valid(header),
            Some(Decoded::Newer(version)) => Decoded::Newer(version),
            _ => Decoded::Invalid,
        }
    }

    /// The first batch of a block, if it is whole: where its header says that the crossing batch ends, or at the next
    /// sector of its own (rule 6).
    fn first_of(&self, block: u64) -> Option<(u64, BatchHeader)> {
        let Decoded::Valid(header) = self.block(block) else { return None };
        let start = self.layout().start_of(block);
        let at = match header.crossing {
            Crossing::None => start,
            Crossing::EndsAt(offset) => start.checked_add(u64::from(offset))?,
            Crossing::Fills => return None,
        };
        let own = self.layout().next_own(at);
        let places = [at, own].into_iter().filter(|at| self.layout().block_of(*at).0 == block);
        places.into_iter().find_map(|at| Some((at, self.batch_at(at)?)))
    }

    /// The last block whose header is valid, by binary search.
    fn last_block(&self, count: u64) -> u64 {
        let (mut low, mut high) = (0, count.saturating_sub(1));
        while low < high {
            let middle = low.midpoint(high.saturating_add(1));
            if matches!(self.block(middle), Decoded::Valid(_)) {
                low = middle;
            } else {
                high = middle.saturating_sub(1);
            }
        }
        low
    }

    /// The first batch of the last block up to `block`, but behind `first`, that has a whole one that `fits`.
    fn step_back(
        &self,
        block: u64,
        first: u64,
        fits: impl Fn(u64, &BatchHeader) -> bool,
    ) -> Option<(u64, BatchHeader)> {
        let blocks = first.saturating_add(1)..=block;
        blocks.rev().find_map(|block| self.first_of(block).filter(|(at, header)| fits(*at, header)))
    }

    /// The end of the stream.
    pub(super) fn tail(&self, head: &Head, block_count: u64) -> Tail {
        let layout = self.layout();
        let first = layout.block_of(layout.first_batch()).0;
        let [_, second] = head.headers(layout);
        // The walk starts at D0, behind the second copy: whether that one is readable does not matter (rule 4).
        let d0 = Before { previous: Some(second.checksum(self.id)), seq: Some(head.start.seq) };
        let found = self.step_back(self.last_block(block_count), first, |_, _| true);
        let Some((_, batch)) = found else {
            return self.walk(layout.first_batch(), d0, &second, self.base.saturating_add(layout.first_batch()));
        };
        // Rule 7: back to what was durable when it was written, and from there on forward.
        let needed = batch.durable_upto;
        let durable = needed.saturating_sub(self.base).min(layout.capacity());
        let begin = self.step_back(layout.block_of(durable).0, first, |at, _| at <= durable);
        let unknown = Before { previous: None, seq: None };
        match begin {
            Some((at, _)) => self.walk(at, unknown, &second, needed),
            None => self.walk(layout.first_batch(), d0, &second, needed),
        }
    }

    /// Follows the batches from `at` on: each at the end of the last, or in the next sector of its own if it names the
    /// last one's checksum (rule 6).
    fn walk(&self, mut at: u64, mut before: Before, file_batch: &BatchHeader, needed: u64) -> Tail {
        let mut last = *file_batch;
        let (mut epoch, mut durable_upto) = (last.epoch, last.durable_upto);
        loop {
            let follows = |header: &BatchHeader, known: bool| {
                let linked = before.previous.map_or(!known, |previous| previous == header.previous);
                linked && before.seq.is_none_or(|seq| seq == header.seq)
            };
            let own = self.layout().next_own(at);
            let here = self.batch_at(at).filter(|header| follows(header, false)).map(|header| (at, header));
            let next = here.or_else(|| {
                let padded = if own > at { self.batch_at(own) } else { None };
                padded.filter(|header| follows(header, true)).map(|header| (own, header))
            });
            let Some((found, header)) = next else {
                let seq = before.seq.unwrap_or(last.seq);
                let previous = before.previous.unwrap_or_default();
                let (kind, time_ms) = (last.kind, last.time_ms);
                // What any batch on the way has called durable, also one that says so of what lies behind itself.
                let needed = needed.max(durable_upto);
                return Tail { at, seq, previous, last: kind, needed, durable_upto, epoch, time_ms };
            };
            at = found.saturating_add(header.total_len());
            before = Before { previous: Some(header.checksum(self.id)), seq: Some(header.next_seq()) };
            (epoch, durable_upto) = (epoch.max(header.epoch), durable_upto.max(header.durable_upto));
            last = header;
        }
    }
}
