//! Giving a sequence another name, so that a crash at any point is made good by the next open of either name.
//!
//! Two notes say that a rename is under way: `<to>.meta/rename-from` and `<from>.meta/rename-to`, which name each other
//! and carry the same token. The second one is written last and removed first, each time durably, so that **the rename
//! is in progress exactly while both are there and agree**. Whoever opens `from` meanwhile moves all files back; whoever
//! opens `to` moves the rest over: the opener finds the whole sequence under the name it asked for. A note without its
//! partner is left from before the beginning or after the end, and is removed.
//!
//! The order of the moves does not matter: names are all that is moved, each in one step, and no name is used twice.

use std::ffi::OsString;
use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::lock::{self, LockShare};
use super::name::{BREAKER, HOLDER, Place, RENAME_FROM, RENAME_TO, parse_options};
use super::scan::{Found, visit_files};
use super::{SequenceOptions, resolve, scan, sync_root};
use crate::error::{self, Error, Result};
use crate::io::{Durability, FileKind, Io, OpenOptions};

/// Renames the sequence `from` in `root`, with everything that belongs to it, to `to`. Takes both locks. After a crash
/// the next open of either name finds the whole sequence under that name.
///
/// # Errors
///
/// With nothing changed: `PSTREAM_INVALID_INPUT` for a name, or if they are equal; `PSTREAM_NOT_FOUND` if there is no
/// sequence `from`; `PSTREAM_ALREADY_EXISTS` if there is anything of a sequence `to`; `PSTREAM_LOCKED`; the errors of
/// an open of `from`.
/// Otherwise, with the rename left to the next open: `PSTREAM_NO_SPACE`, `PSTREAM_SYNC_FAILED`, `PSTREAM_IO`.
pub fn rename(io: &Arc<dyn Io>, root: &Path, from: &str, to: &str) -> Result<()> {
    let (from, to) = (resolve(&**io, root, from)?, resolve(&**io, root, to)?);
    if from == to {
        return Err(Error::new(error::ErrorKind::InvalidInput, "a sequence cannot be renamed to itself"));
    }
    let options = SequenceOptions::default();
    let from_lock = lock::acquire(io, &from, options)?;
    settle(io, &from, options)?;
    let to_lock = lock::acquire(io, &to, options)?;
    settle(io, &to, options)?;
    if scan::window_on_disk(&**io, &from)?.len() == 0 && is_only_ours(&**io, &from)? {
        return Err(Error::io("rename", &from.file_with_options("*".as_ref()), ErrorKind::NotFound.into()));
    }
    if exists(&**io, &to)? {
        return Err(Error::io("rename", &to.file_with_options("*".as_ref()), ErrorKind::AlreadyExists.into()));
    }
    begin(&**io, &from, &to)?;
    move_all(&**io, &from, &to)?;
    end(&**io, &from, &to)?;
    // The notes and the old folder are gone, so the locks' files can go too.
    from_lock.release()?;
    to_lock.release()?;
    sync_root(&**io, &to)
}

/// Finishes or undoes a rename that was interrupted, if `place`, whose lock the caller holds, takes part in one.
pub(super) fn settle(io: &Arc<dyn Io>, place: &Place, options: SequenceOptions) -> Result<()> {
    // Whoever wrote or removed a note may have been killed before it was durable. Nothing is built on it before it is:
    // a note that vanished amid the moves would leave half a sequence, and one that came back after the end would draw
    // a new sequence of the old name into a rename that was over.
    sync_notes(&**io, place)?;
    if let Some(other) = partner(&**io, place, &place.rename_to(), Place::rename_from)? {
        // The partner's note is durable: ours was written after it, and is removed before it.
        let lock = lock_partner(io, &other, options)?;
        move_all(&**io, &other, place)?;
        end(&**io, place, &other)?;
        lock.release()?;
    }
    if let Some(other) = partner(&**io, place, &place.rename_from(), Place::rename_to)? {
        let lock = lock_partner(io, &other, options)?;
        sync_notes(&**io, &other)?;
        move_all(&**io, &other, place)?;
        end(&**io, &other, place)?;
        lock.release()?;
    }
    remove_durably(&**io, place, &place.meta().join(TEMPORARY))?;
    remove_durably(&**io, place, &place.rename_to())?;
    remove_durably(&**io, place, &place.rename_from())
}

fn sync_notes(io: &dyn Io, place: &Place) -> Result<()> {
    match io.sync_dir(&place.meta()) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        done => done.map_err(|error| Error::sync("fsync", &place.meta(), error)),
    }
}

fn lock_partner(io: &Arc<dyn Io>, other: &Place, options: SequenceOptions) -> Result<LockShare> {
    lock::acquire(io, other, options)
}

/// The other side of a rename in progress, by the note at `note`: if the other side has the matching one.
fn partner(io: &dyn Io, place: &Place, note: &Path, counterpart: fn(&Place) -> PathBuf) -> Result<Option<Place>> {
    let Some((token, other)) = read_note(io, note)? else { return Ok(None) };
    let Ok(other) = Place::new(place.root().to_owned(), &other) else { return Ok(None) };
    if other == *place {
        // Nothing that a rename writes; its lock is ours, and would be waited for in vain.
        return Ok(None);
    }
    let matching = read_note(io, &counterpart(&other))?;
    Ok(matching.is_some_and(|(theirs, name)| theirs == token && name == place.name()).then_some(other))
}

