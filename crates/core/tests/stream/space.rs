//! A full disk: nothing is lost, and when there is space again the stream goes on.

use pstream_core::ErrorKind;
use pstream_core::stream::{Level, PendingKind, Previous};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::harness::{
    aligned, commit, commit_as, commit_each, disk, open, open_with, options, path, record, rest, sized, write,
};
use crate::reader::read;

fn try_commit(log: &mut pstream_core::stream::Log, number: u64, len: usize) -> pstream_core::Result<()> {
    commit_as(log, PendingKind::Records, &[record(number, len)], Level::Durable).map(|_| ())
}

/// No space for a next file: appends fail, nothing is lost, no recovery is needed, and it goes on by itself.
#[test]
fn no_space_for_a_next_file() {
    let disk = disk(41);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 6000)]);
    disk.set_capacity(Some(disk.used()));
    for number in 0..5 {
        let records = vec![record(50 + number, 3000); 9];
        let error = commit_as(&mut log, PendingKind::Records, &records, Level::Durable).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoSpace);
        assert!(!log.needs_recovery());
        assert_eq!(*log.prepare_next().unwrap_err().kind(), ErrorKind::NoSpace);
    }
    assert_eq!((log.next_seq(), read(&disk).unwrap().records().len()), (1, 1), "nothing of it was written");
    // What still fits goes in.
    try_commit(&mut log, 1, 5000).unwrap();
    disk.set_capacity(None);
    commit_each(&mut log, 2..12, 3000);
    rest(&disk);
    assert_eq!(open(&disk).1.next_seq, 12);
}

/// A stream with a torn tail: the middle of its last record is lost.
fn torn(aligned_commits: bool) -> (SimDisk, pstream_core::stream::LogOptions) {
    let options = if aligned_commits { aligned(sized(16, 16)) } else { sized(16, 16) };
    let disk = disk(42);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    commit_each(&mut log, 0..3, 700);
    write(&mut log, &[record(3, 9000)]);
    drop(log);
    disk.power_cut(&Keep::All);
    let block = if aligned_commits { 6 } else { 2 };
    disk.zero_on_disk(path(1), block * 4096..(block + 1) * 4096).unwrap();
    (disk, options)
}

#[test]
fn the_torn_bytes_are_kept_and_the_tail_is_zeros() {
    for aligned_commits in [false, true] {
        let (disk, options) = torn(aligned_commits);
        let before = disk.disk_bytes(path(1), 0..u64::MAX).unwrap();
        let (log, recovery) = open_with(&disk.io(), &options).unwrap();
        assert_eq!((recovery.next_seq, recovery.previous), (3, Previous::Crashed));
        let torn = recovery.torn.expect("a torn tail");
        let saved = torn.saved_as.expect("a copy");
        let copy = disk.cached_bytes(&saved, 0..u64::MAX).unwrap();
        assert_eq!(copy.len() as u64, torn.bytes);
        let at = before.windows(copy.len()).position(|window| window == copy).expect("bytes of the file");
        assert_eq!(at as u64 / 4096, torn.block);
        let after = disk.disk_bytes(path(1), 0..u64::MAX).unwrap();
        let end = read(&disk).unwrap().batches.last().map(|batch| batch.at + 64).unwrap();
        let zeros_from = (end / 4048 + 1) * 4096;
        assert!(after[zeros_from as usize..].iter().all(|byte| *byte == 0), "rule 11");
        drop(log);
        // Its copy survives whatever follows.
        disk.power_cut(&Keep::None);
        assert_eq!(disk.cached_bytes(&saved, 0..u64::MAX).unwrap(), copy);
        assert_eq!(open_with(&disk.io(), &options).unwrap().1.torn, None);
    }
}

/// Opening works at zero free bytes; the trim waits, appends say so, and go on when there is space.
#[test]
fn no_space_for_the_copy_of_a_torn_tail() {
    for kind in [None, Some(CallKind::ZeroRange), Some(CallKind::SyncData), Some(CallKind::WriteSynced)] {
        let (disk, options) = torn(false);
        match kind {
            None => disk.set_capacity(Some(disk.used())),
            Some(CallKind::SyncData) => {
                // Not the ones of opening: those are failed syncs, and begun again.
                let full = Effect::FailSync { kind: std::io::ErrorKind::StorageFull, keep: Keep::None };
                disk.inject(Fault::new(full).kind(CallKind::SyncData).nth(2));
            }
            Some(kind) => disk.inject(Fault::new(Effect::ENOSPC).kind(kind)),
        }
        let before = disk.cached_bytes(path(1), 0..u64::MAX).unwrap();
        let (mut log, recovery) = open_with(&disk.io(), &options).unwrap();
        assert!(recovery.postponed, "{kind:?}");
        assert_eq!((recovery.next_seq, log.snapshot(Level::Durable).unwrap().next_seq()), (3, 3));
        if kind.is_none() {
            assert_eq!(recovery.torn.unwrap().saved_as, None);
            for _ in 0..3 {
                assert_eq!(*try_commit(&mut log, 3, 50).unwrap_err().kind(), ErrorKind::NoSpace);
            }
            assert!(disk.cached_bytes(path(1), 0..u64::MAX).unwrap() == before, "nothing was changed");
            assert_eq!(disk.names("/d/s.meta/torn").unwrap_or_default(), Vec::<String>::new(), "no part of a copy");
            disk.set_capacity(None);
        }
        try_commit(&mut log, 3, 50).unwrap();
        assert_eq!(log.next_seq(), 4);
        drop(log);
        disk.power_cut(&Keep::None);
        assert_eq!(open_with(&disk.io(), &options).unwrap().1.next_seq, 4);
    }
}

