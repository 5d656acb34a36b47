//! What lies in the folder: finding the files of a sequence, and the window of indexes that they span.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::index::{Index, MAX_FILES, Window};
use super::name::{Place, parse_options};
use crate::error::{Error, ErrorKind, Result, sequence as errors};
use crate::file::Shape;
use crate::io::{DirEntry, FileKind, Io};

/// A data file, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) index: Index,
    pub(super) shift: u32,
    pub(super) path: PathBuf,
}

/// What a folder entry is to a sequence.
#[derive(Debug)]
pub(super) enum Found {
    /// A data file.
    Data(Entry),
    /// Something that keeps the sequence from being opened.
    Stranger(OsString, Error),
}

/// Looks at every entry of the folder and tells `visit` of those that are spelled like a file of the sequence.
pub(super) fn visit_files(io: &dyn Io, place: &Place, visit: &mut dyn FnMut(Found) -> Result<()>) -> Result<()> {
    let mut outcome = Ok(());
    let listed = io.read_dir(place.root(), &mut |DirEntry { name, kind }| {
        let Some(found) = place.options_of(&name).and_then(|options| examine(place, &name, options, kind)) else {
            return Ok(());
        };
        outcome = visit(found);
        // Any error stops the listing; the one that matters is in `outcome`.
        if outcome.is_err() { Err(std::io::ErrorKind::Other.into()) } else { Ok(()) }
    });
    outcome?;
    listed.map_err(|error| Error::io("scandir", place.root(), error))
}

fn examine(place: &Place, name: &OsStr, options: &OsStr, kind: FileKind) -> Option<Found> {
    let path = place.root().join(name);
    match (kind, parse_options(options)) {
        (FileKind::File, Ok((index, shift))) => Some(Found::Data(Entry { index, shift, path })),
        (FileKind::File, Err(error)) => Some(Found::Stranger(name.to_owned(), error.at_path(&path))),
        (FileKind::Symlink, Ok(_)) => {
            let message = format!("'{}' is a symbolic link, not a file", path.display());
            Some(Found::Stranger(name.to_owned(), Error::new(ErrorKind::InvalidFile, message).at_path(&path)))
        }
        // Links of other names, folders and devices are nobody's business, as for the crate.
        _ => None,
    }
}

/// The window that the files span. Gaps and duplicates are not noticed.
///
/// # Errors
///
/// `PSTREAM_SEQUENCE_BAD_NAME`, `PSTREAM_INVALID_FILE` for a symbolic link, `PSTREAM_SEQUENCE_OUT_OF_RANGE`,
/// `PSTREAM_SEQUENCE_TOO_LONG`, `PSTREAM_IO`.
pub(super) fn window_on_disk(io: &dyn Io, place: &Place) -> Result<Window> {
    let mut indexes = IndexSet::default();
    visit_files(io, place, &mut |found| match found {
        Found::Data(entry) => {
            indexes.insert(entry.index);
            Ok(())
        }
        Found::Stranger(_, error) => Err(error),
    })?;
    let Some((start, last)) = indexes.span() else { return Ok(Window::EMPTY) };
    let end = last.next();
    if last.distance(start).is_none() {
        Err(errors::out_of_range(last.get()).at_path(place.root()))
    } else if start.distance(end).is_none() {
        Err(errors::too_long(start.get(), end.get()).at_path(place.root()))
    } else {
        Ok(Window { start, end })
    }
}

/// Every file of `window`, in order.
///
/// # Errors
///
/// Those of [`window_on_disk`]; `PSTREAM_SEQUENCE_OUT_OF_RANGE` for a file outside the window,
/// `PSTREAM_SEQUENCE_DUPLICATE`, `PSTREAM_SEQUENCE_BROKEN` for a gap, `PSTREAM_INVALID_FILE` for a length or shift that
/// no file can have.
pub(super) fn files_in(io: &dyn Io, place: &Place, window: Window) -> Result<Vec<Entry>> {
    let mut files: Vec<Option<Entry>> = vec![None; usize::from(window.len())];
    visit_files(io, place, &mut |found| {
        let entry = match found {
            Found::Data(entry) => entry,
            Found::Stranger(_, error) => return Err(error),
        };
        let step = usize::from(entry.index.steps_from(window.start));
        let Some(slot) = files.get_mut(step) else {
            return Err(errors::out_of_range(entry.index.get()).at_path(&entry.path));
        };
        match slot.replace(entry) {
            None => Ok(()),
            Some(twin) => Err(errors::duplicate(twin.index.get()).at_path(&twin.path)),
        }
    })?;
    let files: Option<Vec<Entry>> = files.into_iter().collect();
    let files = files.ok_or_else(|| errors::broken().at_path(place.root()))?;
    for file in &files {
        shape_of(io, file)?;
    }
    Ok(files)
}

