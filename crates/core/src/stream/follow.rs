//! Reading a stream that another process writes, or nobody: without its lock, and without a write.
//!
//! The page cache shows a batch before it is durable, and a sync of ours would prove nothing (rule 8). So the end of what is
//! given is the writer's word for it: its mark, if that is of this boot; a file in use, which proves all in front of it (rule
//! 4); and what batches say of those in front of them. Bytes in front of that end do not change any more, so that they can be
//! read beside a writer that goes on, crashes, or recovers. What lies behind is not looked at but for the last of the three.
//!
//! The beginning of a file that has entered use is no more than such a word, too: it may not be durable itself. A file is
//! counted in when something in it is known to be durable.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cursor::Folder;
use super::follow_files::{self, Top, Try};
use super::mark;
use super::options::Mode;
use super::read::{Slot, Snapshot};
use super::stats::Footprint;
use super::writer::Mark;
use crate::error::{Error, ErrorKind, Result};
use crate::file::CachePolicy;
use crate::format::StreamId;
use crate::format::mark::{BootId, Mark as Note};
use crate::io::Io;
use crate::sequence::Lister;

/// How a stream is opened for reading alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowOptions {
    /// The name of the sequence that holds it.
    pub name: String,
    /// What is done about damage that keeps the end of the stream from being known: an error, or as much as can be told.
    pub recovery: Mode,
    /// What stays in the page cache.
    pub cache: CachePolicy,
}

impl FollowOptions {
    /// The defaults, for the stream of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), recovery: Mode::default(), cache: CachePolicy::default() }
    }
}

/// A stream, open for reading alone. Any number of them may be open beside a writer, or without one.
///
/// ```
/// use std::sync::Arc;
/// use pstream_core::OsIo;
/// use pstream_core::format::batch::push_record;
/// use pstream_core::stream::{FollowOptions, Follower, Level, Log, LogOptions, Pending, PendingKind};
///
/// let folder = tempfile::tempdir()?;
/// let (mut log, _) = Log::open(Arc::new(OsIo), folder.path(), LogOptions::new("events"))?;
/// let follower = Follower::open(Arc::new(OsIo), folder.path(), FollowOptions::new("events"))?;
/// let mut payload = Vec::new();
/// push_record(b"hello", &mut payload);
/// log.commit(&[Pending { kind: PendingKind::Records, payload: &payload, count: 1 }], Level::Durable)?;
/// # log.close()?;
/// let now = follower.refresh()?;
/// assert_eq!(now.get(0)?.ok_or("nothing there")?.data, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Follower {
    pub(super) io: Arc<dyn Io>,
    pub(super) lister: Lister,
    pub(super) options: FollowOptions,
    boot: Option<BootId>,
    /// One refresh at a time.
    state: Mutex<State>,
    /// As of the last refresh; never held while the disk is waited for.
    shown: Mutex<Shown>,
}

/// What a refresh goes on from.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) current: Option<Current>,
    /// So many refreshes in a row have found nothing new by the mark.
    unmoved: u32,
}

/// What is known of the stream.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) id: StreamId,
    pub(super) files: Arc<[Arc<Slot>]>,
    /// Index and length of these, and of those behind them.
    pub(super) lengths: Arc<[(u16, u64)]>,
    /// The file that the end is in: the last of them.
    pub(super) top: Top,
    pub(super) end: Mark,
}

#[derive(Clone)]
struct Shown {
    snapshot: Snapshot,
    oldest_seq: u64,
    footprint: Footprint,
    max_record_bytes: u64,
}

