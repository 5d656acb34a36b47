//! A copy of a stream, as a stream of its own.
//!
//! The files are copied one by one under a name that nobody asks for, each up to where the stream goes on in the next one,
//! the last one up to the end of what is durable. Then the copy is read and checked, every byte of it, sealed, and given its
//! name by the renaming of a sequence, which a crash leaves undone or done: so a copy that was not finished is never taken
//! for a whole one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind as OsKind, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::folder::make_folder;
use super::log::Log;
use super::options::{LogOptions, Network};
use super::read::{Place, Slot, Snapshot, Verifier};
use super::writer::Mark;
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::file::{BlockFile, CreateOptions, Reserve, Shape, build};
use crate::io::{Durability, FileKind, Io};
use crate::sequence::{self, FileSequence, SequenceOptions};

/// Copied at a time.
const PIECE: u64 = 1 << 20;
/// After so much the copy is synced and leaves the page cache.
const SYNC_EVERY: u64 = 8 << 20;
/// So many files are held open from the beginning, so that they can be copied though they are released meanwhile.
const HELD: usize = 256;

/// A copy in the making. Dropped before its end it removes what there is of it.
pub struct Backup {
    io: Arc<dyn Io>,
    source: Snapshot,
    target: Target,
    /// Files to be copied, from the one that is being copied on.
    ahead: VecDeque<Place>,
    current: Option<Current>,
    slots: Vec<Arc<Slot>>,
    verifier: Option<Box<Verifier>>,
    phase: Phase,
    /// Of the data of the stream, copied.
    copied: u64,
    total: u64,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Copy,
    Verify,
    Finish,
    Done,
}

/// Where the copy goes.
struct Target {
    directory: PathBuf,
    name: String,
    /// Its name until it is whole.
    temporary: String,
    create: CreateOptions,
    /// Its lock.
    sequence: Option<FileSequence>,
}

/// The file that is being copied.
struct Current {
    copy: BlockFile,
    /// File offsets: what is copied, what is synced, and where it ends.
    at: u64,
    synced: u64,
    end: u64,
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup").field("phase", &self.phase).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Begins to copy all that is in the snapshot, which must be durable, to a stream `name` in the folder `directory`, which
    /// is made if it is not there. Records keep their seqs and times. Cursors are not copied.
    ///
    /// What an earlier copy that was interrupted has left there is removed.
    ///
    /// # Errors
    ///
    /// `PSTREAM_ALREADY_EXISTS` if there is a stream of that name; `PSTREAM_LOCKED` while another copy of that name is being
    /// made there; `PSTREAM_CORRUPT` if a file cannot be read; `PSTREAM_INVALID_INPUT` for the name; `PSTREAM_NO_SPACE`,
    /// `PSTREAM_SYNC_FAILED`, `PSTREAM_UNSUPPORTED`, `PSTREAM_IO`.
    pub fn backup(&self, io: Arc<dyn Io>, directory: &Path, name: &str, create: CreateOptions) -> Result<Backup> {
        make_folder(&*io, directory)?;
        let report = sequence::inspect(&*io, directory, name)?;
        if let Some(file) = report.files.first() {
            let path = directory.join(&file.name);
            let message = format!("there is a stream '{name}' in '{}' already", directory.display());
            return Err(Error::new(ErrorKind::AlreadyExists, message).at_path(&path));
        }
        let ahead = self.hold()?;
        let start = ahead.front().map_or(0, |place| place.segment.start());
        // No dot in it but the first one, and the same for the same name: the next copy removes what this one leaves.
        let temporary = format!(".pstream-backup-{:08x}", crc32c::crc32c(name.as_bytes()));
        // It is whole or not there: a disk that fills up while it is made takes nothing that was acknowledged.
        let create = CreateOptions { reserve: Reserve::BestEffort, ..create };
        let mut target =
            Target { directory: directory.to_owned(), name: name.to_owned(), temporary, create, sequence: None };
        target.sequence = Some(target.lock(&io)?);
        target.clear(&*io)?;
        Ok(Backup {
            io,
            source: self.clone(),
            target,
            ahead,
            current: None,
            slots: Vec::new(),
            verifier: None,
            phase: Phase::Copy,
            copied: 0,
            total: self.end().saturating_sub(start),
            buffer: vec![0; super::short(PIECE)],
        })
    }

