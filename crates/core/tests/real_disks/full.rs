//! A disk without a free byte: what is there can be opened and read, appends say so and go on when there is space.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as OsKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use pstream_core::stream::{Log, LogOptions};
use pstream_core::{Error, ErrorKind};

use crate::common::streams::{commit, holds, open, options, record, sized};
use crate::mounts::{KINDS, play as on};

#[test]
fn every_file_system() {
    for kind in &KINDS {
        on(kind, "", "full");
    }
}

fn small() -> LogOptions {
    options(64, 128)
}

fn records(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(record).collect()
}

pub fn play(folder: &Path) {
    let [closed, torn, live] = ["closed", "torn", "live"].map(|name| folder.join(name));
    for place in [&closed, &torn, &live] {
        fs::create_dir(place).unwrap();
    }
    let mut log = open(&closed, &small()).unwrap().0;
    for record in records(20) {
        commit(&mut log, &[record]).unwrap();
    }
    log.close().unwrap();
    tear(&torn);
    let mut log = open(&live, &small()).unwrap().0;
    commit(&mut log, &[record(0)]).unwrap();

    fill(folder);
    let acknowledged = append_until_full(&mut log, 1, 100_000);
    opens(&closed, 20, "closed");
    let postponed = opens(&torn, 3, "torn");
    holds(&log, &records(acknowledged));
    assert!(acknowledged < 100_000, "the disk does not get full");

    // Space again: all of them go on, none is opened anew but the one that was closed.
    make_room(folder);
    let next = (acknowledged..acknowledged + 200).try_fold(0, |_, number| append(&mut log, number));
    assert_eq!(next.unwrap(), acknowledged + 199);
    holds(&log, &records(acknowledged + 200));
    log.close().unwrap();
    drop(log);
    let (log, recovery) = open(&live, &small()).unwrap();
    assert_eq!((recovery.next_seq, recovery.torn), (acknowledged + 200, None));
    holds(&log, &records(acknowledged + 200));
    opens(&closed, 20, "closed, with space again");
    println!("seen: {acknowledged} records acknowledged until full, trim of the torn tail postponed: {postponed}");
}

/// A stream whose writer came to an end in the midst of its fourth record.
fn tear(place: &Path) {
    let mut log = open(place, &small()).unwrap().0;
    for number in 0..3 {
        commit(&mut log, &[record(number)]).unwrap();
    }
    commit(&mut log, &[sized(3, 30_000)]).unwrap();
    drop(log);
    // What a killed process leaves.
    File::create(place.join("events.lock")).unwrap();
    let path = place.join("events.0001-12");
    let mut bytes = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(9).rposition(|window| window == b"<3><3><3>").unwrap();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(u64::try_from(at).unwrap() - 10_000)).unwrap();
    file.write_all(&[0; 100]).unwrap();
    file.sync_all().unwrap();
}

/// Takes all the space there is, of data and of names.
fn fill(folder: &Path) {
    let ballast = folder.join("ballast");
    fs::create_dir(&ballast).unwrap();
    let mut number = 0;
    // Small files too: they take what a large one cannot, and what is kept for names.
    for (size, rounds) in [(1 << 20, 2), (4096, 3), (1000, 3)] {
        for _ in 0..rounds {
            let mut full = 0;
            while full < 3 {
                number += 1;
                let path = ballast.join(number.to_string());
                match write_durably(&path, size) {
                    Ok(()) => full = 0,
                    Err(error) => {
                        assert!(matches!(error.kind(), OsKind::StorageFull | OsKind::QuotaExceeded), "{error}");
                        full += 1;
                    }
                }
            }
        }
    }
    println!("seen: {number} files of ballast");
}

fn write_durably(path: &Path, size: usize) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&vec![7; size])?;
    // Small ones by the hundred: a sync each would take minutes.
    if size > 4096 { file.sync_all() } else { Ok(()) }
}

fn make_room(folder: &Path) {
    fs::remove_dir_all(folder.join("ballast")).unwrap();
    File::open(folder).unwrap().sync_all().unwrap();
}

/// What the commit thread does: recovery in place first, if it is needed.
fn append(log: &mut Log, number: u64) -> Result<u64, Error> {
    if log.needs_recovery() {
        log.recover_in_place()?;
    }
    commit(log, &[record(number)])
}

/// Appends until there is no space, three times in a row, or so many; the number of the first record that was refused. What is in
/// doubt is settled by the recovery that precedes the next append.
fn append_until_full(log: &mut Log, first: u64, most: u64) -> u64 {
    let (mut number, mut refused) = (first, 0);
    while refused < 3 && number < first + most {
        match append(log, number) {
            Ok(seq) => {
                assert_eq!(seq, number);
                (number, refused) = (number + 1, 0);
            }
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::NoSpace, "{error:?}");
                // A record that was refused may have got there all the same, whole and in its place.
                if log.needs_recovery() {
                    match log.recover_in_place() {
                        Ok(recovery) => number = recovery.next_seq,
                        Err(error) => assert_eq!(*error.kind(), ErrorKind::NoSpace, "{error:?}"),
                    }
                }
                refused += 1;
            }
        }
    }
    number
}

/// Opens, reads all of it, appends as long as that goes. Whether its recovery was postponed.
fn opens(place: &Path, count: u64, what: &str) -> bool {
    let (mut log, recovery) = open(place, &small()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(recovery.next_seq >= count, "{what}");
    holds(&log, &records(recovery.next_seq));
    if recovery.postponed {
        let error = append(&mut log, count).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoSpace, "{what}: {error:?}");
    }
    let end = append_until_full(&mut log, recovery.next_seq, 300);
    holds(&log, &records(end));
    println!("seen: {what}: {} more records", end - recovery.next_seq);
    recovery.postponed
}
