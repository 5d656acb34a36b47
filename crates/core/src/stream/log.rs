//! The writer of a stream.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::active::Active;
use super::background::{Duty, Notes};
use super::mark::Marker;
use super::options::{Level, LogOptions};
use super::plan::{self, Pending};
use super::read::{Snapshot, View};
use super::recover::{self, Recovered};
use super::report::Recovery;
use super::writer::Mark;
use crate::error::{Error, ErrorKind, Result};
use crate::file::Staging;
use crate::io::Io;
use crate::sequence::LockShare;

/// What a commit has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The seqs of its records, in their order.
    pub seqs: Range<u64>,
    /// Everything in front of it is durable.
    pub durable: Mark,
}

/// The one writer of a stream: commits records, goes from file to file, and recovers after a crash. For one thread.
///
/// ```
/// use std::sync::Arc;
/// use pstream_core::OsIo;
/// use pstream_core::format::batch::push_record;
/// use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind};
///
/// let folder = tempfile::tempdir()?;
/// let (mut log, recovery) = Log::open(Arc::new(OsIo), folder.path(), LogOptions::new("events"))?;
/// assert_eq!(recovery.next_seq, 0);
/// let mut payload = Vec::new();
/// push_record(b"durable when this returns", &mut payload);
/// let committed = log.commit(&[Pending { kind: PendingKind::Records, payload: &payload, count: 1 }], Level::Durable)?;
/// assert_eq!(committed.seqs, 0..1);
/// log.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Log {
    pub(super) io: Arc<dyn Io>,
    directory: PathBuf,
    pub(super) options: LogOptions,
    pub(super) state: State,
    pub(super) active: Option<Active>,
    /// Syncs by the writers before the last recovery in place.
    syncs: u64,
    /// What readers were shown last, for while there is nothing newer.
    published: Option<View>,
    /// Number of recoveries.
    generation: u64,
    /// What was durable before the last one.
    kept: Mark,
    /// Kept through recoveries in place, failed ones too, so that nobody else gets in; but for those of the folder's own
    /// sync.
    lock: Option<LockShare>,
    /// What nobody has asked for.
    pub(super) notes: Notes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// A write or sync has failed, and what it has left is unknown (rule 9).
    Uncertain,
    /// What an open has to write did not fit on the disk.
    Postponed,
    Closed,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("name", &self.options.name).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the stream in the folder `directory`, which must exist, for writing; recovers it if need be, and begins it
    /// if it is not there.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if it is damaged, with nothing changed; `PSTREAM_UNSUPPORTED` if a later version has written
    /// it, or if it is on a network file system, likewise; `PSTREAM_INVALID_INPUT` for the options; `PSTREAM_LOCKED`;
    /// others of opening the sequence and of its files.
    pub fn open(io: Arc<dyn Io>, directory: &Path, options: LogOptions) -> Result<(Self, Recovery)> {
        options.check()?;
        let options = options.bounded()?;
        options.check()?;
        options.check_place(&*io, directory)?;
        let mut log = Self {
            io,
            directory: directory.to_owned(),
            options,
            state: State::Uncertain,
            active: None,
            syncs: 0,
            published: None,
            generation: 0,
            kept: Mark::default(),
            lock: None,
            notes: Notes::default(),
        };
        let report = log.recover_in_place()?;
        Ok((log, report))
    }

    /// Closes everything and opens it anew, which is what a failed write or sync demands before the next commit
    /// (rule 9). Records that were not acknowledged may be there then or not; their seqs are never given twice.
    ///
    /// # Errors
    ///
    /// As [`Log::open`]; it may be called again.
    pub fn recover_in_place(&mut self) -> Result<Recovery> {
        if self.state == State::Closed {
            return Err(self.closed());
        }
        let begin = Instant::now();
        self.state = State::Uncertain;
        self.published = self.last_view();
        // A file that is being made is waited for.
        let before = self.active.take().map(|active| (active.writer.time_ms, active.writer.syncs));
        let (time_ms, syncs) = before.unwrap_or_default();
        self.syncs = self.syncs.saturating_add(syncs);
        let Recovered { sequence, mut writer, prepared, files, report } =
            recover::open(&self.io, &self.directory, &self.options, self.lock.as_ref())?;
        self.lock = sequence.share_lock();
        // Time does not go back behind what was written and lost, either.
        writer.time_ms = writer.time_ms.max(time_ms);
        self.state = if report.postponed { State::Postponed } else { State::Ready };
        // Of the open itself its caller has the report.
        if self.generation > 0 {
            self.notes.recovered(&report, begin.elapsed());
        }
        self.generation = self.generation.saturating_add(1);
        self.kept = self.published.as_ref().map(|view| view.durable).unwrap_or_default();
        // All of it. Behind a watermark that was not written for want of space the writer's own end is further on.
        let written = writer.durable;
        let owner = (writer.id(), writer.epoch);
        let marker = Marker::new(&*self.io, &sequence.meta(), self.options.sequence.create.mode, owner);
        let sequence = Arc::new(sequence);
        let (files, staging) = (files.into(), Staging::new(self.options.direct.piece));
        self.active = Some(Active {
            preparing: None,
            trimming: None,
            sequence,
            writer,
            prepared,
            files,
            followed: false,
            staging,
            written,
            bytes: None,
            marker,
        });
        // Before the first append: what is there may be of another boot, or of a stream that was here before.
        self.note();
        Ok(report)
    }

    /// Appends the batches, in order. `Level::Durable`: all of it is durable when this returns; `Level::Written`: it
    /// survives the process. After an error nothing of it is acknowledged; any of its records may be in the stream then,
    /// from the first on.
    ///
    /// # Errors
    ///
    /// With nothing written, and the log good for the next commit: `PSTREAM_INVALID_INPUT` for a payload that is not
    /// `count` records; `PSTREAM_CAPACITY` for a record, or records that belong together, that no file takes;
    /// `PSTREAM_NO_SPACE` and `PSTREAM_LIMIT` if a next file is needed and cannot, or may not, be made.
    /// After any other one, see [`Log::needs_recovery`].
    pub fn commit(&mut self, batches: &[Pending<'_>], level: Level) -> Result<Committed> {
        plan::check(batches, self.options.limits()?)?;
        self.make_ready()?;
        let closed = self.closed();
        if self.options.retention.limit_bytes.is_some() {
            self.footprint()?;
        }
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        let first = active.writer.seq;
        let mut planned = active.plan(batches, &self.options);
        while let Err(error) = &planned
            && self.make_room(error)?
        {
            let Some(active) = self.active.as_mut() else { return Err(closed) };
            planned = active.plan(batches, &self.options);
        }
        let steps = self.settle_making(planned)?;
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        // Rule 13, below.
        let behind_written = level == Level::Durable && active.writer.unsynced && !steps.is_empty();
        if let Err(error) = active.write(&self.io, &steps, level, &self.options) {
            self.state = State::Uncertain;
            return Err(error);
        }
        active.written = active.writer.end();
        let committed = Committed { seqs: first..active.writer.seq, durable: active.writer.durable };
        self.note();
        if behind_written {
            self.mark();
        }
        Ok(committed)
    }

    /// Tells readers in other processes what is durable by now: behind the sync that made it so (rule 8).
    fn note(&mut self) {
        if let Some(active) = self.active.as_mut() {
            active.note(&*self.io);
        }
    }

    /// Whether somebody reads what is appended. It is left in the page cache then, also where a large commit would go past
    /// it: see [`super::DirectWrites`]. Forgotten by a recovery in place.
    pub fn set_followed(&mut self, followed: bool) {
        if let Some(active) = &mut self.active {
            active.followed = followed;
        }
    }

    /// Makes everything durable that was committed so far.
    ///
    /// # Errors
    ///
    /// `PSTREAM_SYNC_FAILED` and `PSTREAM_NO_SPACE`: see [`Log::needs_recovery`].
    pub fn flush(&mut self) -> Result<Mark> {
        self.make_ready()?;
        let closed = self.closed();
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        if active.writer.unsynced {
            if let Err(error) = active.writer.sync() {
                self.state = State::Uncertain;
                return Err(error);
            }
            self.note();
            self.mark();
        }
        Ok(self.durable())
    }

    /// Writes a watermark: of use when the stream has been idle for a while, so that rot in its last sector is told from
    /// a tear. Flushes first. Does nothing where there may be none, or where one would say nothing new (rule 10).
    ///
    /// # Errors
    ///
    /// As [`Log::flush`].
    pub fn watermark(&mut self) -> Result<bool> {
        self.make_ready()?;
        let closed = self.closed();
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        let marked = active.writer.watermark(&*self.io);
        match marked {
            Ok(_) => active.written = active.writer.end(),
            Err(_) => self.state = State::Uncertain,
        }
        if marked.is_ok() {
            self.note();
        }
        marked
    }

    /// Rule 13: a watermark follows a flush, and a durable commit behind written ones. What was promised is durable
    /// already, so a failure is for the next commit to hear of.
    fn mark(&mut self) {
        let marked = self.watermark();
        self.notes.outcome(Duty::Watermark, marked);
    }

    /// Closes the stream: makes everything durable and seals it.
    ///
    /// # Errors
    ///
    /// As [`Log::flush`], and `PSTREAM_IO` if the lock cannot be given up. Closed it is all the same.
    pub fn close(&mut self) -> Result<()> {
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.published = self.last_view();
        self.lock = None;
        let Some(mut active) = self.active.take() else { return Ok(()) };
        let sealed = match state {
            State::Ready => active.writer.seal(&*self.io).map(|_| active.note(&*self.io)),
            State::Uncertain if active.written != active.writer.durable => {
                Err(Error::new(ErrorKind::SyncFailed, "what was written before an earlier error may be lost"))
            }
            State::Uncertain | State::Postponed | State::Closed => Ok(()),
        };
        self.syncs = self.syncs.saturating_add(active.writer.syncs);
        drop(active.preparing.take());
        drop(active.trimming.take());
        sealed.and(active.sequence.close())
    }

    /// Gives the stream up as it is, as a crash would, and its lock with it: no call but the closing of files, and what is
    /// already being made of a next one. What was committed is as good as it was.
    pub fn abandon(&mut self) {
        self.state = State::Closed;
        self.lock = None;
        let Some(mut active) = self.active.take() else { return };
        self.syncs = self.syncs.saturating_add(active.writer.syncs);
        drop(active.preparing.take());
        drop(active.trimming.take());
        active.sequence.abandon();
    }

    /// What can be read: up to the durable end, or up to what is written, which a failed sync may take back. Also while the
    /// log needs recovery, or could not be recovered: as of the last commit.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CLOSED`.
    pub fn snapshot(&self, level: Level) -> Result<Snapshot> {
        Ok(self.view()?.at(level))
    }

    pub(super) fn view(&self) -> Result<View> {
        if self.state == State::Closed {
            return Err(self.closed());
        }
        self.last_view().ok_or_else(|| self.closed())
    }

    fn last_view(&self) -> Option<View> {
        let Some(active) = &self.active else { return self.published.clone() };
        let (id, files) = (active.writer.id(), Arc::clone(&active.files));
        let (durable, written, generation) = (active.writer.durable, active.written, self.generation);
        Some(View { id, files, durable, written, generation, kept: self.kept })
    }

    /// Syncs of its files that have succeeded since it was opened.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.syncs.saturating_add(self.active.as_ref().map_or(0, |active| active.writer.syncs))
    }

    /// Whether a write or sync has failed, so that [`Log::recover_in_place`] must come before the next commit.
    #[must_use]
    pub fn needs_recovery(&self) -> bool {
        self.state == State::Uncertain
    }

    /// Everything in front of it is durable: as of the last commit, if the log could not be recovered, or is closed.
    #[must_use]
    pub fn durable(&self) -> Mark {
        self.last_view().map(|view| view.durable).unwrap_or_default()
    }

    /// Seq of the record to be appended next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.last_view().map_or(0, |view| view.written.seq)
    }

    /// How it was opened.
    #[must_use]
    pub fn options(&self) -> &LogOptions {
        &self.options
    }

    pub(super) fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, "stream is closed").at_path(&self.directory)
    }

    pub(super) fn make_ready(&mut self) -> Result<()> {
        match self.state {
            State::Ready => Ok(()),
            State::Closed => Err(self.closed()),
            State::Uncertain => {
                let message = "an earlier write or sync has failed: the stream must be recovered first";
                Err(Error::new(ErrorKind::SyncFailed, message).at_path(&self.directory))
            }
            // The end of the stream is where it was: what was postponed changes nothing of it.
            State::Postponed => {
                if !self.recover_in_place()?.postponed {
                    return Ok(());
                }
                let message = "no space for what has to be written before the stream can grow";
                Err(Error::new(ErrorKind::NoSpace, message).at_path(&self.directory))
            }
        }
    }
}
