//! How large a stream may grow: by bytes, and by the number of its files.

use std::path::Path;

use pstream_core::ErrorKind;
use pstream_core::stream::cursor::Folder;
use pstream_core::stream::{Level, Log, LogOptions, PendingKind, Retention, WhenLimited};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

use crate::harness::{DIR, NAME, commit, commit_as, commit_each, disk, open_with, options, record, rest, sized};

const FILE: u64 = 32768;

/// Files of 32 KiB each, four of which may be there.
fn limited(when_limited: WhenLimited) -> LogOptions {
    let retention = Retention { limit_bytes: Some(4 * FILE), when_limited, ..Retention::default() };
    LogOptions { retention, ..options() }
}

fn open(disk: &SimDisk, options: &LogOptions) -> Log {
    open_with(&disk.io(), options).unwrap().0
}

/// Appends records until one is refused; the seq that it would have had.
fn until_refused(log: &mut Log) -> u64 {
    loop {
        let next = log.next_seq();
        if let Err(error) = commit_as(log, PendingKind::Records, &[record(next, 3000)], Level::Durable) {
            assert_eq!(*error.kind(), ErrorKind::Limit(None), "{error}");
            assert!(!log.needs_recovery() && log.next_seq() == next);
            return next;
        }
        assert!(next < 1000, "no limit");
    }
}

fn oldest(log: &Log) -> u64 {
    log.snapshot(Level::Durable).unwrap().oldest_seq().unwrap()
}

#[test]
fn beyond_the_limit_nothing_is_written() {
    let disk = disk(120);
    let mut log = open(&disk, &limited(WhenLimited::Reject));
    let refused = until_refused(&mut log);
    assert_eq!(refused, 24);
    assert!(!log.wants_next(), "no file is made that may not be");
    assert_eq!(*log.next_file().unwrap_err().kind(), ErrorKind::Limit(None));
    let footprint = log.footprint().unwrap();
    assert_eq!((footprint.files, footprint.on_disk), (4, 4 * FILE));
    assert!(log.release_first().unwrap());
    assert!(log.wants_next());
    assert_eq!(until_refused(&mut log), refused + 6);
    drop(log);
    disk.power_cut(&Keep::None);
    let (mut log, recovery) = open_with(&disk.io(), &limited(WhenLimited::Reject)).unwrap();
    assert_eq!((recovery.oldest_seq, recovery.next_seq), (Some(6), refused + 6));
    // What was made ahead of time counts, too.
    log.release_first().unwrap();
    log.prepare_next().unwrap();
    assert_eq!(log.footprint().unwrap().on_disk, 4 * FILE);
    assert_eq!(until_refused(&mut log), refused + 12);
}

#[test]
fn the_first_file_makes_room_whatever_a_cursor_says() {
    let disk = disk(121);
    let mut log = open(&disk, &limited(WhenLimited::Trim));
    let id = log.snapshot(Level::Durable).unwrap().id();
    let _cursor = Folder::new(disk.io(), Path::new(DIR), NAME).open("c", id, || Ok(0)).unwrap();
    for number in 0..200 {
        commit(&mut log, &[record(number, 3000)]);
        assert!(log.footprint().unwrap().on_disk <= 4 * FILE);
    }
    assert_eq!(oldest(&log), 180);
    assert_eq!(crate::engine::read(&log, Level::Durable).unwrap().records.len(), 20);
}

/// What `max_bytes` would let go of anyhow makes room, as far as the cursors have come.
#[test]
fn a_target_of_the_size_of_the_limit() {
    let disk = disk(122);
    let mut options = limited(WhenLimited::Reject);
    options.retention.max_bytes = Some(4 * FILE);
    let mut log = open(&disk, &options);
    let id = log.snapshot(Level::Durable).unwrap().id();
    let mut cursor = Folder::new(disk.io(), Path::new(DIR), NAME).open("c", id, || Ok(0)).unwrap();
    let refused = until_refused(&mut log);
    assert_eq!(oldest(&log), 0, "a cursor is there");
    cursor.commit(refused / 2, refused).unwrap();
    cursor.commit(refused / 2 + 1, refused).unwrap();
    let again = until_refused(&mut log);
    assert!(again > refused + 5 && oldest(&log) > 0, "{again}");
    drop(cursor);
    Folder::new(disk.io(), Path::new(DIR), NAME).delete("c", id).unwrap();
    commit_each(&mut log, again..again + 50, 3000);
    assert!(log.footprint().unwrap().on_disk <= 4 * FILE);
}

