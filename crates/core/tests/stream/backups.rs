//! Copies: the same records, seqs and times; whole or not there, whatever call they are stopped or failed at.

use std::path::Path;

use pstream_core::stream::{Goal, Level, Log, LogOptions, Mode, Previous};
use pstream_core::{CreateOptions, ErrorKind, Result};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

use crate::engine::read;
use crate::harness::{DIR, NAME, commit, commit_each, disk, open, open_with, options, path, record, rest, write};

const TO: &str = "/to";

fn to() -> LogOptions {
    options()
}

fn copy(log: &Log, disk: &SimDisk) -> Result<()> {
    let snapshot = log.snapshot(Level::Durable)?;
    let mut backup = snapshot.backup(disk.io(), Path::new(TO), NAME, CreateOptions::default())?;
    let mut before = 0;
    while backup.step()? {
        assert!((before..=backup.total_bytes()).contains(&backup.bytes()));
        before = backup.bytes();
    }
    assert_eq!(backup.bytes(), backup.total_bytes());
    assert!(!backup.step()?, "once is enough");
    Ok(())
}

/// Opens the copy; what it holds must be what the stream holds up to `end`.
fn check(disk: &SimDisk, log: &Log, end: u64) {
    let (copy, recovery) = Log::open(disk.io(), Path::new(TO), to()).unwrap();
    assert_eq!((recovery.previous, recovery.next_seq, recovery.torn), (Previous::Closed, end, None));
    let (mut there, mut here) = (read(log, Level::Durable).unwrap(), read(&copy, Level::Durable).unwrap());
    there.records.truncate(here.records.len());
    assert_eq!(there.records, here.records);
    assert_eq!(here.records.pop().map(|(seq, _)| seq), end.checked_sub(1));
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.names(TO).unwrap_or_default()
}

#[test]
fn a_copy_is_a_stream() {
    for records in [0, 1, 30] {
        let disk = disk(110);
        let (mut log, _) = open(&disk);
        commit_each(&mut log, 0..records, 3000);
        log.prepare_next().unwrap();
        // What is not durable is not copied.
        write(&mut log, &[record(1000, 500)]);
        copy(&log, &disk).unwrap();
        let mut left = names(&disk);
        left.retain(|name| !name.starts_with("s.0"));
        assert_eq!(left, ["s.meta"], "nothing else is left");
        assert_eq!(disk.names(format!("{TO}/s.meta")).unwrap(), ["mark"], "of the copy's own end");
        disk.power_cut(&Keep::None);
        let (log, _) = open(&disk);
        if records > 0 {
            check(&disk, &log, records);
        }
        let (mut copied, _) = Log::open(disk.io(), Path::new(TO), to()).unwrap();
        commit_each(&mut copied, records..records + 10, 3000);
        assert_eq!(read(&copied, Level::Durable).unwrap().records.len() as u64, records + 10, "it goes on by itself");
    }
}

#[test]
fn of_a_trimmed_stream_and_a_wrapped_one() {
    let disk = disk(111);
    crate::premade::install(&disk, &options(), 0xfffe);
    rest(&disk);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..40, 3000);
    log.release_first().unwrap();
    copy(&log, &disk).unwrap();
    check(&disk, &log, 40);
}

/// A trim overtakes it: what it holds open it copies.
#[test]
fn while_files_are_released() {
    let disk = disk(112);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..30, 3000);
    let expected = read(&log, Level::Durable).unwrap().records;
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let mut backup = snapshot.backup(disk.io(), Path::new(TO), NAME, CreateOptions::default()).unwrap();
    log.trim_now(Goal { before: Some(30), force: true, ..Goal::default() }).unwrap();
    commit_each(&mut log, 30..50, 3000);
    while backup.step().unwrap() {}
    let (copied, _) = Log::open(disk.io(), Path::new(TO), to()).unwrap();
    assert_eq!(read(&copied, Level::Durable).unwrap().records, expected);
}

