//! Opening a stream, step by step as in the design's pseudo-code. Nothing is written before it is clear that nothing is
//! damaged.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::head::{Head, is_merely_prepared, unsupported};
use super::image::Image;
use super::layout::Layout;
use super::options::{LEAST_BLOCKS_EVER, LogOptions, MOST_FILE_SIZE, Mode};
use super::read::Slot;
use super::repair::Repair;
use super::report::{Previous, Recovery};
use super::tail::{Chain, Tail};
use super::writer::{Mark, Writer, now_ms};
use super::{roll, salvage};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::file::{BlockFile, Evicted, Shape};
use crate::format::batch::Kind;
use crate::format::file_batch::{FileBatch, Stamp};
use crate::format::{Decoded, StreamId};
use crate::io::Io;
use crate::sequence::{FileSequence, LockShare, Retrieve, SequenceFile, SequenceOptions};

/// An open stream.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) sequence: FileSequence,
    pub(super) writer: Writer,
    pub(super) prepared: VecDeque<SequenceFile>,
    pub(super) files: Vec<Arc<Slot>>,
    pub(super) report: Recovery,
}

/// Opens the stream. On any error but no-space everything is closed and begun again from the top: what a failed sync has
/// left in the cache must be evicted before it is read.
pub(super) fn open(
    io: &Arc<dyn Io>,
    directory: &Path,
    options: &LogOptions,
    lock: Option<&LockShare>,
) -> Result<Recovered> {
    const ATTEMPTS: u32 = 3;
    let mut attempt = 1_u32;
    loop {
        let again = |error: &Error| {
            matches!(error.kind(), ErrorKind::SyncFailed | ErrorKind::Io | ErrorKind::WriteZero) && attempt < ATTEMPTS
        };
        match open_once(io, directory, options, lock) {
            Err(error) if again(&error) => attempt = attempt.saturating_add(1),
            Err(error) if is_damage(&error) && options.recovery == Mode::Salvage => {
                match salvage::open(io, directory, options, lock, error) {
                    Err(error) if again(&error) => attempt = attempt.saturating_add(1),
                    done => return done,
                }
            }
            done => return done,
        }
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt(_))
}

/// The sequence, locked, its folder synced. A lock that is held already is kept: on a full disk there may be no space for
/// the file of a new one, and nobody else is to come in between.
pub(super) fn open_sequence(
    io: &Arc<dyn Io>,
    directory: &Path,
    options: &LogOptions,
    lock: Option<&LockShare>,
) -> Result<FileSequence> {
    let shape = Shape::new(options.blocks_of(options.file_size), options.block_shift())?;
    // A stream can be opened on a disk without a free byte.
    let sequence = SequenceOptions { keep_lock_file: true, ..options.sequence };
    FileSequence::open_under(Arc::clone(io), directory, &options.name, shape, sequence, lock.cloned())
        .map_err(|error| options.taken(&**io, directory, error))
}

fn open_once(io: &Arc<dyn Io>, directory: &Path, options: &LogOptions, lock: Option<&LockShare>) -> Result<Recovered> {
    // lock; sync dir; indexes contiguous, else CORRUPT
    let sequence = open_sequence(io, directory, options, lock)?;
    let mut files = sequence.retrieve_what_is_there()?;
    let slots = slots(io, options, &files);
    check_contiguous(&slots)?;
    let mut prepared = VecDeque::new();
    // for f from highest to lowest
    while let Some(file) = files.next_back() {
        let file = file.map_err(impossible_length)?;
        let certain = is_evicted(&file)?;
        if let Some(head) = Head::read(&file, file.index())? {
            let oldest_seq = oldest(&mut files, &head)?;
            let current = Current { file, head, certain };
            return resume(io, options, sequence, current, Around { oldest_seq, slots, prepared });
        }
        // anything but zeros outside its file-batch sectors: CORRUPT
        if file.shape().block_count() < LEAST_BLOCKS_EVER || !is_merely_prepared(&file)? {
            return Err(corrupt(&file, "holds something, but not what a file of a stream begins with"));
        }
        prepared.push_front(file);
    }
    // if none in use
    create(io, options, sequence, prepared)
}

fn check_contiguous(slots: &[Arc<Slot>]) -> Result<()> {
    let apart = slots.windows(2).find_map(|pair| match pair {
        [one, next] if next.index() != one.index().wrapping_add(1) => Some(next),
        _ => None,
    });
    let Some(behind) = apart else { return Ok(()) };
    let message = format!("stream is damaged: the file in front of '{}' is missing", behind.path().display());
    Err(Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(behind.path()))
}

/// A file of a length that none has. One that was left long ago is not looked at.
fn impossible_length(error: Error) -> Error {
    if *error.kind() != ErrorKind::InvalidFile {
        return error;
    }
    let message = format!("stream is damaged: {error}");
    let damaged = Error::new(ErrorKind::Corrupt(Damage::default()), message);
    match error.path() {
        Some(path) => damaged.at_path(path),
        None => damaged,
    }
}

