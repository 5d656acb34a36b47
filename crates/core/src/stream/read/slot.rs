//! A place in a stream's list of files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::segment::Segment;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{BlockFile, CachePolicy};
use crate::format::file_batch::FileBatch;
use crate::io::Io;
use crate::stream::head::Head;

/// A file of a stream, opened when somebody reads it and closed when nobody does any more. The list of a long stream
/// takes no descriptor, and opening the stream opens no old file.
pub struct Slot {
    io: Arc<dyn Io>,
    index: u16,
    path: PathBuf,
    block_shift: u32,
    cache: CachePolicy,
    shared: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What it begins with, once that was read or written. It never changes.
    known: Option<Head>,
    /// Open as long as a reader is in it.
    open: Weak<Segment>,
    released: bool,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Slot {
    /// Of the file at `path`, which is not looked at.
    #[must_use]
    pub fn new(io: Arc<dyn Io>, index: u16, path: PathBuf, block_shift: u32, cache: CachePolicy) -> Self {
        Self { io, index, path, block_shift, cache, shared: false, state: Mutex::default() }
    }

    /// The same of a file that another process may be writing: what looks damaged is read once more, past the page cache,
    /// before it is believed to be.
    #[must_use]
    pub fn shared(io: Arc<dyn Io>, index: u16, path: PathBuf, block_shift: u32, cache: CachePolicy) -> Self {
        Self { shared: true, ..Self::new(io, index, path, block_shift, cache) }
    }

    /// Index in the sequence.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Binary logarithm of its block size, as its name says.
    #[must_use]
    pub fn block_shift(&self) -> u32 {
        self.block_shift
    }

    /// What it says of itself, if somebody has looked.
    #[must_use]
    pub fn start(&self) -> Option<FileBatch> {
        self.known().map(|head| head.start)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self) -> Option<Head> {
        self.state().known
    }

    /// Notes what it begins with.
    pub(in crate::stream) fn know(&self, head: Head) {
        self.state().known = Some(head);
    }

    /// Notes that it is not a file of the stream any more: a later file may have its name.
    pub(in crate::stream) fn release(&self) {
        self.state().released = true;
    }

    /// Whether we have released it.
    pub(in crate::stream) fn is_released(&self) -> bool {
        self.state().released
    }

    /// Bytes that it has on disk; none if it is not there.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO`.
    pub(in crate::stream) fn len(&self) -> Result<u64> {
        match self.io.metadata(&self.path) {
            Ok(metadata) => Ok(metadata.len),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(Error::io("stat", &self.path, error)),
        }
    }

    /// Whether it was released, by us or by somebody else.
    pub(super) fn is_gone(&self) -> bool {
        let missing = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        self.state().released || self.io.metadata(&self.path).is_err_and(missing)
    }

    /// The open file. No lock is held while it is opened: whoever writes the stream must not wait for that.
    ///
    /// # Errors
    ///
    /// `PSTREAM_NOT_FOUND` for one that was released; those of [`Segment::new`] and
    /// [`BlockFile::open_behind_writer`].
    pub(super) fn open(&self) -> Result<Arc<Segment>> {
        let (known, released) = {
            let state = self.state();
            if let Some(open) = state.open.upgrade().filter(|_| !state.released) {
                return Ok(open);
            }
            (state.known, state.released)
        };
        // Who has it open reads on; nobody else begins.
        if released {
            return Err(Error::new(ErrorKind::NotFound, "file was released").at_path(&self.path));
        }
        let file = BlockFile::open_behind_writer(&*self.io, &self.path, self.block_shift, self.cache)?;
        let segment = Arc::new(Segment::new(file, self.index, known, self.shared)?);
        let mut state = self.state();
        state.known = Some(*segment.head());
        state.open = Arc::downgrade(&segment);
        Ok(segment)
    }
}
