//! Faults: which call they hit, and what they leave behind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by panicking, in their helpers too"
)]

mod common;

use std::io::ErrorKind;
use std::path::Path;

use common::{
    PAGE, SECTOR, create, heads, in_cache, machine, on_disk, open, read, try_read, try_write, with_file, write,
    write_synced,
};
use pstream_core::io::{Durability, Io};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk, is_dead, is_stopped};

const LEN: u64 = PAGE as u64;

/// The first bytes of the file's sectors: in the cache, and on the disk.
fn both(disk: &SimDisk) -> (Vec<u8>, Vec<u8>) {
    (heads(&in_cache(disk, "/f")), heads(&on_disk(disk, "/f")))
}

#[test]
fn a_failed_sync_then_lies_until_the_cache_is_evicted() {
    let (disk, _io, file) = with_file(PAGE, 1);
    write(&*file, 0, &[2; PAGE]);
    disk.inject(Fault::new(Effect::FAIL_SYNC));
    assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::Other);
    file.sync_data().unwrap();
    assert_eq!(read(&*file, 0, PAGE), [2; PAGE]);
    assert_eq!(disk.unsynced(), 0);
    assert_eq!(in_cache(&disk.fork_after(&Keep::All), "/f"), [1; PAGE]);
    file.evict(0..LEN).unwrap();
    assert_eq!(read(&*file, 0, PAGE), [1; PAGE]);
}

#[test]
fn a_failed_sync_may_have_reached_the_disk_in_part() {
    let (disk, _io, file) = with_file(4 * SECTOR, 1);
    write(&*file, 0, &[2; 4 * SECTOR]);
    disk.inject(Fault::new(Effect::FailSync { kind: ErrorKind::StorageFull, keep: Keep::Mask(0b0101) }));
    assert_eq!(file.sync_all().unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(both(&disk), (vec![2, 2, 2, 2], vec![2, 1, 2, 1]));
    disk.drop_caches();
    assert_eq!(both(&disk).0, [2, 1, 2, 1]);
}

#[test]
fn a_failed_sync_loses_a_new_length_too() {
    let (disk, _io, file) = with_file(SECTOR, 1);
    write(&*file, LEN, &[2; PAGE]);
    disk.inject(Fault::new(Effect::FAIL_SYNC));
    file.sync_all().unwrap_err();
    file.sync_all().unwrap();
    assert_eq!(file.size().unwrap(), 2 * LEN);
    disk.power_cut(&Keep::All);
    assert_eq!(in_cache(&disk, "/f"), [1; SECTOR]);
}

#[test]
fn a_failed_synced_write_leaves_its_bytes_clean_in_the_cache() {
    let (disk, _io, file) = with_file(4 * SECTOR, 1);
    write(&*file, 0, &[2; SECTOR]);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    try_write(&*file, SECTOR as u64, &[3; SECTOR], Durability::Synced).unwrap_err();
    assert_eq!(both(&disk), (vec![2, 3, 1, 1], vec![1; 4]));
    // The sector that the write did not touch is unsynced as before; the others are forgotten.
    file.sync_data().unwrap();
    assert_eq!(both(&disk), (vec![2, 3, 1, 1], vec![2, 1, 1, 1]));
    file.evict(0..LEN).unwrap();
    assert_eq!(heads(&read(&*file, 0, 4 * SECTOR)), [2, 1, 1, 1]);
}

#[test]
fn a_failed_writeback_uses_up_the_report() {
    let (disk, _io, file) = with_file(2 * SECTOR, 1);
    write(&*file, 0, &[2; 2 * SECTOR]);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WaitWriteback));
    file.start_writeback(0..SECTOR as u64).unwrap();
    file.wait_writeback(0..SECTOR as u64).unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(both(&disk), (vec![2, 2], vec![1, 2]));
}

