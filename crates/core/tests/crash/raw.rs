//! What the stream is built on: any range, synced or not.

use std::io::{IoSlice, IoSliceMut};

use pstream_core::{BlockFile, Durability, ErrorKind, Evicted};
use pstream_sim::{CallKind, Effect, Fault, Keep, ResidencyModel, SimDisk};

use crate::harness::{BLOCK, block_of, create, disk, load, open, rest};

fn start(seed: u64) -> SimDisk {
    let disk = disk(seed);
    create(&*disk.io(), "/d/f", 8).store_bytes(0, &block_of(1)).unwrap();
    rest(&disk);
    disk
}

fn read(disk: &SimDisk, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; len];
    open(&*disk.io(), "/d/f").unwrap().read_at(offset, &mut [IoSliceMut::new(&mut bytes)]).unwrap();
    bytes
}

/// A synced write covers its own range only: what was written before without a sync is as lost as ever.
#[test]
fn a_synced_write_makes_its_own_bytes_durable_and_no_others() {
    let disk = start(1);
    let file = open(&*disk.io(), "/d/f").unwrap();
    file.write_at(5000, &[IoSlice::new(b"unsynced")], Durability::Cached).unwrap();
    file.write_at(20_001, &[IoSlice::new(b"syn"), IoSlice::new(b"ced")], Durability::Synced).unwrap();
    disk.power_cut(&Keep::None);
    assert_eq!(read(&disk, 20_001, 6), b"synced");
    assert_eq!(read(&disk, 5000, 8), [0; 8]);
}

#[test]
fn a_sync_makes_everything_durable() {
    let disk = start(2);
    let file = open(&*disk.io(), "/d/f").unwrap();
    file.write_at(4090, &[IoSlice::new(b"across two blocks")], Durability::Cached).unwrap();
    file.write_at(9000, &[IoSlice::new(b"far")], Durability::Cached).unwrap();
    file.sync().unwrap();
    disk.power_cut(&Keep::None);
    assert_eq!((read(&disk, 4090, 17), read(&disk, 9000, 3)), (b"across two blocks".to_vec(), b"far".to_vec()));
}

#[test]
fn zeros_are_durable_after_a_sync_and_touch_nothing_else() {
    for unsupported in [false, true] {
        let disk = start(3);
        if unsupported {
            disk.unsupported(CallKind::ZeroRange);
        }
        let file = open(&*disk.io(), "/d/f").unwrap();
        file.store_bytes(1, &block_of(2)).unwrap();
        file.zero(100..BLOCK as u64 + 7).unwrap();
        file.sync().unwrap();
        disk.power_cut(&Keep::None);
        let bytes = read(&disk, 0, 2 * BLOCK);
        let expected: Vec<u8> = (0..2 * BLOCK)
            .map(|at| {
                if at < 100 {
                    1
                } else if at < BLOCK + 7 {
                    0
                } else {
                    2
                }
            })
            .collect();
        assert!(bytes == expected, "unsupported: {unsupported}");
    }
}

#[test]
fn what_was_never_written_is_known() {
    let disk = start(4);
    let file = open(&*disk.io(), "/d/f").unwrap();
    file.store_bytes(5, b"x").unwrap();
    let block = BLOCK as u64;
    assert_eq!(file.next_data(0).unwrap(), Some(0..block));
    assert_eq!(file.next_data(block).unwrap(), Some(5 * block..6 * block));
    assert_eq!(file.next_data(6 * block).unwrap(), None);
    disk.unsupported(CallKind::NextData);
    assert_eq!(file.next_data(block).unwrap(), Some(block..8 * block), "where it is not known all of it counts");
    assert_eq!(file.next_data(8 * block).unwrap(), None);
}

#[test]
fn an_eviction_says_what_became_of_it() {
    let disk = start(5);
    let file = open(&*disk.io(), "/d/f").unwrap();
    load(&file, 0, 2 * BLOCK);
    let whole = 0..2 * BLOCK as u64;
    assert_eq!(file.evict(&whole).unwrap(), Evicted::Done);
    load(&file, 0, 2 * BLOCK);
    disk.pin_cache("/d/f", true).unwrap();
    assert_eq!(file.evict(&whole).unwrap(), Evicted::Remaining(2 * BLOCK as u64));
    disk.set_residency(ResidencyModel::Unknown);
    assert_eq!(file.evict(&whole).unwrap(), Evicted::Unknown);
    disk.set_residency(ResidencyModel::InMemory);
    assert_eq!(file.evict(&whole).unwrap(), Evicted::Done);
}

#[test]
fn what_lies_outside_is_refused_and_nothing_is_written() {
    let disk = start(6);
    let file = open(&*disk.io(), "/d/f").unwrap();
    let size = 8 * BLOCK as u64;
    for offset in [size, size - 1, u64::MAX] {
        let error = file.write_at(offset, &[IoSlice::new(b"xy")], Durability::Synced).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (&ErrorKind::Capacity, "write exceeds file capacity"));
    }
    assert_eq!(*file.zero(0..size + 1).unwrap_err().kind(), ErrorKind::Capacity);
    assert_eq!(disk.unsynced(), 0);
}

type Operation = fn(&BlockFile) -> pstream_core::Result<()>;

/// The rules for failures are those of a store.
#[test]
fn every_failure_poisons() {
    let operations: [(&str, CallKind, Operation); 4] = [
        ("write", CallKind::Write, |file| file.write_at(0, &[IoSlice::new(b"x")], Durability::Cached)),
        ("synced write", CallKind::WriteSynced, |file| file.write_at(0, &[IoSlice::new(b"x")], Durability::Synced)),
        ("sync", CallKind::SyncData, BlockFile::sync),
        ("zero", CallKind::ZeroRange, |file| file.zero(0..9)),
    ];
    for (name, kind, operation) in operations {
        let disk = start(7);
        let file = open(&*disk.io(), "/d/f").unwrap();
        disk.inject(Fault::new(Effect::EIO).kind(kind));
        assert_eq!(*operation(&file).unwrap_err().kind(), ErrorKind::SyncFailed, "{name}");
        assert_eq!(operation(&file).unwrap_err().to_string(), "file is unavailable due to prior sync error", "{name}");
    }
}
