//! The bytes of one or more batches as they go to the disk in one write: headers, payloads and padding, with the headers
//! of the blocks that begin among them. Payloads are lent, not copied.

use std::io::IoSlice;
use std::ops::Range;

use super::layout::Layout;
use super::{long, short};
use crate::format::StreamId;
use crate::format::batch::BatchHeader;
use crate::format::block_header::{BlockHeader, Crossing};

/// What is being put together for one file, from one offset of its data on.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    id: StreamId,
    layout: Layout,
    /// Position at which the file starts.
    base: u64,
    from: u64,
    at: u64,
    /// Headers and padding.
    own: Vec<u8>,
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
enum Piece<'a> {
    Own(Range<usize>),
    Lent(&'a [u8]),
}

impl<'a> Frame<'a> {
    /// An empty one at offset `from` of a file's data.
    pub(super) fn new(id: StreamId, layout: Layout, base: u64, from: u64) -> Self {
        Self { id, layout, base, from, at: from, own: Vec::new(), pieces: Vec::new() }
    }

    /// Offset behind the last batch.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Number of buffers.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Where in the file it goes.
    pub(super) fn offset(&self) -> u64 {
        self.layout.file_range(&(self.from..self.at)).start
    }

    /// The buffers to write.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let slice = |piece: &'_ Piece<'a>| match piece {
            Piece::Own(range) => self.own.get(range.clone()).unwrap_or_default(),
            Piece::Lent(bytes) => *bytes,
        };
        self.pieces.iter().map(|piece| IoSlice::new(slice(piece))).collect()
    }

    /// Passes all bytes so far on, and forgets them.
    pub(super) fn drain(&mut self, mut put: impl FnMut(&[u8])) {
        for piece in self.pieces.drain(..) {
            match piece {
                Piece::Own(range) => put(self.own.get(range).unwrap_or_default()),
                Piece::Lent(bytes) => put(bytes),
            }
        }
        self.own.clear();
    }

    /// Adds a batch, which the header says to lie where the last one ends.
    pub(super) fn push(&mut self, header: &BatchHeader, payload: &'a [u8]) {
        let end = self.at.saturating_add(header.total_len());
        let batch = (header, self.at..end);
        self.put(&header.encode(self.id), &batch);
        let mut rest = payload;
        while !rest.is_empty() {
            let (front, behind) = rest.split_at(self.begin_block(&batch).min(rest.len()));
            self.pieces.push(Piece::Lent(front));
            self.at = self.at.saturating_add(long(front.len()));
            rest = behind;
        }
        self.pad_to(end, &batch);
    }

    /// Adds the batch, and zeros behind it up to the offset `end`, which must lie in the same block.
    pub(super) fn push_padded(&mut self, header: &BatchHeader, payload: &'a [u8], end: u64) {
        let from = self.at;
        self.push(header, payload);
        self.pad_to(end, &(header, from..self.at));
    }

    fn pad_to(&mut self, end: u64, batch: &(&BatchHeader, Range<u64>)) {
        let zeros = vec![0; short(end.saturating_sub(self.at))];
        self.put(&zeros, batch);
    }

    fn put(&mut self, mut rest: &[u8], batch: &(&BatchHeader, Range<u64>)) {
        while !rest.is_empty() {
            let (front, behind) = rest.split_at(self.begin_block(batch).min(rest.len()));
            self.own_bytes(front);
            self.at = self.at.saturating_add(long(front.len()));
            rest = behind;
        }
    }

    /// How many bytes there are up to the end of the block. At its start, its header goes first.
    fn begin_block(&mut self, (header, extent): &(&BatchHeader, Range<u64>)) -> usize {
        let (block, within) = self.layout.block_of(self.at);
        let left = self.layout.block_data().saturating_sub(within);
        if within > 0 {
            return short(left);
        }
        let next = self.layout.start_of(block.saturating_add(1));
        let crossing = if extent.start == self.at {
            Crossing::None
        } else if extent.end >= next {
            // Exactly filled, too: the next batch begins in the next block.
            Crossing::Fills
        } else {
            Crossing::EndsAt(u32::try_from(extent.end.saturating_sub(self.at)).unwrap_or(u32::MAX))
        };
        let position = self.base.saturating_add(self.at);
        let (seq, time_ms, epoch) = (header.seq, header.time_ms, header.epoch);
        self.own_bytes(&BlockHeader { position, seq, time_ms, crossing, epoch }.encode(self.id));
        short(left)
    }

    fn own_bytes(&mut self, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(Piece::Own(range)) => range.end = self.own.len(),
            _ => self.pieces.push(Piece::Own(start..self.own.len())),
        }
    }
}