    /// Opens the first files.
    fn hold(&self) -> Result<VecDeque<Place>> {
        let (first, lost) = self.first()?;
        if lost {
            return Err(self.why_lost(first.number.saturating_sub(1), None)?);
        }
        let mut ahead = VecDeque::from([first]);
        while ahead.len() < HELD
            && let Some(next) = ahead.back().map(|last| self.behind(last)).transpose()?.flatten()
        {
            ahead.push_back(next);
        }
        Ok(ahead)
    }

    /// The file behind another, which must be there: a copy has no gaps.
    fn behind(&self, place: &Place) -> Result<Option<Place>> {
        let number = place.number.saturating_add(1);
        if number >= self.files().len() {
            return Ok(None);
        }
        match self.next_place(number, Some(&place.segment))? {
            Some(next) if next.number == number => Ok(Some(next)),
            _ => Err(self.why_lost(number, Some(&place.segment))?),
        }
    }
}

impl Target {
    fn lock(&self, io: &Arc<dyn Io>) -> Result<FileSequence> {
        let create =
            SequenceOptions { create: self.create, lock_timeout: Duration::ZERO, ..SequenceOptions::default() };
        // Of files that it makes itself, which are none.
        let shape = Shape::new(1, Shape::MIN_SHIFT)?;
        FileSequence::open(Arc::clone(io), &self.directory, &self.temporary, shape, create)
    }