#[test]
fn a_lost_sync_makes_nothing_durable_and_the_next_one_does() {
    let (disk, _io, file) = with_file(2 * SECTOR, 1);
    disk.inject(Fault::new(Effect::LoseSync).every().times(2));
    write_synced(&*file, 0, &[2; SECTOR]);
    write(&*file, SECTOR as u64, &[2; SECTOR]);
    file.sync_all().unwrap();
    assert_eq!(both(&disk), (vec![2, 2], vec![1, 1]));
    file.sync_data().unwrap();
    assert_eq!(both(&disk).1, [2, 2]);
}

#[test]
fn errors_without_an_effect() {
    let (disk, io, file) = with_file(SECTOR, 1);
    for (effect, kind) in [
        (Effect::EIO, ErrorKind::Other),
        (Effect::ENOSPC, ErrorKind::StorageFull),
        (Effect::EINTR, ErrorKind::Interrupted),
    ] {
        disk.inject(Fault::new(effect.clone()));
        assert_eq!(try_write(&*file, 0, &[2], Durability::Synced).unwrap_err().kind(), kind);
        disk.inject(Fault::new(effect));
        assert_eq!(io.remove_file(Path::new("/f")).unwrap_err().kind(), kind);
    }
    assert_eq!(both(&disk), (vec![1], vec![1]));
    assert_eq!((disk.names("/").unwrap().len(), disk.unsynced()), (1, 0));
    assert_eq!(disk.faults_fired(), 6);
}

#[test]
fn a_torn_write_leaves_some_sectors_in_the_cache() {
    let (disk, _io, file) = with_file(16 * SECTOR, 1);
    disk.inject(Fault::new(Effect::Torn(ErrorKind::Other)));
    try_write(&*file, 0, &[2; 16 * SECTOR], Durability::Cached).unwrap_err();
    let (cached, durable) = both(&disk);
    assert!(cached.contains(&1) && cached.contains(&2), "{cached:?}");
    assert_eq!(durable, [1; 16]);
    assert_eq!(disk.unsynced(), common::count(&cached, 2));
}

#[test]
fn a_torn_zero_range_zeroes_some_sectors() {
    let (disk, _io, file) = with_file(16 * SECTOR, 1);
    disk.inject(Fault::new(Effect::Torn(ErrorKind::StorageFull)));
    assert_eq!(file.zero_range(0..16 * 512).unwrap_err().kind(), ErrorKind::StorageFull);
    let cached = both(&disk).0;
    assert!(cached.contains(&0) && cached.contains(&1), "{cached:?}");
}

#[test]
fn short_counts() {
    let (disk, io, file) = with_file(100, 1);
    disk.inject(Fault::new(Effect::Short(3)).kind(CallKind::Write));
    assert_eq!(try_write(&*file, 0, &[2; 10], Durability::Cached).unwrap(), 3);
    assert_eq!(in_cache(&disk, "/f")[..4], [2, 2, 2, 1]);
    disk.inject(Fault::new(Effect::Short(5)).kind(CallKind::Read));
    assert_eq!(read(&*file, 0, 10).len(), 5);
    disk.inject(Fault::new(Effect::Short(0)).kind(CallKind::WriteSynced));
    assert_eq!(try_write(&*file, 200, &[2], Durability::Synced).unwrap(), 0);
    assert_eq!(file.size().unwrap(), 100);
    disk.inject(Fault::new(Effect::Short(7)).kind(CallKind::ReadNote));
    assert_eq!(io.read_note(Path::new("/f"), 50).unwrap().len(), 7);
    assert_eq!(io.read_note(Path::new("/f"), 50).unwrap().len(), 50);
    disk.inject(Fault::new(Effect::ShortAnywhere).every());
    for _ in 0..50 {
        assert!((1..10).contains(&read(&*file, 0, 10).len()));
    }
    assert_eq!(read(&*file, 0, 1).len(), 1);
}

