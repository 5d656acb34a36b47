//! What a platform answers for calls that it does not have. Which these are, and why, stands where a platform's module
//! takes them from here.

#![allow(dead_code, reason = "no platform lacks all of them")]
#![allow(clippy::unnecessary_wraps, reason = "the signatures are those of platforms that have the call")]

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Result};
use std::ops::Range;
use std::path::Path;

use crate::io::{Durability, Residency};

/// The engine writes, and syncs the file.
pub(crate) fn write_synced(_file: &File, _buffers: &[IoSlice<'_>], _at: u64) -> Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

/// The engine goes by the page cache.
pub(crate) fn open_direct(_file: &File) -> Result<File> {
    Err(ErrorKind::Unsupported.into())
}

/// Never reached: nothing can be opened for it.
pub(crate) fn write_direct(_file: &File, _bytes: &[u8], _at: u64, _durability: Durability) -> Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

/// A hint that nobody takes.
pub(crate) fn start_writeback(_file: &File, _range: &Range<u64>) -> Result<()> {
    Ok(())
}

/// The sync that follows does the waiting.
pub(crate) fn wait_writeback(_file: &File, _range: &Range<u64>) -> Result<()> {
    Ok(())
}

/// The caller chooses whether to go on without.
pub(crate) fn reserve(_file: &File, _len: u64) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// The engine writes zeros.
pub(crate) fn zero_range(_file: &File, _range: &Range<u64>) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// All of the file counts as written.
pub(crate) fn next_data(_file: &File, _at: u64) -> Result<Option<Range<u64>>> {
    Err(ErrorKind::Unsupported.into())
}

/// A hint that nobody takes; [`residency`] says that it cannot be told.
pub(crate) fn evict(_file: &File, _range: &Range<u64>) -> Result<()> {
    Ok(())
}

/// It cannot be told.
pub(crate) fn residency(_file: &File, _range: &Range<u64>) -> Result<Residency> {
    Ok(Residency::Unknown)
}

/// A hint that nobody takes.
pub(crate) fn advise_sequential(_file: &File) -> Result<()> {
    Ok(())
}

/// A holder of an earlier boot cannot be told from one of this boot by its note.
pub(crate) fn boot_id() -> Option<String> {
    None
}

/// It cannot be told.
pub(crate) fn network(_path: &Path) -> Option<String> {
    None
}
