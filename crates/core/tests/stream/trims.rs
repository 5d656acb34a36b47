//! The first files go: in order, whole, never past a cursor, stopped and failed at every call with commits in between.

use std::path::Path;

use pstream_core::ErrorKind;
use pstream_core::stream::cursor::{Cursor, Folder};
use pstream_core::stream::read::{ReadOptions, Reader, Start};
use pstream_core::stream::{Goal, Level, Log, LogOptions, Mode, PendingKind};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::between::Between;
use crate::harness::{DIR, NAME, commit, commit_each, disk, open, open_with, options, path, record, rest};
use crate::oracle::Oracle;
use crate::program::check_and_go_on;
use crate::reader::names;

fn before(seq: u64) -> Goal {
    Goal { before: Some(seq), ..Goal::default() }
}

/// A stream of 30 records in files of eight each, and the first seq of each file.
fn filled(disk: &SimDisk) -> (Log, Vec<u64>) {
    let (mut log, _) = open(disk);
    commit_each(&mut log, 0..30, 3000);
    let starts = starts(&log);
    (log, starts)
}

fn starts(log: &Log) -> Vec<u64> {
    let snapshot = log.snapshot(Level::Durable).unwrap();
    snapshot.files().iter().map(|file| file.start().unwrap().seq).collect()
}

fn oldest(log: &Log) -> u64 {
    log.snapshot(Level::Durable).unwrap().oldest_seq().unwrap()
}

fn cursor_at(disk: &SimDisk, log: &Log, seq: u64) -> Cursor {
    let id = log.snapshot(Level::Durable).unwrap().id();
    Folder::new(disk.io(), Path::new(DIR), NAME).open("c", id, || Ok(seq)).unwrap()
}

#[test]
fn whole_files_go_and_never_the_one_in_use() {
    for (seq, left) in
        [(0, 0), (5, 0), (6, 6), (11, 6), (17, 12), (18, 18), (23, 18), (24, 24), (30, 24), (u64::MAX, 24)]
    {
        let disk = disk(90);
        let (mut log, starts) = filled(&disk);
        assert_eq!(starts, [0, 6, 12, 18, 24]);
        let trimmed = log.trim_now(before(seq)).unwrap();
        assert_eq!((trimmed.oldest_seq, trimmed.files as u64), (left, left / 6), "before {seq}");
        assert_eq!(oldest(&log), left);
        let footprint = log.footprint().unwrap();
        assert_eq!(footprint.files as usize, names(&disk).len());
        assert_eq!(footprint.on_disk, footprint.files * 32768);
        assert_eq!(log.trim_now(before(seq)).unwrap().files, 0, "once is enough");
        commit_each(&mut log, 30..40, 3000);
        drop(log);
        disk.power_cut(&Keep::None);
        let (log, recovery) = open(&disk);
        assert_eq!((recovery.oldest_seq, recovery.next_seq), (Some(left), 40));
        assert_eq!(crate::engine::read(&log, Level::Durable).unwrap().records.len() as u64, 40 - left);
    }
}

#[test]
fn what_a_cursor_has_not_passed_stays_unless_forced() {
    let disk = disk(91);
    let (mut log, _) = filled(&disk);
    let mut cursor = cursor_at(&disk, &log, 8);
    assert_eq!(log.trim_now(before(23)).unwrap().oldest_seq, 6);
    cursor.commit(12, 30).unwrap();
    // The older of its two slots: the newer one may not be durable yet.
    assert_eq!(log.trim_now(before(23)).unwrap().oldest_seq, 6);
    cursor.commit(13, 30).unwrap();
    assert_eq!(log.trim_now(before(23)).unwrap().oldest_seq, 12);
    assert_eq!(log.trim_now(Goal { force: true, ..before(23) }).unwrap().oldest_seq, 18);
}

/// As long as a cursor is being made nothing goes.
#[test]
fn a_trim_and_the_making_of_a_cursor_exclude_each_other() {
    let disk = disk(92);
    let (mut log, _) = filled(&disk);
    let folder = Folder::new(disk.io(), Path::new(DIR), NAME);
    let guard = folder.exclude().unwrap().unwrap();
    let error = log.trim_now(before(23)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(_)), "{error:?}");
    assert!(!log.needs_recovery());
    assert_eq!(oldest(&log), 0);
    drop(guard);
    assert_eq!(log.trim_now(before(23)).unwrap().oldest_seq, 18);
}

