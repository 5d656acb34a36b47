//! From batch to batch through one file, with every check.
//!
//! A batch is believed if its header's checksum, its position, its seq and the checksum of its payload are right, its
//! records fill its payload, it lies within the stream, and it names the checksum of the batch in front of it. Where that
//! one is not known, behind a seek or behind damage, the headers behind it are followed into the next block instead: as
//! far as they can be read, each must name the one in front.

use std::ops::Range;

use super::snapshot::Part;
use super::window::Window;
use crate::error::{Error, Result};
use crate::file::CachePolicy;
use crate::format::Decoded;
use crate::format::batch::{BatchHeader, HEADER_LEN, Kind, Records};
use crate::format::block_header::{BlockHeader, Crossing};

/// Size of a batch's header.
pub(super) const HEADER: u64 = 64;

/// A batch whose every check was passed. Its bytes are in the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Offset in the file's data.
    pub(super) at: u64,
    pub(super) header: BatchHeader,
}

impl Found {
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.header.total_len())
    }

    pub(super) fn payload_at(&self) -> u64 {
        self.at.saturating_add(HEADER)
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Met {
    Batch(Found),
    /// No batch here, though there should be one.
    Damage(Damage),
    /// Another file begins.
    File,
    /// The stream ends, or goes on in the next file.
    End,
}

/// Where it was met and where it goes on.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) error: Error,
    /// Of the records that are affected.
    pub(super) seqs: Range<u64>,
    /// Where the next batch begins, and what it names as its predecessor's checksum, if that is known.
    pub(super) resume: Option<(u64, Option<u32>)>,
    /// Not in the file that the walk is in: files behind it cannot be read.
    pub(super) whole_files: bool,
}

/// A batch whose header is right, and that cannot be believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) found: Found,
    /// Where to look on. Its payload is the user's: nothing in it is taken for a batch.
    pub(super) behind: u64,
    /// It names the batch in front of it.
    pub(super) chained: bool,
}

/// A place in a file, between two batches.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) part: Part,
    pub(super) at: u64,
    pub(super) seq: u64,
    /// Checksum of the batch in front, if it is known.
    pub(super) previous: Option<u32>,
    pub(super) window: Window,
    /// Where it met damage and has read everything again.
    pub(super) doubted: Option<u64>,
}

impl Walk {
    /// Goes on in another file.
    pub(super) fn enter(&mut self, part: Part) {
        (self.at, self.seq) = (part.segment.layout().first_batch(), part.segment.seq());
        self.previous = Some(part.segment.first_previous());
        self.part = part;
        self.doubted = None;
        self.window.clear();
    }

    /// The next batch, read and checked; the walk stays in front of it until [`Walk::pass`].
    pub(super) fn next(&mut self) -> Result<Met> {
        let met = self.look()?;
        if !matches!(met, Met::Damage(_)) || !self.part.segment.is_shared() || self.doubted == Some(self.at) {
            return Ok(met);
        }
        // Somebody else writes the file, past the page cache perhaps: what that holds may be older than the disk.
        self.doubted = Some(self.at);
        self.part.segment.evict();
        self.window.clear();
        self.look()
    }

    fn look(&mut self) -> Result<Met> {
        if self.at >= self.part.limit {
            return Ok(self.at_end());
        }
        self.window.hold(self.at);
        let mut broken = None;
        for at in self.candidates(self.at) {
            let Some(header) = self.header_at(at)? else { continue };
            if self.previous.is_some_and(|previous| previous != header.previous) {
                continue;
            }
            let found = Found { at, header };
            if header.seq != self.seq {
                if self.previous.is_some() && self.is_whole(at, &header)? {
                    let next = Some((found, self.previous));
                    return Ok(Met::Damage(self.damage("seqs were passed over", at, next)));
                }
                continue;
            }
            let mut behind = found.end();
            if self.is_whole(at, &header)? {
                let contradiction = if self.previous.is_some() { None } else { self.contradiction(at, &header)? };
                match contradiction {
                    None => return Ok(Met::Batch(found)),
                    Some(at) => behind = at,
                }
            }
            broken = broken.or(Some(Broken { found, behind, chained: self.previous.is_some() }));
        }
        let damage = self.damaged(broken)?;
        if self.part.open_end && damage.resume.is_none() {
            // Where the stream leaves the file is not known: it may well be here.
            (self.at, self.previous) = (self.part.limit, None);
            return Ok(Met::End);
        }
        Ok(Met::Damage(damage))
    }