/// A mark that has not moved for so long may be one that its writer could not write any more.
const UNMOVED: u32 = 4;

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Follower {
    /// Opens the stream in `directory` for reading. Takes no lock and changes nothing, so that it needs no permission but
    /// for reading. Reads the beginnings of one or two files; of a stream without a mark of this boot, one whole file.
    ///
    /// # Errors
    ///
    /// `PSTREAM_NOT_FOUND` if there is no stream; `PSTREAM_CORRUPT` if its last file is damaged so that its end cannot be
    /// told, but for [`Mode::Salvage`]; `PSTREAM_UNSUPPORTED` for one of a later version; `PSTREAM_INVALID_INPUT` for the
    /// name; those of opening a sequence for what lies in the folder; `PSTREAM_IO`.
    pub fn open(io: Arc<dyn Io>, directory: &Path, options: FollowOptions) -> Result<Self> {
        let lister = Lister::new(&*io, directory, &options.name)?;
        let boot = io.identity().boot_id.and_then(|text| BootId::new(&text));
        let mut state = State::default();
        let note = mark::read(&*io, &lister.meta(), boot);
        let looking = Looking { io: &io, lister: &lister, options: &options };
        let shown = looking.find(&mut state, note.as_ref())?;
        Ok(Self { io, lister, options, boot, state: Mutex::new(state), shown: Mutex::new(shown) })
    }

    /// Looks how far the stream can be read by now. Never less far than before. Reads the mark, and the folder if that does
    /// not tell; waits for nobody.
    ///
    /// # Errors
    ///
    /// `PSTREAM_NOT_FOUND` if the stream is gone, or another is in its place; those of [`Follower::open`].
    pub fn refresh(&self) -> Result<Snapshot> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let note = mark::read(&*self.io, &self.lister.meta(), self.boot);
        // A copy, so that an error leaves what is known as it was.
        let mut next = state.clone();
        let looking = Looking { io: &self.io, lister: &self.lister, options: &self.options };
        let found = if looking.by_mark(&mut next, note.as_ref()) {
            let before = self.shown().clone();
            looking.show(&next, Some(&before))?
        } else {
            looking.find(&mut next, note.as_ref())?
        };
        *state = next;
        let snapshot = found.snapshot.clone();
        *self.shown() = found;
        Ok(snapshot)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be read, as of the last refresh.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shown().snapshot.clone()
    }

    /// Seq of the first record that can be read, as of the last refresh.
    #[must_use]
    pub fn oldest_seq(&self) -> u64 {
        self.shown().oldest_seq
    }

    /// What the stream takes on disk, as of the last refresh that had to look at the folder.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        self.shown().footprint
    }

    /// The largest record that a file like the one that the stream ends in can hold, as of the last refresh.
    #[must_use]
    pub fn max_record_bytes(&self) -> u64 {
        self.shown().max_record_bytes
    }

    /// The folder of the stream, absolute.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.lister.root()
    }

    /// Its cursors.
    #[must_use]
    pub fn cursors(&self) -> Folder {
        Folder::new(Arc::clone(&self.io), self.lister.root(), &self.options.name)
    }

    /// Where the writer notes how far the stream is durable: who waits for more watches this file, or its folder.
    #[must_use]
    pub fn mark_path(&self) -> std::path::PathBuf {
        mark::path_in(&self.lister.meta())
    }
}

/// What it takes to look at a stream.
pub(super) struct Looking<'a> {
    pub(super) io: &'a Arc<dyn Io>,
    pub(super) lister: &'a Lister,
    pub(super) options: &'a FollowOptions,
}

impl Looking<'_> {
    /// The mark tells all: it lies in the same file as before, and no file was released.
    fn by_mark(&self, state: &mut State, note: Option<&Note>) -> bool {
        let (Some(current), Some(note)) = (state.current.as_mut(), note) else { return false };
        let there = |slot: Option<&Arc<Slot>>| slot.is_some_and(|slot| self.io.metadata(slot.path()).is_ok());
        if note.id != current.id || !current.top.holds(note) {
            return false;
        }
        if note.position <= current.end.position {
            state.unmoved = state.unmoved.saturating_add(1);
            if state.unmoved >= UNMOVED {
                return false;
            }
        } else {
            state.unmoved = 0;
            current.end = Mark { position: note.position, seq: note.seq };
        }
        there(current.files.first()) && there(current.files.last())
    }

    /// Looks at the folder.
    fn find(&self, state: &mut State, note: Option<&Note>) -> Result<Shown> {
        // Files come and go while they are looked at.
        const ATTEMPTS: u32 = 16;
        let (mut attempt, stuck) = (1_u32, state.unmoved >= UNMOVED);
        let found = loop {
            let how = Try { stuck, last: attempt >= ATTEMPTS };
            match follow_files::look(self, state.current.as_ref(), note, how)? {
                Some(found) => break found,
                None => attempt = attempt.saturating_add(1),
            }
        };
        state.unmoved = 0;
        state.current = Some(found);
        self.show(state, None)
    }

    /// What getters tell. `before`: the files are the same.
    fn show(&self, state: &State, before: Option<&Shown>) -> Result<Shown> {
        let Some(current) = &state.current else { return Err(gone(self.lister.root(), &self.options.name)) };
        let snapshot = Snapshot::new(current.id, Arc::clone(&current.files), current.end)?;
        let oldest_seq = match before {
            Some(before) => before.oldest_seq,
            // Files may be released again meanwhile; and where none can be read that is for readers to meet.
            None => snapshot.oldest_seq().unwrap_or(0).min(current.end.seq),
        };
        let footprint = current.footprint();
        Ok(Shown { snapshot, oldest_seq, footprint, max_record_bytes: current.top.max_record_bytes() })
    }
}

impl Current {
    fn footprint(&self) -> Footprint {
        // Both are in order and begin with the same file.
        let bytes =
            |files: usize| self.lengths.iter().take(files).map(|(_, length)| *length).fold(0, u64::saturating_add);
        let used = bytes(self.files.len()).saturating_sub(self.top.rest_behind(self.end.position));
        Footprint { files: super::long(self.files.len()), on_disk: bytes(self.lengths.len()), used }
    }
}

/// There is no stream.
pub(super) fn gone(root: &Path, name: &str) -> Error {
    let message = format!("there is no stream '{name}' in '{}'", root.display());
    Error::new(ErrorKind::NotFound, message).at_path(root)
}
