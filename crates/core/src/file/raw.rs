//! Any range of a block file, synced or not: what the stream needs beside whole, durable blocks. The rules for failures
//! are those of a store.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::ops::Range;

use super::BlockFile;
use super::outcome::{Outcome, outcome_of, retry};
use super::write::{Attempt, Failure, write_all};
use crate::error::{self, Error, Result};
use crate::io::{Durability, IoFile, Residency};

/// What became of an eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// Nothing of the range is in the page cache, or there is no disk behind it: what is read next is the truth.
    Done,
    /// So many bytes stay, held by somebody else or by a file system with a cache of its own.
    Remaining(u64),
    /// It cannot be told on this platform.
    Unknown,
}

/// Zeros are written in pieces of this size where the file system cannot make them by itself.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

impl BlockFile {
    /// Fills the buffers from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`BlockFile::load`].
    pub fn read_at(&self, offset: u64, buffers: &mut [IoSliceMut<'_>]) -> Result<()> {
        let file = self.file()?;
        self.read_exact(&*file, buffers, offset, drop)?;
        self.check_not_poisoned()
    }

    /// [`BlockFile::read_at`] that keeps the page cache as flat as [`BlockFile::load`] does.
    ///
    /// # Errors
    ///
    /// As [`BlockFile::load`].
    pub fn load_at(&self, offset: u64, buffers: &mut [IoSliceMut<'_>]) -> Result<()> {
        let file = self.file()?;
        let size = self.shape.size();
        self.read_exact(&*file, buffers, offset, |read| self.cache.touched(&*file, &read, size))?;
        self.check_not_poisoned()
    }

    /// Writes the buffers at `offset`, which need not be aligned. With [`Durability::Synced`] just these bytes are
    /// durable when it returns: what was written before without a sync is not.
    ///
    /// # Errors
    ///
    /// As [`BlockFile::store`]; there are no rules for the buffers. `PSTREAM_NO_SPACE`, from this or from a sync, may be
    /// the only report that earlier bytes which were written without a sync are lost: everything since the last sync
    /// that succeeded must be read again before it is relied on.
    pub fn write_at(&self, offset: u64, buffers: &[IoSlice<'_>], durability: Durability) -> Result<()> {
        self.file_for_writing()?;
        let len = buffers
            .iter()
            .fold(0_u64, |sum, buffer| sum.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX)));
        self.check_range(&(offset..offset.saturating_add(len)))?;
        self.writing(offset, |file| match durability {
            Durability::Cached => write_all(file, buffers, offset, durability),
            Durability::Synced => self.write_synced(file, buffers, offset),
        })
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    ///
    /// `PSTREAM_NO_SPACE` and `PSTREAM_SYNC_FAILED`: what was written since the last sync may be lost.
    pub fn sync(&self) -> Result<()> {
        self.file_for_writing()?;
        self.writing(0, |file| file.sync_data().map_err(Failure::of("fdatasync")))
    }

    /// Makes the range read as zeros, and keeps it reserved. Durable only after [`BlockFile::sync`].
    ///
    /// # Errors
    ///
    /// As [`BlockFile::write_at`].
    pub fn zero(&self, range: Range<u64>) -> Result<()> {
        self.file_for_writing()?;
        self.check_range(&range)?;
        if range.is_empty() {
            return Ok(());
        }
        self.writing(range.start, |file| match retry(|| file.zero_range(range.clone())) {
            Err(error) if outcome_of(&error) == Outcome::Unsupported => write_zeros(file, &range),
            done => done.map_err(Failure::of("fallocate")),
        })
    }

    /// Drops the range from the page cache and looks whether it is gone. Only what is clean can go: sync first.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO` if the system cannot be asked.
    pub fn evict(&self, range: &Range<u64>) -> Result<Evicted> {
        evict_fully(&*self.file()?, range).map_err(|error| Error::io("fadvise", &self.path, error))
    }

    /// Says that nobody needs what lies in front of `upto` in the page cache any more. A hint, for what is durable: does
    /// nothing with [`crate::CachePolicy::Keep`], and leaves what is not written yet.
    pub fn drop_in_front_of(&self, upto: u64) {
        if let Ok(file) = self.file() {
            self.cache.done_with(&*file, upto);
        }
    }

    /// How much of the range is in the page cache.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO` if the system cannot be asked.
    pub fn residency(&self, range: Range<u64>) -> Result<Residency> {
        let file = self.file()?;
        if range.is_empty() {
            return Ok(Residency::Bytes(0));
        }
        file.residency(range).map_err(|error| Error::io("mincore", &self.path, error))
    }

    /// The first run of bytes at or after `offset` that was ever written; what lies outside reads as zeros. Where the
    /// file system cannot tell: everything up to the end.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO` if the system cannot be asked.
    pub fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        match self.file()?.next_data(offset) {
            Err(error) if outcome_of(&error) == Outcome::Unsupported => {
                Ok(Some(offset..self.shape.size()).filter(|range| !range.is_empty()))
            }
            done => done.map_err(|error| Error::io("lseek", &self.path, error)),
        }
    }

    pub(super) fn check_range(&self, range: &Range<u64>) -> Result<()> {
        if range.start <= range.end && range.end <= self.shape.size() {
            return Ok(());
        }
        Err(Error::new(error::ErrorKind::Capacity, "write exceeds file capacity").at_path(&self.path))
    }

    pub(super) fn writing<T>(&self, offset: u64, write: impl FnOnce(&dyn IoFile) -> Attempt<T>) -> Result<T> {
        let _one_at_a_time = self.write_lock();
        let file = self.file()?;
        write(&*file).map_err(|failure| self.settle(&*file, failure, offset))
    }
}

/// Writes zeros over the range, into the cache.
pub(super) fn write_zeros(file: &dyn IoFile, range: &Range<u64>) -> Attempt<()> {
    let mut at = range.start;
    while at < range.end {
        let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let piece = ZEROS.get(..left.min(ZEROS.len())).unwrap_or(&ZEROS);
        write_all(file, &[IoSlice::new(piece)], at, Durability::Cached)?;
        at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Evicts, and looks whether it worked, a few times: a reader that held a page lets go of it soon.
pub(super) fn evict_fully(file: &dyn IoFile, range: &Range<u64>) -> std::io::Result<Evicted> {
    const ATTEMPTS: u32 = 3;
    let mut remaining = 0;
    if range.is_empty() {
        // The system takes a length of zero to mean "up to the end of the file".
        return Ok(Evicted::Done);
    }
    for _ in 0..ATTEMPTS {
        match file.evict(range.clone()) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            done => done?,
        }
        match file.residency(range.clone())? {
            Residency::Bytes(0) | Residency::InMemory => return Ok(Evicted::Done),
            Residency::Bytes(bytes) => remaining = bytes,
            Residency::Unknown => return Ok(Evicted::Unknown),
        }
    }
    Ok(Evicted::Remaining(remaining))
}
