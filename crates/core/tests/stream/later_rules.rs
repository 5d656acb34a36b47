//! The rules from the eighth on: see `rules`.

use std::time::Duration;

use pstream_core::format::batch::Kind;
use pstream_core::stream::{Level, Log, LogOptions, PendingKind, Previous};
use pstream_core::{BlockFile, ErrorKind, FileOptions};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::harness::{
    aligned, commit, commit_as, commit_each, disk, file_offset, is_corrupt, large_blocks, open, open_with, options,
    path, record, rest, sized, write,
};
use crate::reader::read;

/// After a failed sync of the writer, a reader's own says yes.
#[test]
fn rule_08_a_readers_sync_proves_nothing() {
    let disk = disk(75);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    write(&mut log, &[record(1, 5000)]);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    log.flush().unwrap_err();
    let other = disk.as_process(2);
    let reader = BlockFile::open(&*other.io(), path(1).as_ref(), 12, FileOptions::default()).unwrap();
    drop(reader);
    assert_eq!(log.durable().seq, 1, "what is durable is known by the writer's syncs alone");
    assert_eq!(log.snapshot(Level::Durable).unwrap().next_seq(), 1);
    let recovery = log.recover_in_place().unwrap();
    assert_eq!(recovery.next_seq, 1);
    commit(&mut log, &[record(2, 100)]);
    drop(log);
    disk.power_cut(&Keep::None);
    assert_eq!(read(&disk).unwrap().records(), [record(0, 100), record(2, 100)]);
}

/// The page cache shows a batch to others before it is durable, and goes on showing it when it is lost: readers go by the mark,
/// and by what later batches say.
#[test]
fn rule_08_readers_go_by_the_writers_word() {
    for by_mark in [true, false] {
        let disk = disk(750);
        let (mut log, _) = open(&disk);
        commit_each(&mut log, 0..3, 100);
        if !by_mark {
            disk.inject(Fault::new(Effect::EIO).kind(CallKind::ReadNote).path(crate::follow::MARK).every());
        }
        let follower = crate::follow::follow(&disk).unwrap();
        write(&mut log, &[record(3, 100)]);
        write(&mut log, &[record(4, 5000)]);
        disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
        log.flush().unwrap_err();
        assert_eq!(read(&disk).unwrap().records().len(), 5, "the page cache shows all of them");
        // What was written behind them says so itself.
        assert_eq!(crate::follow::shown(&follower).unwrap().len(), 3);
        let shown = crate::follow::shown(&crate::follow::follow(&disk).unwrap()).unwrap();
        // Who opens it now finds no batch left that calls the third one durable, and is late by it.
        assert_eq!(shown.len(), if by_mark { 3 } else { 2 });
        drop(log);
        crate::follow::check_kept(&shown, &crate::follow::left(&disk, &options()));
    }
}

/// Leftovers of a failed append and a retry with the same bytes made up a whole batch.
#[test]
fn rule_09_a_failed_write_sends_the_writer_through_recovery() {
    for kind in [std::io::ErrorKind::Other, std::io::ErrorKind::StorageFull] {
        for level in [Level::Durable, Level::Written] {
            let disk = disk(76);
            let (mut log, _) = open(&disk);
            commit(&mut log, &[record(0, 100)]);
            disk.inject(Fault::new(Effect::Torn(kind)).kind(CallKind::WriteSynced).kind(CallKind::Write));
            commit_as(&mut log, PendingKind::Records, &[record(1, 9000)], level).unwrap_err();
            assert!(log.needs_recovery());
            let refused = |log: &mut Log| {
                let error = commit_as(log, PendingKind::Records, &[record(1, 9000)], level).unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::SyncFailed);
            };
            refused(&mut log);
            log.watermark().unwrap_err();
            log.flush().unwrap_err();
            log.prepare_next().unwrap_err();
            refused(&mut log);
            let recovery = log.recover_in_place().unwrap();
            assert!(!log.needs_recovery());
            commit(&mut log, &[record(2, 10)]);
            drop(log);
            disk.power_cut(&Keep::All);
            let (_, again) = open(&disk);
            assert_eq!((again.next_seq, again.torn), (recovery.next_seq + 1, None));
        }
    }
}

