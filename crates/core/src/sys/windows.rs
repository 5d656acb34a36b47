//! Windows 10 and later, as the Rust standard library itself requires. What NTFS does is meant throughout; other file
//! systems do less, see `docs/durability.md`.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ALLOCATION_INFO, FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_SPARSE_FILE, FILE_DISPOSITION_FLAG_DELETE, FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE,
    FILE_DISPOSITION_FLAG_POSIX_SEMANTICS, FILE_DISPOSITION_INFO_EX, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_INFO_BY_HANDLE_CLASS, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_TYPE_DISK, FileAllocationInfo, FileDispositionInfoEx, GetFileType, MOVEFILE_WRITE_THROUGH,
    MoveFileExW, SetFileInformationByHandle,
};

// `FILE_FLAG_WRITE_THROUGH` is said at open, and for good, as is `FILE_FLAG_SEQUENTIAL_SCAN`; `FSCTL_SET_ZERO_DATA`
// writes the zeros out, unless the file is sparse, where it gives the space back; `FSCTL_QUERY_ALLOCATED_RANGES` does not
// tell what was written from what is only reserved; nothing drops pages or tells of them; `FILE_FLAG_NO_BUFFERING`
// beside a handle with buffering is not kept coherent in all cases, says the page of `CreateFile`. It documents no boot id,
// and the time of the boot, counted back from a clock that may jump, is none.
pub(crate) use super::missing::{
    advise_sequential, boot_id, evict, next_data, open_direct, residency, start_writeback, wait_writeback,
    write_direct, write_synced, zero_range,
};
pub(crate) use super::windows_info::{
    allocated, host_name, is_same_file, network, process_alive, with_kind as lock_error,
};
use super::windows_info::{check, size_of_u32, with_kind};
pub(crate) use super::windows_sync::{sync_all, sync_data, sync_dir};
use crate::io::MAX_BUFFERS;

/// For opening what lies at a path itself, not what a symbolic link there leads to, and without keeping others from
/// renaming or removing it meanwhile.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// Opens a regular file.
pub(crate) fn open(path: &Path, read_only: bool) -> Result<File> {
    regular(options().read(true).write(!read_only).open(path), path)
}

/// Creates a file that was not there.
pub(crate) fn create(path: &Path, _mode: u32) -> Result<File> {
    options().read(true).write(true).create_new(true).open(path).map_err(with_kind)
}

/// Opens a lock file, or creates it. Whoever holds the lock may remove the file, since all its handles share deletion.
pub(crate) fn open_lock(path: &Path, create: Option<u32>) -> Result<File> {
    let mut options = options();
    options.read(true).write(true).create(create.is_some()).truncate(false);
    regular(options.open(path), path)
}

/// Replaces the content of a small file. Cut off after opening: a reparse point cannot be opened for truncation (the
/// two flags exclude each other, says the page of `CreateFileW`).
pub(crate) fn write_note(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let mut file = open_lock(path, Some(mode))?;
    file.set_len(0)?;
    file.write_all(content).map_err(with_kind)
}

/// Refuses everything but regular files. Reparse points are links and mount points, but also files whose content is
/// elsewhere (deduplicated, in a cloud), which this way of opening would not read.
fn regular(opened: Result<File>, path: &Path) -> Result<File> {
    let irregular = || Error::new(ErrorKind::InvalidInput, "not a regular file");
    let file = opened.map_err(|error| {
        // Opening a folder as a file is "access denied".
        let folder = || fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
        if error.kind() == ErrorKind::PermissionDenied && folder() { irregular() } else { with_kind(error) }
    })?;
    // SAFETY: the handle is open.
    if unsafe { GetFileType(file.as_raw_handle()) } != FILE_TYPE_DISK {
        return Err(irregular());
    }
    let attributes = file.metadata()?.file_attributes();
    if attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT) == 0 {
        Ok(file)
    } else {
        Err(irregular())
    }
}

