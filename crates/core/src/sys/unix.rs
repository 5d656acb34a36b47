//! What Linux, macOS and the other Unix systems share.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::io::MAX_BUFFERS;

/// The result of a system call that returns -1 and sets errno.
pub(super) fn check(ret: libc::c_int) -> Result<()> {
    if ret == -1 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// The same for calls that return a count.
pub(super) fn check_count(ret: libc::ssize_t) -> Result<usize> {
    usize::try_from(ret).map_err(|_| Error::last_os_error())
}

/// An offset as the kernel takes it.
pub(super) fn offset(value: u64) -> Result<libc::off_t> {
    libc::off_t::try_from(value).map_err(|_| Error::new(ErrorKind::InvalidInput, "offset too large"))
}

/// A path as the kernel takes it.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn c_path(path: &Path) -> Result<std::ffi::CString> {
    std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "path contains a zero byte"))
}

/// Whether kernel or file system do not know the call at all. (`EOPNOTSUPP` and `ENOTSUP` are one number on Linux and
/// two on macOS.)
pub(super) fn is_unsupported(error: &Error) -> bool {
    let errno = error.raw_os_error();
    [libc::ENOSYS, libc::EOPNOTSUPP, libc::ENOTSUP].into_iter().any(|unsupported| errno == Some(unsupported))
}

/// The error with the kind that the seam asks for, which the standard library does not give to each of these errnos.
pub(super) fn with_kind(error: Error) -> Error {
    if is_unsupported(&error) { Error::new(ErrorKind::Unsupported, error) } else { error }
}

/// Opens a regular file. `O_NONBLOCK` so that a named pipe in its place cannot hang us; regular files ignore it.
pub(crate) fn open(path: &Path, read_only: bool) -> Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).write(!read_only).custom_flags(flags).open(path).map_err(not_regular)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

/// Creates a file that was not there.
pub(crate) fn create(path: &Path, mode: u32) -> Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens a lock file, or creates it with these permissions.
pub(crate) fn open_lock(path: &Path, create: Option<u32>) -> Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).truncate(false).custom_flags(flags);
    if let Some(mode) = create {
        options.create(true).mode(mode);
    }
    let file = options.open(path).map_err(not_regular)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

/// `ENOLCK` is what `flock` says on a network file system without a lock service: it has no locks.
pub(crate) fn lock_error(error: Error) -> Error {
    if error.raw_os_error() == Some(libc::ENOLCK) {
        Error::new(ErrorKind::Unsupported, error)
    } else {
        with_kind(error)
    }
}

/// Replaces the content of a small file.
pub(crate) fn write_note(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    std::io::Write::write_all(&mut options.open(path)?, content)
}

/// `open` with `O_NOFOLLOW` on a symbolic link is ELOOP (EMLINK on FreeBSD), and writing to a folder EISDIR: for the
/// caller both mean that there is no regular file.
fn not_regular(error: Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ELOOP | libc::EMLINK | libc::EISDIR | libc::ENXIO) => not_a_file(),
        _ => error,
    }
}

fn not_a_file() -> Error {
    Error::new(ErrorKind::InvalidInput, "not a regular file")
}

