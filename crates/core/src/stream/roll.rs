//! From one file to the next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::head::Head;
use super::layout::{FILE_BATCH, Layout};
use super::next_file::{self, NextFile, Preparing};
use super::options::LogOptions;
use super::plan::Room;
use super::writer::{Mark, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch::Kind;
use crate::format::file_batch::{FileBatch, Stamp};
use crate::io::Durability;
use crate::sequence::{FileSequence, SequenceFile};

use super::frame::Frame;

/// Lets a file enter use, by a synced commit of its own: the file batch twice, each copy in a sector of its own
/// (rule 4). Everything in front of the file is durable, which is the caller's to see to.
pub(super) fn enter(file: SequenceFile, start: FileBatch, stamp: Stamp) -> Result<Writer> {
    let layout = Layout::new(file.shape());
    let headers = start.headers(stamp, layout.second_copy());
    let payload = start.payload();
    let [_, second] = &headers;
    for (header, at) in headers.iter().zip([0, layout.second_copy()]) {
        let mut frame = Frame::new(start.id, layout, start.position, at);
        // To the end of the sector: a crash may have left the bytes of an earlier attempt there.
        let end = layout.next_own(at.saturating_add(FILE_BATCH)).min(layout.capacity());
        frame.push_padded(header, &payload, end);
        file.write_at(frame.offset(), &frame.slices(), Durability::Cached)?;
    }
    file.sync()?;
    let at = layout.first_batch();
    let durable = Mark { position: start.position.saturating_add(at), seq: start.seq };
    Ok(Writer {
        file: Arc::new(file),
        layout,
        start,
        at,
        seq: start.seq,
        previous: second.checksum(start.id),
        last: Kind::File,
        durable,
        unsynced: false,
        epoch: stamp.epoch,
        time_ms: stamp.time_ms,
        syncs: 1,
        dropped: 0,
        edge: None,
    })
}

impl Writer {
    /// What the file behind this one will say of itself.
    fn next_start(&self, file: &SequenceFile) -> FileBatch {
        FileBatch {
            id: self.id(),
            index: file.index(),
            block_shift: file.shape().block_shift(),
            block_count: file.shape().block_count(),
            position: self.end().position,
            seq: self.seq,
            before: self.previous,
        }
    }

    /// Goes on in `next`; returns what that begins with.
    pub(super) fn roll(&mut self, next: SequenceFile) -> Result<Head> {
        // Rule 4: a file in use proves all that came before it.
        if self.unsynced {
            self.sync()?;
        }
        let start = self.next_start(&next);
        let stamp = Stamp { time_ms: self.time_ms, epoch: self.epoch };
        let full = std::mem::replace(self, enter(next, start, stamp)?);
        self.syncs = self.syncs.saturating_add(full.syncs);
        // Nobody writes to it any more; who reads it reads it from the disk. A hint.
        full.file.drop_in_front_of(full.file.shape().size());
        Ok(Head::written(start, stamp))
    }
}

/// The files that were made ahead of time, as a plan for a commit goes through them.
pub(super) struct Ahead<'a> {
    pub(super) sequence: &'a Arc<FileSequence>,
    pub(super) options: &'a LogOptions,
    pub(super) prepared: &'a mut VecDeque<SequenceFile>,
    /// The file behind those, if it is being made.
    pub(super) preparing: &'a mut Option<Preparing>,
    /// Bytes of the file in use.
    pub(super) current: u64,
    /// Bytes of all files in use, as far as they count.
    pub(super) used: u64,
    /// Of those there is one.
    pub(super) alone: bool,
    /// So many of the prepared ones are planned for already.
    pub(super) planned: usize,
}

