//! Unix systems other than Linux and macOS, with what POSIX and the BSDs have in common.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Result};
use std::ops::Range;
use std::path::Path;

pub(crate) use super::unix::{
    allocated, create, host_name, is_plain_name, is_same_file, lock_error, open, open_lock, process_alive, read_at,
    remove_file, sync_dir, write_at, write_note,
};
use super::unix::{link_and_unlink, plain_sync};
use crate::io::{Residency, SyncLevel};

/// POSIX has no such call.
pub(crate) fn write_synced(_file: &File, _buffers: &[IoSlice<'_>], _at: u64) -> Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

/// `fsync`: not all of these systems have `fdatasync`.
pub(crate) fn sync_data(file: &File, _level: SyncLevel) -> Result<()> {
    plain_sync(file)
}

/// `fsync`.
pub(crate) fn sync_all(file: &File, _level: SyncLevel) -> Result<()> {
    plain_sync(file)
}

/// There is no such hint.
#[expect(clippy::unnecessary_wraps, reason = "the signature is the same on every platform")]
pub(crate) fn start_writeback(_file: &File, _range: &Range<u64>) -> Result<()> {
    Ok(())
}

/// There is no such call; the sync that follows does the waiting.
#[expect(clippy::unnecessary_wraps, reason = "the signature is the same on every platform")]
pub(crate) fn wait_writeback(_file: &File, _range: &Range<u64>) -> Result<()> {
    Ok(())
}

/// `link` and `unlink`: POSIX has no rename that does not replace.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<()> {
    link_and_unlink(from, to)
}

/// `posix_fallocate` is left alone: OpenBSD has none, NetBSD's and ZFS's always fail, and some C libraries imitate it
/// by writing a byte into every block, which races with other writers.
pub(crate) fn reserve(_file: &File, _len: u64) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// There is no such call.
pub(crate) fn zero_range(_file: &File, _range: &Range<u64>) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Not every system has `SEEK_DATA`.
pub(crate) fn next_data(_file: &File, _at: u64) -> Result<Option<Range<u64>>> {
    Err(ErrorKind::Unsupported.into())
}

/// A hint that nobody takes; see [`residency`].
#[expect(clippy::unnecessary_wraps, reason = "the signature is the same on every platform")]
pub(crate) fn evict(_file: &File, _range: &Range<u64>) -> Result<()> {
    Ok(())
}

/// What `mincore` says differs from system to system.
#[expect(clippy::unnecessary_wraps, reason = "the signature is the same on every platform")]
pub(crate) fn residency(_file: &File, _range: &Range<u64>) -> Result<Residency> {
    Ok(Residency::Unknown)
}

/// A hint that nobody takes.
#[expect(clippy::unnecessary_wraps, reason = "the signature is the same on every platform")]
pub(crate) fn advise_sequential(_file: &File) -> Result<()> {
    Ok(())
}

/// No call that all of them have.
pub(crate) fn boot_id() -> Option<String> {
    None
}