/// `ReadFile` at an offset, buffer by buffer: Windows scatters into whole pages of uncached files only.
pub(crate) fn read_at(file: &File, buffers: &mut [IoSliceMut<'_>], at: u64) -> Result<usize> {
    let lens = buffers.iter_mut().take(MAX_BUFFERS);
    one_by_one(lens, at, |buffer| buffer.len(), |buffer, at| file.seek_read(buffer, at))
}

/// `WriteFile` at an offset, buffer by buffer.
pub(crate) fn write_at(file: &File, buffers: &[IoSlice<'_>], at: u64) -> Result<usize> {
    let lens = buffers.iter().take(MAX_BUFFERS);
    one_by_one(lens, at, |buffer| buffer.len(), |buffer, at| file.seek_write(buffer, at))
}

/// Goes on until a call is short. An error after the first buffer is left for the next call to meet, since what was
/// done before it has to be reported.
fn one_by_one<B>(
    buffers: impl Iterator<Item = B>,
    at: u64,
    len: impl Fn(&B) -> usize,
    mut call: impl FnMut(B, u64) -> Result<usize>,
) -> Result<usize> {
    let too_large = || Error::new(ErrorKind::InvalidInput, "offset too large");
    let mut done = 0_usize;
    for buffer in buffers {
        let len = len(&buffer);
        if len == 0 {
            continue;
        }
        // An offset of all ones would mean the end of the file.
        let at = u64::try_from(done).ok().and_then(|done| at.checked_add(done)).ok_or_else(too_large)?;
        i64::try_from(at).map_err(|_| too_large())?;
        let count = match call(buffer, at) {
            Ok(count) => count,
            Err(error) if done == 0 => return Err(with_kind(error)),
            Err(_) => break,
        };
        done = done.saturating_add(count);
        if count < len {
            break;
        }
    }
    Ok(done)
}

/// `MoveFileExW` without leave to replace or copy, which "does not return until the file is actually moved on the
/// disk".
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (wide(from)?, wide(to)?);
    // SAFETY: both pointers are to strings that end in a zero and outlive the call.
    check(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) })
}

/// Removes a file or link so that its name is free at once, whoever has it open (`FILE_DISPOSITION_POSIX_SEMANTICS`,
/// on NTFS). Elsewhere the name stays taken until the last handle is closed.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    let mut options = options();
    let flags = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
    let file = options.access_mode(DELETE | FILE_READ_ATTRIBUTES).custom_flags(flags).open(path).map_err(with_kind)?;
    let attributes = file.metadata()?.file_attributes();
    if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 && attributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        return Err(ErrorKind::IsADirectory.into());
    }
    let flags = FILE_DISPOSITION_FLAG_DELETE
        | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
        | FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE;
    // SAFETY: the structure of this class.
    match unsafe { set_info(&file, FileDispositionInfoEx, &FILE_DISPOSITION_INFO_EX { Flags: flags }) } {
        // Among others "invalid parameter", from file systems that do not know the class.
        Err(_) => {
            drop(file);
            fs::remove_file(path).map_err(with_kind)
        }
        Ok(()) => Ok(()),
    }
}

/// A path as the system takes it: as it is, so that the `\\?\` of a canonical one lifts the limit on its length.
pub(super) fn wide(path: &Path) -> Result<Vec<u16>> {
    let mut wide: Vec<u16> = path.as_os_str().encode_wide().collect();
    if wide.contains(&0) {
        return Err(Error::new(ErrorKind::InvalidInput, "path contains a zero character"));
    }
    wide.push(0);
    Ok(wide)
}

/// `FileAllocationInfo`, then the length. Not for compressed and sparse files, whose allocation says nothing of what
/// a later write needs.
pub(crate) fn reserve(file: &File, len: u64) -> Result<()> {
    let metadata = file.metadata()?;
    if metadata.file_attributes() & (FILE_ATTRIBUTE_COMPRESSED | FILE_ATTRIBUTE_SPARSE_FILE) != 0 {
        return Err(ErrorKind::Unsupported.into());
    }
    let size = metadata.len();
    // An allocation below the length would cut the file off.
    let bytes = i64::try_from(len.max(size)).map_err(|_| Error::new(ErrorKind::InvalidInput, "length too large"))?;
    let info = FILE_ALLOCATION_INFO { AllocationSize: bytes };
    // SAFETY: the structure of this class.
    unsafe { set_info(file, FileAllocationInfo, &info) }?;
    if size < len { file.set_len(len).map_err(with_kind) } else { Ok(()) }
}

/// # Safety
///
/// `T` is the plain-data structure that belongs to `class`.
unsafe fn set_info<T>(file: &File, class: FILE_INFO_BY_HANDLE_CLASS, info: &T) -> Result<()> {
    let (handle, pointer) = (file.as_raw_handle(), (&raw const *info).cast());
    // SAFETY: the handle is open, and the pointer to a structure of the class (by the caller's word) and size given.
    check(unsafe { SetFileInformationByHandle(handle, class, pointer, size_of_u32::<T>()) })
}

/// Whether the system takes this for a plain file name: a colon would name a stream of another file, and a trailing dot
/// or space is dropped, so that two names would be one file ("Naming Files, Paths, and Namespaces").
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.contains(['<', '>', ':', '"', '|', '?', '*'])
        && !name.ends_with(['.', ' '])
        && !name.contains(char::is_control)
}