    /// Whether the batch here, of which the one in front is not known, is contradicted by what lies behind: either may be
    /// wrong, and who begins further in front can tell.
    pub(super) fn is_in_doubt(&mut self) -> Result<bool> {
        if self.previous.is_some() || self.at >= self.part.limit {
            return Ok(false);
        }
        self.window.hold(self.at);
        let Some(header) = self.header_at(self.at)? else { return Ok(false) };
        Ok(self.is_whole(self.at, &header)? && self.contradiction(self.at, &header)?.is_some())
    }

    /// The next batch, if it can be had without reading: for those who hand over what was read in one go.
    pub(super) fn ready(&self) -> Option<Found> {
        let previous = self.previous?;
        self.candidates(self.at).into_iter().find_map(|at| {
            let header = self.decode(at)?;
            let follows = header.seq == self.seq && header.previous == previous;
            let here = self.window.has(at, header.total_len());
            (follows && here && self.is_payload_right(at, &header)).then_some(Found { at, header })
        })
    }

    /// The next batch, if there is a whole one; what lies behind is not looked at, as it may be in the midst of being
    /// written.
    pub(super) fn step(&mut self) -> Result<Option<Found>> {
        self.window.hold(self.at);
        for at in self.candidates(self.at) {
            let Some(header) = self.header_at(at)? else { continue };
            let follows = header.seq == self.seq && self.previous.is_none_or(|previous| previous == header.previous);
            if follows && self.is_whole(at, &header)? {
                return Ok(Some(Found { at, header }));
            }
        }
        Ok(None)
    }

    /// Goes on behind the batch.
    pub(super) fn pass(&mut self, found: &Found) {
        self.at = found.end();
        self.seq = found.header.next_seq();
        self.previous = Some(found.header.checksum(self.part.segment.id()));
    }

    /// Goes on behind damage.
    pub(super) fn go_on(&mut self, seq: u64, resume: Option<(u64, Option<u32>)>) {
        (self.at, self.previous) = resume.unwrap_or((self.part.limit, None));
        self.seq = seq;
    }

    fn at_end(&self) -> Met {
        let names = self.previous.zip(self.part.after).is_none_or(|(last, named)| last == named);
        if self.part.open_end || self.seq == self.part.bound && names {
            return Met::End;
        }
        let what = if names { "records are missing at the end" } else { "the next file follows another batch" };
        Met::Damage(self.damage(what, self.at, None))
    }

    /// Where the batch behind offset `at` may begin.
    pub(super) fn candidates(&self, at: u64) -> Vec<u64> {
        let own = self.part.segment.layout().next_own(at);
        if own == at { vec![at] } else { vec![at, own] }
    }

    /// The header at `at`, if it is one that can stand there.
    pub(super) fn header_at(&mut self, at: u64) -> Result<Option<BatchHeader>> {
        Ok(if self.window.need(&self.part, at, HEADER)? { self.decode(at) } else { None })
    }

    fn decode(&self, at: u64) -> Option<BatchHeader> {
        let bytes: &[u8; HEADER_LEN] = self.window.get(at, HEADER).try_into().ok()?;
        let segment = &self.part.segment;
        match BatchHeader::decode(bytes, segment.id(), segment.position_of(at)) {
            Decoded::Valid(header) if self.can_stand(at, &header) => Some(header),
            _ => None,
        }
    }

    /// Whether it lies within the stream, before anything is done with the sizes that it names.
    fn can_stand(&self, at: u64, header: &BatchHeader) -> bool {
        let fits = at.checked_add(header.total_len()).is_some_and(|end| end <= self.part.limit);
        let seqs = header.seq >= self.seq
            && header.seq.checked_add(u64::from(header.count)).is_some_and(|next| next <= self.part.bound);
        let kind = match header.kind {
            Kind::Records | Kind::Together => header.count <= header.payload_len,
            Kind::Seal | Kind::Watermark => header.count == 0 && header.payload_len == 0,
            // It stands at the start of a file only, and the walk begins behind it.
            Kind::File => false,
        };
        fits && seqs && kind
    }

    /// Whether its payload is what was written.
    pub(super) fn is_whole(&mut self, at: u64, header: &BatchHeader) -> Result<bool> {
        Ok(self.window.need(&self.part, at, header.total_len())? && self.is_payload_right(at, header))
    }

    fn is_payload_right(&self, at: u64, header: &BatchHeader) -> bool {
        let payload = self.window.get(at.saturating_add(HEADER), u64::from(header.payload_len));
        if self.part.segment.id().checksum(payload) != header.payload_checksum {
            return false;
        }
        // An item that is no record ends the iteration, so it is the last one.
        let mut count = 0_u64;
        for record in Records::of(payload) {
            match record {
                Some(_) => count = count.saturating_add(1),
                None => return false,
            }
        }
        count == u64::from(header.count)
    }

