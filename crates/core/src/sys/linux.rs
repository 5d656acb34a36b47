//! Linux, with glibc or musl. Calls newer than glibc 2.17 go through `syscall`, so that the binary loads there.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

pub(crate) use super::unix::{
    allocated, create, host_name, is_plain_name, is_same_file, lock_error, next_data, open, open_lock, process_alive,
    read_at, remove_file, sync_dir, write_at, write_note,
};
use super::unix::{
    c_path, check, check_count, is_unsupported, link_and_unlink, offset, plain_sync, resident_bytes, with_kind,
};
use crate::io::{Durability, MAX_BUFFERS, Residency, SyncLevel};

/// `pwritev2` with `RWF_DSYNC`: one call for the write and the sync of just that range (man 2 pwritev2, "the effect of
/// the `O_DSYNC` flag"). Fails with `EOPNOTSUPP` or `ENOSYS`, both `Unsupported`, where file system or kernel lack it.
pub(crate) fn write_synced(file: &File, buffers: &[IoSlice<'_>], at: u64) -> Result<usize> {
    let count = buffers.len().min(MAX_BUFFERS);
    let at = offset(at)?;
    // SAFETY: IoSlice is guaranteed to be ABI-compatible with iovec; the slice holds at least `count` of them, each
    // describing memory that is borrowed for the duration of the call. The arguments are those of the kernel's
    // pwritev2: fd, iov, iovcnt, low and high half of the offset (the low one holds it all on 64 bits), flags.
    let ret = unsafe {
        libc::syscall(libc::SYS_pwritev2, file.as_raw_fd(), buffers.as_ptr(), count, at, 0_usize, libc::RWF_DSYNC)
    };
    check_count(libc::ssize_t::try_from(ret).unwrap_or(-1)).map_err(with_kind)
}

/// The file once more, with `O_DIRECT`. By the link that `/proc` has for the descriptor, not by its path, where another
/// file may lie by now; compared all the same, for nobody knows what is mounted there.
pub(crate) fn open_direct(file: &File) -> Result<File> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let direct = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT | libc::O_NONBLOCK).open(link)?;
    let (ours, theirs) = (file.metadata()?, direct.metadata()?);
    if (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()) { Ok(direct) } else { Err(ErrorKind::NotFound.into()) }
}

/// `pwrite` or, synced, `pwritev2` with `RWF_DSYNC`, with a descriptor of [`open_direct`]. `EINVAL` is what a file system
/// says that wants another alignment, or nothing of the kind ("man 2 open", `O_DIRECT`).
pub(crate) fn write_direct(file: &File, bytes: &[u8], at: u64, durability: Durability) -> Result<usize> {
    let written = match durability {
        Durability::Cached => file.write_at(bytes, at),
        Durability::Synced => write_synced(file, &[IoSlice::new(bytes)], at),
    };
    written.map_err(|error| {
        if error.raw_os_error() == Some(libc::EINVAL) { Error::new(ErrorKind::Unsupported, error) } else { error }
    })
}

/// `fdatasync`, once: the standard library's makes the call again when it was interrupted, and the first call may have
/// used up the report of a failed writeback.
pub(crate) fn sync_data(file: &File, _level: SyncLevel) -> Result<()> {
    // SAFETY: fdatasync has no memory arguments.
    check(unsafe { libc::fdatasync(file.as_raw_fd()) })
}

/// `fsync`.
pub(crate) fn sync_all(file: &File, _level: SyncLevel) -> Result<()> {
    plain_sync(file)
}

/// `sync_file_range(SYNC_FILE_RANGE_WRITE)`.
pub(crate) fn start_writeback(file: &File, range: &Range<u64>) -> Result<()> {
    sync_file_range(file, range, libc::SYNC_FILE_RANGE_WRITE)
}

/// `sync_file_range` with all three flags.
pub(crate) fn wait_writeback(file: &File, range: &Range<u64>) -> Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_file_range(file, range, flags)
}

fn sync_file_range(file: &File, range: &Range<u64>, flags: libc::c_uint) -> Result<()> {
    let (at, len) = (offset(range.start)?, offset(range.end.saturating_sub(range.start))?);
    // SAFETY: sync_file_range has no memory arguments.
    match check(unsafe { libc::sync_file_range(file.as_raw_fd(), at, len, flags) }) {
        // A hint that nobody takes. An EIO, however, is a failed writeback whose report is now used up.
        Err(error) if is_unsupported(&error) => Ok(()),
        done => done,
    }
}

/// `renameat2(RENAME_NOREPLACE)`; where the file system lacks it, `link` and `unlink`, which does not replace either.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<()> {
    let (from_c, to_c) = (c_path(from)?, c_path(to)?);
    // SAFETY: both pointers are to strings that end in a zero byte and outlive the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from_c.as_ptr(),
            libc::AT_FDCWD,
            to_c.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    match check(libc::c_int::try_from(ret).unwrap_or(-1)) {
        Err(error) if is_unsupported(&error) || error.raw_os_error() == Some(libc::EINVAL) => link_and_unlink(from, to),
        done => done,
    }
}