/// The batch filled the file, close, rot: silently trimmed.
#[test]
fn rule_10_two_sectors_are_kept_free() {
    for options in [sized(8, 8), aligned(sized(8, 8)), LogOptions { block_size: 8192, ..sized(16, 16) }] {
        let disk = disk(77);
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        // As large as can be: it fills what is not kept free.
        let most = options.max_record_bytes().unwrap() as usize;
        commit(&mut log, &[record(0, most)]);
        assert!(log.watermark().unwrap(), "there is room for a watermark");
        assert!(!log.watermark().unwrap(), "but not for one behind another");
        log.close().unwrap();
        let contents = read(&disk).unwrap();
        assert_eq!((contents.count(Kind::Watermark), contents.count(Kind::Seal)), (1, 1));
        assert_eq!(contents.files.len(), 1);
        drop(log);
        // Opened and closed again: nothing new to say.
        let (mut log, recovery) = open_with(&disk.io(), &options).unwrap();
        assert_eq!(recovery.previous, Previous::Closed);
        assert!(!log.watermark().unwrap());
        log.close().unwrap();
        drop(log);
        let again = read(&disk).unwrap();
        assert_eq!((again.count(Kind::Watermark), again.count(Kind::Seal)), (1, 1));
        rest(&disk);
        let file = format!("/d/{}", crate::reader::names(&disk)[0]);
        let kept = |disk: &SimDisk| {
            is_corrupt(disk, &options)
                || open_with(&disk.io(), &options).is_ok_and(|(_, recovery)| recovery.next_seq == 1)
        };
        let rotten = disk.fork();
        rotten.flip_bit(&file, 9000, 5).unwrap();
        assert!(kept(&rotten));
        // The seal itself: what the watermark says still holds.
        let seal = again.batches.iter().find(|batch| batch.header.kind == Kind::Seal).unwrap();
        let shape = pstream_core::Shape::new(again.files[0].block_count, again.files[0].block_shift).unwrap();
        let layout = pstream_core::stream::layout::Layout::new(shape);
        assert_eq!(seal.at, layout.seal_sector());
        rotten.garble_on_disk(&file, layout.file_offset(seal.at)..layout.file_offset(seal.at) + 64).unwrap();
        assert!(kept(&rotten));
    }
}

/// Crashes alone do not fill a file with watermarks.
#[test]
fn rule_10_no_watermark_behind_another() {
    let disk = disk(78);
    for _ in 0..30 {
        drop(open(&disk));
        disk.power_cut(&Keep::All);
    }
    let contents = read(&disk).unwrap();
    assert_eq!((contents.batches.len(), contents.files.len()), (1, 1));
}

/// A torn range is zeroed, also a header of a block that lies exactly at its start; and a copy that an interrupted open
/// has left is neither in the way nor written over.
#[test]
fn rule_11_a_torn_range_is_zeroed() {
    let disk = disk(79);
    let (mut log, _) = open(&disk);
    // The second block is filled exactly.
    commit(&mut log, &[record(0, 4048 - 104 - 64 - 2)]);
    write(&mut log, &[record(1, 7000)]);
    drop(log);
    rest(&disk);
    let torn = read(&disk).unwrap().batches[1].clone();
    assert_eq!(torn.at, 2 * 4048);
    disk.flip_bit(path(1), file_offset(torn.at + 3000), 2).unwrap();
    disk.set_now(Duration::from_secs(1_900_000_000));
    let taken = format!("/d/s.meta/torn/001900000000000-0000-0001-{}", torn.header.position);
    let io = disk.io();
    io.create_dir("/d/s.meta/torn".as_ref()).unwrap();
    disk.install(&taken, b"left by an interrupted open").unwrap();
    rest(&disk);
    // Stopped in front of the watermark, which would begin the block anew.
    let stopped = disk.fork();
    stopped.inject(Fault::new(Effect::Stop).kind(CallKind::WriteSynced));
    open_with(&stopped.io(), &options()).unwrap_err();
    let bytes = stopped.disk_bytes(path(1), 2 * 4096..8 * 4096).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    let (log, recovery) = open(&disk);
    let torn = recovery.torn.unwrap();
    assert!(torn.saved_as.as_ref().unwrap().ends_with(taken.rsplit('/').next().unwrap().replace("-0000-", "-0001-")));
    assert_eq!((torn.block, recovery.next_seq), (2, 1));
    assert_eq!(disk.cached_bytes(&taken, 0..100).unwrap(), b"left by an interrupted open");
    drop(log);
    disk.power_cut(&Keep::None);
    assert!(disk.disk_bytes(path(1), 3 * 4096..8 * 4096).unwrap().iter().all(|byte| *byte == 0));
}

/// The zeros themselves may be in the cache alone.
#[test]
fn rule_11_zeros_are_written_again_where_the_cache_stays() {
    let disk = disk(86);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 300)]);
    write(&mut log, &[record(1, 7000)]);
    drop(log);
    rest(&disk);
    let torn = read(&disk).unwrap().batches[1].clone();
    disk.flip_bit(path(1), file_offset(torn.at + 6000), 2).unwrap();
    disk.pin_cache(path(1), true).unwrap();
    // The sync behind the zeros fails, and the next one says that all is well.
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData).nth(2));
    // Else the file system takes the range for zeros already, and has nothing to write.
    disk.unsupported(CallKind::ZeroRange);
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.next_seq, 1);
    drop(log);
    disk.power_cut(&Keep::None);
    // Behind the watermark.
    let behind = disk.disk_bytes(path(1), 8192 + 112..8 * 4096).unwrap();
    assert!(behind.iter().all(|byte| *byte == 0), "what was torn is back");
}