    /// Where what lies behind the batch names another one in its place, if it does. Headers are followed into the next
    /// block, so that a whole block that does not belong here is found out.
    pub(super) fn contradiction(&mut self, at: u64, header: &BatchHeader) -> Result<Option<u64>> {
        let layout = self.part.segment.layout();
        let (mut last, mut end) = (*header, at.saturating_add(header.total_len()));
        loop {
            let checksum = last.checksum(self.part.segment.id());
            if end >= self.part.limit {
                return Ok(self.part.after.filter(|named| *named != checksum).map(|_| end));
            }
            let (mut follows, mut other) = (None, None);
            for next in self.candidates(end) {
                let Some(header) = self.header_at(next)? else { continue };
                if header.previous == checksum && header.seq == last.next_seq() {
                    follows = follows.or(Some((next, header)));
                } else if next == end || header.seq == last.next_seq() {
                    other = other.or(Some(next));
                }
                // Else a batch in between may be damaged.
            }
            match follows {
                None => return Ok(other),
                Some((next, _)) if layout.block_of(next).0 > layout.block_of(at).0 => return Ok(None),
                Some((next, header)) => (last, end) = (header, next.saturating_add(header.total_len())),
            }
        }
    }

    /// The blocks that begin in the batch, or with it, whose headers do not say what the batch says.
    pub(super) fn wrong_heads<'a>(&'a self, found: &Found) -> impl Iterator<Item = u64> + use<'a> {
        let layout = self.part.segment.layout();
        let (begin, end, seq) = (found.at, found.end(), found.header.seq);
        let (first, within) = layout.block_of(begin);
        let first = if within == 0 { first } else { first.saturating_add(1) };
        let (last, _) = layout.block_of(end.saturating_sub(1));
        (first..=last).filter(move |block| {
            let start = layout.start_of(*block);
            let crossing = match u32::try_from(end.saturating_sub(start)) {
                _ if start == begin => Crossing::None,
                Ok(rest) if u64::from(rest) < layout.block_data() => Crossing::EndsAt(rest),
                _ => Crossing::Fills,
            };
            self.decode_head(*block).is_none_or(|head| head.seq != seq || head.crossing != crossing)
        })
    }

    /// The first of them.
    pub(super) fn wrong_head(&self, found: &Found) -> Option<u64> {
        self.wrong_heads(found).next()
    }

    /// Bytes of the records of a batch, without their lengths.
    pub(super) fn record_bytes(&self, found: &Found) -> u64 {
        let payload = self.window.get(found.payload_at(), u64::from(found.header.payload_len));
        let records = Records::of(payload).map_while(|record| record);
        records.fold(0, |sum, record| sum.saturating_add(super::to_u64(record.len())))
    }

    /// The header of a block in the window, if it is of this stream and this place.
    pub(super) fn decode_head(&self, block: u64) -> Option<BlockHeader> {
        let segment = &self.part.segment;
        let expected = segment.position_of(segment.layout().start_of(block));
        match BlockHeader::decode(self.window.head(block)?, segment.id()) {
            Decoded::Valid(head) if head.position == expected => Some(head),
            _ => None,
        }
    }

    pub(super) fn damage(&self, what: &str, at: u64, resume: Option<(Found, Option<u32>)>) -> Damage {
        let seqs = self.seq..resume.map_or(self.part.bound, |(found, _)| found.header.seq);
        let error = self.part.segment.corrupt(at, what).at_seqs(seqs.clone());
        let resume = resume.map(|(found, previous)| (found.at, previous));
        Damage { error, seqs, resume, whole_files: false }
    }

    /// The error for a block header that is not what it should be: it hurts no record.
    pub(super) fn head_damage(&self, block: u64) -> Error {
        let at = self.part.segment.layout().start_of(block);
        self.part.segment.corrupt(at, "the header of the block is not what was written").at_seqs(self.seq..self.seq)
    }
}

/// A walk for those who begin at a place that a search has found.
pub(super) fn walk_at(part: Part, at: u64, seq: u64, previous: Option<u32>, cache: CachePolicy, small: bool) -> Walk {
    let window = if small { Window::for_searching(cache) } else { Window::for_reading(cache) };
    Walk { part, at, seq, previous, window, doubted: None }
}

const _: () = assert!(HEADER_LEN == 64, "the header's size is written out above");
