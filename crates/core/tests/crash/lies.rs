//! What Linux does after a failed sync: the pages are marked clean, the next sync says yes, and the cache shows bytes
//! that the disk has lost. The story of the first test: in the crate an EIO on the path of a store that fits into one
//! call did not poison the file, and reading went on from the cache.

use std::io::IoSlice;

use pstream_core::{BlockFile, Durability, ErrorKind, FileOptions};
use pstream_sim::{CallKind, Effect, Fault, Keep, ResidencyModel, SimDisk};

use crate::harness::{BLOCK, SHIFT, block_of, create, disk, load, open, rest};

const BLOCKS: u64 = 1100;

fn start(seed: u64) -> SimDisk {
    let disk = disk(seed);
    create(&*disk.io(), "/d/f", BLOCKS).store_bytes(0, &block_of(1)).unwrap();
    rest(&disk);
    disk
}

fn assert_poisoned(file: &BlockFile) {
    let mut byte = [0];
    let failures = [
        file.store_bytes(3, b"x").unwrap_err(),
        file.store(3, &[]).unwrap_err(),
        file.load_bytes(0, &mut byte).unwrap_err(),
        file.load(0, &mut []).unwrap_err(),
        file.sync().unwrap_err(),
        file.zero(0..1).unwrap_err(),
        file.read_at(0, &mut []).unwrap_err(),
        file.write_at(0, &[], Durability::Cached).unwrap_err(),
    ];
    for error in failures {
        assert_eq!(*error.kind(), ErrorKind::SyncFailed);
        assert_eq!(error.to_string(), "file is unavailable due to prior sync error");
    }
}

/// Whatever fails, on the short path and on the long one: the handle is dead, and the file, opened anew, shows what is
/// on the disk.
#[test]
fn every_failed_write_or_sync_poisons_and_a_reopened_file_shows_the_disk() {
    let short = vec![5; BLOCK];
    let long = vec![6; 1024 * BLOCK];
    let cases = [
        (&short, CallKind::WriteSynced, Effect::FAIL_SYNC),
        (&short, CallKind::WriteSynced, Effect::EIO),
        (&short, CallKind::WriteSynced, Effect::Torn(std::io::ErrorKind::Other)),
        (&long, CallKind::Write, Effect::EIO),
        (&long, CallKind::StartWriteback, Effect::FAIL_SYNC),
        (&long, CallKind::WaitWriteback, Effect::FAIL_SYNC),
        (&long, CallKind::SyncData, Effect::FAIL_SYNC),
    ];
    for (bytes, kind, effect) in cases {
        let disk = start(1);
        let file = open(&*disk.io(), "/d/f").unwrap();
        disk.inject(Fault::new(effect.clone()).kind(kind));
        let error = file.store_bytes(1, bytes).unwrap_err();
        assert_eq!((error.kind(), disk.faults_fired()), (&ErrorKind::SyncFailed, 1), "{kind:?} {effect:?}: {error}");
        assert_poisoned(&file);
        assert_eq!(disk.open_handles(), 0, "the descriptor is closed");
        let seen = load(&open(&*disk.io(), "/d/f").unwrap(), 1, bytes.len());
        disk.power_cut(&Keep::None);
        let kept = load(&open(&*disk.io(), "/d/f").unwrap(), 1, bytes.len());
        assert!(seen == kept, "{kind:?} {effect:?}: the reopened file showed what the disk does not have");
    }
}

/// The fallback has its own sync, with its own failure.
#[test]
fn a_failed_sync_behind_a_plain_write_poisons_too() {
    let disk = start(2);
    disk.unsupported(CallKind::WriteSynced);
    let file = open(&*disk.io(), "/d/f").unwrap();
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    let error = file.store_bytes(1, b"lost").unwrap_err();
    assert_eq!((error.kind(), error.syscall()), (&ErrorKind::SyncFailed, Some("fdatasync")));
    assert_poisoned(&file);
    assert_eq!(load(&open(&*disk.io(), "/d/f").unwrap(), 1, 4), [0; 4]);
}

/// A writer that died left bytes in the cache. Who opens the file sees them, so they must not vanish afterwards.
#[test]
fn what_an_opened_file_shows_is_durable() {
    let disk = start(3);
    let file = open(&*disk.io(), "/d/f").unwrap();
    file.write_at(BLOCK as u64, &[IoSlice::new(b"unsynced")], Durability::Cached).unwrap();
    disk.process_crash();
    let seen = load(&open(&*disk.io(), "/d/f").unwrap(), 1, 8);
    assert_eq!(seen, b"unsynced");
    disk.power_cut(&Keep::None);
    assert_eq!(load(&open(&*disk.io(), "/d/f").unwrap(), 1, 8), seen);
}