    /// Removes what there is of a copy.
    fn clear(&self, io: &dyn Io) -> Result<()> {
        let mut paths = Vec::new();
        let listed = io.read_dir(&self.directory, &mut |entry| {
            let name = Path::new(&entry.name);
            let ours = name.file_stem().is_some_and(|stem| stem == self.temporary.as_str());
            if ours && entry.kind == FileKind::File && name.extension().is_some_and(|extension| extension != "lock") {
                paths.push(self.directory.join(&entry.name));
            }
            Ok(())
        });
        listed.map_err(|error| Error::io("scandir", &self.directory, error))?;
        paths.extend(self.sequence.as_ref().map(FileSequence::half_made));
        for path in paths {
            match io.remove_file(&path) {
                Err(error) if error.kind() != OsKind::NotFound => return Err(Error::io("unlink", &path, error)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Backup {
    /// Goes on by about 1 MiB. False when the copy is whole, durable, and has its name.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` at damage; `PSTREAM_TRIMMED` if a file was released that was not held open: with more than 256 files
    /// alone; `PSTREAM_ALREADY_EXISTS` if a stream of the name was made meanwhile; `PSTREAM_NO_SPACE`, `PSTREAM_SYNC_FAILED`,
    /// `PSTREAM_IO`. It cannot go on then.
    pub fn step(&mut self) -> Result<bool> {
        match self.phase {
            Phase::Copy => self.copy()?,
            Phase::Verify => self.verify()?,
            Phase::Finish => self.finish()?,
            Phase::Done => {}
        }
        Ok(self.phase != Phase::Done)
    }

    /// Bytes that were copied, and bytes of the copy that were checked.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let checked = match self.phase {
            Phase::Finish | Phase::Done => self.total,
            Phase::Copy | Phase::Verify => self.verifier.as_ref().map_or(0, |verifier| verifier.bytes()),
        };
        self.copied.min(self.total).saturating_add(checked.min(self.total))
    }

    /// Twice the bytes of the stream.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total.saturating_mul(2)
    }

    fn copy(&mut self) -> Result<()> {
        let Some(mut current) = self.current.take().map_or_else(|| self.begin_file(), |file| Ok(Some(file)))? else {
            self.phase = Phase::Verify;
            return Ok(());
        };
        let Some(place) = self.ahead.front() else { return Err(internal()) };
        let len = current.end.saturating_sub(current.at).min(PIECE);
        let piece = self.buffer.get_mut(..super::short(len)).unwrap_or_default();
        place.segment.read(current.at, &mut [IoSliceMut::new(piece)], self.target.create.file.cache)?;
        current.copy.write_at(current.at, &[IoSlice::new(piece)], Durability::Cached)?;
        current.at = current.at.saturating_add(len);
        self.copied = self.copied.saturating_add(len);
        let done = current.at >= current.end;
        if done || current.at.saturating_sub(current.synced) >= SYNC_EVERY {
            current.copy.sync()?;
            current.copy.drop_in_front_of(current.at);
            current.synced = current.at;
        }
        if !done {
            self.current = Some(current);
            return Ok(());
        }
        // The one behind it was needed to know where this one ends.
        self.ahead.pop_front();
        Ok(())
    }

    /// Makes the copy of the next file; `None` if there is none.
    fn begin_file(&mut self) -> Result<Option<Current>> {
        let Some(place) = self.ahead.front().cloned() else { return Ok(None) };
        if self.ahead.len() < 2
            && let Some(next) = self.source.behind(&place)?
        {
            self.ahead.push_back(next);
        }
        let segment = &place.segment;
        let upto = self.ahead.get(1).map_or(self.source.end(), |next| next.segment.start());
        let layout = segment.layout();
        let data = upto.saturating_sub(segment.start()).min(layout.capacity());
        let (index, shift) = (segment.batch().index, segment.batch().block_shift);
        let path = self.target.directory.join(format!("{}.{index:04x}-{shift}", self.target.temporary));
        let half_made = self.target.sequence.as_ref().map(FileSequence::half_made).ok_or_else(internal)?;
        let shape = segment.file().shape();
        let copy = build(&*self.io, &path, &mut std::iter::once(half_made), shape, self.target.create)?;
        let copy = copy.name(&*self.io, &path)?;
        self.slots.push(Arc::new(Slot::new(Arc::clone(&self.io), index, path, shift, self.target.create.file.cache)));
        Ok(Some(Current { copy, at: 0, synced: 0, end: layout.file_range(&(0..data)).end }))
    }

    fn verify(&mut self) -> Result<()> {
        let end = Mark { position: self.source.end(), seq: self.source.next_seq() };
        let begin = || Snapshot::new(self.source.id(), self.slots.clone(), end)?.verify().map(Box::new);
        let mut verifier = self.verifier.take().map_or_else(begin, Ok)?;
        let goes_on = verifier.step()?;
        if let Some(gap) = verifier.report().gaps.first() {
            return Err(self.damaged(&gap.cause, gap.from_seq..gap.to_seq));
        }
        if goes_on {
            self.verifier = Some(verifier);
        } else {
            self.phase = Phase::Finish;
        }
        Ok(())
    }

    /// Where in the stream itself the damage is that its copy shows.
    fn damaged(&self, cause: &Error, seqs: std::ops::Range<u64>) -> Error {
        let place = self.slots.iter().find(|slot| Some(slot.path()) == cause.path());
        let source = place.and_then(|slot| self.source.files().iter().find(|file| file.index() == slot.index()));
        let (path, block) = (source.map_or(&*self.target.directory, |file| file.path()), cause.block().unwrap_or(0));
        let message = format!("'{}' is damaged in block {block}: it is not copied", path.display());
        let damage = Damage { from_seq: Some(seqs.start), to_seq: Some(seqs.end) };
        let error = Error::new(ErrorKind::Corrupt(damage), message).at_path(path).at_block(block).at_seq(seqs.start);
        match cause.position() {
            Some(position) => error.at_position(position),
            None => error,
        }
    }

    /// Seals the copy as a close does, so that it opens as a stream that was closed; and gives it its name.
    fn finish(&mut self) -> Result<()> {
        let block_shift = self.slots.last().map(|slot| slot.block_shift()).ok_or_else(internal)?;
        self.verifier = None;
        let target = &mut self.target;
        // The log takes the lock.
        target.sequence.take().map_or(Ok(()), |sequence| sequence.close())?;
        let mut options = LogOptions::new(&*target.temporary);
        // Where a copy is kept is for the caller to choose; it was locked and written there already.
        options.network = Network::Allow;
        options.block_size = 1_u64.checked_shl(block_shift).ok_or_else(internal)?;
        options.sequence = SequenceOptions { create: target.create, lock_timeout: Duration::ZERO, ..options.sequence };
        let (mut log, recovery) = Log::open(Arc::clone(&self.io), &target.directory, options)?;
        if recovery.postponed {
            return Err(Error::new(ErrorKind::NoSpace, "no space to seal the copy").at_path(&target.directory));
        }
        log.close()?;
        sequence::rename(&self.io, &target.directory, &target.temporary, &target.name)?;
        self.phase = Phase::Done;
        Ok(())
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        if self.phase == Phase::Done {
            return;
        }
        // What fails here is removed by the next copy. One that is being renamed is made whole by the next open.
        (self.current, self.verifier) = (None, None);
        self.slots.clear();
        if self.target.sequence.is_none() {
            self.target.sequence = self.target.lock(&self.io).ok();
        }
        if let Some(sequence) = &self.target.sequence {
            drop(self.target.clear(&*self.io));
            drop(sequence.close());
        }
    }
}

fn internal() -> Error {
    Error::new(ErrorKind::Io, "internal error: a copy has lost its place")
}
