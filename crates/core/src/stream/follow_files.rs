//! The files of a stream that somebody else may be writing, and where it ends in them.

use std::collections::HashMap;
use std::sync::Arc;

use super::contents;
use super::follow::{Current, Looking, gone};
use super::head::{Head, is_merely_prepared};
use super::layout::Layout;
use super::options::Mode;
use super::read::{Slot, forward};
use super::recover::corrupt;
use super::writer::Mark;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{BlockFile, CachePolicy, Shape};
use crate::format::mark::Mark as Note;
use crate::sequence::{Listed, is_dense};

/// The file in which the stream ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Top {
    index: u16,
    /// Position at which it starts.
    start: u64,
    shape: Shape,
}

impl Top {
    /// Whether the mark may be about this file. By the positions alone it may be about the next one, too: what stays unused at
    /// the end of a file does not count.
    pub(super) fn holds(&self, note: &Note) -> bool {
        let layout = Layout::new(self.shape);
        let at = note.position.checked_sub(self.start);
        note.index == self.index && at.is_some_and(|at| (layout.first_batch()..=layout.capacity()).contains(&at))
    }

    pub(super) fn max_record_bytes(&self) -> u64 {
        super::options::largest_record(Layout::new(self.shape).max_payload(false))
    }

    /// Bytes of the file behind this position.
    pub(super) fn rest_behind(&self, position: u64) -> u64 {
        let used = Layout::new(self.shape).file_range(&(0..position.saturating_sub(self.start))).end;
        self.shape.size().saturating_sub(used)
    }
}

/// How to look.
#[derive(Clone, Copy)]
pub(super) struct Try {
    /// The mark may be one that could not be written any more.
    pub(super) stuck: bool,
    /// It is not tried again.
    pub(super) last: bool,
}

/// Looks at the folder: which files are the stream's, and where in them it ends. `None` if they have changed meanwhile, unless
/// it is the last time that it is tried.
pub(super) fn look(
    looking: &Looking<'_>,
    known: Option<&Current>,
    note: Option<&Note>,
    Try { stuck, last }: Try,
) -> Result<Option<Current>> {
    let listed = looking.lister.list(&**looking.io)?;
    if !is_dense(&listed) && !last {
        return Ok(None);
    }
    let mut search = Search { looking, known, note, stuck, end: known.map(|known| known.end) };
    let found = match search.down(&listed) {
        Ok(Some(found)) => found,
        Ok(None) => return Err(gone(looking.lister.root(), &looking.options.name)),
        // Released since it was listed.
        Err(error) if *error.kind() == ErrorKind::NotFound && !search.is_gone(&error) && !last => return Ok(None),
        Err(error) => return Err(error),
    };
    let files = listed.get(..=found.number).unwrap_or_default();
    let lengths = lengths(looking, known, &listed);
    let same = known.filter(|known| continues(looking, known, &listed));
    let slots: HashMap<u16, &Arc<Slot>> =
        same.into_iter().flat_map(|known| known.files.iter()).map(|slot| (slot.index(), slot)).collect();
    let slot_of = |file: &Listed| {
        let old = slots.get(&file.index).copied().filter(|slot| slot.path() == file.path);
        old.map_or_else(|| Arc::new(slot(looking, file)), Arc::clone)
    };
    let slots: Vec<Arc<Slot>> = files.iter().map(slot_of).collect();
    super::recover::know(&slots, found.head);
    let top = Top { index: found.head.start.index, start: found.head.start.position, shape: found.shape };
    Ok(Some(Current { id: found.head.start.id, files: slots.into(), lengths, top, end: found.end }))
}

/// The lengths of all files, of which those that were known are not asked for again.
fn lengths(looking: &Looking<'_>, known: Option<&Current>, listed: &[Listed]) -> Arc<[(u16, u64)]> {
    let lengths: HashMap<u16, u64> = known.into_iter().flat_map(|known| known.lengths.iter().copied()).collect();
    let of = |file: &Listed| {
        let ask = || looking.io.metadata(&file.path).map_or(0, |metadata| metadata.len);
        (file.index, lengths.get(&file.index).copied().unwrap_or_else(ask))
    };
    listed.iter().map(of).collect()
}

/// Whether the last file that was known is there still, so that those beside it are the same, too: indexes wrap.
fn continues(looking: &Looking<'_>, known: &Current, listed: &[Listed]) -> bool {
    let Some(slot) = known.files.last() else { return false };
    let Some(file) = listed.iter().find(|file| file.path == slot.path()) else { return false };
    let head = open(looking, file).and_then(|file| Head::read_only(&file, slot.index()));
    head.is_ok_and(|head| head.is_some_and(|head| head.start.position == known.top.start))
}

