//! What a stream has done on the side, as plain data.

use napi_derive::napi;
use pstream_core::stream::Background;

use crate::error::Failure;
use crate::stream_data::StreamInfo;

/// One thing that was done.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawBackground {
    /// `recovery`, or what has failed.
    pub what: String,
    /// Why it has failed.
    pub failure: Option<Failure>,
    /// What a recovery in place has found.
    pub recovery: Option<StreamInfo>,
}

impl From<Background> for RawBackground {
    fn from(what: Background) -> Self {
        match what {
            Background::Recovered { recovery, took } => {
                let info = StreamInfo { elapsed_ms: took.as_secs_f64() * 1000.0, ..StreamInfo::from(*recovery) };
                Self { what: "recovery".to_owned(), failure: None, recovery: Some(info) }
            }
            Background::Failed { duty, error } => {
                Self { what: duty.to_string(), failure: Some(Failure::from(&*error)), recovery: None }
            }
        }
    }
}