#[test]
fn faults_wait_for_the_call_they_are_meant_for() {
    let (disk, io, file) = with_file(100, 1);
    create(&*io, "/other");
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::Size).nth(3));
    disk.inject(Fault::new(Effect::EIO).path("other").kind(CallKind::Metadata).kind(CallKind::Open));
    disk.inject(Fault::new(Effect::EIO).when(|call| call.kind == CallKind::Read && call.offset == 7));
    disk.inject(Fault::new(Effect::EIO).at_call(disk.call_count() + 12));
    let sizes: Vec<bool> = (0..4).map(|_| file.size().is_ok()).collect();
    assert_eq!(sizes, [true, true, false, true]);
    assert!(io.metadata(Path::new("/f")).is_ok() && io.metadata(Path::new("/other")).is_err());
    assert!(io.metadata(Path::new("/other")).is_ok());
    assert!(try_read(&*file, 6, 1).is_ok() && try_read(&*file, 7, 1).is_err() && try_read(&*file, 7, 1).is_ok());
    assert_eq!(disk.call_count() % 100, disk.call_count());
    assert!(file.size().is_ok() && file.size().is_err() && file.size().is_ok());
    disk.inject(Fault::new(Effect::EIO).every());
    assert!(file.size().is_err() && io.metadata(Path::new("/")).is_err());
    disk.clear_faults();
    assert!(file.size().is_ok());
}

#[test]
fn chance_follows_the_seed() {
    let failures = |seed| {
        let disk = SimDisk::new(seed);
        let file = create(&*disk.io(), "/f");
        disk.inject(Fault::new(Effect::EIO).chance(300_000));
        (0..1000).filter(|_| file.size().is_err()).collect::<Vec<_>>()
    };
    assert_eq!(failures(1), failures(1));
    assert_ne!(failures(1), failures(2));
    assert!((200..400).contains(&failures(3).len()));
}

#[test]
fn kinds_of_calls_can_be_missing() {
    let (disk, io, file) = with_file(PAGE, 1);
    for kind in [CallKind::Reserve, CallKind::ZeroRange, CallKind::NextData, CallKind::TryLock, CallKind::WriteSynced] {
        disk.unsupported(kind);
    }
    let lock = io.open_lock(Path::new("/l"), Some(0o600)).unwrap();
    for _ in 0..2 {
        let errors = [
            file.reserve(1).unwrap_err(),
            file.zero_range(0..1).unwrap_err(),
            file.next_data(0).unwrap_err(),
            lock.try_lock().unwrap_err(),
            try_write(&*file, 0, &[2], Durability::Synced).unwrap_err(),
        ];
        assert_eq!(errors.map(|error| error.kind()), [ErrorKind::Unsupported; 5]);
    }
    assert_eq!(read(&*file, 0, 1), [1]);
}

/// A fixed program; returns at its first error.
fn program(io: &dyn Io) -> std::io::Result<()> {
    let (root, temporary, path) = (Path::new("/"), Path::new("/t"), Path::new("/f"));
    let file = io.create(temporary, 0o600, pstream_core::io::OpenOptions::default())?;
    file.reserve(2 * LEN)?;
    try_write(&*file, 0, &[1; PAGE], Durability::Cached)?;
    file.sync_all()?;
    io.rename_new(temporary, path)?;
    io.sync_dir(root)?;
    try_write(&*file, LEN, &[2; SECTOR], Durability::Synced)?;
    io.write_note(Path::new("/note"), 0o600, b"done")
}

#[test]
fn stop_at_every_call() {
    for effect in [Effect::Stop, Effect::StopAfter, Effect::StopTorn] {
        let mut stops = 0;
        for number in 1..20 {
            let (disk, io) = machine();
            disk.inject(Fault::new(effect.clone()).at_call(number));
            let result = program(&*io);
            if disk.faults_fired() == 0 {
                result.unwrap();
                continue;
            }
            stops += 1;
            assert!(is_stopped(&result.unwrap_err()) && disk.is_stopped());
            assert_eq!(disk.call_count(), number);
            assert!(is_stopped(&io.metadata(Path::new("/")).unwrap_err()));
            for seed in 0..20 {
                let after = disk.fork_after(&Keep::any(seed));
                assert!(!after.is_stopped());
                // The file has its name only after it was synced.
                if after.names("/").unwrap().contains(&"f".to_owned()) {
                    assert_eq!(in_cache(&after, "/f")[..PAGE], [1; PAGE], "stop at {number}, {seed}");
                    assert_eq!(after.cached_len("/f").unwrap(), 2 * LEN);
                }
            }
        }
        assert_eq!(stops, if effect == Effect::StopTorn { 3 } else { 8 }, "{effect:?}");
    }
}