/// `fallocate`, which also extends the file.
pub(crate) fn reserve(file: &File, len: u64) -> Result<()> {
    fallocate(file, 0, &(0..len))
}

/// `fallocate(FALLOC_FL_ZERO_RANGE)`.
pub(crate) fn zero_range(file: &File, range: &Range<u64>) -> Result<()> {
    fallocate(file, libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE, range)
}

fn fallocate(file: &File, mode: libc::c_int, range: &Range<u64>) -> Result<()> {
    let (at, len) = (offset(range.start)?, offset(range.end.saturating_sub(range.start))?);
    if len == 0 {
        // The kernel refuses an empty range with EINVAL.
        return Ok(());
    }
    // SAFETY: fallocate has no memory arguments.
    check(unsafe { libc::fallocate(file.as_raw_fd(), mode, at, len) }).map_err(with_kind)
}

/// `posix_fadvise(POSIX_FADV_DONTNEED)`.
pub(crate) fn evict(file: &File, range: &Range<u64>) -> Result<()> {
    advise(file, range, libc::POSIX_FADV_DONTNEED)
}

/// `posix_fadvise(POSIX_FADV_SEQUENTIAL)`: doubles the readahead.
pub(crate) fn advise_sequential(file: &File) -> Result<()> {
    advise(file, &(0..0), libc::POSIX_FADV_SEQUENTIAL)
}

/// The fourth argument is a length, not an end; 0 means up to the end of the file.
fn advise(file: &File, range: &Range<u64>, advice: libc::c_int) -> Result<()> {
    let (at, len) = (offset(range.start)?, offset(range.end.saturating_sub(range.start))?);
    // SAFETY: posix_fadvise has no memory arguments.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), at, len, advice) } {
        0 => Ok(()),
        errno => Err(Error::from_raw_os_error(errno)),
    }
}

/// `mincore`; file systems without a disk are told by their magic (man 2 statfs).
pub(crate) fn residency(file: &File, range: &Range<u64>) -> Result<Residency> {
    const RAMFS: i128 = 0x8584_58f6;
    const TMPFS: i128 = 0x0102_1994;
    // SAFETY: statfs is plain data, for which all zeros are a valid value.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a statfs that is ours alone.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut stat) })?;
    // Signed with glibc, unsigned with musl: i128 holds either.
    if matches!(i128::from(stat.f_type), RAMFS | TMPFS) {
        return Ok(Residency::InMemory);
    }
    resident_bytes(file, range).map(Residency::Bytes)
}

/// By its magic (man 2 statfs). FUSE is not among them: what is behind it may be a disk (ntfs-3g), a share (sshfs) or the
/// disk of a virtual machine's host (virtiofs), and the kernel does not say which. Nor is 9p, by which gVisor and WSL show
/// a guest all of its files.
pub(crate) fn network(path: &Path) -> Option<String> {
    const NETWORK: [(i128, &str); 10] = [
        (0x6969, "nfs"),
        (0x517b, "smb"),
        (0xff53_4d42, "cifs"),
        (0xfe53_4d42, "smb2"),
        (0x5346_414f, "afs"),
        (0x6b41_4653, "afs"),
        (0x7375_7245, "coda"),
        (0x564c, "ncp"),
        (0x00c3_6400, "ceph"),
        (0x0bd0_0bd0, "lustre"),
    ];
    let path = c_path(path).ok()?;
    // SAFETY: statfs is plain data, for which all zeros are a valid value.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends in a zero byte, and the other pointer is to a statfs that is ours alone.
    check(unsafe { libc::statfs(path.as_ptr(), &raw mut stat) }).ok()?;
    // 32 bits are meant, whatever the type: glibc's is signed.
    let magic = i128::from(stat.f_type) & 0xffff_ffff;
    NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, name)| (*name).to_owned())
}

/// What the kernel makes up anew at every boot.
pub(crate) fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel or emulator without `pwritev2` answers `ENOSYS`, a file system without the flag `EOPNOTSUPP`: the
    /// engine takes its fallback for either, and must find nothing written.
    #[test]
    fn a_synced_write_is_done_or_unsupported() {
        let file = tempfile::tempfile().unwrap();
        let parts = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        match write_synced(&file, &parts, 2) {
            Ok(written) => {
                assert_eq!(written, 8);
                assert_eq!(std::io::read_to_string(&file).unwrap(), "\0\0headbody");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert_eq!(file.metadata().unwrap().len(), 0);
            }
        }
    }

    #[test]
    fn the_file_systems_of_this_machine_are_local() {
        for path in ["/", "/proc", "/nowhere/at/all"] {
            assert_eq!(network(Path::new(path)), None);
        }
    }

    #[test]
    fn a_call_that_is_missing_is_told_from_one_that_failed() {
        for errno in [libc::ENOSYS, libc::EOPNOTSUPP, libc::ENOTSUP] {
            let error = with_kind(Error::from_raw_os_error(errno));
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
        for errno in [libc::EIO, libc::EINVAL, libc::EPERM, libc::ENOSPC, libc::EINTR] {
            let error = with_kind(Error::from_raw_os_error(errno));
            assert_eq!(error.raw_os_error(), Some(errno));
        }
    }
}
