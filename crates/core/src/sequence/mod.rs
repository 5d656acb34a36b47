//! [`FileSequence`]: an ordered, gap-free run of block files in one folder, identified by a name. Grows at the end, is
//! released at the start.
//!
//! - `index`: the 16-bit index that wraps, and the window of those in use
//! - `name`: the grammar of every file name
//! - `scan`: what lies in the folder
//! - `lock`: one opener at a time
//! - `alloc`, `release`, `retrieve`: growing, shrinking, reading back
//! - `survey`, `inspect`, `repair`: looking at a sequence that does not open, and making it one that does
//! - `rename`: all files under another name, finished or undone after a crash

mod alloc;
mod index;
mod inspect;
mod listing;
mod lock;
mod name;
mod release;
mod rename;
mod repair;
mod retrieve;
mod scan;
mod survey;

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use crate::lock_file::LockMode;
pub use index::{Index, MAX_FILES};
pub use inspect::{ReportedFile, SequenceReport, inspect};
pub use rename::rename;
pub use repair::{Action, ActionKind, RepairOptions, RepairReport, repair};
pub use retrieve::Retrieve;
pub use survey::{Problem, ProblemKind};

use crate::error::{Error, ErrorKind, Holder, Result};
use crate::file::{BlockFile, CreateOptions, Shape};
use crate::io::{FileKind, Io};
use index::Window;
pub(crate) use listing::{Listed, Lister, is_dense};
pub(crate) use lock::LockShare;
use name::Place;

/// How a sequence is opened and how its files are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceOptions {
    /// How files are created and used.
    pub create: CreateOptions,
    /// On a file system without locks. Default: [`LockMode::Required`].
    pub lock: LockMode,
    /// How long to wait for a lock that is held. Default: 50 ms.
    pub lock_timeout: Duration,
    /// Leave the lock's file, and the folder of who holds it, when the lock is given up: so that the next open needs no
    /// space for them. The Rust crate takes such a file for a lock that is held. Default: false.
    pub keep_lock_file: bool,
}

impl Default for SequenceOptions {
    fn default() -> Self {
        let lock_timeout = Duration::from_millis(50);
        let (create, lock) = (CreateOptions::default(), LockMode::default());
        Self { create, lock, lock_timeout, keep_lock_file: false }
    }
}

/// An ordered, gap-free run of [`BlockFile`]s in one folder.
///
/// The state lives in the names and lengths of the files alone. May be shared between threads: allocs are done one after
/// the other, and so are releases, which wait for an alloc no longer than for its last step. Dropping it gives up the
/// lock; [`FileSequence::close`] also says whether that worked.
///
/// ```
/// use std::sync::Arc;
/// use pstream_core::{FileSequence, OsIo, SequenceOptions, Shape};
///
/// let folder = tempfile::tempdir()?;
/// let shape = Shape::new(16, 12)?;
/// let sequence = FileSequence::open(Arc::new(OsIo), folder.path(), "events", shape, SequenceOptions::default())?;
/// let file = sequence.alloc(None)?;
/// file.store_bytes(0, b"durable, and so is the name of its file")?;
/// for file in sequence.retrieve()? {
///     assert_eq!(file?.index(), 1);
/// }
/// sequence.release(&file)?;
/// sequence.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileSequence {
    io: Arc<dyn Io>,
    identity: Arc<Identity>,
    shape: Shape,
    options: SequenceOptions,
    /// A [`Window`], packed: read without waiting for an alloc that is under way. Changed only under `state`.
    window: AtomicU32,
    /// Held by an alloc from its beginning to its end, and by a close. Taken before `state`.
    building: Mutex<()>,
    state: Mutex<State>,
}

/// What ties a file to its sequence.
#[derive(Debug)]
struct Identity {
    place: Place,
    /// Tells instances of one sequence apart.
    instance: u64,
}

struct State {
    lock: Option<LockShare>,
    /// A sync of the folder has failed: which names are durable is unknown.
    poisoned: bool,
}

/// A block file of a sequence.
#[derive(Debug)]
pub struct SequenceFile {
    file: BlockFile,
    index: Index,
    identity: Arc<Identity>,
}

impl SequenceFile {
    /// Its place in the sequence.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index.get()
    }
}

impl Deref for SequenceFile {
    type Target = BlockFile;

    fn deref(&self) -> &BlockFile {
        &self.file
    }
}

impl fmt::Debug for FileSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSequence").field("place", &self.identity.place).finish_non_exhaustive()
    }
}

impl FileSequence {
    /// Opens the sequence `name` in the folder `root`, which must exist; an empty one starts at index 1. `shape` is
    /// that of files made from now on. Gaps and duplicates are found by [`FileSequence::retrieve`], not here.
    ///
    /// A rename that a crash has interrupted is finished or undone first, so that all files have the name `name`.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for a name that is not one path component of at most 247 bytes; `PSTREAM_NOT_FOUND` for
    /// the folder; `PSTREAM_LOCKED`; `PSTREAM_UNSUPPORTED` if the file system has no locks;
    /// `PSTREAM_SEQUENCE_BAD_NAME`, `PSTREAM_SEQUENCE_OUT_OF_RANGE`, `PSTREAM_SEQUENCE_TOO_LONG` for what lies in the
    /// folder; `PSTREAM_INVALID_FILE` for a symbolic link in the place of a file; `PSTREAM_SYNC_FAILED`; `PSTREAM_IO`.
    pub fn open(io: Arc<dyn Io>, root: &Path, name: &str, shape: Shape, options: SequenceOptions) -> Result<Self> {
        Self::open_under(io, root, name, shape, options, None)
    }