/// Closed before there was space, it has the same torn tail for the next open.
#[test]
fn a_tail_that_was_never_cut_off_is_found_again() {
    let (disk, options) = torn(false);
    disk.set_capacity(Some(disk.used()));
    let (mut log, first) = open_with(&disk.io(), &options).unwrap();
    assert!(first.postponed);
    log.close().unwrap();
    disk.set_capacity(None);
    let (_, second) = open_with(&disk.io(), &options).unwrap();
    let place =
        |recovery: pstream_core::stream::Recovery| recovery.torn.map(|torn| (torn.position, torn.saved_as.is_some()));
    assert_eq!((second.previous, second.next_seq), (Previous::Crashed, first.next_seq));
    let (at, saved) = place(first).unwrap();
    assert!(!saved);
    assert_eq!(place(second), Some((at, true)));
}

/// A watermark that was not written is no part of what can be read.
#[test]
fn a_postponed_open_ends_where_the_stream_does() {
    let disk = disk(92);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    disk.process_crash();
    disk.inject(Fault::new(Effect::Torn(std::io::ErrorKind::StorageFull)).kind(CallKind::WriteSynced));
    let (log, recovery) = open(&disk);
    assert!(recovery.postponed);
    for level in [Level::Durable, Level::Written] {
        assert_eq!(log.snapshot(level).unwrap().end(), log.durable().position);
        assert_eq!(crate::engine::read(&log, level).unwrap().records, [(0, record(0, 100))]);
    }
}

#[test]
fn the_newest_copies_are_kept() {
    let disk = disk(43);
    for number in 0..20 {
        let (mut log, _) = open(&disk);
        write(&mut log, &[record(number, 4000)]);
        log.snapshot(Level::Durable).unwrap();
        let position = log.durable().position;
        drop(log);
        rest(&disk);
        disk.set_now(std::time::Duration::from_secs(2_000_000_000 + number));
        // The header stays, the payload is damaged.
        let files = crate::reader::names(&disk);
        let file = format!("/d/{}", files.last().unwrap());
        let start = read(&disk).unwrap().files.last().unwrap().position;
        let at = (position - start) / 4048 * 4096 + 48 + (position - start) % 4048 + 64 + 20;
        disk.flip_bit(&file, at, 3).unwrap();
        let (log, recovery) = open(&disk);
        assert!(recovery.torn.is_some(), "{number}");
        drop(log);
    }
    let copies = disk.names("/d/s.meta/torn").unwrap();
    assert_eq!(copies.len(), 16);
    assert!(copies[0].starts_with("002000000004"), "{copies:?}");
}

/// Disk full inside a file that is reserved, as btrfs has it: the commit is not acknowledged, and recovery comes first.
#[test]
fn no_space_inside_a_reserved_file() {
    let disk = disk(44);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    disk.inject(Fault::new(Effect::Torn(std::io::ErrorKind::StorageFull)).kind(CallKind::WriteSynced));
    assert_eq!(*try_commit(&mut log, 1, 6000).unwrap_err().kind(), ErrorKind::NoSpace);
    assert!(log.needs_recovery());
    assert_eq!(*try_commit(&mut log, 1, 6000).unwrap_err().kind(), ErrorKind::SyncFailed);
    let recovery = log.recover_in_place().unwrap();
    assert!((1..=2).contains(&recovery.next_seq));
    try_commit(&mut log, 1, 6000).unwrap();
}

/// A first file that does not fit: there is nothing to read, so this is an error.
#[test]
fn no_space_for_a_new_stream() {
    let disk = disk(45);
    disk.set_capacity(Some(20_000));
    assert_eq!(*open_with(&disk.io(), &options()).unwrap_err().kind(), ErrorKind::NoSpace);
    disk.set_capacity(None);
    assert_eq!(open(&disk).1.previous, Previous::New);
}
