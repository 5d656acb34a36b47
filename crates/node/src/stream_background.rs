//! What a stream has done on the side, as plain data.

use napi_derive::napi;
use pstream_core::stream::Background;

use crate::error::{Failure, number};
use crate::stream_data::StreamInfo;

/// One thing that was done.
#[napi(object, object_from_js = false)]
#[derive(Debug, Default)]
pub struct RawBackground {
    /// `recovery`, `released`, or what has failed.
    pub what: String,
    /// Why it has failed.
    pub failure: Option<Failure>,
    /// What a recovery in place has found.
    pub recovery: Option<StreamInfo>,
    /// What was released.
    pub released: Option<RawReleased>,
}

/// Files that are gone from the start of the stream.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawReleased {
    /// The first record that is left, as far as it is known.
    pub oldest_seq: Option<i64>,
    /// How many files.
    pub files: i64,
    /// Whether somebody has asked for it.
    pub asked: bool,
}

impl From<Background> for RawBackground {
    fn from(what: Background) -> Self {
        match what {
            Background::Recovered { recovery, took } => {
                let info = StreamInfo { elapsed_ms: took.as_secs_f64() * 1000.0, ..StreamInfo::from(*recovery) };
                Self { what: "recovery".to_owned(), recovery: Some(info), ..Self::default() }
            }
            Background::Trimmed { oldest_seq, files, asked } => {
                let released = RawReleased { oldest_seq: oldest_seq.map(number), files: number(files), asked };
                Self { what: "released".to_owned(), released: Some(released), ..Self::default() }
            }
            Background::Failed { duty, error } => {
                Self { what: duty.to_string(), failure: Some(Failure::from(&*error)), ..Self::default() }
            }
        }
    }
}
