//! What of a stream can be read: its files, up to a durable end.

use std::sync::Arc;

use super::reader::{ReadOptions, Reader};
use super::segment::Segment;
use crate::error::{Error, ErrorKind, Result};

/// The files of a stream in order, and up to where they are durable. Immutable; cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    segments: Arc<[Arc<Segment>]>,
    end: u64,
    next_seq: u64,
}

impl Snapshot {
    /// Of the files in order, the position behind the last durable batch, and the seq that the next record gets.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if the files are of several streams, are not in the order of their positions and seqs, or
    /// overlap, or if the end lies outside the last one; `PSTREAM_INVALID_INPUT` without files.
    pub fn new(segments: Vec<Arc<Segment>>, end: u64, next_seq: u64) -> Result<Self> {
        if segments.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a stream has at least one file"));
        }
        for (number, segment) in segments.iter().enumerate() {
            let next = number.checked_add(1).and_then(|next| segments.get(next));
            let (upto, seq) = next.map_or((end, next_seq), |next| (next.start(), next.seq()));
            let same = next.is_none_or(|next| next.id() == segment.id());
            let len = upto.checked_sub(segment.start());
            // A file that has just entered use may not be covered by a durable end yet; one in front of another is.
            let least = if next.is_some() { segment.layout().first_batch() } else { 0 };
            let fits = len.is_some_and(|len| (least..=segment.layout().capacity()).contains(&len));
            let small = segment.start().checked_add(segment.layout().capacity()).is_none();
            if !same || !fits || small || seq < segment.seq() {
                let what = format!("the next file, or the end, is at position {upto} and seq {seq}");
                return Err(segment.corrupt(len.unwrap_or(0), &what).at_seqs(segment.seq()..seq.max(segment.seq())));
            }
        }
        Ok(Self { segments: segments.into(), end, next_seq })
    }

    /// The files in order.
    #[must_use]
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The position behind the last durable batch.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// First seq that can be read.
    #[must_use]
    pub fn oldest_seq(&self) -> u64 {
        self.segments.first().map_or(self.next_seq, |segment| segment.seq())
    }

    /// The seq behind the last durable record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Reads from here on.
    ///
    /// # Errors
    ///
    /// As [`Reader::new`].
    pub fn read(&self, options: ReadOptions) -> Result<Reader> {
        Reader::new(self.clone(), options)
    }

    /// The part of the stream that lies in file `number`.
    pub(super) fn part(&self, number: usize) -> Option<Part> {
        let segment = Arc::clone(self.segments.get(number)?);
        let next = number.checked_add(1).and_then(|next| self.segments.get(next));
        let (upto, bound) = next.map_or((self.end, self.next_seq), |next| (next.start(), next.seq()));
        let limit = upto.saturating_sub(segment.start());
        let after = next.map(|next| next.batch().before).filter(|before| *before != 0);
        Some(Part { segment, limit, bound, after })
    }

    pub(super) fn check_not_trimmed(&self, seq: u64) -> Result<()> {
        let oldest = self.oldest_seq();
        if seq >= oldest {
            return Ok(());
        }
        let message = format!("record {seq} was released; the oldest one left is {oldest}");
        Err(Error::new(ErrorKind::Trimmed(oldest), message))
    }
}

/// What of the stream lies in one file.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    /// Offset in its data at which the stream ends, or goes on in the next file.
    pub(super) limit: u64,
    /// The seq there.
    pub(super) bound: u64,
    /// What the next file names as the checksum of the last batch here, if it is known.
    pub(super) after: Option<u32>,
}
