//! Streams on the simulated disk, of the same records as those on the real one.

use std::path::Path;

use pstream_core::Result;
use pstream_core::format::StreamId;
use pstream_core::stream::{Log, LogOptions, Mode, Recovery};
use pstream_sim::{Keep, SimDisk};

use crate::common::streams::{NAME, commit, options as sized, record};

pub const DIR: &str = "/d";

pub fn options() -> LogOptions {
    sized(8, 8)
}

pub fn salvage() -> LogOptions {
    LogOptions { recovery: Mode::Salvage, ..options() }
}

pub fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.io().create_dir(Path::new(DIR)).unwrap();
    rest(&disk);
    disk
}

/// Makes everything durable and ends the process.
pub fn rest(disk: &SimDisk) {
    disk.settle();
    disk.power_cut(&Keep::All);
}

pub fn open(disk: &SimDisk, options: &LogOptions) -> Result<(Log, Recovery)> {
    Log::open(disk.io(), Path::new(DIR), options.clone())
}

/// Appends the records of these numbers and closes the stream.
pub fn write(disk: &SimDisk, numbers: std::ops::Range<u64>) {
    let (mut log, _) = open(disk, &options()).unwrap();
    for number in numbers {
        commit(&mut log, &[record(number)]).unwrap();
    }
    log.close().unwrap();
    drop(log);
    rest(disk);
}

pub fn path(index: u16) -> String {
    format!("{DIR}/{NAME}.{index:04x}-12")
}

/// The data files and what is on the disk of them.
pub fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names(DIR).unwrap().into_iter().filter(|name| name.contains('-'));
    let read = |name: String| {
        let path = format!("{DIR}/{name}");
        let bytes = disk.disk_bytes(&path, 0..u64::MAX).unwrap();
        (path, bytes)
    };
    names.map(read).collect()
}

/// The headers of blocks and batches in a file.
pub fn headers(bytes: &[u8]) -> Vec<usize> {
    let is_header = |at: &usize| matches!(bytes.get(*at..*at + 4), Some(b"PSB\x01" | b"PST\x01"));
    (0..bytes.len()).step_by(8).filter(is_header).collect()
}

pub fn id_of(bytes: &[u8]) -> StreamId {
    StreamId::new(u64::from_le_bytes(bytes[8..16].try_into().unwrap())).unwrap()
}

/// Makes the checksum of the header at `at` right.
pub fn seal(bytes: &mut [u8], at: usize) {
    let id = id_of(bytes);
    let len = if bytes[at..].starts_with(b"PSB") { 48 } else { 64 };
    let checksum = id.checksum(&bytes[at + 8..at + len]);
    bytes[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// Opens in both ways what must not be opened, and compares every byte before and after.
#[track_caller]
pub fn refused(disk: &SimDisk, code: &str, what: &str) {
    for options in [options(), salvage()] {
        let disk = disk.fork();
        let before = files(&disk);
        let error = open(&disk, &options).expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
        disk.settle();
        assert!(files(&disk) == before, "{what}: something was changed");
    }
}
