//! macOS 11 and later. Written from the manual pages; see `docs/durability.md` for what has been run.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::Path;

// No call writes and syncs just what it wrote; nothing starts or awaits writeback; `F_PUNCHHOLE` gives the space back,
// which the contract forbids; and no call drops clean pages of an open file: `F_NOCACHE` is about later reads and
// writes, and only advice for those, `msync(MS_INVALIDATE)` about one mapping.
pub(crate) use super::missing::{
    evict, open_direct, start_writeback, wait_writeback, write_direct, write_synced, zero_range,
};
pub(crate) use super::unix::{
    allocated, create, host_name, is_plain_name, is_same_file, lock_error, next_data, open, open_lock, process_alive,
    read_at, remove_file, write_at, write_note,
};
use super::unix::{c_path, check, is_unsupported, link_and_unlink, offset, open_dir, plain_sync, resident_bytes};
use crate::io::{Residency, SyncLevel};

/// `fcntl(F_FULLFSYNC)`: "does the same thing as fsync(2) then asks the drive to flush all buffered data to the
/// permanent storage device" (man 2 fcntl). `fsync` alone leaves the bytes in the drive's cache (man 2 fsync).
pub(crate) fn sync_all(file: &File, level: SyncLevel) -> Result<()> {
    match full_sync(file) {
        Err(error) if error.kind() == ErrorKind::Unsupported && level == SyncLevel::BestEffort => plain_sync(file),
        done => done,
    }
}

/// The same: there is no full sync that leaves metadata out.
pub(crate) fn sync_data(file: &File, level: SyncLevel) -> Result<()> {
    sync_all(file, level)
}

fn full_sync(file: &File) -> Result<()> {
    // SAFETY: F_FULLFSYNC takes no third argument.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_FULLFSYNC) }).map_err(unsupported)
}

/// The errnos by which drivers of volumes say that they lack a call, told apart from failures of it.
fn unsupported(error: Error) -> Error {
    let lacking = matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL));
    if lacking || is_unsupported(&error) { Error::new(ErrorKind::Unsupported, error) } else { error }
}

/// A full sync of the folder. Where the volume lacks it, `fsync`: at `SyncLevel::Full` the sync of every file on that
/// volume fails already, so that nobody takes this for more than it is.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    sync_all(&open_dir(path)?, SyncLevel::BestEffort)
}

/// `renamex_np(RENAME_EXCL)`, which APFS and HFS+ have; `link` and `unlink` elsewhere.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<()> {
    let (from_c, to_c) = (c_path(from)?, c_path(to)?);
    // SAFETY: both pointers are to strings that end in a zero byte and outlive the call.
    let ret = unsafe { libc::renamex_np(from_c.as_ptr(), to_c.as_ptr(), libc::RENAME_EXCL) };
    match check(ret).map_err(unsupported) {
        Err(error) if error.kind() == ErrorKind::Unsupported => link_and_unlink(from, to),
        done => done,
    }
}

/// `fcntl(F_PREALLOCATE)`, all or nothing, and `ftruncate`, which fixes the length without giving the space back.
pub(crate) fn reserve(file: &File, len: u64) -> Result<()> {
    let size = file.metadata()?.len();
    let allocated = allocated(file)?.unwrap_or(0);
    if allocated < size {
        // Space can only be added behind the physical end of the file, so a hole before it stays a hole.
        return Err(ErrorKind::Unsupported.into());
    }
    let missing = len.saturating_sub(allocated);
    if missing > 0 {
        // With F_PEOFPOSMODE, fst_length is "the number of newly allocated bytes desired" (man 2 fcntl).
        let mut request = libc::fstore_t {
            fst_flags: libc::F_ALLOCATEALL,
            fst_posmode: libc::F_PEOFPOSMODE,
            fst_offset: 0,
            fst_length: offset(missing)?,
            fst_bytesalloc: 0,
        };
        // SAFETY: F_PREALLOCATE takes a pointer to an fstore_t, which is ours alone.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut request) }).map_err(unsupported)?;
    }
    if size < len { file.set_len(len) } else { Ok(()) }
}

/// `mincore`.
pub(crate) fn residency(file: &File, range: &Range<u64>) -> Result<Residency> {
    resident_bytes(file, range).map(Residency::Bytes)
}

/// `fcntl(F_RDAHEAD)`.
pub(crate) fn advise_sequential(file: &File) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: F_RDAHEAD takes an int.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_RDAHEAD, on) }).map_err(unsupported)
}

/// `kern.bootsessionuuid`, made up anew at every boot.
pub(crate) fn boot_id() -> Option<String> {
    let mut buffer = [0_u8; 64];
    // The byte behind the given length stays zero.
    let mut len = buffer.len().checked_sub(1)?;
    let (name, value) = (c"kern.bootsessionuuid".as_ptr(), buffer.as_mut_ptr().cast());
    // SAFETY: the name ends in a zero byte; the buffer is valid for writes of `len` bytes, and `len` is ours alone; no
    // new value is given.
    let ret = unsafe { libc::sysctlbyname(name, value, &raw mut len, std::ptr::null_mut(), 0) };
    check(ret).ok()?;
    let id = CStr::from_bytes_until_nul(&buffer).ok()?.to_str().ok()?;
    Some(id.to_owned())
}

/// By `MNT_LOCAL`, "the file system is stored locally" (man 2 statfs).
pub(crate) fn network(path: &Path) -> Option<String> {
    let path = c_path(path).ok()?;
    // SAFETY: statfs is plain data, for which all zeros are a valid value.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends in a zero byte, and the other pointer is to a statfs that is ours alone.
    check(unsafe { libc::statfs(path.as_ptr(), &raw mut stat) }).ok()?;
    if stat.f_flags & libc::MNT_LOCAL.cast_unsigned() != 0 {
        return None;
    }
    // SAFETY: the name ends in a zero byte: the system wrote it, and what it did not write is zero.
    let name = unsafe { CStr::from_ptr(stat.f_fstypename.as_ptr()) };
    Some(name.to_string_lossy().into_owned())
}