/// Readers go on where they are, and are told of what is gone.
#[test]
fn readers_finish_or_are_told() {
    let disk = disk(93);
    let (mut log, _) = filled(&disk);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let mut reader = snapshot.read(ReadOptions::default()).unwrap();
    let first =
        |reader: &mut Reader| reader.next_batch().map(|batch| batch.map(|batch| batch.records().next().unwrap().0));
    assert_eq!(first(&mut reader).unwrap(), Some(0));
    log.trim_now(before(23)).unwrap();
    let mut seen = 1;
    let error = loop {
        match first(&mut reader) {
            Ok(Some(seq)) => seen = seq + 1,
            Ok(None) => panic!("it came to the end"),
            Err(error) => break error,
        }
    };
    assert_eq!(*error.kind(), ErrorKind::Trimmed(18), "{error}");
    assert!(seen >= 6, "what it had open it may finish: {seen}");
    assert_eq!(*snapshot.get(3).unwrap_err().kind(), ErrorKind::Trimmed(18));
    let late = ReadOptions { from: Start::Seq(3), ..ReadOptions::default() };
    assert_eq!(*log.snapshot(Level::Durable).unwrap().read(late).unwrap_err().kind(), ErrorKind::Trimmed(18));
}

/// Indexes wrap: the files in front of the wrap go first.
#[test]
fn indexes_wrap() {
    let disk = disk(94);
    crate::premade::install(&disk, &options(), 0xfffe);
    rest(&disk);
    let (mut log, starts) = filled(&disk);
    let indexes = |log: &Log| -> Vec<u16> {
        log.snapshot(Level::Durable).unwrap().files().iter().map(|file| file.index()).collect()
    };
    assert_eq!(indexes(&log), [0xfffe, 0xffff, 0, 1, 2, 3]);
    assert_eq!(log.trim_now(before(starts[2])).unwrap().oldest_seq, starts[2]);
    assert_eq!(indexes(&log), [0, 1, 2, 3]);
    log.trim_now(before(30)).unwrap();
    commit_each(&mut log, 30..40, 3000);
    drop(log);
    disk.power_cut(&Keep::None);
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.oldest_seq, recovery.next_seq), (Some(starts[5]), 40));
}

/// An unlink that fails has changed nothing, and is made again; a sync of the folder that fails has, who knows.
#[test]
fn failures() {
    let disk = disk(95);
    let (mut log, _) = filled(&disk);
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::Remove).nth(2));
    assert_eq!(*log.trim_now(before(23)).unwrap_err().kind(), ErrorKind::Io);
    assert!(!log.needs_recovery());
    assert_eq!((oldest(&log), starts(&log)), (6, vec![6, 12, 18, 24]), "the first one is gone");
    commit(&mut log, &[record(30, 10)]);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncDir));
    assert_eq!(*log.trim_now(before(23)).unwrap_err().kind(), ErrorKind::SyncFailed);
    assert!(log.needs_recovery());
    assert_eq!(*log.trim_now(before(23)).unwrap_err().kind(), ErrorKind::SyncFailed);
    assert_eq!(log.recover_in_place().unwrap().next_seq, 31);
    assert_eq!(log.trim_now(before(23)).unwrap().oldest_seq, 18);
    log.close().unwrap();
    assert_eq!(*log.trim_now(before(23)).unwrap_err().kind(), ErrorKind::Closed);
}

/// What is missing in the midst of a salvaged stream is no obstacle.
#[test]
fn past_a_missing_file_and_a_damaged_one() {
    let disk = disk(96);
    let (log, _) = filled(&disk);
    drop(log);
    rest(&disk);
    disk.io().remove_file(Path::new(&path(2))).unwrap();
    disk.garble_on_disk(path(3), 0..8192).unwrap();
    rest(&disk);
    let salvage = LogOptions { recovery: Mode::Salvage, ..options() };
    let (mut log, _) = open_with(&disk.io(), &salvage).unwrap();
    commit(&mut log, &[record(30, 3000)]);
    assert_eq!(log.trim_now(before(12)).unwrap().files, 0, "where the file in the midst begins nobody knows");
    assert_eq!(log.trim_now(before(18)).unwrap().oldest_seq, 18);
    drop(log);
    disk.power_cut(&Keep::None);
    let (mut log, recovery) = open(&disk);
    assert_eq!((recovery.oldest_seq, recovery.next_seq), (Some(18), 31), "what is left is whole");
    commit(&mut log, &[record(31, 10)]);
}

