//! An operating system, real or simulated, with a hook in front of chosen calls: to let something happen at the one moment that matters,
//! instead of waiting for a race to hit it.

use std::io::{IoSlice, IoSliceMut, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pstream_core::io::{DirEntry, Identity, Io, IoFile, IoLock, Metadata, OpenOptions};
use pstream_core::{Durability, OsIo, Residency};

/// Gets the name of the call and the path it is about, before the call is made; its error is returned instead.
type Hook = Arc<dyn Fn(&str, &Path) -> Result<()> + Send + Sync>;

pub struct Hooked {
    os: Arc<dyn Io>,
    hook: Hook,
}

struct HookedFile {
    file: Box<dyn IoFile>,
    path: PathBuf,
    hook: Hook,
}

impl Hooked {
    pub fn new(hook: impl Fn(&str, &Path) -> Result<()> + Send + Sync + 'static) -> Self {
        Self::over(Arc::new(OsIo), hook)
    }

    pub fn over(os: Arc<dyn Io>, hook: impl Fn(&str, &Path) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { os, hook: Arc::new(hook) }
    }

    fn file(&self, file: Box<dyn IoFile>, path: &Path) -> Box<dyn IoFile> {
        Box::new(HookedFile { file, path: path.to_owned(), hook: Arc::clone(&self.hook) })
    }
}

impl Io for Hooked {
    fn open(&self, path: &Path, options: OpenOptions) -> Result<Box<dyn IoFile>> {
        Ok(self.file(self.os.open(path, options)?, path))
    }

    fn create(&self, path: &Path, mode: u32, options: OpenOptions) -> Result<Box<dyn IoFile>> {
        Ok(self.file(self.os.create(path, mode, options)?, path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        (self.hook)("rename_new", from)?;
        self.os.rename_new(from, to)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        (self.hook)("remove_file", path)?;
        self.os.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.os.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.os.remove_dir(path)
    }

    fn read_dir(&self, path: &Path, visit: &mut dyn FnMut(DirEntry) -> Result<()>) -> Result<()> {
        self.os.read_dir(path, visit)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        (self.hook)("sync_dir", path)?;
        self.os.sync_dir(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        self.os.canonicalize(path)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.os.metadata(path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        self.os.read_link(path)
    }

    fn open_lock(&self, path: &Path, create: Option<u32>) -> Result<Box<dyn IoLock>> {
        self.os.open_lock(path, create)
    }

    fn write_note(&self, path: &Path, mode: u32, content: &[u8]) -> Result<()> {
        self.os.write_note(path, mode, content)
    }

    fn read_note(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        self.os.read_note(path, limit)
    }

    fn identity(&self) -> Identity {
        self.os.identity()
    }

    fn process_alive(&self, pid: u32) -> Option<bool> {
        self.os.process_alive(pid)
    }

    fn now(&self) -> SystemTime {
        self.os.now()
    }

    fn sleep(&self, duration: Duration) {
        self.os.sleep(duration);
    }
}

impl IoFile for HookedFile {
    fn size(&self) -> Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        (self.hook)("read_at", &self.path)?;
        self.file.read_at(buffers, offset)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64, durability: Durability) -> Result<usize> {
        (self.hook)("write_at", &self.path)?;
        self.file.write_at(buffers, offset, durability)
    }

    fn write_direct(&self, bytes: &[u8], offset: u64, durability: Durability) -> Result<usize> {
        (self.hook)("write_direct", &self.path)?;
        self.file.write_direct(bytes, offset, durability)
    }

    fn start_writeback(&self, range: Range<u64>) -> Result<()> {
        (self.hook)("start_writeback", &self.path)?;
        self.file.start_writeback(range)
    }

    fn wait_writeback(&self, range: Range<u64>) -> Result<()> {
        (self.hook)("wait_writeback", &self.path)?;
        self.file.wait_writeback(range)
    }

    fn sync_data(&self) -> Result<()> {
        (self.hook)("sync_data", &self.path)?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> Result<()> {
        (self.hook)("sync_all", &self.path)?;
        self.file.sync_all()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        (self.hook)("set_len", &self.path)?;
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> Result<()> {
        (self.hook)("reserve", &self.path)?;
        self.file.reserve(len)
    }

    fn allocated(&self) -> Result<Option<u64>> {
        self.file.allocated()
    }

    fn zero_range(&self, range: Range<u64>) -> Result<()> {
        (self.hook)("zero_range", &self.path)?;
        self.file.zero_range(range)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.file.next_data(offset)
    }

    fn evict(&self, range: Range<u64>) -> Result<()> {
        (self.hook)("evict", &self.path)?;
        self.file.evict(range)
    }

    fn residency(&self, range: Range<u64>) -> Result<Residency> {
        self.file.residency(range)
    }

    fn advise_sequential(&self) -> Result<()> {
        self.file.advise_sequential()
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.file.is_at(path)
    }
}
