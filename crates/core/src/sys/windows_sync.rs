//! How Windows makes things durable.

use std::ffi::c_void;
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, RtlNtStatusToDosError, STATUS_SUCCESS};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_BACKUP_SEMANTICS, GetVolumeInformationByHandleW};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::SystemServices::FLUSH_FLAGS_FILE_DATA_SYNC_ONLY;

use super::imp::options;
use super::windows_info::{check, with_kind};
use crate::io::SyncLevel;

/// A flush of the data and what is needed to retrieve it on NTFS, the only file system for which that is documented, and
/// of everything elsewhere.
pub(crate) fn sync_data(file: &File, level: SyncLevel) -> Result<()> {
    // Asked each time: it takes microseconds, a flush milliseconds.
    if is_ntfs(file) {
        match flush_data(file) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            done => return done,
        }
    }
    sync_all(file, level)
}

/// `NtFlushBuffersFileEx(FLUSH_FLAGS_FILE_DATA_SYNC_ONLY)`: "Only metadata that is necessary for data retrieval will
/// be flushed [..] The underlying storage is synchronized to flush its cache" (ntifs.h).
fn flush_data(file: &File) -> Result<()> {
    let Some(flush) = *FLUSH.get_or_init(find_flush) else { return Err(ErrorKind::Unsupported.into()) };
    let (handle, mut status) = (file.as_raw_handle(), IO_STATUS_BLOCK::default());
    // SAFETY: the handle is open, and for synchronous use, so that the status block, which is ours alone, is not
    // written to after the call; the flags take no parameters.
    let ret = unsafe { flush(handle, FLUSH_FLAGS_FILE_DATA_SYNC_ONLY, std::ptr::null(), 0, &raw mut status) };
    if ret == STATUS_SUCCESS {
        return Ok(());
    }
    // SAFETY: a conversion of numbers.
    let code = unsafe { RtlNtStatusToDosError(ret) };
    Err(with_kind(Error::from_raw_os_error(i32::try_from(code).unwrap_or(i32::MAX))))
}

type Flush = unsafe extern "system" fn(HANDLE, u32, *const c_void, u32, *mut IO_STATUS_BLOCK) -> NTSTATUS;

static FLUSH: OnceLock<Option<Flush>> = OnceLock::new();

/// Looked up rather than linked, because wine 8 lacks it and ends the process when a missing function is called.
fn find_flush() -> Option<Flush> {
    // SAFETY: the name ends in a zero. ntdll is part of every process and never unloaded.
    let ntdll = unsafe { GetModuleHandleW(windows_sys::w!("ntdll.dll")) };
    if ntdll.is_null() {
        return None;
    }
    // SAFETY: the module is loaded, and the name ends in a zero.
    let found = unsafe { GetProcAddress(ntdll, windows_sys::s!("NtFlushBuffersFileEx")) }?;
    // SAFETY: this is the function's signature in ntifs.h.
    Some(unsafe { std::mem::transmute::<unsafe extern "system" fn() -> isize, Flush>(found) })
}

/// `FlushFileBuffers`, which wants a file that is open for writing.
pub(crate) fn sync_all(file: &File, _level: SyncLevel) -> Result<()> {
    file.sync_all().map_err(with_kind)
}

/// `FlushFileBuffers` on the folder. NTFS keeps names in a journal of its own, and renames are written through, so
/// where a folder cannot be opened for writing or flushed there is nothing more to be done, and nothing to report.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    let refused = |error: &Error| matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported);
    if !fs::metadata(path)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let mut options = options();
    let flushed = match options.write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path) {
        Ok(folder) => folder.sync_all(),
        Err(error) => Err(error),
    };
    match flushed.map_err(with_kind) {
        Err(error) if refused(&error) => Ok(()),
        done => done,
    }
}

/// Whether the file lies on NTFS; no, where it cannot be told.
pub(super) fn is_ntfs(file: &File) -> bool {
    const LEN: u32 = 32;
    let mut name = [0_u16; 33];
    let (handle, null, none) = (file.as_raw_handle(), std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the handle is open; only the name of the file system is asked for, and its buffer is valid for writes of
    // the length given.
    let ret = unsafe { GetVolumeInformationByHandleW(handle, null, 0, none, none, none, name.as_mut_ptr(), LEN) };
    check(ret).is_ok() && name.into_iter().take_while(|unit| *unit != 0).eq("NTFS".encode_utf16())
}