impl Ahead<'_> {
    /// The room in the next file, which is made if it is not there, large enough for a payload of `need` bytes. One that
    /// was prepared enters use whether it is large enough or not.
    pub(super) fn next(&mut self, need: u64) -> Result<Room> {
        if self.prepared.len() <= self.planned && self.preparing.is_some() {
            self.collect()?;
        }
        if self.prepared.len() <= self.planned {
            self.make(need)?;
        }
        let layout = self.prepared.get(self.planned).map(|file| Layout::new(file.shape()));
        let layout = layout.map_or_else(|| self.options.layout_of(self.options.file_size), Ok)?;
        self.planned = self.planned.saturating_add(1);
        Ok(room(layout, layout.first_batch(), self.options.aligned))
    }

    /// Takes the file that is being made, waiting for it. Where it could not be made for want of space there may be some
    /// by now: that is for [`Ahead::make`] to find out, and the error is returned as no error.
    pub(super) fn collect(&mut self) -> Result<Option<Error>> {
        match self.preparing.take().and_then(Preparing::finish) {
            Some(Ok(file)) => {
                self.prepared.push_back(file);
                Ok(None)
            }
            Some(Err(error)) if is_harmless(&error) => Ok(Some(error)),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }

    /// Asks for the next file to be made.
    pub(super) fn ask(&mut self) -> Result<NextFile> {
        let size = self.size(0)?;
        self.check_limit(size)?;
        let blocks = self.options.blocks_of(size);
        let (next, preparing) = next_file::ask(self.sequence, blocks);
        *self.preparing = Some(preparing);
        Ok(next)
    }

    fn make(&mut self, need: u64) -> Result<()> {
        let size = self.size(need)?;
        self.check_limit(size)?;
        let file = self.sequence.alloc(Some(self.options.blocks_of(size))).map_err(as_limit)?;
        self.prepared.push_back(file);
        Ok(())
    }

    fn check_limit(&self, size: u64) -> Result<()> {
        let prepared = self.prepared.iter().map(|file| file.shape().size()).fold(0, u64::saturating_add);
        let alone = self.alone && self.prepared.is_empty();
        check_limit(self.options, self.used.saturating_add(prepared), size, alone)
    }

    fn size(&self, need: u64) -> Result<u64> {
        let last = self.prepared.back().map_or(self.current, |file| file.shape().size());
        size_behind(last, need, self.options)
    }
}

/// Twice the size of the last file, up to what files grow to, or as much more as it takes, up to the full size.
pub(super) fn size_behind(last: u64, need: u64, options: &LogOptions) -> Result<u64> {
    let mut size = last.max(options.first_size().div_ceil(2)).saturating_mul(2).min(options.grow_to());
    while size < options.file_size && options.layout_of(size)?.max_payload(options.aligned) < need {
        size = size.saturating_mul(2).min(options.file_size);
    }
    Ok(size)
}

/// Whether a file of `size` bytes may be made beside others that take `used`. The one that must follow a file in use that
/// is `alone` may be in any case: when it is full nothing else could ever be released.
pub(super) fn check_limit(options: &LogOptions, used: u64, size: u64, alone: bool) -> Result<()> {
    let Some(limit) = options.retention.limit_bytes else { return Ok(()) };
    if alone || used.saturating_add(size) <= limit {
        return Ok(());
    }
    let message = format!("stream takes {used} bytes, needs a file of {size} more, and limitBytes is {limit}");
    Err(Error::new(ErrorKind::Limit(None), message))
}

/// Too many files are a limit of the stream.
fn as_limit(error: Error) -> Error {
    let ErrorKind::SequenceTooLong(start, end) = *error.kind() else { return error };
    let limit = Error::new(ErrorKind::Limit(Some((start, end))), "stream has as many files as there can be: 16383");
    match error.path() {
        Some(path) => limit.at_path(path),
        None => limit,
    }
}

/// A file that could not be made or released for want of space, or because there are too many: nothing of the stream was
/// touched. After anything else nobody knows which files there are.
pub(super) fn is_harmless(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::SequenceTooLong(..) | ErrorKind::Limit(_))
}

/// The room behind offset `at` for a commit that begins there.
pub(super) fn room(layout: Layout, at: u64, aligned: bool) -> Room {
    Room { layout, at: if aligned { layout.next_own(at) } else { at } }
}

impl std::fmt::Debug for Ahead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").field("prepared", self.prepared).finish_non_exhaustive()
    }
}
