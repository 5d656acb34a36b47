//! A cursor in the hands of its consumer.

use std::fmt;
use std::sync::Arc;

use super::folder::Folder;
use super::name::Place;
use super::slots::{self, SHIFT, Seen, Standing};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{BlockFile, Evicted, FileOptions};
use crate::format::StreamId;
use crate::format::cursor_slot::CursorSlot;
use crate::io::Io;
use crate::lock_file::{Attempt, Lock, LockMode, attempt, living, read_holder, write_holder};

/// The lock of a cursor: one consumer at a time, among processes and within one.
pub(super) struct Lease {
    io: Arc<dyn Io>,
    pub(super) place: Place,
    lock: Option<Lock>,
}

impl Lease {
    /// `PSTREAM_LOCKED` if somebody else has it.
    pub(super) fn take(io: &Arc<dyn Io>, place: &Place) -> Result<Self> {
        // A file that is removed each time we have opened it means somebody who makes and deletes it in a loop.
        const MAX_OUTDATED: u32 = 1000;
        let path = place.lock();
        for _ in 0..MAX_OUTDATED {
            match attempt(&**io, &path, LockMode::Required)? {
                Attempt::Held(lock) => {
                    write_holder(&**io, &place.holder());
                    return Ok(Self { io: Arc::clone(io), place: place.clone(), lock: Some(lock) });
                }
                Attempt::Taken => break,
                Attempt::Outdated => {}
            }
        }
        let holder = living(read_holder(&**io, &place.holder()).unwrap_or_default());
        let message = format!("cursor '{}' is in use", place.name());
        Err(Error::new(ErrorKind::Locked(Some(holder)), message).at_path(&path))
    }

    /// Gives the lock up and removes its file, in this order reversed: so that nobody can lock the file in between and have
    /// it removed under them.
    pub(super) fn remove(self) {
        drop(self.io.remove_file(&self.place.temporary()));
        drop(self.io.remove_file(&self.place.lock()));
    }
}

impl Drop for Lease {
    /// The lock's file stays: who opens the cursor on a full disk has no space for another one.
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            drop(self.io.remove_file(&self.place.holder()));
            drop(lock);
        }
    }
}

/// A durable position of a consumer, whose only one holds it until it is dropped.
///
/// ```
/// use std::sync::Arc;
/// use pstream_core::OsIo;
/// use pstream_core::format::batch::push_record;
/// use pstream_core::stream::cursor::Folder;
/// use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind};
///
/// let folder = tempfile::tempdir()?;
/// let (mut log, _) = Log::open(Arc::new(OsIo), folder.path(), LogOptions::new("events"))?;
/// let mut payload = Vec::new();
/// push_record(b"hello", &mut payload);
/// log.commit(&[Pending { kind: PendingKind::Records, payload: &payload, count: 1 }], Level::Durable)?;
/// let snapshot = log.snapshot(Level::Durable)?;
/// let cursors = Folder::new(Arc::new(OsIo), folder.path(), "events");
/// let mut cursor = cursors.open("uploader", snapshot.id(), || snapshot.oldest_seq())?;
/// assert_eq!(cursor.position(), 0);
/// cursor.commit(0, snapshot.next_seq())?;
/// drop(cursor);
/// assert_eq!(cursors.open("uploader", snapshot.id(), || Ok(0))?.position(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cursor {
    lease: Lease,
    folder: Folder,
    id: StreamId,
    /// `None` behind a failed write: what the disk has is unknown.
    file: Option<BlockFile>,
    /// The newest slot that is durable.
    slot: CursorSlot,
    /// Its number.
    at: u64,
    damaged: bool,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("name", &self.name()).field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl Cursor {
    pub(super) fn new(lease: Lease, folder: Folder, id: StreamId) -> Result<Self> {
        let slot = CursorSlot { position: 0, counter: 0, time_ms: 0 };
        let mut cursor = Self { lease, folder, id, file: None, slot, at: 0, damaged: false };
        cursor.settle()?;
        Ok(cursor)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lease.place.name()
    }

    /// Seq of the next record to be handled; durable.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.slot.position
    }

    /// When that was committed, in ms since 1970.
    #[must_use]
    pub fn committed_ms(&self) -> u64 {
        self.slot.time_ms
    }

    /// When it was opened one of its two slots could not be read, which may have been the newer one: the last commit may not
    /// count.
    #[must_use]
    pub fn damaged(&self) -> bool {
        self.damaged
    }

    /// The record `seq` has been handled, and all in front of it. Durable when this returns; does nothing if the cursor is
    /// beyond it already. `end` is the seq behind the last durable record: no power cut may take back what was passed, or
    /// later records would get its seq and be skipped.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for a seq that is not durable. `PSTREAM_SYNC_FAILED`, `PSTREAM_NO_SPACE`, `PSTREAM_IO`: after a
    /// crash the commit may count or not; the cursor stands where it stood, and may be used on.
    pub fn commit(&mut self, seq: u64, end: u64) -> Result<()> {
        if seq >= end {
            let message = format!("record {seq} cannot be committed: the newest one is in front of {end}");
            return Err(Error::new(ErrorKind::InvalidInput, message).at_seq(seq));
        }
        if seq < self.slot.position && self.file.is_some() {
            return Ok(());
        }
        self.settle()?;
        if seq < self.slot.position { Ok(()) } else { self.write(seq.saturating_add(1)) }
    }

    /// Goes to the position that `to` gives, wherever it is. Durable when this returns; nothing is trimmed meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Cursor::commit`]: after a crash behind one of them the cursor may be there or where it was. Those of `to`.
    pub fn seek(&mut self, to: impl FnOnce() -> Result<u64>) -> Result<()> {
        // So that whoever trims sees either where it was or where it is.
        let _guard = self.folder.guard()?;
        let position = to()?;
        self.settle()?;
        self.write(position)
    }

    fn write(&mut self, position: u64) -> Result<()> {
        let Some(file) = &self.file else { return Err(self.lost()) };
        let time_ms = slots::now_ms(&**self.folder.io());
        let slot = CursorSlot { position, counter: self.slot.counter.saturating_add(1), time_ms };
        let at = 1_u64.saturating_sub(self.at);
        // Never over the newest slot that is durable.
        if let Err(error) = slots::write(file, at, &slot, self.id) {
            self.file = None;
            return Err(error);
        }
        (self.slot, self.at) = (slot, at);
        Ok(())
    }

    /// Finds out what the disk has, where that is not known: a sync that failed leaves bytes in the page cache that the disk
    /// does not have, and the next sync says that all is well. So the file is synced, evicted and read.
    fn settle(&mut self) -> Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let path = self.lease.place.slots();
        let file = BlockFile::open(&**self.folder.io(), &path, SHIFT, FileOptions::default())?;
        let certain = file.evict(&(0..file.shape().size()))? == Evicted::Done;
        let Standing { newest, at, damaged, .. } = match slots::read(&file, self.id) {
            Seen::Ours(standing) => standing,
            Seen::Foreign => return Err(self.lost()),
            Seen::Lost(error) => return Err(error),
        };
        (self.slot, self.at, self.damaged, self.file) = (newest, at, damaged || self.damaged, Some(file));
        if damaged || !certain {
            // Both slots are good again; and where the cache cannot be looked behind, this one is durable for sure.
            self.write(newest.position)?;
        }
        Ok(())
    }

    fn lost(&self) -> Error {
        let path = self.lease.place.slots();
        let message = format!("cursor '{}' is not there any more: somebody has replaced it", self.name());
        Error::new(ErrorKind::NotFound, message).at_path(&path)
    }
}
