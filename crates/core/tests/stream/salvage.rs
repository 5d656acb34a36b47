//! Going on behind damage: nothing that is damaged is written to, and no seq is given twice.

use pstream_core::ErrorKind;
use pstream_core::stream::{LogOptions, Mode};
use pstream_sim::SimDisk;

use crate::harness::{DIR, commit, commit_each, disk, open_with, options, path, record, rest};
use crate::reader::names;

fn salvage() -> LogOptions {
    LogOptions { recovery: Mode::Salvage, ..options() }
}

fn start() -> SimDisk {
    let disk = disk(51);
    let (mut log, _) = open_with(&disk.io(), &options()).unwrap();
    commit_each(&mut log, 0..8, 3000);
    log.prepare_next().unwrap();
    log.close().unwrap();
    drop(log);
    rest(&disk);
    disk
}

fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = disk.disk_bytes(format!("{DIR}/{name}"), 0..u64::MAX).unwrap();
        (name, bytes)
    };
    names(disk).into_iter().map(read).collect()
}

/// Opens what is damaged both ways, goes on, and opens again.
fn go_on(damaged: &SimDisk, next_seq: u64, what: &str) {
    let before = files(damaged);
    let error = open_with(&damaged.io(), &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{what}: {error:?}");
    damaged.settle();
    assert!(files(damaged) == before, "{what}: a strict open changed something");
    let (mut log, recovery) = open_with(&damaged.io(), &salvage()).unwrap();
    assert!(recovery.next_seq >= next_seq, "{what}: seq {} is given again", recovery.next_seq);
    assert!(!recovery.gaps.is_empty() && recovery.gaps.iter().all(|gap| gap.to_seq == recovery.next_seq), "{what}");
    commit(&mut log, &[record(100, 100)]);
    log.close().unwrap();
    drop(log);
    rest(damaged);
    let after = files(damaged);
    let in_use = |name: &str| before.iter().any(|(other, bytes)| other == name && bytes.iter().any(|byte| *byte != 0));
    for (name, bytes) in before.iter().filter(|(name, _)| in_use(name)) {
        assert!(after.contains(&(name.clone(), bytes.clone())), "{what}: {name} was written to");
    }
    // From now on there is a whole end again.
    let (mut log, again) = open_with(&damaged.io(), &options()).unwrap();
    assert_eq!((again.next_seq, again.torn), (recovery.next_seq + 1, None), "{what}");
    commit(&mut log, &[record(101, 100)]);
}

#[test]
fn each_sector_of_the_last_file() {
    let start = start();
    let last = names(&start).into_iter().rev().nth(1).unwrap();
    let file = format!("{DIR}/{last}");
    let mut errors = 0;
    for offset in (0..start.disk_len(&file).unwrap()).step_by(4096) {
        let damaged = start.fork();
        damaged.garble_on_disk(&file, offset..offset + 4096).unwrap();
        // Rot that is harmless, or that nothing proves, is none of a salvage's business.
        let strict = damaged.fork();
        if open_with(&strict.io(), &options()).is_err() {
            errors += 1;
            go_on(&damaged, 8, &format!("noise at {offset} of {last}"));
        }
    }
    assert!(errors >= 2, "{errors}");
}

#[test]
fn both_copies_of_the_file_batch() {
    let damaged = start();
    let last = names(&damaged).into_iter().rev().nth(1).unwrap();
    damaged.garble_on_disk(format!("{DIR}/{last}"), 0..8192).unwrap();
    go_on(&damaged, 8, "both copies");
}

#[test]
fn a_file_cut_shorter() {
    for len in [4096, 3 * 4096, 7 * 4096, 100] {
        let damaged = start();
        let last = names(&damaged).into_iter().rev().nth(1).unwrap();
        damaged.set_len_on_disk(format!("{DIR}/{last}"), len).unwrap();
        let seqs = if len == 100 || len == 4096 { 4 } else { 5 };
        go_on(&damaged, seqs, &format!("cut to {len}"));
    }
}

#[test]
fn a_prepared_file_that_is_not_empty() {
    let damaged = start();
    let prepared = names(&damaged).pop().unwrap();
    damaged.garble_on_disk(format!("{DIR}/{prepared}"), 12288..12300).unwrap();
    go_on(&damaged, 8, "prepared");
}

/// Small records fit beside the second copy of the file batch: a file without both copies is not taken for one that was
/// merely prepared.
#[test]
fn records_beside_a_file_batch_that_is_gone() {
    let damaged = disk(53);
    let sizes = crate::harness::sized(4, 8);
    let (mut log, _) = open_with(&damaged.io(), &sizes).unwrap();
    for (number, len) in [(0, 3000), (1, 1500), (2, 100)] {
        commit(&mut log, &[record(number, len)]);
    }
    log.prepare_next().unwrap();
    drop(log);
    rest(&damaged);
    damaged.garble_on_disk(path(2), 48..512).unwrap();
    damaged.garble_on_disk(path(2), 4096 + 48..4608).unwrap();
    damaged.garble_on_disk(path(3), 12288..12300).unwrap();
    let before = damaged.disk_bytes(path(2), 0..u64::MAX).unwrap();
    let (mut log, recovery) = open_with(&damaged.io(), &LogOptions { recovery: Mode::Salvage, ..sizes }).unwrap();
    assert_eq!(recovery.next_seq, 3, "what it still proves counts");
    commit(&mut log, &[record(3, 100)]);
    assert!(damaged.cached_bytes(path(2), 0..u64::MAX).unwrap() == before);
}

/// Where nothing proves what stream it is, there is nothing to go on with.
#[test]
fn nothing_is_made_up() {
    let damaged = disk(52);
    let (log, _) = open_with(&damaged.io(), &options()).unwrap();
    drop(log);
    rest(&damaged);
    damaged.garble_on_disk(path(1), 0..u64::MAX / 2).unwrap();
    let error = open_with(&damaged.io(), &salvage()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error:?}");
}
