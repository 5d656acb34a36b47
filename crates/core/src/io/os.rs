//! The seam, implemented by the operating system.

use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::{
    DirEntry, Durability, FileKind, Identity, Io, IoFile, IoLock, Metadata, OpenOptions, Residency, SyncLevel,
};
use crate::sys;

/// The real thing.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsIo;

#[derive(Debug)]
struct OsFile {
    file: File,
    level: SyncLevel,
    /// The same file, for writes past the page cache; `None` where there are none.
    direct: OnceLock<Option<File>>,
}

#[derive(Debug)]
struct OsLock(File);

impl OsFile {
    fn boxed(file: File, options: OpenOptions) -> Box<dyn IoFile> {
        Box::new(Self { file, level: options.sync, direct: OnceLock::new() })
    }
}

impl Io for OsIo {
    fn open(&self, path: &Path, options: OpenOptions) -> Result<Box<dyn IoFile>> {
        Ok(OsFile::boxed(sys::open(path, options.read_only)?, options))
    }

    fn create(&self, path: &Path, mode: u32, options: OpenOptions) -> Result<Box<dyn IoFile>> {
        Ok(OsFile::boxed(sys::create(path, mode)?, options))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        sys::rename_new(from, to)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        sys::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        fs::create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        fs::remove_dir(path)
    }

    fn read_dir(&self, path: &Path, visit: &mut dyn FnMut(DirEntry) -> Result<()>) -> Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(kind) => file_kind(kind),
                // Removed since it was listed: as good as not listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            visit(DirEntry { name: entry.file_name(), kind })?;
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        sys::sync_dir(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Metadata { kind: file_kind(metadata.file_type()), len: metadata.len() })
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        fs::read_link(path)
    }

    fn open_lock(&self, path: &Path, create: Option<u32>) -> Result<Box<dyn IoLock>> {
        Ok(Box::new(OsLock(sys::open_lock(path, create)?)))
    }

    fn write_note(&self, path: &Path, mode: u32, content: &[u8]) -> Result<()> {
        sys::write_note(path, mode, content)
    }

    fn read_note(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let mut content = Vec::new();
        sys::open(path, true)?.take(limit).read_to_end(&mut content)?;
        Ok(content)
    }

    fn is_plain_name(&self, name: &str) -> bool {
        sys::is_plain_name(name)
    }

    fn network(&self, path: &Path) -> Option<String> {
        sys::network(path)
    }

    fn identity(&self) -> Identity {
        Identity { pid: std::process::id(), host: sys::host_name(), boot_id: sys::boot_id() }
    }

    fn process_alive(&self, pid: u32) -> Option<bool> {
        sys::process_alive(pid)
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

impl IoFile for OsFile {
    fn size(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        sys::read_at(&self.file, buffers, offset)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64, durability: Durability) -> Result<usize> {
        match durability {
            Durability::Cached => sys::write_at(&self.file, buffers, offset),
            Durability::Synced => sys::write_synced(&self.file, buffers, offset),
        }
    }

    fn write_direct(&self, bytes: &[u8], offset: u64, durability: Durability) -> Result<usize> {
        let Some(file) = self.direct.get_or_init(|| sys::open_direct(&self.file).ok()) else {
            return Err(ErrorKind::Unsupported.into());
        };
        sys::write_direct(file, bytes, offset, durability)
    }

    fn start_writeback(&self, range: Range<u64>) -> Result<()> {
        sys::start_writeback(&self.file, &range)
    }

    fn wait_writeback(&self, range: Range<u64>) -> Result<()> {
        sys::wait_writeback(&self.file, &range)
    }

    fn sync_data(&self) -> Result<()> {
        sys::sync_data(&self.file, self.level)
    }

    fn sync_all(&self) -> Result<()> {
        sys::sync_all(&self.file, self.level)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> Result<()> {
        sys::reserve(&self.file, len)
    }

    fn allocated(&self) -> Result<Option<u64>> {
        sys::allocated(&self.file)
    }

    fn zero_range(&self, range: Range<u64>) -> Result<()> {
        sys::zero_range(&self.file, &range)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        sys::next_data(&self.file, offset)
    }

    fn evict(&self, range: Range<u64>) -> Result<()> {
        sys::evict(&self.file, &range)
    }

    fn residency(&self, range: Range<u64>) -> Result<Residency> {
        sys::residency(&self.file, &range)
    }

    fn advise_sequential(&self) -> Result<()> {
        sys::advise_sequential(&self.file)
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        sys::is_same_file(&self.file, path)
    }
}

impl IoLock for OsLock {
    fn try_lock(&self) -> Result<bool> {
        // `flock`, or `LockFileEx`: bound to this open file, so that it also conflicts within one process, and given
        // up by the kernel when the process ends.
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(sys::lock_error(error)),
        }
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        sys::is_same_file(&self.0, path)
    }
}

fn file_kind(kind: fs::FileType) -> FileKind {
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Dir
    } else if kind.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Other
    }
}
