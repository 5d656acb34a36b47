//! [`BlockFile`]: a file of equal blocks that was reserved as a whole, whose stores are durable when they return.
//!
//! - `shape`: block count and size, checked arithmetic
//! - `create`: a file that is either there and whole, or not there
//! - `load`, `store`: whole blocks, by callers who bring their own format
//! - `write`: short writes, fallbacks, the pipeline for large stores, what a failure means for the file
//! - `raw`: any range, synced or not, for the stream
//! - `direct`: large ranges past the page cache, for the stream
//! - `buffers`, `outcome`, `cache`: the rules for buffers, for errors, for the page cache

mod buffers;
mod cache;
mod create;
mod direct;
mod load;
mod outcome;
mod raw;
mod shape;
mod store;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use cache::CachePolicy;
pub use create::{CreateOptions, Reserve};
pub(crate) use create::{Unnamed, build};
pub use direct::{Stage, Staging};
pub use raw::Evicted;
pub use shape::Shape;

use crate::error::{Error, ErrorKind, Result};
use crate::io::{Io, IoFile, OpenOptions, SyncLevel};

/// How a file is used once it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// What stays in the page cache after a load or store. Default: [`CachePolicy::Drop`].
    pub cache: CachePolicy,
    /// What a sync must achieve. Default: [`SyncLevel::Full`].
    pub sync: SyncLevel,
    /// Stores will fail. Default: false.
    pub read_only: bool,
}

impl FileOptions {
    fn for_io(self) -> OpenOptions {
        OpenOptions { read_only: self.read_only, sync: self.sync }
    }
}

/// A file made of `block_count` blocks of `2^block_shift` bytes, fixed for life.
///
/// May be shared between threads: loads run at the same time, stores one after the other. A failed sync is final: the
/// descriptor is closed, and every call fails with `PSTREAM_SYNC_FAILED` until the file is opened anew.
///
/// ```
/// use pstream_core::{BlockFile, CreateOptions, OsIo, Shape};
///
/// let folder = tempfile::tempdir()?;
/// let file = BlockFile::create(&OsIo, &folder.path().join("data"), Shape::new(16, 12)?, CreateOptions::default())?;
/// file.store_bytes(3, b"durable when this returns")?;
/// let mut read = [0; 7];
/// file.load_bytes(3, &mut read)?;
/// assert_eq!(&read, b"durable");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlockFile {
    path: PathBuf,
    shape: Shape,
    reserved: bool,
    read_only: bool,
    cache: cache::CacheKeeper,
    /// The file system cannot write and sync in one call: found out by trying, once.
    no_synced_write: AtomicBool,
    /// It cannot write past the page cache: likewise.
    no_direct_write: AtomicBool,
    state: Mutex<State>,
    /// Held by whoever writes.
    writing: Mutex<()>,
}

enum State {
    Open(Arc<dyn IoFile>),
    /// A sync has failed. The descriptor is closed, so that nothing the page cache shows is taken for what the disk
    /// holds.
    Poisoned,
    Closed,
}

