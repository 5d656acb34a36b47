//! What the tests of the operating system share.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by panicking")]

use std::io::{ErrorKind, IoSlice, IoSliceMut, Result};
use std::path::PathBuf;

use pstream_core::io::os::OsIo;
use pstream_core::io::{Durability, Io, IoFile, OpenOptions};
use tempfile::TempDir;

#[path = "../common/probe.rs"]
mod probe;
pub(crate) use probe::*;

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
