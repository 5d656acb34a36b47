//! Writes past the page cache: durable when they return, whatever the file system makes of them.

use std::io::IoSlice;

use pstream_core::file::{Stage, Staging};
use pstream_core::{BlockFile, Durability, Error, ErrorKind, Residency, Result};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::harness::{BLOCK, create, disk, load, open, rest, stop_everywhere};

const BLOCKS: usize = 16;
const DIRECT: [CallKind; 2] = [CallKind::WriteDirect, CallKind::WriteDirectSynced];

/// A file of ones.
fn start(seed: u64) -> SimDisk {
    let disk = disk(seed);
    create(&*disk.io(), "/d/f", BLOCKS as u64).store_bytes(0, &vec![1; BLOCKS * BLOCK]).unwrap();
    rest(&disk);
    disk
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| 2 + (at % 251) as u8).collect()
}

/// `len` bytes from the second block on, put in portions of an odd size.
fn write(file: &BlockFile, staging: &mut Staging, len: usize) -> Result<Vec<u8>> {
    let bytes = bytes(len);
    file.write_direct(staging, (BLOCK as u64, len), |stage: &mut Stage<'_>| {
        for portion in bytes.chunks(777) {
            stage.put(portion);
        }
        Ok(stage.edge().to_vec())
    })
}

fn check(disk: &SimDisk, len: usize) {
    let seen = load(&open(&*disk.io(), "/d/f").unwrap(), 0, BLOCKS * BLOCK);
    let end = BLOCK + len;
    let sector = end.next_multiple_of(BLOCK);
    assert_eq!(seen[..BLOCK], [1; BLOCK]);
    assert!(seen[BLOCK..end] == bytes(len), "{len} bytes");
    assert_eq!(seen[end..sector], vec![0; sector - end]);
    assert_eq!(seen[sector..], vec![1; BLOCKS * BLOCK - sector]);
}

fn kinds(disk: &SimDisk, from: u64) -> Vec<CallKind> {
    let changes = |kind: &CallKind| {
        DIRECT.contains(kind) || matches!(kind, CallKind::Write | CallKind::WriteSynced | CallKind::SyncData)
    };
    disk.trace().iter().filter(|call| call.number > from).map(|call| call.kind).filter(changes).collect()
}

fn last(disk: &SimDisk) -> u64 {
    disk.trace().last().map_or(0, |call| call.number)
}

#[test]
fn durable_when_it_returns() {
    use CallKind::{SyncData, WriteDirect, WriteDirectSynced};
    let pieces = |count: usize| vec![WriteDirect; count].into_iter().chain([SyncData]).collect();
    let lens: [(usize, Vec<CallKind>); 6] = [
        (1, vec![WriteDirectSynced]),
        (BLOCK, vec![WriteDirectSynced]),
        (4 * BLOCK - 1, vec![WriteDirectSynced]),
        (4 * BLOCK, pieces(2)),
        (9 * BLOCK + 5, pieces(4)),
        (15 * BLOCK, pieces(5)),
    ];
    for (len, expected) in lens {
        let disk = start(1);
        disk.record(true);
        let file = open(&*disk.io(), "/d/f").unwrap();
        let (before, mut staging) = (last(&disk), Staging::new(2 * BLOCK));
        let edge = write(&file, &mut staging, len).unwrap();
        assert_eq!(edge, bytes(len)[len - len % BLOCK..], "{len}");
        assert_eq!(kinds(&disk, before), expected, "{len}");
        disk.power_cut(&Keep::None);
        check(&disk, len);
    }
}

#[test]
fn nothing_of_it_is_in_the_cache() {
    let disk = start(2);
    let file = open(&*disk.io(), "/d/f").unwrap();
    load(&file, 0, BLOCKS * BLOCK);
    write(&file, &mut Staging::new(8 * BLOCK), 3 * BLOCK).unwrap();
    let range = BLOCK as u64..4 * BLOCK as u64;
    assert_eq!(file.residency(range).unwrap(), Residency::Bytes(0));
}

