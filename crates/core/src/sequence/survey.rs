//! Everything that lies in the folder under a sequence's name, and what is wrong with it. Looks, decides nothing:
//! `inspect` reports it, `repair` acts on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::index::{Index, Window};
use super::name::Place;
use super::scan::{Entry, Found, IndexSet, visit_files};
use crate::error::{Error, ErrorKind, Result, sequence as errors};
use crate::file::Shape;
use crate::io::{FileKind, Io};

/// What is wrong with a file, or with the run of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Indexes are missing between two files.
    Gap,
    /// Another file has the same index.
    Duplicate,
    /// A file under the sequence's name that is none of its files.
    Stranger,
    /// Left by an interrupted call. Harmless.
    Leftover,
    /// The length is zero, or not a multiple of the block size.
    BadLength,
    /// The shift is not within 12 to 28.
    BadShift,
    /// The index is too far from those of the other files.
    OutOfRange,
    /// There are more files than a sequence can hold.
    TooLong,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// The file's name, without the folder.
    pub file: Option<String>,
    /// The index it is about; of a gap the first missing one.
    pub index: Option<u16>,
    /// The same in words.
    pub message: String,
}

/// A data file and what is wrong with it.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub(super) entry: Entry,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) problem: Option<Problem>,
}

#[derive(Debug)]
pub(super) struct Survey {
    /// Data files, by index from the start of the window, those outside it last.
    pub(super) files: Vec<Surveyed>,
    pub(super) strangers: Vec<(OsString, Problem)>,
    /// What is in the place of the lock, or of the folder beside the files: nothing can be moved before that is gone.
    pub(super) obstacles: Vec<Problem>,
    pub(super) leftovers: Vec<Problem>,
    /// The window that the sequence has, or would have without the files outside it.
    pub(super) window: Window,
}

/// Names under one stem that we are ready to list: four for every index there is.
const MAX_LISTED: usize = 1 << 18;

/// Looks at the folder.
///
/// # Errors
///
/// `PSTREAM_IO`; `PSTREAM_INVALID_FILE` if there are more than 262,144 files under the name.
pub(super) fn survey(io: &dyn Io, place: &Place) -> Result<Survey> {
    let (mut entries, mut strangers) = (Vec::new(), Vec::new());
    visit_files(io, place, &mut |found| {
        match found {
            Found::Data(entry) => entries.push(entry),
            // In the place of the folder that it would be moved into: an obstacle, see there.
            Found::Stranger(name, _) if place.meta().file_name() == Some(&name) => {}
            Found::Stranger(name, error) => {
                let problem =
                    problem(ProblemKind::Stranger, Some(name.to_string_lossy().into()), None, error.to_string());
                strangers.push((name, problem));
            }
        }
        if entries.len().saturating_add(strangers.len()) > MAX_LISTED {
            let message = format!("more than {MAX_LISTED} files of the name {:?}", place.name());
            return Err(Error::new(ErrorKind::InvalidFile, message).at_path(place.root()));
        }
        Ok(())
    })?;
    strangers.sort_by(|left, right| left.0.cmp(&right.0));
    let mut indexes = IndexSet::default();
    let entries = with_sizes(io, entries)?;
    for (entry, _) in &entries {
        indexes.insert(entry.index);
    }
    let window = indexes.best_window().unwrap_or(Window::EMPTY);
    let too_long = indexes.span().is_some_and(|(first, last)| last.distance(first).is_some());
    let mut files: Vec<_> = entries.into_iter().map(|(entry, size)| examine(entry, size, window, too_long)).collect();
    files.sort_by(|left, right| order(left, window).cmp(&order(right, window)));
    mark_duplicates(place, &mut files);
    Ok(Survey { files, strangers, obstacles: obstacles(io, place), leftovers: leftovers(io, place), window })
}

fn obstacles(io: &dyn Io, place: &Place) -> Vec<Problem> {
    let kind_of = |path: &Path| io.metadata(path).ok().map(|metadata| metadata.kind);
    let found = [
        (place.lock(), "a lock, which must be a file", [FileKind::Dir, FileKind::Other].as_slice()),
        (place.meta(), "what belongs to the sequence, which must be a folder", &[FileKind::File]),
    ];
    let in_the_way =
        found.into_iter().filter(|(path, _, wrong)| kind_of(path).is_some_and(|kind| wrong.contains(&kind)));
    in_the_way
        .map(|(path, what, _)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let message = format!("'{}' is in the place of {what}; move it away by hand", path.display());
            problem(ProblemKind::Stranger, Some(name), None, message)
        })
        .collect()
}