/// Whether `path` names the file that is open as `file`.
pub(crate) fn is_same_file(file: &File, path: &Path) -> Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(theirs) => Ok(ours.dev() == theirs.dev() && ours.ino() == theirs.ino() && !theirs.file_type().is_fifo()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The most bytes that one call is asked for. macOS refuses more than `INT_MAX` with EINVAL (man 2 readv); Linux cuts
/// off a little below by itself.
const MAX_BYTES: usize = 0x7fff_f000;

/// How many of the buffers fit into one call: none if the first one alone is too large. macOS also refuses a call
/// without buffers.
fn fitting(lens: impl Iterator<Item = usize>) -> usize {
    let mut room = MAX_BYTES;
    let fits = |len: usize| room.checked_sub(len).map(|rest| room = rest);
    lens.take(MAX_BUFFERS).map_while(fits).count()
}

/// `preadv`.
pub(crate) fn read_at(file: &File, buffers: &mut [IoSliceMut<'_>], at: u64) -> Result<usize> {
    let offset = offset(at)?;
    // A call that only gets empty buffers returns 0, which would pass for the end of the file.
    let start = buffers.iter().take_while(|buffer| buffer.is_empty()).count();
    let buffers = buffers.get_mut(start..).unwrap_or_default();
    let count = fitting(buffers.iter().map(|buffer| buffer.len()));
    if count == 0 {
        // The standard library caps the length of a single buffer by itself.
        return buffers.first_mut().map_or(Ok(0), |buffer| file.read_at(buffer, at));
    }
    let count = libc::c_int::try_from(count).unwrap_or(libc::c_int::MAX);
    // SAFETY: IoSliceMut is guaranteed to be ABI-compatible with iovec; the slice holds at least `count` of them, each
    // describing memory that is borrowed mutably for the duration of the call.
    check_count(unsafe { libc::preadv(file.as_raw_fd(), buffers.as_mut_ptr().cast(), count, offset) })
}

/// `pwritev`.
pub(crate) fn write_at(file: &File, buffers: &[IoSlice<'_>], at: u64) -> Result<usize> {
    let offset = offset(at)?;
    let start = buffers.iter().take_while(|buffer| buffer.is_empty()).count();
    let buffers = buffers.get(start..).unwrap_or_default();
    let count = fitting(buffers.iter().map(|buffer| buffer.len()));
    if count == 0 {
        return buffers.first().map_or(Ok(0), |buffer| file.write_at(buffer, at));
    }
    let count = libc::c_int::try_from(count).unwrap_or(libc::c_int::MAX);
    // SAFETY: IoSlice is guaranteed to be ABI-compatible with iovec; the slice holds at least `count` of them, each
    // describing memory that is borrowed for the duration of the call.
    check_count(unsafe { libc::pwritev(file.as_raw_fd(), buffers.as_ptr().cast(), count, offset) })
}

/// `unlink`: open files go on without a name.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    std::fs::remove_file(path)
}

/// `fsync`, once: the standard library's makes the call again when it was interrupted, and the first call may have used
/// up the report of a failed writeback. On macOS its `sync_all` is `F_FULLFSYNC` besides.
pub(super) fn plain_sync(file: &File) -> Result<()> {
    // SAFETY: fsync has no memory arguments.
    check(unsafe { libc::fsync(file.as_raw_fd()) })
}

/// `fsync` of a folder, opened anew: the engine holds no folder open, so that one that was moved away is noticed.
#[cfg(not(target_os = "macos"))]
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    plain_sync(&open_dir(path)?)
}

/// Opens a folder, and nothing else.
pub(super) fn open_dir(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)
}

fn are_one_file(left: &Path, right: &Path) -> bool {
    let identity = |path: &Path| std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()));
    identity(left).is_ok_and(|left| identity(right).is_ok_and(|right| left == right))
}

/// Gives a file a second name and takes the first one away: like a rename it does not replace, but a crash in between
/// leaves both names. Tried again it takes the first one away. For where there is no such rename.
pub(super) fn link_and_unlink(from: &Path, to: &Path) -> Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && are_one_file(from, to) => {}
        // "The filesystem does not support the creation of hard links" (man 2 link).
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            return Err(Error::new(ErrorKind::Unsupported, error));
        }
        done => done.map_err(with_kind)?,
    }
    std::fs::remove_file(from).inspect_err(|_| {
        // Nothing was renamed, says the error, so the new name is taken back; never if it is the only one left.
        if std::fs::symlink_metadata(from).is_ok() {
            let _ = std::fs::remove_file(to);
        }
    })
}