/// The same staging for writes of all sizes: what an earlier one has left in it is not written.
#[test]
fn memory_is_used_again() {
    let disk = start(3);
    let file = open(&*disk.io(), "/d/f").unwrap();
    let mut staging = Staging::new(2 * BLOCK);
    for len in [14 * BLOCK + 1, 100, 6 * BLOCK, 2 * BLOCK - 1, 3 * BLOCK + 9, 10 * BLOCK + 3] {
        file.store_bytes(0, &vec![1; BLOCKS * BLOCK]).unwrap();
        write(&file, &mut staging, len).unwrap();
        check(&disk, len);
    }
    staging.release();
    write(&file, &mut staging, 10 * BLOCK + 3).unwrap();
    check(&disk, 10 * BLOCK + 3);
}

/// Found out by trying, once: then it goes through the cache.
#[test]
fn where_the_cache_cannot_be_bypassed() {
    use CallKind::{SyncData, Write, WriteSynced};
    for len in [3 * BLOCK + 1, 9 * BLOCK + 5] {
        for synced in [true, false] {
            let disk = start(4);
            disk.record(true);
            for kind in DIRECT {
                disk.unsupported(kind);
            }
            if !synced {
                disk.unsupported(WriteSynced);
            }
            let file = open(&*disk.io(), "/d/f").unwrap();
            let mut staging = Staging::new(2 * BLOCK);
            assert!(file.bypasses_cache());
            write(&file, &mut staging, len).unwrap();
            assert!(!file.bypasses_cache());
            let before = last(&disk);
            write(&file, &mut staging, len).unwrap();
            let expected = match (len < 4 * BLOCK, synced) {
                (true, true) => vec![WriteSynced],
                (true, false) => vec![Write, SyncData],
                (false, _) => vec![Write, Write, Write, Write, SyncData],
            };
            assert_eq!(kinds(&disk, before), expected);
            disk.power_cut(&Keep::None);
            check(&disk, len);
        }
    }
}

/// A file system may take some sectors and then refuse: the rest goes through the cache.
#[test]
fn refused_in_the_midst() {
    let disk = start(5);
    let file = open(&*disk.io(), "/d/f").unwrap();
    let refused = Effect::Fail(std::io::ErrorKind::Unsupported);
    disk.inject(Fault::new(refused).kind(CallKind::WriteDirect).nth(3));
    write(&file, &mut Staging::new(2 * BLOCK), 11 * BLOCK + 7).unwrap();
    disk.power_cut(&Keep::None);
    check(&disk, 11 * BLOCK + 7);
}

#[test]
fn short_and_interrupted_writes_go_on() {
    for len in [3 * BLOCK + 1, 9 * BLOCK + 5] {
        for effect in
            [Effect::EINTR, Effect::Short(BLOCK), Effect::Short(BLOCK + 512), Effect::Short(512), Effect::ShortAnywhere]
        {
            let disk = start(6);
            let file = open(&*disk.io(), "/d/f").unwrap();
            disk.inject(DIRECT.into_iter().fold(Fault::new(effect.clone()).times(2), Fault::kind));
            write(&file, &mut Staging::new(2 * BLOCK), len).unwrap_or_else(|error| panic!("{effect:?}: {error}"));
            disk.power_cut(&Keep::None);
            check(&disk, len);
        }
    }
}