fn order(file: &Surveyed, window: Window) -> (u16, &str) {
    (file.entry.index.steps_from(window.start), &file.name)
}

fn problem(kind: ProblemKind, file: Option<String>, index: Option<Index>, message: String) -> Problem {
    Problem { kind, file, index: index.map(Index::get), message }
}

/// The files with their lengths, without those that were released since they were listed: the sequence may be in use.
fn with_sizes(io: &dyn Io, entries: Vec<Entry>) -> Result<Vec<(Entry, u64)>> {
    let mut sized = Vec::with_capacity(entries.len());
    for entry in entries {
        match io.metadata(&entry.path) {
            Ok(metadata) => sized.push((entry, metadata.len)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("stat", &entry.path, error)),
        }
    }
    Ok(sized)
}

fn examine(entry: Entry, size: u64, window: Window, too_long: bool) -> Surveyed {
    let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let index = entry.index;
    let found = if !window.contains(index) {
        let (kind, error) = if too_long {
            (ProblemKind::TooLong, errors::too_long(window.start.get(), index.next().get()))
        } else {
            (ProblemKind::OutOfRange, errors::out_of_range(index.get()))
        };
        Some((kind, error.to_string()))
    } else if !(Shape::MIN_SHIFT..=Shape::MAX_SHIFT).contains(&entry.shift) {
        Some((ProblemKind::BadShift, "block shift must be between 12 and 28 inclusive".to_owned()))
    } else {
        // By the size just read: a file that cannot be looked at is an error, and no reason to move it anywhere.
        Shape::of_len(size, entry.shift).err().map(|error| (ProblemKind::BadLength, error.to_string()))
    };
    let problem = found.map(|(kind, message)| problem(kind, Some(name.clone()), Some(index), message));
    Surveyed { entry, name, size, problem }
}

/// Of several files with one index all but one are duplicates. The one that counts: in order, without another problem;
/// of the usual spelling; the largest; the first by name.
fn mark_duplicates(place: &Place, files: &mut [Surveyed]) {
    let mut by_index: BTreeMap<u16, Vec<&mut Surveyed>> = BTreeMap::new();
    for file in files.iter_mut().filter(|file| file.problem.is_none()) {
        by_index.entry(file.entry.index.get()).or_default().push(file);
    }
    for twins in by_index.values_mut() {
        twins.sort_by_key(|file| {
            let usual = file.name == place.file_name(file.entry.index, file.entry.shift);
            (!usual, u64::MAX.saturating_sub(file.size), file.name.clone())
        });
        for twin in twins.iter_mut().skip(1) {
            let index = twin.entry.index;
            let message = errors::duplicate(index.get()).to_string();
            twin.problem = Some(problem(ProblemKind::Duplicate, Some(twin.name.clone()), Some(index), message));
        }
    }
}

fn leftovers(io: &dyn Io, place: &Place) -> Vec<Problem> {
    let candidates = [
        (place.alloc_temporary(), "left by an interrupted alloc; the next one replaces it"),
        (place.rename_to(), "left by an interrupted rename; the next open undoes it"),
        (place.rename_from(), "left by an interrupted rename; the next open finishes it"),
    ];
    let there = candidates.into_iter().filter(|(path, _)| io.metadata(path).is_ok());
    there
        .map(|(path, message)| {
            let relative = path.strip_prefix(place.root()).unwrap_or(&path).to_string_lossy().into_owned();
            problem(ProblemKind::Leftover, Some(relative), None, message.to_owned())
        })
        .collect()
}

impl Survey {
    /// The files that the sequence consists of, in order.
    pub(super) fn sound(&self) -> impl Iterator<Item = &Surveyed> {
        self.files.iter().filter(|file| file.problem.is_none())
    }

    /// A problem for each run of missing indexes, with the file behind it.
    pub(super) fn gaps(&self) -> Vec<(Problem, &Surveyed)> {
        let mut gaps = Vec::new();
        let mut expected: Option<Index> = None;
        for file in self.sound() {
            let index = file.entry.index;
            if let Some(missing) = expected.filter(|expected| *expected != index) {
                let message = format!("{}: {missing:#06x}..{index:#06x} is missing", errors::broken());
                gaps.push((problem(ProblemKind::Gap, None, Some(missing), message), file));
            }
            expected = Some(index.next());
        }
        gaps
    }
}
