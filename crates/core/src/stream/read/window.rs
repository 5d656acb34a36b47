//! The piece of a file's data that is in memory: contiguous, the headers of its blocks beside it.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::ops::Range;

use super::snapshot::Part;
use super::{to_u64, to_usize};
use crate::error::{Error, ErrorKind, Result};
use crate::file::CachePolicy;
use crate::format::block_header;

/// How much is read at first, and how much at once when reading goes on and on. Not more, because while one piece is
/// worked on the system reads the next one ahead.
const FIRST: u64 = 256 << 10;
const MOST: u64 = 1 << 20;
/// Of a single record, or while searching.
const SMALL: u64 = 32 << 10;
/// Where the header of the next batch is: right behind, or in the next sector.
const BESIDE: u64 = super::layout::SECTOR + 64;
/// What a batch larger than this has taken is given back behind it.
const KEPT: usize = 4 << 20;

type Head = [u8; block_header::LEN];

/// Holds the data from `hold` on, as far as it was asked for, and what was read ahead.
#[derive(Debug)]
pub(super) struct Window {
    base: u64,
    /// Longer than what is filled, so that memory is cleared once and not at each read.
    bytes: Vec<u8>,
    filled: usize,
    heads: VecDeque<(u64, Head)>,
    hold: u64,
    piece: u64,
    most: u64,
    cache: CachePolicy,
}

impl Window {
    pub(super) fn for_reading(cache: CachePolicy) -> Self {
        Self::new(FIRST, MOST, cache)
    }

    pub(super) fn for_searching(cache: CachePolicy) -> Self {
        Self::new(SMALL, SMALL, cache)
    }

    fn new(piece: u64, most: u64, cache: CachePolicy) -> Self {
        let (bytes, heads) = (Vec::new(), VecDeque::new());
        Self { base: 0, bytes, filled: 0, heads, hold: 0, piece, most, cache }
    }

