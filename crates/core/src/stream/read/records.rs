//! Records as they are given to whoever reads.

use std::ops::Range;

use crate::format::batch::Records;

/// A record with memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number.
    pub seq: u64,
    /// When it was appended, in ms since 1970.
    pub time_ms: u64,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Records that were stored together, in the reader's memory.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Seq of the first one.
    pub seq: u64,
    /// When they were appended, in ms since 1970.
    pub time_ms: u64,
    /// Number of records.
    pub count: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The records with their seqs.
    pub fn records(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        // In this order: the number behind the last record need not exist.
        Records::of(self.bytes).map_while(|record| record).zip(self.seq..).map(|(record, seq)| (seq, record))
    }

    /// The run of bytes that [`Batch::ranges`] is about.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where in [`Batch::bytes`] each record lies.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        ranges(self.bytes, 0)
    }
}

/// What [`next_run`](super::Reader::next_run) gives: batches whose bytes lie in one run of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// In order; empty at the end.
    pub batches: Vec<RunBatch>,
}

/// Records that were stored together, in the memory of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunBatch {
    /// Seq of the first one.
    pub seq: u64,
    /// When they were appended, in ms since 1970.
    pub time_ms: u64,
    /// Number of records.
    pub count: u64,
    /// Where the run's memory holds them, each with its length in front.
    pub place: Range<usize>,
}

impl RunBatch {
    /// Where in the run's memory each record lies.
    pub fn ranges<'a>(&self, memory: &'a [u8]) -> impl Iterator<Item = Range<usize>> + use<'a> {
        ranges(memory.get(self.place.clone()).unwrap_or_default(), self.place.start)
    }
}

fn ranges(bytes: &[u8], start: usize) -> impl Iterator<Item = Range<usize>> {
    let mut end = start;
    let mut left = bytes.len();
    let mut records = Records::of(bytes);
    std::iter::from_fn(move || {
        let record = records.next().flatten()?;
        end = end.saturating_add(left.saturating_sub(records.left()));
        left = records.left();
        Some(end.saturating_sub(record.len())..end)
    })
}