/// Without a byte free, files go, and then there is room.
#[test]
fn on_a_full_disk() {
    let disk = disk(97);
    let (log, _) = filled(&disk);
    drop(log);
    disk.process_crash();
    disk.set_capacity(Some(disk.used()));
    let (mut log, _) = open(&disk);
    let error = (0..20).find_map(|number| {
        crate::harness::commit_as(&mut log, PendingKind::Records, &[record(30 + number, 3000)], Level::Durable).err()
    });
    assert_eq!(*error.unwrap().kind(), ErrorKind::NoSpace);
    let next = log.next_seq();
    assert_eq!(log.trim_now(before(23)).unwrap().oldest_seq, 18);
    commit(&mut log, &[record(next, 3000)]);
}

/// Releases two files with two commits in front of call `at` of that: none that makes a file, which would wait for the
/// release, and on this one thread for ever. How many calls it had, and what was promised.
fn run(disk: &SimDisk, at: usize, fault: Option<Fault>) -> (usize, Oracle, Option<Log>) {
    let Some((between, mut first)) = Between::open(disk, at) else { return (0, Oracle::default(), None) };
    for len in [20_000, 20_000, 8000] {
        first.commit(Level::Durable, len);
    }
    first.oracle.released = 2;
    let job = if first.failed { None } else { first.log.trim(before(2)).ok().flatten() };
    let (count, mut work) = between.run(first, || {
        if let Some(fault) = fault {
            disk.inject(fault);
        }
        if let Some(job) = job {
            job.run();
        }
    });
    work.failed |= work.log.take_trimmed().is_some_and(|done| done.is_err());
    for level in [Level::Written, Level::Durable, Level::Durable] {
        work.commit(level, 7000);
    }
    (count, work.oracle, Some(work.log))
}

#[test]
fn commits_during_a_trim_stopped_and_failed_at_every_call() {
    let start = disk(98);
    let (calls, _, log) = run(&start.fork(), usize::MAX, None);
    assert_eq!(starts(&log.unwrap())[0], 2);
    assert_eq!(calls, 4, "an unlink and a sync for each file");
    let (mut states, mut in_place) = (0, 0);
    for at in 1..=calls {
        for effect in [Effect::Stop, Effect::StopAfter, Effect::EIO, Effect::FAIL_SYNC, Effect::ENOSPC] {
            for nth in 1.. {
                let disk = start.fork();
                let (_, mut oracle, log) = run(&disk, at, Some(Fault::new(effect.clone()).nth(nth)));
                if !disk.is_stopped() && disk.faults_fired() == 0 {
                    break;
                }
                let what = format!("{effect:?} at call {nth}, commits at {at}");
                oracle.cache_lost |= effect == Effect::FAIL_SYNC;
                if let Some(mut log) = log.filter(Log::needs_recovery)
                    && !disk.is_stopped()
                {
                    in_place += 1;
                    let recovery = log.recover_in_place().unwrap_or_else(|error| panic!("{what}: {error}"));
                    oracle.check(&disk, &recovery).unwrap_or_else(|error| panic!("{what}, in place: {error}"));
                }
                for keep in [Keep::None, Keep::any(nth)] {
                    let after = disk.fork_after(&keep);
                    after.clear_faults();
                    let mut oracle = Oracle { cache_lost: true, ..oracle.clone() };
                    check_and_go_on(&after, &options(), &mut oracle)
                        .unwrap_or_else(|error| panic!("{what}, {keep:?}: {error}"));
                    states += 1;
                }
            }
        }
    }
    assert!(states > 2000 && in_place > 20, "{states} states, {in_place} in place");
}

/// A recovery in place and a close end a trim; nothing of it goes on behind them.
#[test]
fn a_recovery_ends_it() {
    let disk = disk(99);
    let (mut log, _) = filled(&disk);
    let job = log.trim(before(23)).unwrap().unwrap();
    assert!(log.trim(before(23)).unwrap().is_none() && log.is_trimming());
    log.recover_in_place().unwrap();
    assert!(!log.is_trimming() && log.take_trimmed().is_none());
    job.run();
    assert_eq!(oldest(&log), 0, "given up before it was begun");
    let job = log.trim(before(23)).unwrap().unwrap();
    log.close().unwrap();
    job.run();
    assert_eq!(names(&disk).len(), 5);
}