/// The list of files for readers. None of them is opened.
pub(super) fn slots(io: &Arc<dyn Io>, options: &LogOptions, files: &Retrieve) -> Vec<Arc<Slot>> {
    files.left().map(|file| slot(io, options, file)).collect()
}

pub(super) fn slot(io: &Arc<dyn Io>, options: &LogOptions, (index, path, block_shift): (u16, &Path, u32)) -> Arc<Slot> {
    let cache = options.sequence.create.file.cache;
    Arc::new(Slot::new(Arc::clone(io), index, path.to_owned(), block_shift, cache))
}

/// Rule 2: sync, evict, check that it is evicted, then read. The sync, and a first eviction, come with opening a block
/// file. Whether what is read from now on is what the disk has.
pub(super) fn is_evicted(file: &BlockFile) -> Result<bool> {
    Ok(file.evict(&(0..file.shape().size()))? == Evicted::Done)
}

pub(super) fn corrupt(file: &BlockFile, what: &str) -> Error {
    let message = format!("stream is damaged: '{}' {what}", file.path().display());
    Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(file.path())
}

/// if none in use: first index not 1: CORRUPT; new stream id; write both copies; sync; done
fn create(
    io: &Arc<dyn Io>,
    options: &LogOptions,
    sequence: FileSequence,
    mut prepared: VecDeque<SequenceFile>,
) -> Result<Recovered> {
    let next = prepared.pop_front();
    // Before the making of a file removes one that is half made.
    let leftovers = leftovers(&**io, &sequence, &prepared);
    let first = match next {
        Some(first) if first.index() == 1 => first,
        Some(first) => {
            return Err(corrupt(&first, "is not in use, and neither is any other file, yet some were released"));
        }
        None => sequence.alloc(Some(options.blocks_of(options.first_size())))?,
    };
    let (block_shift, block_count) = (first.shape().block_shift(), first.shape().block_count());
    let start =
        FileBatch { id: new_id(&**io), index: first.index(), block_shift, block_count, position: 0, seq: 0, before: 0 };
    let files = vec![slot(io, options, (first.index(), first.path(), block_shift))];
    let stamp = Stamp { time_ms: now_ms(&**io), epoch: 1 };
    let writer = roll::enter(first, start, stamp)?;
    know(&files, Head::written(start, stamp));
    let report = Recovery {
        previous: Previous::New,
        oldest_seq: Some(0),
        next_seq: 0,
        torn: None,
        gaps: Vec::new(),
        postponed: false,
        leftovers,
    };
    Ok(Recovered { sequence, writer, prepared, files, report })
}

/// What is there and not in use.
pub(super) fn leftovers(io: &dyn Io, sequence: &FileSequence, prepared: &VecDeque<SequenceFile>) -> Vec<String> {
    let half_made = sequence.half_made();
    let half_made = io.metadata(&half_made).is_ok().then_some(half_made);
    let paths = prepared.iter().map(|file| file.path()).chain(half_made.as_deref());
    let name = |path: &Path| path.strip_prefix(sequence.root()).unwrap_or(path).to_string_lossy().into_owned();
    paths.map(name).collect()
}

/// A random number, never zero.
fn new_id(io: &dyn Io) -> StreamId {
    loop {
        if let Some(id) = StreamId::new(io.random()) {
            return id;
        }
    }
}

/// Notes what a file says of itself.
pub(super) fn know(slots: &[Arc<Slot>], head: Head) {
    if let Some(slot) = slots.iter().rev().find(|slot| slot.index() == head.start.index) {
        slot.know(head);
    }
}

/// The last file in use.
pub(super) struct Current {
    pub(super) file: SequenceFile,
    pub(super) head: Head,
    pub(super) certain: bool,
}

/// What lies in front of it and behind it.
pub(super) struct Around {
    /// The first record, if the first file says so.
    pub(super) oldest_seq: Option<u64>,
    pub(super) slots: Vec<Arc<Slot>>,
    pub(super) prepared: VecDeque<SequenceFile>,
}

