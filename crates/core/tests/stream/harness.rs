//! Streams of small files on a simulated disk.

use std::path::Path;
use std::sync::Arc;

use pstream_core::format::batch::push_record;
use pstream_core::io::Io;
use pstream_core::stream::{Committed, DirectWrites, Level, Log, LogOptions, Pending, PendingKind, Recovery};
use pstream_core::{ErrorKind, Result};
use pstream_sim::{Keep, SimDisk};

pub const DIR: &str = "/d";
pub const NAME: &str = "s";

/// A disk with the folder `/d` on it, nothing of which is unsynced.
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

/// Files of eight blocks of 4 KiB each.
pub fn options() -> LogOptions {
    sized(8, 8)
}

/// Blocks of 4 KiB: so many in the first file, and at most so many in later ones.
pub fn sized(first: u64, full: u64) -> LogOptions {
    let mut options = LogOptions::new(NAME);
    options.block_size = 4096;
    options.file_size = full * 4096;
    options.first_file_size = Some(first * 4096);
    options
}

pub fn aligned(options: LogOptions) -> LogOptions {
    LogOptions { aligned: true, ..options }
}

/// Commits of 4,000 bytes and more go past the page cache, those of 8,192 in several pieces.
pub fn direct(options: LogOptions) -> LogOptions {
    LogOptions { direct: DirectWrites { from: 4000, piece: 4096 }, ..options }
}

pub fn open_with(io: &Arc<dyn Io>, options: &LogOptions) -> Result<(Log, Recovery)> {
    Log::open(Arc::clone(io), Path::new(DIR), options.clone())
}

pub fn open(disk: &SimDisk) -> (Log, Recovery) {
    open_with(&disk.io(), &options()).unwrap()
}

/// The path of a file of the stream.
pub fn path(index: u16) -> String {
    format!("{DIR}/{NAME}.{index:04x}-12")
}

/// A record that tells which one it is, of so many bytes.
pub fn record(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = format!("<{number}>").into_bytes();
    let fill = bytes.clone();
    while bytes.len() < len {
        bytes.extend_from_slice(&fill);
    }
    bytes.truncate(len);
    bytes
}

pub fn payload(records: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    for record in records {
        push_record(record, &mut payload);
    }
    payload
}

pub fn commit_as(log: &mut Log, kind: PendingKind, records: &[Vec<u8>], level: Level) -> Result<Committed> {
    let payload = payload(records);
    log.commit(&[Pending { kind, payload: &payload, count: records.len() as u32 }], level)
}

pub fn commit(log: &mut Log, records: &[Vec<u8>]) -> Committed {
    commit_as(log, PendingKind::Records, records, Level::Durable).unwrap()
}

pub fn write(log: &mut Log, records: &[Vec<u8>]) -> Committed {
    commit_as(log, PendingKind::Records, records, Level::Written).unwrap()
}

/// The records `from..to`, each of `len` bytes, one commit each.
pub fn commit_each(log: &mut Log, numbers: std::ops::Range<u64>, len: usize) {
    for number in numbers {
        commit(log, &[record(number, len)]);
    }
}

/// Whether an open says so.
pub fn is_corrupt(disk: &SimDisk, options: &LogOptions) -> bool {
    match open_with(&disk.io(), options) {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::Corrupt(_)),
    }
}

/// A file offset in a file of 4 KiB blocks.
pub fn file_offset(at: u64) -> u64 {
    at / 4048 * 4096 + 48 + at % 4048
}

/// One file of blocks of 16 KiB.
pub fn large_blocks() -> LogOptions {
    LogOptions { block_size: 16384, ..sized(32, 64) }
}
