//! Copies of what was cut off, in `<name>.meta/torn/`: nobody was promised those bytes, but somebody may miss them.

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::{DirEntry, Durability, FileKind, Io, IoFile, MAX_BUFFERS, OpenOptions};
use crate::sequence::SequenceOptions;

/// So many copies are kept,
const MAX_COPIES: usize = 16;
/// and so many bytes of them.
const MAX_BYTES: u64 = 64 << 20;

/// What a copy is called by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) time_ms: u64,
    pub(super) index: u16,
    pub(super) position: u64,
}

/// Writes the copy, durably, under a name that is free: one that an interrupted open has left is neither in the way nor
/// written over (rule 11).
pub(super) fn save(
    io: &dyn Io,
    meta: &Path,
    options: &SequenceOptions,
    label: Label,
    pieces: &[&[u8]],
) -> Result<PathBuf> {
    let folder = meta.join("torn");
    make_folder(io, meta)?;
    make_folder(io, &folder)?;
    let (path, file) = create(io, &folder, options, label)?;
    let written = write(&*file, &path, pieces).and_then(|()| {
        file.sync_all().map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::io("fsync", &path, error),
            _ => Error::sync("fsync", &path, error),
        })
    });
    if let Err(error) = written {
        // A part of a copy is of no use, and takes the space that is lacking.
        drop(io.remove_file(&path));
        return Err(error);
    }
    for folder in [&folder, meta] {
        io.sync_dir(folder).map_err(|error| Error::sync("fsync", folder, error))?;
    }
    // Old copies that stay cost space and nothing else.
    drop(prune(io, &folder, &path));
    Ok(path)
}

fn make_folder(io: &dyn Io, folder: &Path) -> Result<()> {
    match io.create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::io("mkdir", folder, error)),
        _ => Ok(()),
    }
}

/// Names sort by time.
fn create(io: &dyn Io, folder: &Path, options: &SequenceOptions, label: Label) -> Result<(PathBuf, Box<dyn IoFile>)> {
    const ATTEMPTS: u32 = 10_000;
    let Label { time_ms, index, position } = label;
    let open = OpenOptions { read_only: false, sync: options.create.file.sync };
    let mut number = 0_u32;
    loop {
        let path = folder.join(format!("{time_ms:015}-{number:04}-{index:04x}-{position}"));
        match io.create(&path, options.create.mode, open) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < ATTEMPTS => {
                number = number.saturating_add(1);
            }
            Err(error) => return Err(Error::io("create", &path, error)),
        }
    }
}

fn write(file: &dyn IoFile, path: &Path, pieces: &[&[u8]]) -> Result<()> {
    const MAX_RETRIES: u32 = 1000;
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut left = slices.as_mut_slice();
    IoSlice::advance_slices(&mut left, 0);
    let (mut at, mut retries) = (0_u64, 0_u32);
    while !left.is_empty() {
        let call = left.get(..left.len().min(MAX_BUFFERS)).unwrap_or_default();
        match file.write_at(call, at, Durability::Cached) {
            Ok(0) => return Err(Error::io("pwritev", path, ErrorKind::WriteZero.into())),
            Ok(written) => {
                at = at.saturating_add(super::long(written));
                retries = 0;
                IoSlice::advance_slices(&mut left, written);
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) && retries < MAX_RETRIES =>
            {
                retries = retries.saturating_add(1);
            }
            Err(error) => return Err(Error::io("pwritev", path, error)),
        }
    }
    Ok(())
}

/// Removes the oldest copies that are too many or too much, but not the one that was just made.
fn prune(io: &dyn Io, folder: &Path, newest: &Path) -> std::io::Result<()> {
    let mut names = Vec::new();
    io.read_dir(folder, &mut |DirEntry { name, kind }| {
        if kind == FileKind::File {
            names.push(folder.join(name));
        }
        Ok(())
    })?;
    names.retain(|path| path != newest);
    names.sort();
    let mut bytes = io.metadata(newest)?.len;
    let mut kept = 1_usize;
    for path in names.iter().rev() {
        bytes = bytes.saturating_add(io.metadata(path)?.len);
        kept = kept.saturating_add(1);
        if kept > MAX_COPIES || bytes > MAX_BYTES {
            // Not made durable: one that comes back after a crash is in nobody's way.
            io.remove_file(path)?;
        }
    }
    Ok(())
}