/// Otherwise a crash could keep an older file and lose a newer one: a gap, and false corruption.
#[test]
fn rule_12_each_release_is_durable_before_the_next() {
    let start = disk(80);
    let (mut log, _) = open(&start);
    commit_each(&mut log, 0..30, 3000);
    drop(log);
    rest(&start);
    for nth in 1..80 {
        let disk = start.fork();
        let (mut log, _) = open(&disk);
        disk.inject(Fault::new(Effect::Stop).nth(nth));
        while log.release_first().unwrap_or(false) {}
        drop(log);
        for mask in 0..1 << disk.unsynced().min(4) {
            let after = disk.fork_after(&Keep::Mask(mask));
            after.clear_faults();
            assert_eq!(open(&after).1.next_seq, 30, "stopped at {nth}, {mask:b}");
        }
    }
    let (mut log, _) = open(&start);
    start.record(true);
    while log.release_first().unwrap() {}
    assert_eq!(log.snapshot(Level::Durable).unwrap().files().len(), 1);
    let trace = start.trace();
    let calls: Vec<CallKind> = trace
        .iter()
        .map(|call| call.kind)
        .filter(|kind| matches!(kind, CallKind::Remove | CallKind::SyncDir))
        .collect();
    assert!(calls.len() >= 6 && calls.chunks(2).all(|pair| pair == [CallKind::Remove, CallKind::SyncDir]), "{calls:?}");
}

/// What was only just made durable, and what a recovery has found, is told from a tear afterwards.
#[test]
fn rule_13_a_watermark_follows() {
    type Program = fn(&SimDisk, Log) -> Log;
    let programs: [(&str, Program); 5] = [
        ("an idle second", |_, mut log| {
            write(&mut log, &[record(0, 300), record(1, 300)]);
            assert!(log.watermark().unwrap());
            log
        }),
        ("a flush", |_, mut log| {
            write(&mut log, &[record(0, 300), record(1, 300)]);
            log.flush().unwrap();
            log
        }),
        ("a durable commit behind written ones", |_, mut log| {
            write(&mut log, &[record(0, 300)]);
            commit(&mut log, &[record(1, 300)]);
            log
        }),
        ("a recovery", |disk, mut log| {
            commit(&mut log, &[record(0, 300), record(1, 300)]);
            disk.process_crash();
            open_with(&disk.io(), &large_blocks()).unwrap().0
        }),
        ("a recovery in place", |disk, mut log| {
            commit(&mut log, &[record(0, 300), record(1, 300)]);
            disk.inject(Fault::new(Effect::EIO).kind(CallKind::WriteSynced));
            commit_as(&mut log, PendingKind::Records, &[record(2, 30)], Level::Durable).unwrap_err();
            log.recover_in_place().unwrap();
            log
        }),
    ];
    for (what, program) in programs {
        let disk = disk(81);
        let (log, _) = open_with(&disk.io(), &large_blocks()).unwrap();
        drop(program(&disk, log));
        disk.power_cut(&Keep::None);
        let contents = read(&disk).unwrap();
        assert_eq!(contents.batches.last().unwrap().header.kind, Kind::Watermark, "behind {what}");
        let file = format!("/d/{}", crate::reader::names(&disk)[0]);
        disk.flip_bit(&file, 48 + contents.batches[0].at + 100, 0).unwrap();
        assert!(is_corrupt(&disk, &large_blocks()), "behind {what}");
    }
}

/// With recycling, "in use" would have to compare start positions with every earlier file.
#[test]
fn rule_14_files_are_never_recycled() {
    let disk = disk(82);
    let (mut log, _) = open(&disk);
    disk.record(true);
    for number in 0..120 {
        commit(&mut log, &[record(number, 3000)]);
        log.release_first().unwrap();
        if log.prepare_next().unwrap() {
            let name = crate::reader::names(&disk).pop().unwrap();
            let bytes = disk.cached_bytes(format!("/d/{name}"), 0..u64::MAX).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "{name} is not all zeros");
        }
    }
    let trace = disk.trace();
    let renamed: Vec<&str> =
        trace.iter().filter(|call| call.kind == CallKind::Rename).map(|call| call.name.as_str()).collect();
    assert!(renamed.len() > 10 && renamed.iter().all(|name| *name == "alloc.tmp"), "a file gets its name once");
    let made = trace.iter().filter(|call| call.kind == CallKind::Create && call.name == "alloc.tmp").count();
    assert_eq!(made, renamed.len(), "and each is made anew");
    let indexes: Vec<u16> = log.snapshot(Level::Durable).unwrap().files().iter().map(|file| file.index()).collect();
    assert!(indexes[0] > 10, "{indexes:?}");
}