/// `lseek(SEEK_DATA)` and `lseek(SEEK_HOLE)`: reserved but never written space counts as a hole where the file system
/// can tell it apart. Moves the file position, which nothing here uses.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(crate) fn next_data(file: &File, at: u64) -> Result<Option<std::ops::Range<u64>>> {
    let start = match seek(file, at, libc::SEEK_DATA) {
        Ok(start) => start,
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(None),
        // Not known to the kernel, or to the file system.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => {
            return Err(Error::new(ErrorKind::Unsupported, error));
        }
        Err(error) => return Err(with_kind(error)),
    };
    Ok(Some(start..seek(file, start, libc::SEEK_HOLE)?))
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn seek(file: &File, at: u64, whence: libc::c_int) -> Result<u64> {
    let at = offset(at)?;
    // SAFETY: lseek has no memory arguments.
    let ret = unsafe { libc::lseek(file.as_raw_fd(), at, whence) };
    u64::try_from(ret).map_err(|_| Error::last_os_error())
}

/// Bytes on disk; `st_blocks` counts 512-byte units whatever the block size (POSIX leaves it open, all of ours do so).
pub(crate) fn allocated(file: &File) -> Result<Option<u64>> {
    Ok(file.metadata()?.blocks().checked_mul(512))
}

/// `kill` with signal 0 asks and sends nothing; EPERM means that the process is somebody else's, and alive.
pub(crate) fn process_alive(pid: u32) -> Option<bool> {
    let pid = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0)?;
    // SAFETY: kill has no memory arguments.
    match check(unsafe { libc::kill(pid, 0) }) {
        Ok(()) => Some(true),
        Err(error) => Some(error.raw_os_error() == Some(libc::EPERM)),
    }
}

/// `gethostname`.
pub(crate) fn host_name() -> Option<String> {
    const LEN: usize = 255;
    let mut buffer = [0_u8; LEN + 1];
    // SAFETY: the buffer is valid for writes of the length given; the byte behind it stays zero.
    check(unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), LEN) }).ok()?;
    let name = CStr::from_bytes_until_nul(&buffer).ok()?.to_str().ok()?;
    Some(name.to_owned())
}

/// How much of a range is in the page cache, by `mincore` over a mapping through which nothing is ever read or written,
/// so that neither a truncated file nor a bad disk can raise SIGBUS. (Without `PROT_READ`, qemu-user's mincore fails.)
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn resident_bytes(file: &File, range: &std::ops::Range<u64>) -> Result<u64> {
    const WINDOW: u64 = 1 << 30;
    let page = page_size();
    let size = file.metadata()?.len().min(range.end);
    let mut at = range.start & !page.saturating_sub(1);
    let mut resident = 0_u64;
    while at < size {
        let len = size.saturating_sub(at).min(WINDOW);
        resident = resident.saturating_add(resident_pages(file, at, len, page)?.saturating_mul(page));
        at = at.saturating_add(len);
    }
    Ok(resident)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn page_size() -> u64 {
    // SAFETY: sysconf has no memory arguments.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn resident_pages(file: &File, at: u64, len: u64, page: u64) -> Result<u64> {
    let too_large = |_| Error::new(ErrorKind::InvalidInput, "range too large");
    let len_bytes = usize::try_from(len).map_err(too_large)?;
    let mut pages = vec![0_u8; usize::try_from(len.div_ceil(page)).map_err(too_large)?];
    let (at, fd) = (offset(at)?, file.as_raw_fd());
    // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
    let map = unsafe { libc::mmap(std::ptr::null_mut(), len_bytes, libc::PROT_READ, libc::MAP_SHARED, fd, at) };
    if map == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    // SAFETY: the mapping covers `len` bytes, and `pages` has one byte for each page of it.
    let result = check(unsafe { libc::mincore(map, len_bytes, pages.as_mut_ptr().cast()) });
    // SAFETY: this is the mapping made above, of that length, and nothing points into it.
    let unmapped = check(unsafe { libc::munmap(map, len_bytes) });
    result?;
    unmapped?;
    Ok(pages.iter().map(|flags| u64::from(flags & 1)).sum())
}

/// Whether the system takes this for a plain file name. Whatever is one path component is.
pub(crate) fn is_plain_name(_name: &str) -> bool {
    true
}
