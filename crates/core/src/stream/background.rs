//! What happens to a stream without anybody having asked for it, noted for whoever watches the stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::log::Log;
use super::report::Recovery;
use crate::error::{Error, Result};

/// What was done on the side.
#[derive(Clone, Debug)]
pub enum Background {
    /// The stream was recovered in place, behind a write or sync that had failed (rule 9).
    Recovered {
        /// What was found and done.
        recovery: Box<Recovery>,
        /// How long it took.
        took: Duration,
    },
    /// Files were released from the start of the stream.
    Trimmed {
        /// The first record that is left, as far as it is known without looking.
        oldest_seq: Option<u64>,
        /// How many files.
        files: u64,
        /// Somebody has asked for it; else it was due by the options of the stream.
        asked: bool,
    },
    /// Something has failed that no hand-over was for.
    Failed {
        /// What that was.
        duty: Duty,
        /// Why.
        error: Arc<Error>,
    },
}

/// What a writer does that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Making the next file ahead of time. The commit that needs the file makes it.
    NextFile,
    /// Syncing what is only written. It may be lost: the next flush, or the close, tells so.
    Sync,
    /// Releasing what is due by the options of the stream. It is tried again.
    Trim,
    /// A watermark. Nothing but that is missing.
    Watermark,
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NextFile => "next-file",
            Self::Sync => "sync",
            Self::Trim => "trim",
            Self::Watermark => "watermark",
        })
    }
}

/// So many notes are kept if nobody fetches them.
const MOST: usize = 16;

/// What was done on the side and has not been fetched: the last of it.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Background>);

impl Notes {
    fn push(&mut self, what: Background) {
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(what);
    }

    pub(super) fn recovered(&mut self, recovery: &Recovery, took: Duration) {
        self.push(Background::Recovered { recovery: Box::new(recovery.clone()), took });
    }

    pub(super) fn trimmed(&mut self, oldest_seq: Option<u64>, files: u64, asked: bool) {
        self.push(Background::Trimmed { oldest_seq, files, asked });
    }

    pub(super) fn failed(&mut self, duty: Duty, error: Error) {
        self.push(Background::Failed { duty, error: Arc::new(error) });
    }

    /// Notes why it failed, if it did.
    pub(super) fn outcome<T>(&mut self, duty: Duty, outcome: Result<T>) {
        if let Err(error) = outcome {
            self.failed(duty, error);
        }
    }
}

impl Log {
    /// What was done on the side since the last call, in order; of very much the last.
    pub fn take_background(&mut self) -> Vec<Background> {
        std::mem::take(&mut self.notes.0)
    }
}