#[test]
fn what_is_there_is_left_alone() {
    let disk = disk(113);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let into = |directory: &str| snapshot.backup(disk.io(), Path::new(directory), NAME, CreateOptions::default());
    assert_eq!(*into(DIR).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let mut first = into(TO).unwrap();
    assert!(matches!(into(TO).unwrap_err().kind(), ErrorKind::Locked(_)), "two at a time");
    while first.step().unwrap() {}
    assert_eq!(*into(TO).unwrap_err().kind(), ErrorKind::AlreadyExists);
    check(&disk, &log, 1);
}

/// One that is given up leaves nothing.
#[test]
fn given_up() {
    let disk = disk(114);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..30, 3000);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    for steps in 0..100 {
        let mut backup = snapshot.backup(disk.io(), Path::new(TO), NAME, CreateOptions::default()).unwrap();
        let done = (0..steps).any(|_| !backup.step().unwrap());
        drop(backup);
        if done {
            assert!(steps > 6);
            return;
        }
        assert_eq!(names(&disk), Vec::<String>::new(), "after {steps} steps");
    }
    panic!("it never ends");
}

/// Damage anywhere is not copied, and told of where it is.
#[test]
fn damage() {
    let start = disk(115);
    let (mut log, _) = open(&start);
    commit_each(&mut log, 0..30, 3000);
    log.close().unwrap();
    rest(&start);
    for (file, range, from) in [(2, 9000..9100, 6), (1, 100..8000, 0), (3, 4096..32768, 12)] {
        let disk = start.fork();
        disk.garble_on_disk(path(file), range).unwrap();
        let (log, _) = open(&disk);
        let error = copy(&log, &disk).unwrap_err();
        let ErrorKind::Corrupt(damage) = error.kind() else { panic!("{error:?}") };
        assert_eq!(error.path(), Some(Path::new(&path(file))), "{error}");
        assert!(damage.from_seq.is_none_or(|seq| seq >= from), "{damage:?}");
        assert_eq!(names(&disk), Vec::<String>::new());
    }
    let disk = start.fork();
    disk.io().remove_file(Path::new(&path(2))).unwrap();
    rest(&disk);
    let (log, _) = open_with(&disk.io(), &LogOptions { recovery: Mode::Salvage, ..options() }).unwrap();
    assert!(matches!(copy(&log, &disk).unwrap_err().kind(), ErrorKind::Corrupt(_)));
}

/// Whatever call it is stopped or failed at: the copy is whole, or there is none; and another attempt succeeds.
#[test]
fn stopped_and_failed_at_every_call() {
    let start = disk(116);
    let (mut log, _) = open(&start);
    commit_each(&mut log, 0..14, 3000);
    log.close().unwrap();
    rest(&start);
    let (mut whole, mut none) = (0, 0);
    for effect in [Effect::Stop, Effect::StopAfter, Effect::StopTorn, Effect::EIO, Effect::ENOSPC, Effect::FAIL_SYNC] {
        for nth in 1.. {
            let disk = start.fork();
            let (log, _) = open(&disk);
            disk.inject(Fault::new(effect.clone()).nth(nth));
            let done = copy(&log, &disk);
            let fired = disk.is_stopped() || disk.faults_fired() > 0;
            drop(log);
            for keep in [Keep::None, Keep::All, Keep::any(nth), Keep::any(nth + 1000)] {
                let after = disk.fork_after(&keep);
                after.clear_faults();
                let what = format!("{effect:?} at call {nth}, {keep:?}");
                let (log, _) = open(&after);
                let is_there = pstream_core::sequence::inspect(&*after.io(), Path::new(TO), NAME)
                    .is_ok_and(|report| !report.files.is_empty());
                assert!(done.is_err() || is_there, "{what}: done, and not there");
                if is_there {
                    whole += 1;
                } else {
                    none += 1;
                    copy(&log, &after).unwrap_or_else(|error| panic!("{what}, again: {error}"));
                }
                check(&after, &log, 14);
            }
            if !fired {
                break;
            }
        }
    }
    assert!(whole > 20 && none > 200, "{whole} whole, {none} not there");
}