/// Finds the end of the stream in its last file, and whether it really ended there. Reads only.
pub(super) fn examine(file: &BlockFile, head: &Head) -> Result<(Image, Tail)> {
    let shape = file.shape();
    // length of N differs from its file batch: CORRUPT
    let start = &head.start;
    if (start.block_shift, start.block_count) != (shape.block_shift(), shape.block_count()) {
        return Err(corrupt(file, "has another length than it was made with"));
    }
    if shape.size() > MOST_FILE_SIZE {
        return Err(corrupt(file, "is longer than any file of a stream"));
    }
    let layout = Layout::new(shape);
    let image = Image::read(file, layout)?;
    let chain = Chain::new(&image, head);
    // known magic with a newer format version anywhere: UNSUPPORTED, before any write
    for block in 0..shape.block_count() {
        if let Decoded::Newer(version) = chain.block(block) {
            return Err(unsupported(file, version));
        }
    }
    // b = by binary search …; walk; P = where the walk ends, at least D0
    let tail = chain.tail(head, shape.block_count());
    for at in [tail.at, layout.next_own(tail.at)] {
        if let Decoded::Newer(version) = chain.header_at(at) {
            return Err(unsupported(file, version));
        }
    }
    let end = start.position.saturating_add(tail.at);
    let damaged = |durable: u64, to_seq: Option<u64>| {
        let what = format!("ends at position {end}, but was durable up to {durable}");
        let (from_seq, block) = (Some(tail.seq), layout.block_of(tail.at).0);
        let message = format!("stream is damaged: '{}' {what}", file.path().display());
        Error::new(ErrorKind::Corrupt(Damage { from_seq, to_seq }), message)
            .at_path(file.path())
            .at_block(block)
            .at_position(end)
            .at_seq(tail.seq)
    };
    // if P < U: CORRUPT. The search below would meet the batch that says so, too.
    if end < tail.needed {
        return Err(damaged(tail.needed, None));
    }
    // for every 8-byte offset from P to the end of the file: a valid header … with durable_upto > P: CORRUPT
    if let Some(header) = chain.evidence_against(tail.at) {
        return Err(damaged(header.durable_upto, Some(header.seq)));
    }
    Ok((image, tail))
}

/// Goes on where the stream ends.
pub(super) fn resume(
    io: &Arc<dyn Io>,
    options: &LogOptions,
    sequence: FileSequence,
    current: Current,
    around: Around,
) -> Result<Recovered> {
    let Current { file, head, certain } = current;
    let Around { oldest_seq, mut slots, prepared } = around;
    let (image, tail) = examine(&file, &head)?;
    slots.truncate(slots.len().saturating_sub(prepared.len()));
    know(&slots, head);
    let durable = Mark { position: head.start.position.saturating_add(tail.at), seq: tail.seq };
    let mut writer = Writer {
        layout: image.layout(),
        start: head.start,
        at: tail.at,
        seq: tail.seq,
        previous: tail.previous,
        last: tail.last,
        durable,
        unsynced: false,
        epoch: tail.epoch.saturating_add(1),
        time_ms: tail.time_ms,
        syncs: 0,
        dropped: 0,
        edge: None,
        file: Arc::new(file),
    };
    let meta = sequence.meta();
    let repair = Repair { io: &**io, meta: &meta, options, head: &head, image: &image, tail: &tail, certain };
    // Where it cannot be made certain what the disk has, nothing is shown.
    repair.make_certain(&writer)?;
    let mut torn = repair.torn(&writer);
    let closed = tail.last == Kind::Seal && torn.is_none();
    let done = write(&repair, &mut writer, &mut torn);
    let postponed = match done {
        Ok(()) => false,
        // No space for any write of recovery: open readable, postpone.
        Err(error) if *error.kind() == ErrorKind::NoSpace => true,
        Err(error) => return Err(error),
    };
    let report = Recovery {
        previous: if closed { Previous::Closed } else { Previous::Crashed },
        oldest_seq,
        next_seq: tail.seq,
        torn,
        gaps: Vec::new(),
        postponed,
        leftovers: leftovers(&**io, &sequence, &prepared),
    };
    Ok(Recovered { sequence, writer, prepared, files: slots, report })
}

fn write(repair: &Repair<'_>, writer: &mut Writer, torn: &mut Option<super::report::Torn>) -> Result<()> {
    // save what is not zero; zero from P (aligned commits: from the next own sector); sync
    repair.cut_off(writer, torn.as_mut())?;
    // write a missing file-batch copy only; sync
    repair.restore_copies(writer)?;
    // watermark with durable_upto = P in a sector of its own; sync (rule 13)
    writer.watermark(repair.io)?;
    Ok(())
}

/// The first record: what the first file says of itself. Damage to a file that was left long ago does not keep anybody
/// from appending; but one of another stream says that the last file may be the one that does not belong here.
pub(super) fn oldest(files: &mut Retrieve, head: &Head) -> Result<Option<u64>> {
    let Some(file) = files.next() else { return Ok(Some(head.start.seq)) };
    let Ok(file) = file else { return Ok(None) };
    match Head::read(&file, file.index()) {
        Ok(Some(first)) if first.start.id != head.start.id => {
            Err(corrupt(&file, "and the last file of the sequence are of different streams"))
        }
        Ok(first) => Ok(first.map(|first| first.start.seq)),
        Err(_) => Ok(None),
    }
}
