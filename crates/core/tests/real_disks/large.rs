//! Commits that go past the page cache, on file systems that each do that in a way of their own, while all of the file is in
//! the page cache, zeros behind its end among it: what is read through the cache afterwards is what was committed.

use std::fs;
use std::path::{Path, PathBuf};

use pstream_core::stream::LogOptions;

use crate::common::streams::{commit, holds, open};
use crate::mounts::{KINDS, play as on};

#[test]
fn every_file_system() {
    for kind in &KINDS {
        on(kind, "", "large");
    }
}

/// Where the temporary files are; most often that is none of a loop device's.
#[test]
fn the_file_system_of_this_machine() {
    play(crate::common::folder().path());
}

/// Small ones, ones of one piece, ones of several; 30 MiB, and five files.
const LENS: [usize; 24] = [
    10,
    700_000,
    100,
    3 << 20,
    5,
    600_000,
    2_500_000,
    4096,
    530_000,
    1 << 20,
    1 << 20,
    1,
    4_194_304,
    3_999_999,
    50,
    60,
    524_288,
    524_289,
    2_097_152,
    7,
    1_048_000,
    5_000_000,
    99,
    1_300_000,
];

pub fn play(folder: &Path) {
    let (place, mut options) = (folder.join("large"), LogOptions::new("s"));
    fs::create_dir(&place).unwrap();
    (options.file_size, options.first_file_size) = (8 << 20, Some(8 << 20));
    let mut log = open(&place, &options).unwrap().0;
    let mut records = Vec::new();
    for (number, len) in LENS.into_iter().enumerate() {
        let before = warm(&place);
        let record: Vec<u8> = (0..len).map(|at| u8::try_from((at * 31 + number * 7) % 251).unwrap()).collect();
        commit(&mut log, std::slice::from_ref(&record)).unwrap();
        assert!(len < 1000 || warm(&place) != before, "nothing of record {number} is to be seen");
        records.push(record);
        holds(&log, &records);
    }
    drop(log);
    let (log, recovery) = open(&place, &options).unwrap();
    assert_eq!((recovery.next_seq, recovery.torn), (24, None));
    holds(&log, &records);
    println!("\nseen: {} commits, {} files", LENS.len(), files(&place).len());
}

fn files(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

/// Brings all files into the page cache, and sums them up.
fn warm(place: &Path) -> u64 {
    let bytes = files(place).into_iter().flat_map(|path| fs::read(path).unwrap());
    bytes.fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