/// A stream that was larger before, of which nothing can go but the file in use: the one behind it is made all the same,
/// or nothing could ever be released.
#[test]
fn the_file_in_use_may_be_followed() {
    for when_limited in [WhenLimited::Reject, WhenLimited::Trim] {
        let disk = disk(123);
        let mut log = open(&disk, &sized(64, 64));
        commit(&mut log, &[record(0, 100)]);
        log.close().unwrap();
        let mut log = open(&disk, &limited(when_limited));
        commit_each(&mut log, 1..84, 3000);
        assert_eq!(log.footprint().unwrap().on_disk, 64 * 4096 + FILE);
        if when_limited == WhenLimited::Trim {
            commit_each(&mut log, 84..100, 3000);
            assert!(log.footprint().unwrap().on_disk <= 4 * FILE);
        } else {
            until_refused(&mut log);
        }
    }
}

/// A release that fails while room is made fails the commit, which wrote nothing.
#[test]
fn room_that_cannot_be_made() {
    for (effect, kind) in [(Effect::EIO, ErrorKind::Io), (Effect::FAIL_SYNC, ErrorKind::SyncFailed)] {
        let disk = disk(124);
        let mut log = open(&disk, &limited(WhenLimited::Trim));
        commit_each(&mut log, 0..24, 3000);
        let hits = match kind {
            ErrorKind::Io => pstream_sim::CallKind::Remove,
            _ => pstream_sim::CallKind::SyncDir,
        };
        disk.inject(Fault::new(effect).kind(hits).path(if kind == ErrorKind::Io { "s.0001-12" } else { DIR }));
        let error = commit_as(&mut log, PendingKind::Records, &[record(24, 3000)], Level::Durable).unwrap_err();
        assert_eq!(*error.kind(), kind, "{error:?}");
        assert_eq!((log.next_seq(), log.needs_recovery()), (24, kind == ErrorKind::SyncFailed));
        if log.needs_recovery() {
            log.recover_in_place().unwrap();
        }
        commit_each(&mut log, 24..40, 3000);
        drop(log);
        // After a failed sync of a folder a power cut may bring back any of its names: beyond what is promised.
        disk.process_crash();
        assert_eq!(open_with(&disk.io(), &limited(WhenLimited::Trim)).unwrap().1.next_seq, 40);
    }
}

/// As many files as there can be. Those in the midst are names alone: nobody looks at them.
#[test]
fn the_window_of_files_is_a_limit_too() {
    let disk = disk(125);
    let last = 16_382;
    for index in 1..last {
        disk.install(format!("{DIR}/{NAME}.{index:04x}-12"), &[]).unwrap();
    }
    crate::premade::install(&disk, &options(), last);
    rest(&disk);
    let mut log = open(&disk, &options());
    commit_each(&mut log, 0..10, 3000);
    let refused = |log: &mut Log| {
        (10..20).find_map(|number| commit_as(log, PendingKind::Records, &[record(number, 3000)], Level::Durable).err())
    };
    let error = refused(&mut log).unwrap();
    assert_eq!(*error.kind(), ErrorKind::Limit(Some((1, 16_384))), "{error}");
    assert!(!log.needs_recovery());
    let next = log.next_seq();
    log.close().unwrap();
    let by_force = Retention { when_limited: WhenLimited::Trim, ..Retention::default() };
    let mut log = open(&disk, &LogOptions { retention: by_force, ..options() });
    commit_each(&mut log, next..next + 20, 3000);
    assert!(!disk.names(DIR).unwrap().contains(&"s.0001-12".to_owned()));
}

#[test]
fn files_grow_to_a_quarter_but_for_a_large_record() {
    let disk = disk(126);
    let mut options = sized(8, 64);
    options.retention.max_bytes = Some(16 * 4096);
    let mut log = open(&disk, &options);
    commit_each(&mut log, 0..30, 3000);
    let sizes = |disk: &SimDisk| -> Vec<u64> {
        let names = crate::reader::names(disk);
        names.iter().map(|name| disk.cached_len(format!("{DIR}/{name}")).unwrap() / 4096).collect()
    };
    assert!(sizes(&disk).iter().all(|blocks| *blocks == 4), "{:?}", sizes(&disk));
    commit(&mut log, &[record(30, 100_000)]);
    commit_each(&mut log, 31..60, 3000);
    assert_eq!(sizes(&disk).iter().filter(|blocks| **blocks != 4).copied().collect::<Vec<_>>(), [32]);
    // A limit bounds the record itself.
    options.retention.limit_bytes = Some(32 * 4096);
    log.close().unwrap();
    let mut log = open(&disk, &options);
    assert!(log.options().max_record_bytes().unwrap() < 8 * 4096);
    let error = commit_as(&mut log, PendingKind::Records, &[record(60, 8 * 4096)], Level::Durable).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Capacity);
}

#[test]
fn too_small_a_limit() {
    let disk = disk(127);
    let mut options = options();
    options.retention.limit_bytes = Some(4 * 4 * 4096 - 1);
    let error = open_with(&disk.io(), &options).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("at least 65536 bytes"), "{error}");
}
