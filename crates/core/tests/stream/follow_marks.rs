//! What a mark is believed, and what is done without one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pstream_core::ErrorKind;
use pstream_core::format::mark::{BootId, LEN, Mark};
use pstream_core::format::{Decoded, StreamId};
use pstream_core::stream::{FollowOptions, Follower, Level, LogOptions, Mode, destroy};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::follow::{MARK, READER, follow, left, shown};
use crate::harness::{
    DIR, NAME, commit, commit_each, disk, open, open_with, options, path, record, rest, sized, write,
};
use crate::hooked::Hooked;

fn mark(disk: &SimDisk) -> Mark {
    let bytes = disk.cached_bytes(MARK, 0..u64::MAX).unwrap();
    assert_eq!(bytes.len(), LEN);
    match Mark::decode(bytes.first_chunk().unwrap()) {
        Decoded::Valid(mark) => mark,
        other => panic!("{other:?}"),
    }
}

fn put(disk: &SimDisk, mark: &Mark) {
    disk.io().write_note(Path::new(MARK), 0o600, &mark.encode()).unwrap();
}

/// A stream of five records, the last two of which nothing but the mark calls durable: its writer was killed.
fn killed() -> SimDisk {
    let disk = disk(300);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..5, 100);
    drop(log);
    disk.process_crash();
    disk
}

#[test]
fn it_says_what_is_durable_after_every_commit() {
    let disk = disk(301);
    let (mut log, _) = open(&disk);
    let agrees = |log: &pstream_core::stream::Log| {
        let (mark, durable) = (mark(&disk), log.durable());
        assert_eq!((mark.position, mark.seq), (durable.position, durable.seq));
        assert_eq!(mark.boot, BootId::new(&disk.io().identity().boot_id.unwrap()).unwrap());
    };
    agrees(&log);
    for number in 0..40 {
        commit(&mut log, &[record(number, 900)]);
        agrees(&log);
        write(&mut log, &[record(number, 10)]);
        agrees(&log);
    }
    log.flush().unwrap();
    agrees(&log);
    commit(&mut log, &[record(0, 1)]);
    log.watermark().unwrap();
    agrees(&log);
    log.recover_in_place().unwrap();
    agrees(&log);
    let before = mark(&disk);
    log.close().unwrap();
    assert!(mark(&disk).position > before.position, "the seal");
    drop(log);
    let (log, _) = open(&disk);
    agrees(&log);
    assert!(mark(&disk).epoch > before.epoch);
}

/// Nothing waits for it: it is never synced, and is as good as the page cache.
#[test]
fn it_is_written_behind_the_sync() {
    let disk = disk(302);
    let (mut log, _) = open(&disk);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    let before = mark(&disk);
    let payload = crate::harness::payload(&[record(0, 10)]);
    let batch =
        pstream_core::stream::Pending { kind: pstream_core::stream::PendingKind::Records, payload: &payload, count: 1 };
    log.commit(&[batch], Level::Durable).unwrap_err();
    assert_eq!(mark(&disk), before);
    disk.record(true);
    log.recover_in_place().unwrap();
    commit(&mut log, &[record(1, 10)]);
    let calls = disk.trace();
    assert!(calls.iter().any(|call| call.name == "mark" && call.kind == CallKind::Write));
    assert!(
        !calls.iter().any(|call| call.name == "mark" && matches!(call.kind, CallKind::SyncData | CallKind::SyncAll))
    );
}

#[test]
fn without_one_batches_tell() {
    let disk = killed();
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 5, "by the mark");
    disk.io().remove_file(Path::new(MARK)).unwrap();
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 4, "the last one calls those in front of it durable");
}

#[test]
fn one_of_another_boot_is_void() {
    let disk = killed();
    let good = mark(&disk);
    put(&disk, &Mark { boot: BootId::new("another").unwrap(), ..good });
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 4);
    put(&disk, &good);
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 5);
    // However much of it has reached the disk.
    rest(&disk);
    assert_eq!(mark(&disk), good);
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 4);
    // The next writer writes it anew, before the first append.
    let (log, _) = open(&disk);
    assert_ne!(mark(&disk).boot, good.boot);
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 5);
    drop(log);
}

