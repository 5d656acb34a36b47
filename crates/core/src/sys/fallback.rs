//! Unix systems other than Linux and macOS, with what POSIX and the BSDs have in common.

// POSIX has none of these, or not every system does what it says. `posix_fallocate` is left alone: OpenBSD has none,
// NetBSD's and ZFS's always fail, and some C libraries imitate it by writing a byte into every block, which races with
// other writers. What `mincore` says differs from system to system.
pub(crate) use super::missing::{
    advise_sequential, boot_id, evict, network, next_data, open_direct, reserve, residency, start_writeback,
    wait_writeback, write_direct, write_synced, zero_range,
};
use std::fs::File;
use std::io::Result;
use std::path::Path;

pub(crate) use super::unix::{
    allocated, create, host_name, is_plain_name, is_same_file, lock_error, open, open_lock, process_alive, read_at,
    remove_file, sync_dir, write_at, write_note,
};
use super::unix::{link_and_unlink, plain_sync};
use crate::io::SyncLevel;

/// `fsync`: not all of these systems have `fdatasync`.
pub(crate) fn sync_data(file: &File, _level: SyncLevel) -> Result<()> {
    plain_sync(file)
}

/// `fsync`.
pub(crate) fn sync_all(file: &File, _level: SyncLevel) -> Result<()> {
    plain_sync(file)
}

/// `link` and `unlink`: POSIX has no rename that does not replace.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<()> {
    link_and_unlink(from, to)
}
