//! What the tests of the simulated disk share.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::{IoSlice, IoSliceMut, Result};
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::{Durability, Io, IoFile, OpenOptions};
use pstream_sim::SimDisk;

pub(crate) const SECTOR: usize = 512;
pub(crate) const PAGE: usize = 4096;

pub(crate) fn machine() -> (SimDisk, Arc<dyn Io>) {
    let disk = SimDisk::new(7);
    let io = disk.io();
    (disk, io)
}

pub(crate) fn create(io: &dyn Io, path: &str) -> Box<dyn IoFile> {
    io.create(Path::new(path), 0o600, OpenOptions::default()).unwrap()
}

pub(crate) fn open(io: &dyn Io, path: &str) -> Box<dyn IoFile> {
    io.open(Path::new(path), OpenOptions::default()).unwrap()
}

/// A machine with a durable file `/f` that is durably full of `byte`.
pub(crate) fn with_file(len: usize, byte: u8) -> (SimDisk, Arc<dyn Io>, Box<dyn IoFile>) {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    write(&*file, 0, &vec![byte; len]);
    file.sync_all().unwrap();
    io.sync_dir(Path::new("/")).unwrap();
    assert_eq!(disk.unsynced(), 0);
    (disk, io, file)
}

pub(crate) fn try_write(file: &dyn IoFile, at: u64, bytes: &[u8], durability: Durability) -> Result<usize> {
    file.write_at(&[IoSlice::new(bytes)], at, durability)
}

pub(crate) fn write(file: &dyn IoFile, at: u64, bytes: &[u8]) {
    assert_eq!(try_write(file, at, bytes, Durability::Cached).unwrap(), bytes.len());
}

pub(crate) fn write_synced(file: &dyn IoFile, at: u64, bytes: &[u8]) {
    assert_eq!(try_write(file, at, bytes, Durability::Synced).unwrap(), bytes.len());
}

pub(crate) fn try_read(file: &dyn IoFile, at: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0xee; len];
    let count = file.read_at(&mut [IoSliceMut::new(&mut bytes)], at)?;
    bytes.truncate(count);
    Ok(bytes)
}

pub(crate) fn read(file: &dyn IoFile, at: u64, len: usize) -> Vec<u8> {
    try_read(file, at, len).unwrap()
}

/// The whole file as the disk has it.
pub(crate) fn on_disk(disk: &SimDisk, path: &str) -> Vec<u8> {
    disk.disk_bytes(path, 0..u64::MAX).unwrap()
}

/// The whole file as a process sees it.
pub(crate) fn in_cache(disk: &SimDisk, path: &str) -> Vec<u8> {
    disk.cached_bytes(path, 0..u64::MAX).unwrap()
}

/// The first byte of each sector.
pub(crate) fn heads(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(SECTOR).map(|sector| sector[0]).collect()
}

/// How many of the bytes are `byte`.
pub(crate) fn count(bytes: &[u8], byte: u8) -> usize {
    bytes.iter().map(|found| usize::from(*found == byte)).sum()
}