fn slot(looking: &Looking<'_>, Listed { index, path, block_shift }: &Listed) -> Slot {
    Slot::shared(Arc::clone(looking.io), *index, path.clone(), *block_shift, looking.options.cache)
}

fn open(looking: &Looking<'_>, file: &Listed) -> Result<BlockFile> {
    BlockFile::open_behind_writer(&**looking.io, &file.path, file.block_shift, CachePolicy::Keep)
}

struct Search<'a> {
    looking: &'a Looking<'a>,
    known: Option<&'a Current>,
    note: Option<&'a Note>,
    stuck: bool,
    /// Everything in front of it is durable.
    end: Option<Mark>,
}

struct Found {
    number: usize,
    head: Head,
    shape: Shape,
    end: Mark,
}

impl Search<'_> {
    /// From the highest file down to the one in which the stream ends.
    fn down(&mut self, listed: &[Listed]) -> Result<Option<Found>> {
        let mut is_highest = true;
        for (number, listed) in listed.iter().enumerate().rev() {
            let opened = open(self.looking, listed).and_then(|file| Ok((self.head(&file, listed.index)?, file)));
            let (head, file) = match opened {
                Ok((Some(head), file)) => (head, file),
                Ok((None, _)) => continue,
                Err(error) if self.looking.options.recovery == Mode::Salvage && is_damage(&error) => continue,
                Err(error) => return Err(error),
            };
            self.check_id(&head)?;
            if std::mem::take(&mut is_highest) {
                self.believe(&file, &head, listed)?;
            }
            let (start, layout) = (&head.start, Layout::new(file.shape()));
            let first = Mark { position: start.position.saturating_add(layout.first_batch()), seq: start.seq };
            let end = self.end.unwrap_or_default();
            // With nothing of it durable, the stream ends where the file in front does: unless that is gone, too.
            if end.position >= first.position || number == 0 {
                let end = if end.position >= first.position { end } else { first };
                return Ok(Some(Found { number, head, shape: file.shape(), end }));
            }
        }
        Ok(None)
    }

    /// What the file begins with, if it is in use.
    fn head(&self, file: &BlockFile, index: u16) -> Result<Option<Head>> {
        // A writer may be about to write it.
        const ATTEMPTS: u32 = 3;
        for _ in 0..ATTEMPTS {
            if let Some(head) = Head::read_only(file, index)? {
                return Ok(Some(head));
            }
            // Behind a beginning that cannot be read there may be any number of records.
            if self.known.is_some() || is_merely_prepared(file)? {
                return Ok(None);
            }
            drop(file.evict(&(0..file.shape().size())));
        }
        Err(corrupt(file, "holds something, but not what a file of a stream begins with"))
    }

    fn check_id(&self, head: &Head) -> Result<()> {
        if self.known.is_none_or(|known| known.id == head.start.id) {
            return Ok(());
        }
        let (root, name) = (self.looking.lister.root(), &self.looking.options.name);
        let message = format!("the stream '{name}' in '{}' is gone, and another one is in its place", root.display());
        Err(Error::new(ErrorKind::NotFound, message).at_path(root))
    }

    /// Whether the error says that the stream is gone, not a file of it.
    fn is_gone(&self, error: &Error) -> bool {
        error.path() == Some(self.looking.lister.root())
    }

    /// What is known to be durable by the last file in use.
    fn believe(&mut self, file: &BlockFile, head: &Head, listed: &Listed) -> Result<()> {
        let (start, layout) = (&head.start, Layout::new(file.shape()));
        // Rule 4: a file in use proves all that came before it.
        self.raise(Mark { position: start.position, seq: start.seq });
        let top = Top { index: start.index, start: start.position, shape: file.shape() };
        let note = self.note.filter(|note| note.id == start.id && note.seq >= start.seq && top.holds(note));
        if let Some(note) = note {
            self.raise(Mark { position: note.position, seq: note.seq });
            // At an open it may have been stuck for long.
            if !self.stuck && self.known.is_some() {
                return Ok(());
            }
        }
        let first = Mark { position: start.position.saturating_add(layout.first_batch()), seq: start.seq };
        let proven = if note.is_some() || self.known.is_some() {
            // What comes behind what is known.
            let from = self.end.filter(|end| end.position > first.position).unwrap_or(first);
            Some(forward(&slot(self.looking, listed), from)?).filter(|proven| proven.position > first.position)
        } else {
            contents::proven(file, head, self.looking.options.recovery)?
        };
        if let Some(proven) = proven {
            self.raise(proven);
        }
        Ok(())
    }

    fn raise(&mut self, end: Mark) {
        if self.end.is_none_or(|known| known.position < end.position) {
            self.end = Some(end);
        }
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::InvalidFile | ErrorKind::UnexpectedEof)
}
