//! The next file is made while commits go on: each call of its making with commits in front of it, stopped and failed at
//! every call of both.


use pstream_core::ErrorKind;
use pstream_core::stream::{Level, Log, PendingKind};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::between::Between;
use crate::harness::{commit, commit_each, disk, open, options, record, rest};
use crate::oracle::Oracle;
use crate::program::check_and_go_on;

/// Makes the next file with two commits in front of call `at` of its making; goes on into it. How many calls that had,
/// and what was promised; no log if it could not be opened.
fn run(disk: &SimDisk, at: usize) -> (usize, Oracle, Option<Log>) {
    let Some((between, mut first)) = Between::open(disk, at) else { return (0, Oracle::default(), None) };
    first.commit(Level::Durable, 10_000);
    let job = if first.failed { None } else { first.log.next_file().unwrap() };
    let (count, mut work) = between.run(first, || {
        if let Some(job) = job {
            job.run();
        }
    });
    if !work.failed {
        work.failed = work.log.take_next().is_err();
    }
    for level in [Level::Written, Level::Durable, Level::Durable] {
        work.commit(level, 7000);
    }
    (count, work.oracle, Some(work.log))
}

fn look(disk: &SimDisk, oracle: &Oracle, seed: u64, what: &str) {
    for keep in [Keep::None, Keep::All, Keep::any(seed), Keep::any(seed + 1)] {
        let after = disk.fork_after(&keep);
        after.clear_faults();
        let mut oracle = oracle.clone();
        oracle.cache_lost = true;
        check_and_go_on(&after, &options(), &mut oracle).unwrap_or_else(|error| panic!("{what}, {keep:?}: {error}"));
    }
    let after = disk.fork();
    after.process_crash();
    after.clear_faults();
    check_and_go_on(&after, &options(), &mut oracle.clone()).unwrap_or_else(|error| panic!("{what}, killed: {error}"));
}

#[test]
fn commits_during_the_making_of_a_file_stopped_and_failed_at_every_call() {
    let start = disk(61);
    let (calls, _, log) = run(&start.fork(), usize::MAX);
    drop(log);
    assert!(calls > 5, "{calls} calls make a file");
    let eio = Effect::FAIL_SYNC;
    let (mut states, mut in_place) = (0, 0);
    for at in 1..=calls {
        for effect in [Effect::Stop, Effect::StopTorn, Effect::EIO, eio.clone(), Effect::ENOSPC] {
            for nth in 1.. {
                let disk = start.fork();
                disk.inject(Fault::new(effect.clone()).nth(nth));
                let (_, mut oracle, log) = run(&disk, at);
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
                look(&disk, &oracle, nth, &what);
                states += 5;
            }
        }
    }
    assert!(states > 2000 && in_place > 20, "{states} states, {in_place} in place");
}

/// Nobody has begun with it: the commit that needs the file makes it, and whoever comes too late does nothing.
#[test]
fn what_nobody_makes_the_commit_makes() {
    let disk = disk(62);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..3, 5000);
    let job = log.next_file().unwrap().unwrap();
    assert!(log.next_file().unwrap().is_none() && !log.wants_next());
    assert!(!log.take_next().unwrap());
    commit_each(&mut log, 3..7, 5000);
    let names = crate::reader::names(&disk);
    job.run();
    assert_eq!(crate::reader::names(&disk), names);
    let (footprint, files) = (log.footprint().unwrap(), log.snapshot(Level::Durable).unwrap().files().len() as u64);
    assert_eq!((footprint.files, footprint.on_disk), (files, files * 32768));
    rest(&disk);
    assert_eq!(open(&disk).1.next_seq, 7);
}

/// Without space for it nothing is lost: the commit that needs the file tries again.
#[test]
fn a_making_without_space_is_made_up_for() {
    let disk = disk(63);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 16_000)]);
    let failed = |log: &mut Log| {
        disk.set_capacity(Some(disk.used()));
        log.next_file().unwrap().unwrap().run();
        assert!(!log.take_next().unwrap() && !log.needs_recovery() && log.wants_next());
        // Done, and not looked at before it is needed.
        log.next_file().unwrap().unwrap().run();
    };
    failed(&mut log);
    let error = crate::harness::commit_as(&mut log, PendingKind::Records, &[record(1, 16_000)], Level::Durable);
    assert_eq!(*error.unwrap_err().kind(), ErrorKind::NoSpace);
    assert!(!log.needs_recovery());
    failed(&mut log);
    disk.set_capacity(None);
    commit(&mut log, &[record(1, 16_000)]);
    drop(log);
    disk.power_cut(&Keep::None);
    assert_eq!(open(&disk).1.next_seq, 2);
}

/// A sync of the folder that fails during the making sends the log through recovery.
#[test]
fn a_folder_sync_that_fails_in_the_making() {
    let disk = disk(64);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 16_000)]);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncDir));
    log.next_file().unwrap().unwrap().run();
    assert_eq!(*log.take_next().unwrap_err().kind(), ErrorKind::SyncFailed);
    assert!(log.needs_recovery());
    let recovery = log.recover_in_place().unwrap();
    assert_eq!(recovery.next_seq, 1);
    commit(&mut log, &[record(1, 16_000)]);
}

/// A recovery in place gives up what is being made; a file that was finished is found by it.
#[test]
fn a_recovery_in_place_ends_the_making() {
    let disk = disk(65);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    let job = log.next_file().unwrap().unwrap();
    assert!(log.recover_in_place().unwrap().leftovers.is_empty());
    job.run();
    assert_eq!(crate::reader::names(&disk).len(), 1, "given up before it was begun");
    log.next_file().unwrap().unwrap().run();
    assert_eq!(log.recover_in_place().unwrap().leftovers.len(), 1);
    let job = log.next_file().unwrap();
    assert!(job.is_none(), "the one that was made is used");
    commit(&mut log, &[record(1, 15_000)]);
    commit(&mut log, &[record(2, 15_000)]);
    log.next_file().unwrap().unwrap().run();
    log.close().unwrap();
    assert_eq!(open(&disk).1.leftovers.len(), 1);
}
