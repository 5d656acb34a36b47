//! What a stream lets go of by itself, and how large it may grow.

use std::time::Duration;

use super::options::{LEAST_BLOCKS_EVER, LogOptions};
use crate::error::{Error, ErrorKind, Result};

/// What a stream lets go of by itself, and how large it may grow. Whole files go, from the first on, and never the file in
/// use. The default keeps everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The first file goes while all data files take more bytes on disk than this. Files grow to a quarter of it at most,
    /// but for a record that needs a larger one; and to the least file size in any case. Default: none.
    pub max_bytes: Option<u64>,
    /// A file goes when all its records are older than this. Default: none.
    pub max_age: Option<Duration>,
    /// What a cursor has not passed does not go for these two. Default: true.
    pub keep_for_cursors: bool,
    /// Data files take no more bytes on disk than this, but where nothing else is left than the file in use and the one
    /// that must follow it. Files grow to a quarter of it at most, and records with them. Default: none.
    pub limit_bytes: Option<u64>,
    /// What happens when that, or the most files that there can be, is reached. Default: [`WhenLimited::Reject`].
    pub when_limited: WhenLimited,
}

/// What happens when a stream may not grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenLimited {
    /// Commits fail with `PSTREAM_LIMIT`, and nothing of them is written.
    #[default]
    Reject,
    /// The first file goes, whatever cursor has not passed it.
    Trim,
}

impl Default for Retention {
    fn default() -> Self {
        let (max_bytes, max_age, limit_bytes) = (None, None, None);
        Self { max_bytes, max_age, keep_for_cursors: true, limit_bytes, when_limited: WhenLimited::default() }
    }
}

/// So many files of full size fit into what a stream may take: the one in use, the next one, and some to let go of.
const FILES: u64 = 4;

impl LogOptions {
    /// With files no larger than [`Retention::limit_bytes`] allows.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` if it allows none.
    pub(super) fn bounded(mut self) -> Result<Self> {
        if let Some(limit) = self.retention.limit_bytes {
            let least = self.least_file();
            let most = self.whole_blocks(limit / FILES);
            if most < least {
                let (needed, fewest) = (least.saturating_mul(FILES), least);
                let message =
                    format!("limit must be at least {needed} bytes, for {FILES} files of {fewest}, not {limit}");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            self.file_size = self.file_size.min(most);
            self.first_file_size = self.first_file_size.map(|first| first.min(most));
        }
        Ok(self)
    }

    /// What files grow to, if no record needs a larger one.
    pub(super) fn grow_to(&self) -> u64 {
        let quarter = |max: u64| self.whole_blocks(max / FILES).max(self.least_file());
        self.retention.max_bytes.map_or(self.file_size, |max| quarter(max).min(self.file_size))
    }

    fn whole_blocks(&self, size: u64) -> u64 {
        self.blocks_of(size).saturating_mul(self.block_size)
    }

    /// The least that a file may be chosen to have.
    fn least_file(&self) -> u64 {
        match self.first_file_size {
            None => (1 << 20).max(self.block_size.saturating_mul(16)),
            Some(_) => self.block_size.saturating_mul(LEAST_BLOCKS_EVER),
        }
    }
}

/// What is to go. Each of these by itself; never the file in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// Files of which all records are in front of this seq, as far as every cursor has passed them…
    pub before: Option<u64>,
    /// …or not.
    pub force: bool,
    /// The first files, while all take more bytes than this…
    pub bytes: Option<u64>,
    /// …and those of which all records were written by this time, in ms since 1970…
    pub older_than: Option<u64>,
    /// …whether every cursor has passed them or not.
    pub past_cursors: bool,
    /// The first files, while all take more bytes than this, whatever any cursor says.
    pub limit: Option<u64>,
    /// So many of the first files, likewise.
    pub files: usize,
}
