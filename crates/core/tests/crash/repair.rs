//! A repair, stopped and failed at every call: no byte is lost, the order of files is kept, and the same repair, run
//! again, goes on from there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::sequence::ProblemKind::{BadLength, Duplicate, Gap, OutOfRange, Stranger};
use pstream_core::sequence::{ActionKind, ProblemKind, RepairOptions, inspect, repair};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

use crate::harness::{BLOCK, disk, fail_everywhere, open_sequence, rest, stop_everywhere};

const APPLY: RepairOptions = RepairOptions { apply: true, close_gaps: true };

/// Every kind of trouble; each file holds a byte of its own, in order where there is one.
const FILES: [(&str, u8, usize); 9] = [
    ("s.0001-12", 1, BLOCK),
    ("s.0002-12", 2, BLOCK),
    ("s.0002-13", 20, BLOCK * 2),
    ("s.0004-12", 4, BLOCK),
    ("s.0007-12", 7, BLOCK),
    ("s.0008-12", 8, BLOCK + 1),
    ("s.0009-12", 9, BLOCK),
    ("s.6000-12", 60, BLOCK),
    ("s.what", 99, 10),
];

fn start(seed: u64) -> SimDisk {
    let disk = disk(seed);
    for (name, byte, len) in FILES {
        disk.install(format!("/d/{name}"), &vec![byte; len]).unwrap();
    }
    rest(&disk);
    disk
}

fn program(io: &Arc<dyn Io>) -> bool {
    repair(io, Path::new("/d"), "s", APPLY).is_ok()
}

/// The first byte of every file under the sequence's name, wherever it is.
fn bytes_anywhere(disk: &SimDisk) -> BTreeSet<u8> {
    let mut folders = vec!["/d".to_owned(), "/d/s.meta".to_owned()];
    for name in disk.names("/d/s.meta").unwrap_or_default() {
        folders.push(format!("/d/s.meta/{name}"));
    }
    let paths = folders.iter().flat_map(|folder| {
        disk.names(folder).unwrap_or_default().into_iter().map(move |name| format!("{folder}/{name}"))
    });
    paths.filter_map(|path| disk.cached_bytes(path, 0..1).ok()?.first().copied()).collect()
}

fn nothing_is_lost_and_the_repair_goes_on(disk: &SimDisk, repaired: bool, what: &str) {
    for (name, byte, _) in FILES {
        assert!(bytes_anywhere(disk).contains(&byte), "{name} is gone: {what}");
    }
    if repaired {
        assert!(inspect(&*disk.io(), Path::new("/d"), "s").unwrap().openable, "{what}");
    }
    repair(&disk.io(), Path::new("/d"), "s", APPLY).unwrap_or_else(|error| panic!("{error}: {what}"));
    for (name, byte, _) in FILES {
        assert!(bytes_anywhere(disk).contains(&byte), "{name} is gone in the end: {what}");
    }
    let sequence = open_sequence(&disk.io(), "s").unwrap_or_else(|error| panic!("{error}: {what}"));
    let bytes: Vec<u8> = sequence
        .retrieve()
        .unwrap_or_else(|error| panic!("{error}: {what}"))
        .map(|file| {
            let mut byte = [0];
            file.unwrap().load_bytes(0, &mut byte).unwrap();
            byte[0]
        })
        .collect();
    assert_eq!(bytes, [1, 20, 4, 7, 9], "{what}");
}

#[test]
fn a_repair_that_is_stopped_loses_nothing_and_goes_on() {
    let states = stop_everywhere(&start(1), 8, program, |disk, repaired, what| {
        nothing_is_lost_and_the_repair_goes_on(disk, *repaired, what);
    });
    assert!(states > 500, "only {states} states");
}

#[test]
fn a_repair_of_which_a_call_fails_loses_nothing_and_goes_on() {
    let states = fail_everywhere(
        &start(2),
        4,
        &[Effect::EIO, Effect::ENOSPC, Effect::FAIL_SYNC],
        program,
        |disk, repaired, what| {
            nothing_is_lost_and_the_repair_goes_on(disk, *repaired, what);
        },
    );
    assert!(states > 500, "only {states} states");
}

/// Closing a gap renames file after file. Were the second of two renames durable before the first, a crash between
/// them would swap the files: so each is durable before the next begins.
#[test]
fn renames_reach_the_disk_one_by_one() {
    let disk = disk(3);
    for (name, byte) in [("s.0001-12", 1_u8), ("s.0003-12", 3), ("s.0004-12", 4)] {
        disk.install(format!("/d/{name}"), &vec![byte; BLOCK]).unwrap();
    }
    rest(&disk);
    disk.inject(Fault::new(Effect::Stop).kind(pstream_sim::CallKind::Rename).nth(2));
    assert!(!program(&disk.io()));
    assert!(disk.durable_names("/d").unwrap().contains(&"s.0002-12".to_owned()));
}

/// Every file is where the report says, and the lock is gone, whatever comes.
#[test]
fn a_repair_is_durable_when_it_returns() {
    let disk = start(6);
    assert!(program(&disk.io()));
    let names = disk.names("/d").unwrap();
    assert!(!names.contains(&"s.lock".to_owned()));
    disk.power_cut(&Keep::None);
    assert_eq!(disk.names("/d").unwrap(), names);
}

/// A dry run says what would be done, and does nothing: not even the lock is taken.
#[test]
fn a_dry_run_changes_nothing() {
    let disk = start(4);
    let before = disk.names("/d").unwrap();
    let report = repair(&disk.io(), Path::new("/d"), "s", RepairOptions::default()).unwrap();
    assert!(!report.applied);
    assert_eq!((disk.names("/d").unwrap(), disk.unsynced()), (before, 0));
    let moved: Vec<&str> = report
        .actions
        .iter()
        .filter(|action| action.kind == ActionKind::Move)
        .map(|action| action.from.as_str())
        .collect();
    assert_eq!(moved, ["s.what", "s.0002-12", "s.0008-12", "s.6000-12"]);
    let kept: Vec<&str> = report
        .actions
        .iter()
        .filter(|action| action.kind == ActionKind::Keep)
        .map(|action| action.from.as_str())
        .collect();
    assert_eq!(kept, ["s.0004-12", "s.0007-12", "s.0009-12"], "gaps are only mentioned");
}

#[test]
fn inspect_finds_every_kind_of_trouble() {
    let disk = start(5);
    let report = inspect(&*disk.io(), Path::new("/d"), "s").unwrap();
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [Duplicate, BadLength, OutOfRange, Gap, Gap, Gap, Stranger]);
    assert_eq!((report.openable, report.start, report.end), (false, 1, 10));
}