#[test]
fn one_that_cannot_be_right_is_not_believed() {
    let disk = killed();
    let good = mark(&disk);
    let far = 8 * 4048;
    for wrong in [
        Mark { id: StreamId::new(good.id.get() ^ 1).unwrap(), ..good },
        Mark { position: far + 1, ..good },
        Mark { position: u64::MAX, seq: u64::MAX, ..good },
    ] {
        put(&disk, &wrong);
        assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 4, "{wrong:?}");
    }
    for rubbish in [&[][..], &[0; LEN], &[0xff; 200], &good.encode()[..LEN - 1]] {
        disk.io().write_note(Path::new(MARK), 0o600, rubbish).unwrap();
        assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 4);
    }
    let mut flipped = good.encode();
    for bit in 0..LEN * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.io().write_note(Path::new(MARK), 0o600, &flipped).unwrap();
        assert_eq!(follow(&disk).unwrap().refresh().unwrap().next_seq(), 4, "bit {bit}");
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

/// An older one is merely late, and what it does not say the batches do, after a while.
#[test]
fn one_that_does_not_move_is_not_waited_for() {
    let disk = disk(303);
    let (mut log, _) = open(&disk);
    let follower = follow(&disk).unwrap();
    disk.inject(Fault::new(Effect::ENOSPC).kind(CallKind::Write).path(MARK).every());
    disk.inject(Fault::new(Effect::ENOSPC).kind(CallKind::Open).path(MARK).when(|call| call.pid != READER).every());
    for number in 0..100 {
        commit(&mut log, &[record(number, 700)]);
        let end = (0..6).map(|_| follower.refresh().unwrap().next_seq()).last().unwrap();
        assert_eq!(end, number, "the last batch calls those in front of it durable");
    }
    disk.clear_faults();
    for _ in 0..70 {
        commit(&mut log, &[record(0, 10)]);
    }
    assert_eq!(follower.refresh().unwrap().next_seq(), 170, "it is written again");
}

/// No failure of it is an error of a commit, of an open or a close.
#[test]
fn whatever_fails_about_it_is_nobodys_error() {
    for effect in [Effect::EIO, Effect::ENOSPC, Effect::Torn(std::io::ErrorKind::Other), Effect::Short(7)] {
        let disk = disk(304);
        disk.inject(Fault::new(effect).path(MARK).when(|call| call.pid != READER).every());
        let (mut log, _) = open(&disk);
        for number in 0..20 {
            commit(&mut log, &[record(number, 900)]);
            let end = follow(&disk).unwrap().refresh().unwrap().next_seq();
            assert!(end <= number + 1, "{end}");
        }
        log.close().unwrap();
        assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 20);
    }
    // A folder in its place.
    let disk = disk(305);
    disk.io().create_dir(Path::new("/d/s.meta")).unwrap();
    disk.io().create_dir(Path::new(MARK)).unwrap();
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..3, 10);
    assert_eq!(shown(&follow(&disk).unwrap()).unwrap().len(), 2);
}

#[test]
fn a_full_disk_stops_neither_the_writer_nor_readers() {
    let disk = disk(306);
    let (mut log, _) = open(&disk);
    let follower = follow(&disk).unwrap();
    disk.io().remove_file(Path::new(MARK)).unwrap();
    log.recover_in_place().unwrap();
    disk.set_capacity(Some(disk.used()));
    commit_each(&mut log, 0..4, 100);
    let end = (0..6).map(|_| follower.refresh().unwrap().next_seq()).last().unwrap();
    assert!(end >= 3, "{end}");
}

#[test]
fn there_must_be_a_stream() {
    let disk = disk(307);
    let not_found = |disk: &SimDisk| *follow(disk).unwrap_err().kind() == ErrorKind::NotFound;
    assert!(not_found(&disk));
    let options = FollowOptions::new(NAME);
    let error = Follower::open(disk.io(), Path::new("/none"), options).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    // A file that was made and is not in use yet.
    disk.install(path(1), &vec![0; 8 * 4096]).unwrap();
    assert!(not_found(&disk));
}

#[test]
fn a_stream_that_is_gone_is_told_from_one_in_its_place() {
    let disk = disk(308);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..20, 900);
    log.close().unwrap();
    let follower = follow(&disk).unwrap();
    destroy(&disk.io(), Path::new(DIR), &options()).unwrap();
    let error = follower.refresh().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..30, 900);
    let error = follower.refresh().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("another one is in its place"), "{error}");
    assert_eq!(follow(&disk).unwrap().refresh().unwrap().next_seq(), 30);
}