    /// As [`FileSequence::open`], under a lock that is held already, if there is one.
    pub(crate) fn open_under(
        io: Arc<dyn Io>,
        root: &Path,
        name: &str,
        shape: Shape,
        options: SequenceOptions,
        lock: Option<LockShare>,
    ) -> Result<Self> {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let place = resolve(&*io, root, name)?;
        let lock = match lock {
            Some(lock) => lock,
            None => lock::acquire(&io, &place, options)?,
        };
        rename::settle(&io, &place, options)?;
        // What the scan sees may be a name that is not durable yet: one that its maker had no time to sync, or an
        // unlinked one that would come back. Nothing is built on it before it is.
        sync_root(&*io, &place)?;
        let window = scan::window_on_disk(&*io, &place)?;
        let instance = INSTANCES.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            io,
            identity: Arc::new(Identity { place, instance }),
            shape,
            options,
            window: AtomicU32::new(window.pack()),
            building: Mutex::new(()),
            state: Mutex::new(State { lock: Some(lock), poisoned: false }),
        })
    }

    /// The folder, resolved.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.identity.place.root()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.identity.place.name()
    }

    /// Where a data file is that is being built, or was when a crash came.
    pub(crate) fn half_made(&self) -> PathBuf {
        self.identity.place.alloc_temporary()
    }

    /// The folder for everything that is no data file.
    pub(crate) fn meta(&self) -> PathBuf {
        self.identity.place.meta()
    }

    /// Index of the first file; equal to [`FileSequence::end`] if there is none.
    #[must_use]
    pub fn start(&self) -> u16 {
        self.window().start.get()
    }

    /// One past the index of the last file. Wraps at 2^16.
    #[must_use]
    pub fn end(&self) -> u16 {
        self.window().end.get()
    }

    /// Number of files, 0 to 16,383.
    #[must_use]
    pub fn len(&self) -> u16 {
        self.window().len()
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A share of the lock, which is held until all shares of it are gone: for whoever opens the sequence anew and lets
    /// nobody in between. `None` if it is closed.
    pub(crate) fn share_lock(&self) -> Option<LockShare> {
        self.state().lock.clone()
    }

    /// Gives up the lock and syncs the folder. Files stay usable; the sequence does not. May be called again.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO` if the lock file cannot be removed, `PSTREAM_SYNC_FAILED`. Closed it is all the same.
    pub fn close(&self) -> Result<()> {
        let _building = self.building();
        let Some(lock) = self.state().lock.take() else { return Ok(()) };
        lock.release()?;
        sync_root(&*self.io, &self.identity.place)
    }

    /// Gives up the lock and makes no other call: for whoever may not wait for the disk, such as a garbage collector. The
    /// lock's file stays, as after a crash, and is in nobody's way. The sequence is closed then.
    pub fn abandon(&self) {
        let _building = self.building();
        if let Some(lock) = self.state().lock.take() {
            lock.abandon();
        }
    }

    fn window(&self) -> Window {
        Window::unpack(self.window.load(Ordering::Acquire))
    }

    /// One alloc at a time, and nobody closes the sequence under it.
    fn building(&self) -> MutexGuard<'_, ()> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The lock is either there or not, whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable_state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.lock.is_none() {
            return Err(Error::new(ErrorKind::Closed, "sequence is closed").at_path(self.root()));
        }
        if state.poisoned {
            let message = "sequence is unavailable due to prior sync error";
            return Err(Error::new(ErrorKind::SyncFailed, message).at_path(self.root()));
        }
        Ok(state)
    }

    fn sync_names(&self, state: &mut State) -> Result<()> {
        let synced = sync_root(&*self.io, &self.identity.place);
        state.poisoned = synced.is_err();
        synced
    }
}

impl Drop for FileSequence {
    fn drop(&mut self) {
        // Whoever wants to know of errors has called `close`.
        drop(self.close());
    }
}

/// Removes a lock that no living process can release: a symbolic link left by hand or by the Rust crate, or the file
/// left by a crash (which would not have been in the way). Says who held it; `None` if there was no lock.
///
/// # Errors
///
/// `PSTREAM_LOCKED` while a process holds the lock, and while a symbolic link names a living process unless `force`.
pub fn break_lock(io: &dyn Io, root: &Path, name: &str, force: bool) -> Result<Option<Holder>> {
    lock::break_lock(io, &resolve(io, root, name)?, force)
}

/// The folder, resolved, and the name, checked.
fn resolve(io: &dyn Io, root: &Path, name: &str) -> Result<Place> {
    if root.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Error::new(ErrorKind::InvalidInput, "path contains a zero byte").at_path(root));
    }
    // The name first: it needs nothing from the disk.
    Place::new(PathBuf::new(), name)?;
    if !io.is_plain_name(name) {
        let message = format!("name {name:?} is no plain file name on this system");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let resolved = io.canonicalize(root).map_err(|error| Error::io("open", root, error))?;
    let metadata = io.metadata(&resolved).map_err(|error| Error::io("stat", root, error))?;
    if metadata.kind != FileKind::Dir {
        let message = format!("'{}' is not a folder", root.display());
        return Err(Error::new(ErrorKind::InvalidFile, message).at_path(root));
    }
    Place::new(resolved, name)
}

fn sync_root(io: &dyn Io, place: &Place) -> Result<()> {
    io.sync_dir(place.root()).map_err(|error| Error::sync("fsync", place.root(), error))
}