/// The shape of a file, by its name and length.
pub(super) fn shape_of(io: &dyn Io, file: &Entry) -> Result<Shape> {
    let metadata = io.metadata(&file.path).map_err(|error| Error::io("stat", &file.path, error))?;
    Shape::of_len(metadata.len, file.shift).map_err(|error| {
        // In a file's name even a shift out of its limits is a fault of the file, not of the caller.
        Error::new(ErrorKind::InvalidFile, error.to_string()).at_path(&file.path)
    })
}

/// A set of indexes in 64 KiB, however many files there are.
#[derive(Debug)]
pub(super) struct IndexSet(Vec<bool>);

impl Default for IndexSet {
    fn default() -> Self {
        Self(vec![false; 1 << 16])
    }
}

impl IndexSet {
    pub(super) fn insert(&mut self, index: Index) {
        if let Some(slot) = self.0.get_mut(usize::from(index.get())) {
            *slot = true;
        }
    }

    fn contains(&self, index: Index) -> bool {
        self.0.get(usize::from(index.get())).copied().unwrap_or(false)
    }

    /// The first and last index, if the longest run of absent ones is what lies outside.
    pub(super) fn span(&self) -> Option<(Index, Index)> {
        let (mut first, mut previous): (Option<Index>, Option<Index>) = (None, None);
        // The longest gap so far, and the indexes at its two sides.
        let mut longest: Option<(u16, Index, Index)> = None;
        let mut note = |before: Index, after: Index| {
            let gap = after.steps_from(before);
            if longest.is_none_or(|(length, ..)| gap.wrapping_sub(1) > length.wrapping_sub(1)) {
                longest = Some((gap, before, after));
            }
        };
        for index in (0..=u16::MAX).map(Index::from).filter(|index| self.contains(*index)) {
            if let Some(previous) = previous.replace(index) {
                note(previous, index);
            }
            first.get_or_insert(index);
        }
        // From the last around to the first; a single index is its own neighbour, a whole turn (0 = 65,536) away.
        note(previous?, first?);
        longest.map(|(_, before, after)| (after, before))
    }

    /// The window of at most [`MAX_FILES`] indexes that holds the most of them; of several the first one.
    pub(super) fn best_window(&self) -> Option<Window> {
        let (origin, _) = self.span()?;
        let members: Vec<u16> = (0..=u16::MAX).filter(|step| self.contains(origin.plus(*step))).collect();
        let mut best: Option<(usize, Window)> = None;
        let mut behind = members.iter().copied().peekable();
        let (mut passed, mut last) = (0_usize, 0_u16);
        for (before, first) in members.iter().enumerate() {
            while let Some(step) = behind.next_if(|step| step.saturating_sub(*first) < MAX_FILES) {
                (passed, last) = (passed.saturating_add(1), step);
            }
            let count = passed.saturating_sub(before);
            if best.is_none_or(|(most, _)| count > most) {
                best = Some((count, Window { start: origin.plus(*first), end: origin.plus(last).next() }));
            }
        }
        best.map(|(_, window)| window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(indexes: &[u16]) -> IndexSet {
        let mut set = IndexSet::default();
        for index in indexes {
            set.insert(Index::from(*index));
        }
        set
    }

    #[test]
    fn the_span_leaves_the_longest_gap_outside() {
        let span = |indexes: &[u16]| set(indexes).span().map(|(first, last)| (first.get(), last.get()));
        assert_eq!(span(&[]), None);
        assert_eq!(span(&[7]), Some((7, 7)));
        assert_eq!(span(&[0]), Some((0, 0)));
        assert_eq!(span(&[1, 2, 3]), Some((1, 3)));
        assert_eq!(span(&[0xffff, 0, 1]), Some((0xffff, 1)));
        assert_eq!(span(&[1, 0x4002]), Some((1, 0x4002)));
        assert_eq!(span(&[0xfff0, 0x10]), Some((0xfff0, 0x10)));
        assert_eq!(span(&[0, 0xffff]), Some((0xffff, 0)));
    }

    #[test]
    fn the_best_window_holds_the_most_files() {
        let best = |indexes: &[u16]| set(indexes).best_window().map(|w| (w.start.get(), w.end.get()));
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[5]), Some((5, 6)));
        assert_eq!(best(&[1, 2, 3, 0x6000]), Some((1, 4)));
        assert_eq!(best(&[1, 0x6000, 0x6001]), Some((0x6000, 0x6002)));
        assert_eq!(best(&[0xffff, 0, 1, 0x8000]), Some((0xffff, 2)));
        let full: Vec<u16> = (1..=0x4000).collect();
        assert_eq!(best(&full), Some((1, 0x4000)));
    }
}
