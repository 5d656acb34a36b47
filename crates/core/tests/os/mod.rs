//! What the tests of the operating system share.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by panicking")]

use std::io::{ErrorKind, IoSlice, IoSliceMut, Result};
use std::path::{Path, PathBuf};

use pstream_core::io::os::OsIo;
use pstream_core::io::{Durability, Io, IoFile, OpenOptions};
use tempfile::TempDir;

/// A path in the folder.
pub(crate) fn name(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}

/// A new file in the folder.
pub(crate) fn create(dir: &TempDir, file: &str) -> Box<dyn IoFile> {
    OsIo.create(&name(dir, file), 0o600, OpenOptions::default()).unwrap()
}

/// Writes all of the bytes, without syncing them.
pub(crate) fn write(file: &dyn IoFile, offset: u64, bytes: &[u8]) -> Result<()> {
    let written = file.write_at(&[IoSlice::new(bytes)], offset, Durability::Cached)?;
    assert_eq!(written, bytes.len());
    Ok(())
}

/// Writes once, as the engine does: where no call writes and syncs, nothing may have been written, and two do.
pub(crate) fn write_once(file: &dyn IoFile, parts: &[IoSlice<'_>], offset: u64, durability: Durability) -> usize {
    let before = file.size().unwrap();
    match file.write_at(parts, offset, durability) {
        Err(error) if error.kind() == ErrorKind::Unsupported && durability == Durability::Synced => {
            skip("no call that writes and syncs: two are made");
            assert_eq!(file.size().unwrap(), before);
            let written = file.write_at(parts, offset, Durability::Cached).unwrap();
            file.sync_data().unwrap();
            written
        }
        done => done.unwrap(),
    }
}

/// What one read of at most so many bytes brings.
pub(crate) fn read(file: &dyn IoFile, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xaa; len];
    let count = file.read_at(&mut [IoSliceMut::new(&mut bytes)], offset).unwrap();
    bytes.truncate(count);
    bytes
}

/// The kind of the error of a call that must fail.
pub(crate) fn kind_of<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("succeeded"),
        Err(error) => error.kind(),
    }
}

/// Says what is not tested here, and why.
#[allow(clippy::print_stderr, reason = "that is what it is for")]
pub(crate) fn skip(what: &str) {
    eprintln!("skipped: {what}");
}

/// Whether a name is gone as soon as it is removed, though the file is still open.
pub(crate) fn removal_is_immediate(dir: &TempDir) -> bool {
    let file = create(dir, "probe");
    OsIo.remove_file(&name(dir, "probe")).unwrap();
    let gone = std::fs::symlink_metadata(name(dir, "probe")).is_err();
    drop(file);
    if !gone {
        // No Unix system does so.
        assert_eq!(std::env::consts::FAMILY, "windows");
        skip("removed names stay until the last handle is closed (wine; FAT)");
    }
    gone
}

/// Makes a symbolic link, and says whether there is one now.
#[cfg(unix)]
pub(crate) fn symlink(target: &Path, link: &Path) -> bool {
    std::os::unix::fs::symlink(target, link).unwrap();
    true
}

/// Makes a symbolic link, and says whether there is one now: Windows wants a privilege for it, and wine has none.
#[cfg(windows)]
pub(crate) fn symlink(target: &Path, link: &Path) -> bool {
    use std::os::windows::fs::{symlink_dir, symlink_file};
    let made = if target.is_dir() { symlink_dir(target, link) } else { symlink_file(target, link) };
    let is_link = made.is_ok() && std::fs::symlink_metadata(link).is_ok_and(|found| found.is_symlink());
    if !is_link {
        skip("no symbolic links here");
    }
    is_link
}