/// Any part of it may be there then, and nobody trusts the file any more.
#[test]
fn a_failure_is_final() {
    use CallKind::{SyncData, WriteDirect, WriteDirectSynced};
    let torn = || Effect::Torn(std::io::ErrorKind::Other);
    let failures = [
        (3 * BLOCK, WriteDirectSynced, Effect::EIO, 1),
        (3 * BLOCK, WriteDirectSynced, torn(), 1),
        (3 * BLOCK, WriteDirectSynced, Effect::FAIL_SYNC, 1),
        (13 * BLOCK, WriteDirect, Effect::EIO, 1),
        (13 * BLOCK, WriteDirect, torn(), 1),
        (13 * BLOCK, WriteDirect, Effect::EIO, 4),
        (13 * BLOCK, WriteDirect, torn(), 5),
        (13 * BLOCK, SyncData, Effect::EIO, 1),
        (13 * BLOCK, SyncData, Effect::FAIL_SYNC, 1),
    ];
    for (len, kind, effect, nth) in failures {
        let disk = start(7);
        let file = open(&*disk.io(), "/d/f").unwrap();
        disk.inject(Fault::new(effect.clone()).nth(nth).kind(kind));
        let error = write(&file, &mut Staging::new(2 * BLOCK), len).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::SyncFailed, "{kind:?} {effect:?}");
        assert_eq!(*file.store_bytes(0, b"x").unwrap_err().kind(), ErrorKind::SyncFailed);
    }
}

#[test]
fn a_full_disk_can_be_tried_again() {
    for len in [3 * BLOCK, 13 * BLOCK] {
        let disk = start(8);
        let file = open(&*disk.io(), "/d/f").unwrap();
        disk.inject(DIRECT.into_iter().fold(Fault::new(Effect::ENOSPC), Fault::kind));
        let mut staging = Staging::new(2 * BLOCK);
        assert_eq!(*write(&file, &mut staging, len).unwrap_err().kind(), ErrorKind::NoSpace);
        write(&file, &mut staging, len).unwrap();
        disk.power_cut(&Keep::None);
        check(&disk, len);
    }
}

/// The caller's own failure ends it; the file is as good as it was.
#[test]
fn what_cannot_be_put_together_is_not_finished() {
    for len in [3 * BLOCK, 13 * BLOCK] {
        let disk = start(9);
        let file = open(&*disk.io(), "/d/f").unwrap();
        let mut staging = Staging::new(2 * BLOCK);
        let failed = file.write_direct(&mut staging, (0, len), |stage| {
            stage.put(&vec![9; len.min(5 * BLOCK)]);
            Err::<(), _>(Error::new(ErrorKind::Capacity, "too large"))
        });
        assert_eq!(*failed.unwrap_err().kind(), ErrorKind::Capacity);
        file.write_at(0, &[IoSlice::new(&vec![1; BLOCKS * BLOCK])], Durability::Synced).unwrap();
        write(&file, &mut staging, len).unwrap();
        check(&disk, len);
    }
}

#[test]
fn beyond_the_end_of_the_file() {
    let disk = start(10);
    let file = open(&*disk.io(), "/d/f").unwrap();
    let error = write(&file, &mut Staging::new(2 * BLOCK), 15 * BLOCK + 1).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Capacity);
    check_untouched(&disk);
}

fn check_untouched(disk: &SimDisk) {
    disk.power_cut(&Keep::All);
    assert_eq!(load(&open(&*disk.io(), "/d/f").unwrap(), 0, BLOCKS * BLOCK), vec![1; BLOCKS * BLOCK]);
}

/// Stopped at each call: acknowledged or not, each sector is as it was or as it was to be.
#[test]
fn stopped_at_every_call() {
    let len = 9 * BLOCK + 5;
    let program = |io: &std::sync::Arc<dyn pstream_core::io::Io>| {
        let file = open(&**io, "/d/f")?;
        write(&file, &mut Staging::new(2 * BLOCK), len).map(drop)
    };
    let states = stop_everywhere(&start(11), 20, program, |disk, done, what| {
        let seen = load(&open(&*disk.io(), "/d/f").unwrap(), 0, BLOCKS * BLOCK);
        if done.is_ok() {
            check(disk, len);
        }
        let mut new = bytes(len);
        new.resize(len.next_multiple_of(BLOCK), 0);
        for (at, byte) in seen.iter().enumerate() {
            let other = at.checked_sub(BLOCK).and_then(|at| new.get(at)).copied().unwrap_or(1);
            assert!(*byte == 1 || *byte == other, "{what}: {at}");
        }
    });
    assert!(states > 100, "{states}");
}
