//! A rename or repair whose process was killed: what it did last is seen by everybody, and is not durable. Whoever goes on from
//! what is seen, and then has the power cut, must not be left with half of it.

use std::path::Path;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::sequence::{RepairOptions, rename, repair};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

use crate::harness::{disk, open_sequence, rest, stop_everywhere};

/// What is allocated in a sequence once the rename has been settled.
const NEW: u8 = 99;

fn start() -> SimDisk {
    let disk = disk(1);
    let sequence = open_sequence(&disk.io(), "a").unwrap();
    for number in 1..=3_u8 {
        sequence.alloc(None).unwrap().store_bytes(0, &[number]).unwrap();
    }
    sequence.close().unwrap();
    rest(&disk);
    disk
}

/// A disk for every call of a rename, before which the process was killed.
fn killed_everywhere() -> Vec<(SimDisk, String)> {
    let mut disks = Vec::new();
    for nth in 1.. {
        let disk = start();
        disk.inject(Fault::new(Effect::Stop).nth(nth));
        drop(rename(&disk.io(), Path::new("/d"), "a", "b"));
        if !disk.is_stopped() {
            break;
        }
        disk.process_crash();
        disk.clear_faults();
        // While nothing is unsynced a kill is no other than a power cut, which has its own test.
        if disk.unsynced() > 0 {
            disks.push((disk, format!("killed at call {nth}")));
        }
    }
    assert!(disks.len() > 20, "only {} points", disks.len());
    disks
}

/// The numbers in the files of a sequence.
fn numbers(disk: &SimDisk, name: &str, what: &str) -> Vec<u8> {
    let sequence = open_sequence(&disk.io(), name).unwrap_or_else(|error| panic!("open {name}: {error}: {what}"));
    let files = sequence.retrieve().unwrap_or_else(|error| panic!("{name}: {error}: {what}"));
    let number = |file: pstream_core::Result<pstream_core::SequenceFile>| {
        let mut byte = [0];
        file.unwrap().load_bytes(0, &mut byte).unwrap();
        byte[0]
    };
    files.map(number).collect()
}

/// Opened, the power cut at any call of that open, and opened again: all of it is under one name.
#[test]
fn settling_stands_on_durable_notes() {
    for (disk, at) in killed_everywhere() {
        for name in ["a", "b"] {
            let opening = |io: &Arc<dyn Io>| drop(open_sequence(io, name));
            stop_everywhere(&disk, 8, opening, |disk, (), what| {
                let what = format!("{at}, {name} opened, {what}");
                for (first, second) in [("a", "b"), ("b", "a")] {
                    let disk = disk.fork_after(&Keep::All);
                    let found = [numbers(&disk, first, &what), numbers(&disk, second, &what)];
                    let one_empty = found.iter().any(Vec::is_empty) && found.concat() == [1, 2, 3];
                    assert!(one_empty, "{found:?}, {first} opened first: {what}");
                }
            });
        }
    }
}

/// Opened, and used: a new file under a name that had just been renamed away must not be taken for a part of a rename
/// whose end was seen, but is undone by the power cut.
#[test]
fn a_new_sequence_is_not_drawn_into_an_old_rename() {
    for (disk, at) in killed_everywhere() {
        for name in ["a", "b"] {
            let disk = disk.fork();
            disk.process_crash();
            let sequence = open_sequence(&disk.io(), name).unwrap();
            sequence.alloc(None).unwrap().store_bytes(0, &[NEW]).unwrap();
            let was_new = sequence.len() == 1;
            // Still open when the power goes: closing it would remove the folder that an old note may come back to.
            for keep in [Keep::None, Keep::All].into_iter().chain((0..10).map(Keep::any)) {
                for (first, second) in [("a", "b"), ("b", "a")] {
                    let disk = disk.fork_after(&keep);
                    let what = format!("{at}, {name} used, {first} opened first, {keep:?}");
                    let mut found = [numbers(&disk, first, &what), numbers(&disk, second, &what)];
                    found.sort();
                    let expected = if was_new { [vec![1, 2, 3], vec![NEW]] } else { [vec![], vec![1, 2, 3, NEW]] };
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }
}

/// A repair that closes gaps, killed amid its renames, and another one after it in which the power is cut: no two files
/// swap their places.
#[test]
fn a_repair_after_a_killed_one_stands_on_durable_names() {
    let options = RepairOptions { apply: true, close_gaps: true };
    let close_gaps = |io: &Arc<dyn Io>| drop(repair(io, Path::new("/d"), "a", options));
    let start = disk(2);
    for index in [1_u8, 4, 6] {
        start.install(format!("/d/a.000{index}-12"), &[index; 4096]).unwrap();
    }
    start.install("/d/a.bak", b"kept").unwrap();
    rest(&start);
    let mut points = 0;
    for nth in 1.. {
        let disk = start.fork();
        disk.inject(Fault::new(Effect::Stop).nth(nth));
        close_gaps(&disk.io());
        if !disk.is_stopped() {
            break;
        }
        disk.process_crash();
        disk.clear_faults();
        // Where it has renamed a file and not yet synced the folder.
        if disk.unsynced() == 0 || !disk.names("/d").unwrap().contains(&"a.0002-12".to_owned()) {
            continue;
        }
        points += 1;
        stop_everywhere(&disk, 40, close_gaps, |disk, (), what| {
            let what = format!("killed at call {nth}, repaired again, {what}");
            close_gaps(&disk.io());
            assert_eq!(numbers(disk, "a", &what), [1, 4, 6], "{what}");
        });
    }
    assert!(points > 3, "only {points} points");
}