#[test]
fn files_come_and_go() {
    let disk = disk(309);
    let options = sized(5, 5);
    crate::premade::install(&disk, &options, 0xfffd);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    let follower = follow(&disk).unwrap();
    for number in 0..80 {
        commit(&mut log, &[record(number, 2500)]);
        if number % 3 == 2 {
            log.release_first().unwrap();
        }
        log.prepare_next().unwrap();
        let all = shown(&follower).unwrap();
        assert_eq!(all.last_key_value().unwrap().0, &number);
        assert_eq!(follower.oldest_seq(), *all.first_key_value().unwrap().0);
    }
    assert!(follower.oldest_seq() > 0);
    let footprint = follower.footprint();
    assert_eq!(footprint, log.footprint().unwrap());
    assert_eq!(follower.max_record_bytes(), options.max_record_bytes().unwrap());
}

/// Rot in front of what later batches call durable is damage, not an end.
#[test]
fn damage_is_no_end() {
    let disk = disk(310);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..5, 1500);
    log.close().unwrap();
    rest(&disk);
    let place = crate::harness::file_offset(4152 + 4 * 1568 + 80);
    disk.flip_bit(path(1), place, 3).unwrap();
    disk.drop_caches();
    let error = follow(&disk).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
    let salvage = FollowOptions { recovery: Mode::Salvage, ..FollowOptions::new(NAME) };
    let follower = Follower::open(disk.as_process(READER).io(), Path::new(DIR), salvage).unwrap();
    let snapshot = follower.refresh().unwrap();
    assert_eq!(snapshot.next_seq(), 5);
    assert!(matches!(snapshot.get(4).unwrap_err().kind(), ErrorKind::Corrupt(_)));
    assert_eq!(snapshot.get(3).unwrap().unwrap().data, record(3, 1500));
}

/// The page cache may be behind the disk: it is emptied before anything is called damaged.
#[test]
fn what_looks_damaged_is_read_again() {
    let disk = disk(311);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..3, 100);
    disk.settle();
    let flip = |disk: &SimDisk| disk.flip_bit(path(1), crate::harness::file_offset(4152 + 168 + 80), 1).unwrap();
    flip(&disk);
    let (other, armed) = (disk.as_process(READER), Arc::new(AtomicBool::new(false)));
    let arm = Arc::clone(&armed);
    let io = Hooked::over(disk.as_process(READER).io(), move |call, _| {
        if call == "evict" && armed.swap(false, Ordering::SeqCst) {
            flip(&other);
        }
        Ok(())
    });
    let follower = Follower::open(Arc::new(io), Path::new(DIR), FollowOptions::new(NAME)).unwrap();
    let mut reader = follower.refresh().unwrap().read(pstream_core::stream::read::ReadOptions::default()).unwrap();
    arm.store(true, Ordering::SeqCst);
    for seq in 0..3 {
        assert_eq!(reader.next_batch().unwrap().unwrap().seq, seq);
    }
    assert!(!arm.load(Ordering::SeqCst));
    // The second time it is believed.
    flip(&disk);
    disk.drop_caches();
    assert!(matches!(shown(&follower).unwrap_err().kind(), ErrorKind::Corrupt(_)));
}

/// A file that has entered use may not be durable itself: a failed sync of its beginning takes it back, and what comes then is
/// in the file in front of it.
#[test]
fn a_file_counts_when_something_in_it_does() {
    let disk = disk(312);
    let options: LogOptions = sized(5, 5);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    commit(&mut log, &[record(0, 3000)]);
    log.prepare_next().unwrap();
    let follower = follow(&disk).unwrap();
    disk.inject(
        Fault::new(Effect::FailSync { kind: std::io::ErrorKind::Other, keep: Keep::None }).kind(CallKind::SyncData),
    );
    let large = crate::harness::payload(&[record(1, 6000)]);
    let batch =
        pstream_core::stream::Pending { kind: pstream_core::stream::PendingKind::Records, payload: &large, count: 1 };
    log.commit(&[batch], Level::Durable).unwrap_err();
    let before = follower.refresh().unwrap();
    assert_eq!((before.next_seq(), before.files().len()), (1, 1));
    log.recover_in_place().unwrap();
    for number in 1..6 {
        commit(&mut log, &[record(number, 100)]);
        assert_eq!(shown(&follower).unwrap().len() as u64, number + 1);
    }
    assert_eq!(left(&disk, &options).records.len(), 6);
}
