//! The seam: everything the engine asks of the world outside goes through the trait [`Io`] and the handles it gives
//! out. The operating system implements it in [`os`]; the simulated disk of the tests implements it in memory, with a
//! page cache apart from the disk, power cuts, and faults at every call.
//!
//! The contracts below say what an implementation promises and, as important, what it does not. Policy (what to sync
//! when, what an error means, what to try again) is the engine's, above this seam, where a test can run it in memory.
//!
//! Errors are [`std::io::Error`]; the engine looks at their [`kind`](std::io::Error::kind) alone, so that no errno is
//! compared outside `sys/`. An implementation must use these kinds: `Interrupted` and `WouldBlock` (nothing was done,
//! call again), `StorageFull` and `QuotaExceeded`, `Unsupported` (this file system or platform cannot do it),
//! `AlreadyExists`, `NotFound`; everything else is opaque.

pub mod os;

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{IoSlice, IoSliceMut, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Names, folders, locks and the process. Calls with a path never follow a symbolic link in its last component.
pub trait Io: Send + Sync {
    /// Opens the regular file at `path`, neither creating nor truncating it. A symbolic link, a folder or a device in
    /// its place is `InvalidInput`.
    fn open(&self, path: &Path, options: OpenOptions) -> Result<Box<dyn IoFile>>;

    /// Creates an empty regular file at `path` and opens it for reading and writing. `AlreadyExists` if the name is
    /// taken, by whatever. `mode` holds the Unix permission bits, and is ignored elsewhere. Neither the file nor its
    /// name is durable when it returns.
    fn create(&self, path: &Path, mode: u32, options: OpenOptions) -> Result<Box<dyn IoFile>>;

    /// Gives the file at `from` the name `to` in one step, and fails with `AlreadyExists` if `to` is taken, whatever
    /// it is. After a crash the file has exactly one of the two names, also across folders of one file system; it is
    /// sure to have the new one only after [`Io::sync_dir`] of the folder of `to`.
    fn rename_new(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes the name `path` of a file or symbolic link. Durable only after [`Io::sync_dir`] of its folder. Handles
    /// that are open go on working.
    fn remove_file(&self, path: &Path) -> Result<()>;

    /// Creates the folder `path`; its parent must exist. Durable only after [`Io::sync_dir`] of the parent.
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Removes the folder `path`, which must be empty.
    fn remove_dir(&self, path: &Path) -> Result<()>;

    /// Calls `visit` for every entry of the folder except `.` and `..`, in any order, and stops at its first error.
    fn read_dir(&self, path: &Path, visit: &mut dyn FnMut(DirEntry) -> Result<()>) -> Result<()>;

    /// Makes all names created, renamed and removed in the folder so far durable. After an error nothing is known of
    /// any of them, and a second call that succeeds proves nothing.
    fn sync_dir(&self, path: &Path) -> Result<()>;

    /// The path without links and dots, absolute. `NotFound` if nothing is there.
    fn canonicalize(&self, path: &Path) -> Result<PathBuf>;

    /// What lies at `path`, not following a link in its last component.
    fn metadata(&self, path: &Path) -> Result<Metadata>;

    /// What the symbolic link at `path` points to.
    fn read_link(&self, path: &Path) -> Result<PathBuf>;

    /// Opens the lock file at `path` without locking it. If it is not there: creates it with the permissions in
    /// `create`, or fails with `NotFound`. A symbolic link or a folder in its place is `InvalidInput`.
    fn open_lock(&self, path: &Path, create: Option<u32>) -> Result<Box<dyn IoLock>>;

    /// Replaces the content of the small file at `path`, creating it if need be. For notes that nothing depends on:
    /// not durable, not atomic.
    fn write_note(&self, path: &Path, mode: u32, content: &[u8]) -> Result<()>;

    /// The first `limit` bytes of the file at `path`.
    fn read_note(&self, path: &Path, limit: usize) -> Result<Vec<u8>>;

    /// Whether the system takes `name`, which is one path component, for the name of a file and nothing else. Where any
    /// component is: yes.
    fn is_plain_name(&self, _name: &str) -> bool {
        true
    }

    /// The kind of the network file system that holds `path`, for a message; `None` for a disk of this machine, and where
    /// that cannot be told.
    fn network(&self, _path: &Path) -> Option<String> {
        None
    }

    /// Who we are, for the text that tells others who holds a lock.
    fn identity(&self) -> Identity;

    /// Whether a process with this id lives on this machine; `None` where it cannot be told.
    fn process_alive(&self, pid: u32) -> Option<bool>;

    /// The wall clock. May jump.
    fn now(&self) -> SystemTime;

    /// A number that nobody can foresee: it goes into the identity of a stream.
    fn random(&self) -> u64 {
        // The keys are random by the operating system, once for each thread, and differ from one to the next.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(self.identity().pid);
        hasher.finish()
    }

    /// Lets `duration` pass.
    fn sleep(&self, duration: Duration);
}

/// An open regular file. All calls may come from any thread at once.
pub trait IoFile: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> Result<u64>;

    /// Reads once at `offset` into at most [`MAX_BUFFERS`] buffers, in order. Returns how many bytes were read, which
    /// may be fewer than there is room for; 0 means end of file (or no room).
    fn read_at(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize>;

    /// Writes once at `offset` from at most [`MAX_BUFFERS`] buffers, in order. Returns how many bytes were written,
    /// which may be fewer than given. With [`Durability::Synced`] just those bytes, and what is needed to read them back, are
    /// durable when it returns; nothing is said of what earlier writes left unsynced. Where the system has no call that
    /// does both, `Unsupported`: the engine then writes, and syncs the file.
    ///
    /// An error of `Interrupted`, `WouldBlock` or `Unsupported` means that nothing was written. After any other one
    /// any part of the bytes may have been written, whole or torn, durable or not.
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64, durability: Durability) -> Result<usize>;

    /// Writes once at `offset`, past the page cache: what it held of the range is dropped. `bytes` begins in memory, and
    /// `offset` and length are, at a multiple of [`DIRECT_ALIGNMENT`]; nothing of the range is in the cache and not on its
    /// way to the disk. Returns how many bytes were written, which may be fewer than given. Durability and errors as for
    /// [`IoFile::write_at`]; `Unsupported` also where the file system wants more than that alignment, or cannot write past
    /// its cache.
    fn write_direct(&self, _bytes: &[u8], _offset: u64, _durability: Durability) -> Result<usize> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Starts writing the range to the disk and does not wait: a hint. An error means that an earlier writeback
    /// failed, and that this call has consumed the report: the next sync would say that all is well.
    fn start_writeback(&self, range: Range<u64>) -> Result<()>;

    /// Waits for writeback of the range, starting it if need be. Promises nothing about durability: neither the
    /// journal nor the disk's cache is flushed. Errors as for [`IoFile::start_writeback`].
    fn wait_writeback(&self, range: Range<u64>) -> Result<()>;

    /// Makes all that was written so far durable, with the metadata needed to read it back. After an error nothing is
    /// known of any unsynced byte, and a second call that succeeds proves nothing.
    fn sync_data(&self) -> Result<()>;

    /// [`IoFile::sync_data`] and all other metadata, the length and the reservation among it.
    fn sync_all(&self) -> Result<()>;

    /// Sets the length; new bytes are zero.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Reserves space for the first `len` bytes and makes the file at least that long, so that later writes into them
    /// cannot run out of space. New bytes are zero. `Unsupported` where the file system cannot.
    fn reserve(&self, len: u64) -> Result<()>;

    /// How many bytes are reserved or written on disk; `None` where it cannot be told.
    fn allocated(&self) -> Result<Option<u64>>;

    /// Makes the range read as zeros, keeping it reserved, without writing them out if the file system can do that:
    /// `Unsupported` otherwise. Durable only after a sync.
    fn zero_range(&self, range: Range<u64>) -> Result<()>;

    /// The first run of bytes at or after `offset` that was ever written, or `None` if there is none up to the end.
    /// What lies outside reads as zeros. `Unsupported` where the file system cannot tell.
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>>;

    /// Drops the range from the page cache where it is clean and nobody else holds it: a hint. Whether it worked is
    /// for [`IoFile::residency`] to say.
    fn evict(&self, range: Range<u64>) -> Result<()>;

    /// How much of the range is in the page cache.
    fn residency(&self, range: Range<u64>) -> Result<Residency>;

    /// Says that the file will be read front to back: a hint.
    fn advise_sequential(&self) -> Result<()>;

    /// Whether `path` is a name of this very file, not of another one that took its place.
    fn is_at(&self, path: &Path) -> Result<bool>;
}

/// An open lock file. Dropping it gives the lock up; so does the end of the process, however it ends.
pub trait IoLock: Send + Sync {
    /// Takes the lock if nobody has it, in this process or another, and says whether it did. `Unsupported` where the
    /// file system has no locks.
    fn try_lock(&self) -> Result<bool>;

    /// Whether `path` is a name of this very lock file, not of another one that took its place.
    fn is_at(&self, path: &Path) -> Result<bool>;
}

/// The most buffers that one [`IoFile::read_at`] or [`IoFile::write_at`] takes: Linux's `IOV_MAX`. Elsewhere it is at
/// least as large, or the implementation goes buffer by buffer.
pub const MAX_BUFFERS: usize = 1024;

/// What a write past the page cache must begin and end at. No disk in use has larger sectors; file systems with a larger
/// unit refuse.
pub const DIRECT_ALIGNMENT: usize = 4096;

/// How to open a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Writes will fail. Default: false.
    pub read_only: bool,
    /// What a sync must achieve.
    pub sync: SyncLevel,
}

/// What a sync must achieve on a platform whose strongest call is not available everywhere (`F_FULLFSYNC` on macOS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncLevel {
    /// The bytes are on the disk, beyond its cache; an error where that cannot be had.
    #[default]
    Full,
    /// As far as the file system goes.
    BestEffort,
}

/// What a write has done when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The bytes are in the page cache.
    Cached,
    /// The bytes are durable.
    Synced,
}

/// How much of a range is in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// So many bytes of it, counted in whole pages.
    Bytes(u64),
    /// It cannot be told on this platform.
    Unknown,
    /// The file system is in memory: there is no disk behind the cache.
    InMemory,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the folder.
    pub name: OsString,
    /// What it is.
    pub kind: FileKind,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Length in bytes, of a regular file.
    pub len: u64,
}

/// Who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Host name, where known.
    pub host: Option<String>,
    /// What changes with every boot of the machine, where known.
    pub boot_id: Option<String>,
}
