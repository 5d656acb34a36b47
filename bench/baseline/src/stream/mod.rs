//! Appending to a stream and reading it back: the engine, and the system calls that write and read as many bytes.

mod engine;
mod plain;
mod sparse;

use std::fs::{self, File};
use std::io::{Error, Result};
use std::path::Path;

use pstream_core::format::batch::push_record;
use serde::Deserialize;

pub(crate) use engine::{reopen, verify};
pub(crate) use sparse::craft;

use crate::content::{content, stamp};

/// The name of the stream in its folder: the package's default.
const NAME: &str = "stream";

/// Records `first .. first + count` of `bytes` each.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Records {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) bytes: usize,
    pub(crate) seed: u32,
    /// So many are handed over and not acknowledged at any time.
    pub(crate) in_flight: u64,
    /// They are handed over this many at a time, which all survive a crash, or none.
    pub(crate) together: Option<u64>,
}

impl Records {
    fn end(self) -> u64 {
        self.first + self.count
    }

    /// The records as they are on disk in a batch: each with its length in front.
    fn payload(self, first: u64, count: u64, payload: &mut Vec<u8>) {
        let mut record = content(self.seed, self.bytes);
        payload.clear();
        for number in first..first + count {
            stamp(&mut record, number);
            push_record(&record, payload);
        }
    }
}

/// A way to append records and to read them.
pub(crate) trait Stream {
    /// Appends the records and returns the nanoseconds that it took, without the making of their bytes.
    fn append(&mut self, records: Records) -> Result<u64>;
    /// Reads all from the start and returns the nanoseconds that it took; `cold`: nothing of it is in the page cache.
    fn scan(&mut self, records: Records, cold: bool) -> Result<u64>;
    /// Everything is on disk then.
    fn close(self: Box<Self>) -> Result<()>;
}

/// The stream of this contender in the folder, which exists. `expected`: what will be appended, or has been.
pub(crate) fn open(contender: &str, folder: &Path, expected: Records, prewrite: bool) -> Result<Box<dyn Stream>> {
    match contender {
        "plain" => Ok(Box::new(plain::Plain::open(folder, expected, prewrite, false)?)),
        "plain-direct" => Ok(Box::new(plain::Plain::open(folder, expected, prewrite, true)?)),
        "rust" => Ok(Box::new(engine::Grouped::open(folder)?)),
        "log" => Ok(Box::new(engine::Single::open(folder)?)),
        _ => Err(Error::other(format!("no contender is called '{contender}'"))),
    }
}

/// Drops what the page cache holds of every file in the folder, and of those below it. What is dirty stays.
pub(crate) fn chill(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            chill(&entry.path())?;
        } else if entry.file_type()?.is_file() {
            plain::advise(&File::open(entry.path())?, 0, libc::POSIX_FADV_DONTNEED)?;
        }
    }
    Ok(())
}
