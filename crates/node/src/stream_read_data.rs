//! What goes in when a stream is read, and what comes out, as plain data.

use napi_derive::napi;
use pstream_core::CachePolicy;
use pstream_core::stream::Level;
use pstream_core::stream::read::{Gap, Start, VerifyReport};

use crate::error::{Failure, count, number};

/// What is read of a stream, and how. Every field is given.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct RawReadOptions {
    /// `from`: what [`RawReadOptions::at`] is, or where to begin without it.
    #[napi(ts_type = "'oldest' | 'end' | 'seq' | 'time'")]
    pub start: String,
    /// A seq, or milliseconds since 1970.
    pub at: i64,
    /// `to`.
    pub to: i64,
    /// `cache: 'keep'`.
    pub keep_cache: bool,
    /// `visibility: 'written'`.
    pub written: bool,
    /// Damage is told of, and reading goes on behind it.
    pub pass_gaps: bool,
    /// `live`: after the end there may be more. Does not go with `'end'`, which is no place once there is more.
    pub live: bool,
}

impl RawReadOptions {
    pub(crate) fn from(&self) -> Start {
        match self.start.as_str() {
            "seq" => Start::Seq(count(self.at)),
            "time" => Start::Time(count(self.at)),
            "end" => Start::End,
            _ => Start::Oldest,
        }
    }

    pub(crate) fn level(&self) -> Level {
        if self.written { Level::Written } else { Level::Durable }
    }

    pub(crate) fn cache(&self) -> CachePolicy {
        if self.keep_cache { CachePolicy::Keep } else { CachePolicy::Drop }
    }
}

/// Records that were read together, and what was met in front of them.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawRun {
    /// Bytes of the memory that were filled.
    pub used: i64,
    /// Nothing was filled: so many bytes are needed.
    pub needed: i64,
    /// How many records there are.
    pub records: i64,
    /// Damage in front of them.
    pub gaps: Vec<RawReadGap>,
    /// Nothing comes behind them; of a live read: nothing yet.
    pub end: bool,
    /// The seq to go on with.
    pub next_seq: i64,
    /// Number of times that the writer had recovered.
    pub generation: i64,
    /// Everything below this seq was durable when it was read,
    pub durable: i64,
    /// and this when the writer recovered last.
    pub kept: i64,
}

/// Damage that was gone past.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawReadGap {
    /// The first seq that may be gone.
    pub from_seq: i64,
    /// The first seq behind it.
    pub to_seq: i64,
    /// What was met, and where.
    pub cause: Failure,
}

impl From<&Gap> for RawReadGap {
    fn from(gap: &Gap) -> Self {
        Self { from_seq: number(gap.from_seq), to_seq: number(gap.to_seq), cause: Failure::from(&gap.cause) }
    }
}

/// A record. Its bytes are in the memory if they fit there.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawRecord {
    /// Its sequence number.
    pub seq: i64,
    /// When it was appended, in milliseconds since 1970.
    pub time: i64,
    /// How many bytes it has.
    pub length: i64,
}

/// How far a verification is.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawVerification {
    /// Bytes of the stream that were checked.
    pub bytes: i64,
    /// Bytes of the stream.
    pub total_bytes: i64,
    /// What was found, at the end.
    pub report: Option<RawVerified>,
}

/// What a verification has found.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawVerified {
    /// Records that can be read.
    pub records: i64,
    /// Batches with records.
    pub batches: i64,
    /// Bytes of these records.
    pub bytes: i64,
    /// Damage.
    pub gaps: Vec<RawReadGap>,
}

impl From<&VerifyReport> for RawVerified {
    fn from(report: &VerifyReport) -> Self {
        Self {
            records: number(report.records),
            batches: number(report.batches),
            bytes: number(report.bytes),
            gaps: report.gaps.iter().map(RawReadGap::from).collect(),
        }
    }
}