#[test]
fn stop_after_has_the_effect_and_stop_does_not() {
    for (effect, expected) in [(Effect::Stop, 1), (Effect::StopAfter, 2)] {
        let (disk, _io, file) = with_file(SECTOR, 1);
        disk.inject(Fault::new(effect));
        assert!(is_stopped(&try_write(&*file, 0, &[2; SECTOR], Durability::Synced).unwrap_err()));
        disk.power_cut(&Keep::None);
        assert_eq!(on_disk(&disk, "/f"), [expected; SECTOR]);
    }
}

#[test]
fn a_process_killed_in_a_write_leaves_a_prefix_in_the_cache() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let file = create(&*disk.io(), "/f");
        disk.inject(Fault::new(Effect::StopTorn));
        assert!(is_stopped(&try_write(&*file, 0, &[1; PAGE], Durability::Cached).unwrap_err()));
        disk.process_crash();
        assert!(is_dead(&file.size().unwrap_err()));
        let len = open(&*disk.io(), "/f").size().unwrap();
        assert!(len < LEN);
        lengths.insert(len);
    }
    assert!(lengths.len() > 10);
}

#[test]
fn a_full_disk_fails_what_needs_space_and_nothing_else() {
    let (disk, io) = machine();
    disk.set_capacity(Some(4 * LEN));
    let file = create(&*io, "/f");
    file.reserve(3 * LEN).unwrap();
    assert_eq!(disk.used(), 3 * LEN);
    let other = create(&*io, "/g");
    let full = |result: std::io::Result<()>| result.unwrap_err().kind() == ErrorKind::StorageFull;
    assert!(full(other.reserve(LEN + 1)));
    assert_eq!(other.size().unwrap(), 0);
    // What fits is written, then nothing.
    assert_eq!(try_write(&*other, 100, &[1; 2 * PAGE], Durability::Cached).unwrap(), PAGE - 100);
    assert!(full(try_write(&*other, LEN, &[1], Durability::Synced).map(drop)));
    assert!(full(file.reserve(3 * LEN + 1)));
    assert!(full(io.write_note(Path::new("/note"), 0o600, b"x")));
    // Reserved or written space takes no more.
    write_synced(&*file, 0, &[2; 3 * PAGE]);
    write(&*other, 0, &[3; PAGE]);
    file.set_len(LEN).unwrap();
    assert_eq!(disk.used(), 2 * LEN);
    write(&*other, LEN, &[1]);
    io.remove_file(Path::new("/g")).unwrap();
    assert_eq!(disk.used(), 3 * LEN, "an open file keeps its space");
    drop(other);
    assert_eq!(disk.used(), LEN);
}

#[test]
fn btrfs_runs_out_in_reserved_space() {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    file.reserve(LEN).unwrap();
    file.sync_all().unwrap();
    disk.inject(Fault::new(Effect::ENOSPC).kind(CallKind::Write));
    disk.inject(Fault::new(Effect::FailSync { kind: ErrorKind::StorageFull, keep: Keep::None }));
    assert_eq!(try_write(&*file, 0, &[1], Durability::Cached).unwrap_err().kind(), ErrorKind::StorageFull);
    write(&*file, 0, &[1]);
    assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::StorageFull);
    file.sync_data().unwrap();
    file.evict(0..LEN).unwrap();
    assert_eq!(read(&*file, 0, 1), [0]);
}