#[test]
fn a_file_that_cannot_be_synced_is_not_opened() {
    let disk = start(4);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    assert_eq!(*open(&*disk.io(), "/d/f").unwrap_err().kind(), ErrorKind::SyncFailed);
    let read_only = FileOptions { read_only: true, ..FileOptions::default() };
    disk.inject(Fault::new(Effect::Fail(std::io::ErrorKind::ReadOnlyFilesystem)).kind(CallKind::SyncData));
    BlockFile::open(&*disk.io(), "/d/f".as_ref(), SHIFT, read_only).unwrap();
}

/// btrfs can run out of space at writeback, inside a reserved range: an error of no space that is a failed sync too.
#[test]
fn after_no_space_a_file_shows_what_the_disk_has() {
    for kind in [CallKind::WriteSynced, CallKind::SyncData] {
        let disk = start(5);
        let full = Effect::FailSync { kind: std::io::ErrorKind::StorageFull, keep: Keep::None };
        if kind == CallKind::SyncData {
            disk.unsupported(CallKind::WriteSynced);
        }
        let file = open(&*disk.io(), "/d/f").unwrap();
        disk.inject(Fault::new(full).kind(kind));
        let error = file.store_bytes(1, b"lost").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoSpace, "{kind:?}");
        assert_eq!(load(&file, 1, 4), [0; 4], "{kind:?}: the cache lied");
        file.store_bytes(1, b"kept").unwrap();
        disk.power_cut(&Keep::None);
        assert_eq!(load(&open(&*disk.io(), "/d/f").unwrap(), 1, 4), b"kept", "{kind:?}");
    }
}

/// If after that the cache cannot be emptied, or the file not be synced, nobody knows what the disk has.
#[test]
fn after_no_space_a_file_whose_cache_stays_is_poisoned() {
    let full = || Fault::new(Effect::Fail(std::io::ErrorKind::StorageFull)).kind(CallKind::WriteSynced);
    let disk = start(6);
    let file = open(&*disk.io(), "/d/f").unwrap();
    load(&file, 0, BLOCK);
    disk.pin_cache("/d/f", true).unwrap();
    disk.inject(full());
    assert_eq!(*file.store_bytes(1, b"x").unwrap_err().kind(), ErrorKind::NoSpace);
    assert_poisoned(&file);

    let disk = start(7);
    let file = open(&*disk.io(), "/d/f").unwrap();
    disk.inject(full());
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    assert_eq!(*file.store_bytes(1, b"x").unwrap_err().kind(), ErrorKind::NoSpace);
    assert_poisoned(&file);

    // Without a disk behind the cache, or where the cache cannot be looked into, the sync is all there is to go by.
    for model in [ResidencyModel::InMemory, ResidencyModel::Unknown] {
        let disk = start(8);
        disk.set_residency(model);
        let file = open(&*disk.io(), "/d/f").unwrap();
        disk.inject(full());
        assert_eq!(*file.store_bytes(1, b"x").unwrap_err().kind(), ErrorKind::NoSpace);
        file.store_bytes(1, b"y").unwrap();
    }
}

#[test]
fn a_failed_read_is_no_failed_sync() {
    let disk = start(9);
    let file = open(&*disk.io(), "/d/f").unwrap();
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::Read));
    let error = file.load_bytes(0, &mut [0]).unwrap_err();
    assert_eq!((error.kind(), error.block(), error.syscall()), (&ErrorKind::Io, Some(0), Some("preadv")));
    assert_eq!(load(&file, 0, 1), [1]);
}

/// A sync that was lost on the way to the disk is what the tests above are there to notice: shown here to be noticed.
#[test]
fn a_disk_that_loses_syncs_is_noticed() {
    let disk = start(10);
    disk.inject(Fault::new(Effect::LoseSync).every());
    open(&*disk.io(), "/d/f").unwrap().store_bytes(1, b"gone").unwrap();
    disk.power_cut(&Keep::None);
    disk.clear_faults();
    assert_eq!(load(&open(&*disk.io(), "/d/f").unwrap(), 1, 4), [0; 4]);
}
