//! What Windows tells of errors, files, volumes and processes.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_DISK_FULL, ERROR_DISK_QUOTA_EXCEEDED, ERROR_HANDLE_DISK_FULL,
    ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_ID_INFO,
    FILE_INFO_BY_HANDLE_CLASS, FILE_READ_ATTRIBUTES, FILE_STANDARD_INFO, FileIdInfo, FileStandardInfo, GetDriveTypeW,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetVolumePathNameW,
};
use windows_sys::Win32::System::SystemInformation::{ComputerNameDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::Threading::{
    GetProcessId, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};
use windows_sys::core::BOOL;

use super::imp::wide;

/// The result of a call that returns FALSE and sets the thread's last error.
pub(super) fn check(ret: BOOL) -> Result<()> {
    if ret == 0 { Err(with_kind(Error::last_os_error())) } else { Ok(()) }
}

/// The error with the kind that the seam asks for, where the standard library may give it another one.
pub(crate) fn with_kind(error: Error) -> Error {
    let kind = match code(&error) {
        // The answers of drivers, network shares and emulators that lack a call.
        Some(ERROR_CALL_NOT_IMPLEMENTED | ERROR_INVALID_FUNCTION | ERROR_NOT_SUPPORTED) => ErrorKind::Unsupported,
        Some(ERROR_DISK_FULL | ERROR_HANDLE_DISK_FULL) => ErrorKind::StorageFull,
        Some(ERROR_DISK_QUOTA_EXCEEDED) => ErrorKind::QuotaExceeded,
        _ => return error,
    };
    Error::new(kind, error)
}

fn code(error: &Error) -> Option<u32> {
    error.raw_os_error().and_then(|code| u32::try_from(code).ok())
}

/// The size of a structure as the system takes it.
pub(super) fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

/// # Safety
///
/// `T` is the plain-data structure that belongs to `class`.
unsafe fn query<T: Default>(file: &File, class: FILE_INFO_BY_HANDLE_CLASS) -> Result<T> {
    let mut info = T::default();
    let (handle, pointer) = (file.as_raw_handle(), (&raw mut info).cast());
    // SAFETY: the handle is open, and the pointer to a structure of the class (by the caller's word) and size given.
    check(unsafe { GetFileInformationByHandleEx(handle, class, pointer, size_of_u32::<T>()) })?;
    Ok(info)
}

fn standard_info(file: &File) -> Result<FILE_STANDARD_INFO> {
    // SAFETY: the structure of this class.
    unsafe { query(file, FileStandardInfo) }
}

/// The allocation, which is in whole clusters.
pub(crate) fn allocated(file: &File) -> Result<Option<u64>> {
    Ok(u64::try_from(standard_info(file)?.AllocationSize).ok())
}

/// Whether `path` names the file that is open as `file`. A file that is going to be removed as soon as its handles are
/// closed has lost its name already, though nobody else can take it yet.
pub(crate) fn is_same_file(file: &File, path: &Path) -> Result<bool> {
    if standard_info(file).is_ok_and(|info| info.DeletePending) {
        return Ok(false);
    }
    let mut options = super::imp::options();
    let flags = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
    match options.access_mode(FILE_READ_ATTRIBUTES).custom_flags(flags).open(path) {
        Ok(other) => Ok(FileId::of(file)? == FileId::of(&other)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(with_kind(error)),
    }
}

/// Volume and file. On `ReFS` the short form "is not guaranteed to be unique" (`BY_HANDLE_FILE_INFORMATION`), so the
/// long one is preferred where there is one.
enum FileId {
    Long(u64, [u8; 16]),
    Short(u32, u32, u32),
}

impl PartialEq for FileId {
    fn eq(&self, other: &Self) -> bool {
        // Wine forgets the serial number of the volume when an open file is renamed, and answers 0.
        fn volume<T: PartialEq + Default>(a: &T, b: &T) -> bool {
            a == b || [a, b].contains(&&T::default())
        }
        match (self, other) {
            (Self::Long(a, file), Self::Long(b, of_other)) => volume(a, b) && file == of_other,
            (Self::Short(a, high, low), Self::Short(b, of_high, of_low)) => {
                volume(a, b) && (high, low) == (of_high, of_low)
            }
            _ => false,
        }
    }
}

impl FileId {
    fn of(file: &File) -> Result<Self> {
        // SAFETY: the structure of this class.
        match unsafe { query::<FILE_ID_INFO>(file, FileIdInfo) } {
            Ok(id) => return Ok(Self::Long(id.VolumeSerialNumber, id.FileId.Identifier)),
            // FAT answers "invalid parameter".
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            Err(error) if code(&error) == Some(ERROR_INVALID_PARAMETER) => {}
            Err(error) => return Err(error),
        }
        let mut info = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: the handle is open, and the structure ours alone.
        check(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut info) })?;
        Ok(Self::Short(info.dwVolumeSerialNumber, info.nFileIndexHigh, info.nFileIndexLow))
    }
}

/// `GetComputerNameExW`.
pub(crate) fn host_name() -> Option<String> {
    let mut name = [0_u16; 256];
    let mut len = u32::try_from(name.len()).ok()?;
    // SAFETY: the buffer is valid for writes of `len` characters, and `len` is ours alone.
    check(unsafe { GetComputerNameExW(ComputerNameDnsHostname, name.as_mut_ptr(), &raw mut len) }).ok()?;
    // Now the length without the zero at the end.
    let name = name.get(..usize::try_from(len).ok()?)?;
    String::from_utf16(name).ok()
}

/// `OpenProcess`, and whether waiting for the end of the process would wait. (An exit code of `STILL_ACTIVE` can be
/// that of a process which ended with this very number.)
pub(crate) fn process_alive(pid: u32) -> Option<bool> {
    // SAFETY: no memory arguments.
    let handle = unsafe { OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if handle.is_null() {
        let error = Error::last_os_error();
        return match error.kind() {
            // Somebody else's, and alive.
            ErrorKind::PermissionDenied => Some(true),
            _ => (code(&error) == Some(ERROR_INVALID_PARAMETER)).then_some(false),
        };
    }
    // SAFETY: the handle was just opened, and nobody else closes it.
    let process = unsafe { OwnedHandle::from_raw_handle(handle) };
    // SAFETY: the handle is open.
    let found = unsafe { GetProcessId(process.as_raw_handle()) };
    // SAFETY: the handle is open, and has the right to be waited for.
    let state = unsafe { WaitForSingleObject(process.as_raw_handle(), 0) };
    // The system rounds ids down to a multiple of four.
    Some(found == pid && state == WAIT_TIMEOUT)
}

/// By the kind of the drive.
pub(crate) fn network(path: &Path) -> Option<String> {
    const DRIVE_REMOTE: u32 = 4;
    // What the system itself calls the longest path.
    const LONGEST: usize = 32_768;
    let path = wide(path).ok()?;
    let mut root = vec![0_u16; LONGEST];
    let len = u32::try_from(root.len()).ok()?;
    // SAFETY: the path ends in a zero, and the buffer is valid for writes of `len` characters.
    check(unsafe { GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), len) }).ok()?;
    // SAFETY: the call before has written a root that ends in a zero.
    let kind = unsafe { GetDriveTypeW(root.as_ptr()) };
    (kind == DRIVE_REMOTE).then(|| "a network drive".to_owned())
}
