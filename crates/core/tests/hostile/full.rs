//! A full disk on which there is not even space for a name: the simulated one gives names away, so faults stand in.

use std::path::Path;

use pstream_core::ErrorKind;
use pstream_core::stream::Log;
use pstream_sim::{CallKind, Effect, Fault, SimDisk};

use crate::common::streams::{commit, commit_as, read, record};
use crate::sim::{DIR, disk, open, options, path, rest, write};
use pstream_core::stream::{Level, PendingKind};

/// Three whole records and one of which the middle is lost.
fn torn() -> SimDisk {
    let disk = disk(11);
    let (mut log, _) = open(&disk, &options()).unwrap();
    for number in 0..3 {
        commit(&mut log, &[vec![number; 100]]).unwrap();
    }
    commit_as(&mut log, PendingKind::Records, &[vec![9; 9000]], Level::Written).unwrap();
    drop(log);
    rest(&disk);
    disk.zero_on_disk(path(1), 3 * 4096..3 * 4096 + 512).unwrap();
    disk
}

fn records(log: &Log) -> usize {
    read(log).unwrap().0.len()
}

/// With the lock given up and taken again for each attempt the stream was lost: there was no space for the lock's file.
#[test]
fn the_lock_is_kept_through_a_recovery_in_place() {
    let disk = torn();
    disk.set_capacity(Some(disk.used()));
    let (mut log, recovery) = open(&disk, &options()).unwrap();
    assert!(recovery.postponed);
    for kind in [CallKind::OpenLock, CallKind::CreateDir, CallKind::Create] {
        disk.inject(Fault::new(Effect::ENOSPC).kind(kind).every());
    }
    let other = disk.as_process(2);
    for _ in 0..3 {
        let error = commit(&mut log, &[record(3)]).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoSpace, "{error}");
        assert_eq!(records(&log), 3, "reading goes on");
    }
    disk.clear_faults();
    let error = open(&other, &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(_)), "{error}");
    disk.set_capacity(None);
    assert_eq!(commit(&mut log, &[record(3)]).unwrap(), 3);
    log.close().unwrap();
    assert_eq!(open(&other, &options()).unwrap().1.next_seq, 4, "the last share is given up");
}

/// Nobody gets in while a recovery in place fails again and again; whoever closes the log then gives up the lock.
#[test]
fn nobody_gets_in_between() {
    for close in [true, false] {
        let disk = disk(12);
        let (mut log, _) = open(&disk, &options()).unwrap();
        commit(&mut log, &[record(0)]).unwrap();
        disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
        commit(&mut log, &[record(1)]).unwrap_err();
        disk.inject(Fault::new(Effect::EIO).kind(CallKind::ReadDir).every());
        log.recover_in_place().unwrap_err();
        disk.clear_faults();
        let other = disk.as_process(2);
        assert!(matches!(open(&other, &options()).unwrap_err().kind(), ErrorKind::Locked(_)));
        if close {
            drop(log.close());
        }
        drop(log);
        assert_eq!(open(&other, &options()).unwrap().1.next_seq, 1);
    }
}

/// At zero free bytes: a stream that was closed is opened and read, and takes what fits into the space it has.
#[test]
fn zero_free_bytes() {
    let disk = disk(13);
    write(&disk, 0..10);
    disk.set_capacity(Some(disk.used()));
    let (mut log, recovery) = open(&disk, &options()).unwrap();
    assert_eq!((recovery.next_seq, recovery.postponed, records(&log)), (10, false, 10));
    let mut next = 10;
    let error = loop {
        match commit(&mut log, &[record(next)]) {
            Ok(seq) => assert_eq!(seq, next),
            Err(error) => break error,
        }
        next += 1;
        assert!(next < 100);
    };
    assert!(*error.kind() == ErrorKind::NoSpace && !log.needs_recovery(), "{error}");
    assert_eq!(records(&log) as u64, next);
    log.close().unwrap();
    drop(log);
    let (log, recovery) = Log::open(disk.io(), Path::new(DIR), options()).unwrap();
    assert_eq!((recovery.next_seq, records(&log) as u64), (next, next));
}