    /// Forgets everything: another file follows.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
        self.heads.clear();
        (self.base, self.hold) = (0, 0);
    }

    /// What lies in front of `at` is not asked for any more.
    pub(super) fn hold(&mut self, at: u64) {
        self.hold = at;
    }

    fn end(&self) -> u64 {
        self.base.saturating_add(to_u64(self.filled))
    }

    /// Whether `len` bytes at `at` are here already.
    pub(super) fn has(&self, at: u64, len: u64) -> bool {
        at >= self.base && at.saturating_add(len) <= self.end()
    }

    /// Brings `len` bytes at `at`, which is not in front of what is held, and all from there on. False if the part of
    /// the stream in this file ends before.
    pub(super) fn need(&mut self, part: &Part, at: u64, len: u64) -> Result<bool> {
        if self.has(at, len) {
            return Ok(true);
        }
        let Some(end) = at.checked_add(len).filter(|end| *end <= part.limit) else { return Ok(false) };
        let from = self.hold.min(at);
        if from < self.base || from > self.end() {
            self.clear();
            (self.base, self.hold) = (from, from);
        } else {
            self.drop_front(part, from);
        }
        // Of what follows a large batch no more than shows what it is: when the memory is handed over, what was read ahead
        // is copied.
        let ahead = if len >= self.most / 2 { BESIDE } else { self.piece };
        let upto = if len >= self.most / 2 { end } else { self.end() };
        self.fill(part, end.max(upto.saturating_add(ahead).min(part.limit)))?;
        self.piece = self.piece.saturating_mul(2).min(self.most);
        Ok(true)
    }

    fn drop_front(&mut self, part: &Part, from: u64) {
        let gone = to_usize(from.saturating_sub(self.base)).min(self.filled);
        self.bytes.copy_within(gone..self.filled, 0);
        self.filled = self.filled.saturating_sub(gone);
        self.base = from;
        self.drop_heads(part, from);
    }

    fn drop_heads(&mut self, part: &Part, from: u64) {
        let layout = part.segment.layout();
        while self.heads.front().is_some_and(|(block, _)| layout.start_of(*block) < from) {
            self.heads.pop_front();
        }
    }

    fn fill(&mut self, part: &Part, end: u64) -> Result<()> {
        let layout = part.segment.layout();
        let range = self.end()..end;
        self.make_room(part, to_usize(end.saturating_sub(self.base)))?;
        let (known, offset) = (self.heads.len(), layout.file_range(&range).start);
        let pieces = pieces(part, &range);
        self.heads.extend(pieces.iter().filter_map(|(block, _)| block.map(|block| (block, [0; block_header::LEN]))));
        let mut heads = self.heads.iter_mut().skip(known);
        let mut rest = self.bytes.get_mut(self.filled..).unwrap_or_default();
        let mut buffers = Vec::with_capacity(pieces.len().saturating_mul(2));
        for (begins, len) in pieces {
            if begins.is_some() {
                buffers.extend(heads.next().map(|(_, head)| IoSliceMut::new(head)));
            }
            let (data, behind) = rest.split_at_mut_checked(len).unwrap_or_default();
            buffers.push(IoSliceMut::new(data));
            rest = behind;
        }
        let read = part.segment.read(offset, &mut buffers, self.cache);
        drop(buffers);
        if let Err(error) = read {
            self.heads.truncate(known);
            return Err(error);
        }
        self.filled = to_usize(end.saturating_sub(self.base));
        Ok(())
    }

    /// Memory for `len` bytes. They lie within the file, or nobody would have asked for them.
    fn make_room(&mut self, part: &Part, len: usize) -> Result<()> {
        if self.bytes.len() > KEPT && len <= KEPT {
            self.bytes.truncate(len.max(self.filled));
            self.bytes.shrink_to_fit();
        }
        let more = len.saturating_sub(self.bytes.len());
        if more > 0 {
            self.bytes.try_reserve_exact(more).map_err(|_| {
                let message = format!("no memory for a batch of {len} bytes");
                Error::new(ErrorKind::Io, message).at_path(part.segment.file().path())
            })?;
            self.bytes.resize(len, 0);
        }
        Ok(())
    }

    /// Where offset `at` lies in [`Window::bytes`].
    pub(super) fn place(&self, at: u64, len: u64) -> Range<usize> {
        let start = to_usize(at.saturating_sub(self.base));
        start..start.saturating_add(to_usize(len))
    }

    /// Bytes that are here; fewer than `len` if they are not.
    pub(super) fn get(&self, at: u64, len: u64) -> &[u8] {
        let filled = self.bytes.get(..self.filled).unwrap_or_default();
        filled.get(self.place(at, len)).unwrap_or_default()
    }

    /// The header of a block whose start is here.
    pub(super) fn head(&self, block: u64) -> Option<&Head> {
        let (first, _) = self.heads.front()?;
        let (number, head) = self.heads.get(to_usize(block.checked_sub(*first)?))?;
        (*number == block).then_some(head)
    }

    /// Hands its memory over for other memory, into which what is held from `from` on is copied.
    pub(super) fn swap(&mut self, part: &Part, from: u64, into: &mut Vec<u8>) {
        let keep = to_usize(from.saturating_sub(self.base)).min(self.filled);
        let rest = self.bytes.get(keep..self.filled).unwrap_or_default();
        into.clear();
        into.extend_from_slice(rest);
        std::mem::swap(into, &mut self.bytes);
        into.truncate(keep);
        self.filled = self.bytes.len();
        (self.base, self.hold) = (from, from);
        self.drop_heads(part, from);
    }
}

/// A range of the data, cut at block starts: the block that begins with the piece, and the length of it.
fn pieces(part: &Part, range: &Range<u64>) -> Vec<(Option<u64>, usize)> {
    let layout = part.segment.layout();
    let mut pieces = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (block, within) = layout.block_of(at);
        let left = layout.block_data().saturating_sub(within).max(1);
        let len = left.min(range.end.saturating_sub(at));
        pieces.push(((within == 0).then_some(block), to_usize(len)));
        at = at.saturating_add(len);
    }
    pieces
}
