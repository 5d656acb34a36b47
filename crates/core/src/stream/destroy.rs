//! The end of a stream: all that belongs to it is removed, in an order in which a crash leaves either a stream or nothing.

use std::io::ErrorKind as OsKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::Folder;
use super::head::{Head, is_merely_prepared};
use super::options::{LEAST_BLOCKS_EVER, LogOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::file::Shape;
use crate::io::{DirEntry, FileKind, Io};
use crate::sequence::{self, FileSequence, SequenceFile};

/// Removes the stream `name` in `directory`: its files, the copies of torn tails, cursors, and its lock. What a repair has
/// put aside in `<name>.meta/quarantine-…` stays, as does everything that is not spelled like a part of a stream: it may be
/// somebody else's. Takes the lock.
///
/// First go the files that are not in use, from the end, then the others, from the start, each durably before the next:
/// after a crash in between the stream opens without the records that are gone, as if they had been trimmed, and another
/// call removes the rest. A damaged stream is removed, too.
///
/// # Errors
///
/// `PSTREAM_NOT_FOUND` if there is no such stream; `PSTREAM_LOCKED`, also if somebody has one of its cursors;
/// `PSTREAM_INVALID_INPUT` for the name; those of opening a sequence; `PSTREAM_INVALID_FILE` for a sequence of files that
/// are no stream's; `PSTREAM_SYNC_FAILED`, `PSTREAM_IO`: call it again.
pub fn destroy(io: &Arc<dyn Io>, directory: &Path, options: &LogOptions) -> Result<()> {
    let name = &options.name;
    let report = sequence::inspect(&**io, directory, name)?;
    // Before anything is made for the lock.
    let meta = directory.join(format!("{name}.meta"));
    if report.files.is_empty() && !holds_ours(&**io, &meta)? {
        let message = format!("there is no stream '{name}' in '{}'", directory.display());
        return Err(Error::new(ErrorKind::NotFound, message).at_path(directory));
    }
    let shape = Shape::new(options.blocks_of(options.file_size), options.block_shift())?;
    let sequence = FileSequence::open(Arc::clone(io), directory, name, shape, options.sequence)
        .map_err(|error| options.taken(&**io, directory, error))?;
    let (in_use, unused) = look(&sequence)?;
    // Whoever has a cursor reads the stream, perhaps in another process.
    let cursors = Folder::new(Arc::clone(io), sequence.root(), name).seize()?;
    for path in unused.iter().rev().chain(&in_use) {
        io.remove_file(path).map_err(|error| Error::io("unlink", path, error))?;
        io.sync_dir(sequence.root()).map_err(|error| Error::sync("fsync", sequence.root(), error))?;
    }
    clear(&**io, &sequence.meta())?;
    // Where the name of a removed file stays until it is closed (FAT under Windows), their folder was not empty.
    drop(cursors);
    drop(io.remove_dir(&sequence.meta().join("cursors")));
    // Removes its own file, and the folder if nothing is left in it.
    sequence.close()
}

/// The files up to the last one in use, and those behind it.
///
/// A sequence of which no file is in use, and not all are empty, is none of a stream: a rotten one is destroyed by hand.
fn look(sequence: &FileSequence) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut files = sequence.retrieve_what_is_there()?;
    let mut paths: Vec<PathBuf> = files.left().map(|(_, path, _)| path.to_owned()).collect();
    let (mut behind, mut empty) = (0_usize, true);
    while let Some(file) = files.next_back() {
        match file.and_then(|file| state_of(&file)) {
            Ok(State::InUse) => return Ok((paths.drain(..paths.len().saturating_sub(behind)).collect(), paths)),
            Ok(State::Empty) => {}
            Ok(State::Foreign) => empty = false,
            // Of an impossible length.
            Err(error) if *error.kind() == ErrorKind::InvalidFile => empty = false,
            Err(error) => return Err(error),
        }
        behind = behind.saturating_add(1);
    }
    if empty {
        return Ok((Vec::new(), paths));
    }
    let message = format!("'{}' in '{}' holds no stream", sequence.name(), sequence.root().display());
    Err(Error::new(ErrorKind::InvalidFile, message).at_path(sequence.root()))
}

enum State {
    InUse,
    Empty,
    Foreign,
}

fn state_of(file: &SequenceFile) -> Result<State> {
    match Head::read(file, file.index()) {
        Ok(Some(_)) => Ok(State::InUse),
        // Of a later version.
        Err(error) if *error.kind() == ErrorKind::Unsupported => Ok(State::InUse),
        Err(error) => Err(error),
        Ok(None) if file.shape().block_count() < LEAST_BLOCKS_EVER => Ok(State::Foreign),
        Ok(None) => is_merely_prepared(file).map(|empty| if empty { State::Empty } else { State::Foreign }),
    }
}

/// What a stream keeps in its folder, beside what belongs to its lock.
const OURS: [(&str, FileKind); 4] =
    [("alloc.tmp", FileKind::File), ("mark", FileKind::File), ("torn", FileKind::Dir), ("cursors", FileKind::Dir)];

fn holds_ours(io: &dyn Io, meta: &Path) -> Result<bool> {
    let entries = list(io, meta)?;
    Ok(entries.iter().any(|DirEntry { name, kind }| OURS.iter().any(|ours| name == ours.0 && *kind == ours.1)))
}

/// Removes what is ours, durably in the end. What a crash in between leaves is of a stream that nobody finds any more.
fn clear(io: &dyn Io, meta: &Path) -> Result<()> {
    let entries = list(io, meta)?;
    let there = !entries.is_empty();
    for DirEntry { name, kind } in entries {
        if !OURS.iter().any(|ours| name == ours.0 && kind == ours.1) {
            continue;
        }
        let path = meta.join(name);
        if kind == FileKind::File {
            io.remove_file(&path).map_err(|error| Error::io("unlink", &path, error))?;
            continue;
        }
        for DirEntry { name, .. } in list(io, &path)?.into_iter().filter(|entry| entry.kind == FileKind::File) {
            let path = path.join(name);
            io.remove_file(&path).map_err(|error| Error::io("unlink", &path, error))?;
        }
        // Not if somebody has put something else there.
        drop(io.remove_dir(&path));
    }
    if there { io.sync_dir(meta).map_err(|error| Error::sync("fsync", meta, error)) } else { Ok(()) }
}

fn list(io: &dyn Io, folder: &Path) -> Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    let listed = io.read_dir(folder, &mut |entry| {
        entries.push(entry);
        Ok(())
    });
    match listed {
        Err(error) if matches!(error.kind(), OsKind::NotFound | OsKind::NotADirectory) => Ok(Vec::new()),
        done => done.map(|()| entries).map_err(|error| Error::io("scandir", folder, error)),
    }
}