impl fmt::Debug for BlockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockFile").field("path", &self.path).field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl BlockFile {
    /// Opens the file at `path` as blocks of `2^block_shift` bytes. The block count follows from the length; another
    /// shift than the one it was created with is fine as long as it divides the length.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for a shift outside 12 to 28; `PSTREAM_NOT_FOUND`; `PSTREAM_INVALID_FILE` for a length
    /// that does not fit, or if a folder or a symbolic link is in its place; `PSTREAM_SYNC_FAILED` if what an earlier
    /// writer left unsynced cannot be made durable; `PSTREAM_IO` for other errors of the operating system.
    pub fn open(io: &dyn Io, path: &Path, block_shift: u32, options: FileOptions) -> Result<Self> {
        Shape::new(1, block_shift)?;
        let path = absolute(io, path)?;
        let file = io.open(&path, options.for_io()).map_err(|error| not_openable(&path, error))?;
        let len = file.size().map_err(|error| Error::io("fstat", &path, error))?;
        let shape = Shape::of_len(len, block_shift).map_err(|error| error.at_path(&path))?;
        // A writer before us may have left pages dirty, or clean and lost: after a failed writeback Linux keeps the
        // new bytes in the cache, marked clean, and the next sync says yes. So sync first (what is dirty becomes
        // durable, or we learn that it cannot), and drop the cache, so that loads show what the disk has.
        sync_left_over(&*file, &path, options.read_only)?;
        drop(file.evict(0..shape.size()));
        drop(file.advise_sequential());
        let allocated = file.allocated().map_err(|error| Error::io("fstat", &path, error))?;
        let reserved = allocated.is_some_and(|bytes| bytes >= shape.size());
        Ok(Self::of(path, shape, reserved, file.into(), options))
    }

    /// Opens a file that somebody else writes, for reading what a sync of theirs has covered. It neither syncs nor empties
    /// the page cache, so it costs next to nothing, and who writes does not notice; the price is that nothing but those
    /// bytes may be believed. They are the same in the cache and on the disk, whatever fails after that sync: a later
    /// failed write or sync spoils what it wrote, and these are not written again but with the same bytes.
    ///
    /// # Errors
    ///
    /// As [`BlockFile::open`], but for `PSTREAM_SYNC_FAILED`.
    pub fn open_behind_writer(io: &dyn Io, path: &Path, block_shift: u32, cache: CachePolicy) -> Result<Self> {
        let options = FileOptions { cache, read_only: true, ..FileOptions::default() };
        let file = io.open(path, options.for_io()).map_err(|error| not_openable(path, error))?;
        let len = file.size().map_err(|error| Error::io("fstat", path, error))?;
        let shape = Shape::of_len(len, block_shift).map_err(|error| error.at_path(path))?;
        // Linux reads no more ahead of reads here and there for it.
        drop(file.advise_sequential());
        Ok(Self::of(path.to_owned(), shape, false, file.into(), options))
    }

    fn of(path: PathBuf, shape: Shape, reserved: bool, file: Arc<dyn IoFile>, options: FileOptions) -> Self {
        Self {
            path,
            shape,
            reserved,
            read_only: options.read_only,
            cache: cache::CacheKeeper::new(options.cache),
            no_synced_write: AtomicBool::new(false),
            no_direct_write: AtomicBool::new(false),
            state: Mutex::new(State::Open(file)),
            writing: Mutex::new(()),
        }
    }

    /// The absolute path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Block count and size.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether its space on disk is reserved, so that a store cannot run out of it.
    #[must_use]
    pub fn reserved(&self) -> bool {
        self.reserved
    }

    /// Closes the descriptor; calls on other threads that are under way finish first. Later ones fail with
    /// `PSTREAM_CLOSED`. May be called again.
    pub fn close(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        if let State::Open(file) = before {
            self.cache.finished(&*file, self.shape.size());
        }
    }

    /// Whether this very file still lies at its path.
    pub(crate) fn is_at_its_path(&self) -> Result<bool> {
        self.file()?.is_at(&self.path).map_err(|error| Error::io("stat", &self.path, error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open file, or why there is none.
    fn file(&self) -> Result<Arc<dyn IoFile>> {
        match &*self.state() {
            State::Open(file) => Ok(Arc::clone(file)),
            State::Poisoned => Err(self.poisoned_error()),
            State::Closed => Err(Error::new(ErrorKind::Closed, "file is closed").at_path(&self.path)),
        }
    }

    fn file_for_writing(&self) -> Result<Arc<dyn IoFile>> {
        let file = self.file()?;
        if self.read_only {
            return Err(Error::new(ErrorKind::InvalidInput, "file was opened read-only").at_path(&self.path));
        }
        Ok(file)
    }

    fn is_poisoned(&self) -> bool {
        matches!(*self.state(), State::Poisoned)
    }

    fn poisoned_error(&self) -> Error {
        let message = "file is unavailable due to prior sync error";
        Error::new(ErrorKind::SyncFailed, message).at_path(&self.path)
    }

    /// Closes the descriptor for good: the outcome of what was in flight is unknown.
    fn poison(&self) {
        let mut state = self.state();
        if matches!(*state, State::Open(_)) {
            *state = State::Poisoned;
        }
    }
}

impl Drop for BlockFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// The path with its folder resolved, so that a later change of the working directory or of a link does not matter.
fn absolute(io: &dyn Io, path: &Path) -> Result<PathBuf> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Error::new(ErrorKind::InvalidInput, "path contains a zero byte").at_path(path));
    }
    let Some(name) = path.file_name() else {
        return Err(Error::new(ErrorKind::InvalidInput, "path has no file name").at_path(path));
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = io.canonicalize(parent).map_err(|error| Error::io("open", path, error))?;
    Ok(parent.join(name))
}

/// The seam says `InvalidInput` for whatever is not a regular file.
fn not_openable(path: &Path, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::InvalidInput {
        let message = format!("'{}' is not a regular file", path.display());
        return Error::new(ErrorKind::InvalidFile, message).at_path(path);
    }
    Error::io("open", path, error)
}

fn sync_left_over(file: &dyn IoFile, path: &Path, read_only: bool) -> Result<()> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, Unsupported};
    match file.sync_data() {
        // Windows flushes through writable handles only, and a read-only file system has nothing to flush.
        Err(error) if read_only && matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | Unsupported) => {
            Ok(())
        }
        done => done.map_err(|error| Error::sync("fdatasync", path, error)),
    }
}