/// Writes both notes, the one of `from` last: from then on the rename is in progress.
fn begin(io: &dyn Io, from: &Place, to: &Place) -> Result<()> {
    let since = io.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let token = format!("{:x}-{since:x}", io.identity().pid);
    for (place, note, other) in [(to, to.rename_from(), from), (from, from.rename_to(), to)] {
        match io.create_dir(&place.meta()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("mkdir", &place.meta(), error));
            }
            _ => sync_root(io, place)?,
        }
        write_note(io, place, &note, &format!("pstream-rename 1\n{token}\n{}\n", other.name()))?;
    }
    Ok(())
}

/// Moves the data files, then what is in the folder beside them.
fn move_all(io: &dyn Io, from: &Place, to: &Place) -> Result<()> {
    let mut moves: Vec<(PathBuf, PathBuf)> = Vec::new();
    visit_files(io, from, &mut |found| {
        if let Found::Data(entry) = found {
            let options = entry.path.extension().unwrap_or_default();
            let target = to.file_with_options(options);
            moves.push((entry.path, target));
        }
        Ok(())
    })?;
    for name in meta_entries(io, from)? {
        moves.push((from.meta().join(&name), to.meta().join(&name)));
    }
    for (source, target) in moves {
        io.rename_new(&source, &target).map_err(|error| Error::io("rename", &source, error))?;
    }
    sync(io, &to.meta())?;
    sync_root(io, to)
}

/// Ends the rename: the note of `from` goes first, durably. Before it all moves are durable, so that nothing is missing
/// when nobody looks for it any more.
fn end(io: &dyn Io, from: &Place, to: &Place) -> Result<()> {
    remove_durably(io, from, &from.rename_to())?;
    remove_durably(io, to, &to.rename_from())
}

/// What is in the folder beside the files, but for what belongs to locks and renames.
fn meta_entries(io: &dyn Io, place: &Place) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    let listed = io.read_dir(&place.meta(), &mut |entry| {
        let own = [HOLDER, BREAKER, RENAME_TO, RENAME_FROM, TEMPORARY].iter().any(|own| entry.name == *own);
        if !own {
            names.push(entry.name);
        }
        Ok(())
    });
    match listed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        done => done.map(|()| names).map_err(|error| Error::io("scandir", &place.meta(), error)),
    }
}

/// Nothing beside what opening it for this very call has made.
fn is_only_ours(io: &dyn Io, place: &Place) -> Result<bool> {
    Ok(meta_entries(io, place)?.is_empty())
}

/// Whether anything at all has the name already.
fn exists(io: &dyn Io, place: &Place) -> Result<bool> {
    let mut found = false;
    let listed = io.read_dir(place.root(), &mut |entry| {
        let spelled_like_ours = place.options_of(&entry.name).is_some_and(|options| {
            options != "meta" && (entry.kind != FileKind::Dir || parse_options(options).is_ok())
        });
        found |= spelled_like_ours;
        Ok(())
    });
    listed.map_err(|error| Error::io("scandir", place.root(), error))?;
    Ok(found || !is_only_ours(io, place)?)
}

const TEMPORARY: &str = "rename.tmp";
const MAX_NOTE: usize = 4096;

/// Writes a note so that it is there and whole, or not there.
fn write_note(io: &dyn Io, place: &Place, path: &Path, text: &str) -> Result<()> {
    let temporary = place.meta().join(TEMPORARY);
    match io.remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("unlink", &temporary, error)),
        _ => {}
    }
    let file =
        io.create(&temporary, 0o600, OpenOptions::default()).map_err(|error| Error::io("create", &temporary, error))?;
    let written = file
        .write_at(&[IoSlice::new(text.as_bytes())], 0, Durability::Cached)
        .map_err(|error| Error::io("write", &temporary, error))?;
    if written != text.len() {
        return Err(Error::io("write", &temporary, ErrorKind::WriteZero.into()));
    }
    file.sync_all().map_err(|error| Error::sync("fsync", &temporary, error))?;
    drop(file);
    io.rename_new(&temporary, path).map_err(|error| Error::io("rename", path, error))?;
    sync(io, &place.meta())
}

/// Token and name; `None` if there is no note, or nothing that we wrote.
fn read_note(io: &dyn Io, path: &Path) -> Result<Option<(String, String)>> {
    let content = match io.read_note(path, MAX_NOTE) {
        Ok(content) => content,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let Ok(text) = String::from_utf8(content) else { return Ok(None) };
    let Some(rest) = text.strip_prefix("pstream-rename 1\n").and_then(|rest| rest.strip_suffix('\n')) else {
        return Ok(None);
    };
    Ok(rest.split_once('\n').map(|(token, name)| (token.to_owned(), name.to_owned())))
}

fn remove_durably(io: &dyn Io, place: &Place, path: &Path) -> Result<()> {
    match io.remove_file(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(Error::io("unlink", path, error)),
        Ok(()) => sync(io, &place.meta()),
    }
}

fn sync(io: &dyn Io, folder: &Path) -> Result<()> {
    io.sync_dir(folder).map_err(|error| Error::sync("fsync", folder, error))
}
