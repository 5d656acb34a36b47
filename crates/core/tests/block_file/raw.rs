//! Ranges of any place and length, as the stream uses them.

use std::io::{IoSlice, IoSliceMut};

use pstream_core::{
    BlockFile, CachePolicy, CreateOptions, Durability, ErrorKind, Evicted, FileOptions, OsIo, Residency,
};

use crate::common::probe::skip;
use crate::common::{assert_fails, create, create_options, folder, open, pattern, shape};

const UNKNOWN: &str = "page cache: what is in it cannot be told here";

#[test]
fn unaligned_writes_synced_and_cached() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 16, 12);
    let mut model = vec![0; 16 << 12];
    for (seed, (offset, len, durability)) in [
        (1, 1, Durability::Synced),
        (4095, 2, Durability::Cached),
        (5000, 20000, Durability::Synced),
        (0, 3, Durability::Cached),
        ((16 << 12) - 1, 1, Durability::Synced),
        (16 << 12, 0, Durability::Synced),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = pattern(len, seed as u64);
        let (left, right) = bytes.split_at(len / 3);
        let buffers = [IoSlice::new(left), IoSlice::new(&[]), IoSlice::new(right)];
        file.write_at(offset as u64, &buffers, durability).unwrap();
        model[offset..offset + len].copy_from_slice(&bytes);
    }
    file.sync().unwrap();
    let mut read = vec![0; 16 << 12];
    file.read_at(0, &mut [IoSliceMut::new(&mut read)]).unwrap();
    assert!(read == model);
    file.close();
    open(file.path(), 12).load_bytes(0, &mut read).unwrap();
    assert!(read == model);
}

#[test]
fn a_write_past_the_end_is_refused() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 1, 12);
    for (offset, len) in [(4096, 1), (4000, 97), (u64::MAX, 1), (u64::MAX - 4, 100), (1 << 63, 0)] {
        let bytes = vec![1; len];
        for durability in [Durability::Synced, Durability::Cached] {
            let result = file.write_at(offset, &[IoSlice::new(&bytes)], durability);
            assert_fails(result, &ErrorKind::Capacity, "write exceeds file capacity");
        }
    }
    for range in [0..4097, 4096..4097, u64::MAX - 1..u64::MAX] {
        assert_fails(file.zero(range), &ErrorKind::Capacity, "write exceeds file capacity");
    }
    let backwards = std::ops::Range { start: 10, end: 5 };
    assert_fails(file.zero(backwards), &ErrorKind::Capacity, "write exceeds file capacity");
    assert_eq!(std::fs::metadata(file.path()).unwrap().len(), 4096);
}

#[test]
fn a_read_past_the_end_is_refused() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 1, 12);
    for (offset, len) in [(4096_u64, 1), (4095, 2), (1 << 40, 1)] {
        let result = file.read_at(offset, &mut [IoSliceMut::new(&mut vec![0; len])]);
        assert_fails(result, &ErrorKind::UnexpectedEof, "failed to fill all buffers");
    }
}

/// Zeroed bytes read as zeros, those around them stay, and the space stays reserved: on file systems that can do it by
/// themselves and on those where zeros have to be written.
#[test]
fn zeroing_a_range() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 64, 12);
    let mut model = pattern(64 << 12, 1);
    file.store_bytes(0, &model).unwrap();
    for range in [0..1, 4095..4097, 10_000..200_000, 200_000..200_000, (64 << 12) - 1..64 << 12] {
        file.zero(range.start as u64..range.end as u64).unwrap();
        model[range].fill(0);
    }
    file.sync().unwrap();
    let mut read = vec![0; 64 << 12];
    file.load_bytes(0, &mut read).unwrap();
    assert!(read == model);
    file.close();
    let file = open(file.path(), 12);
    file.load_bytes(0, &mut read).unwrap();
    assert!(read == model);
    if cfg!(target_os = "linux") {
        assert!(file.reserved());
    }
}

/// Right after a sync, with nobody else reading, everything can go; then what is read comes from the disk.
#[test]
fn evicting_after_a_sync() {
    let folder = folder();
    let options =
        CreateOptions { file: FileOptions { cache: CachePolicy::Keep, ..FileOptions::default() }, ..create_options() };
    let file = BlockFile::create(&OsIo, &folder.path().join("data"), shape(256, 12), options).unwrap();
    let bytes = pattern(256 << 12, 1);
    file.store_bytes(0, &bytes).unwrap();
    let whole = 0..256 << 12;
    let Residency::Bytes(before) = file.residency(whole.clone()).unwrap() else { return skip(UNKNOWN) };
    assert_eq!(before, 256 << 12, "what was kept is there");
    assert!(matches!(file.residency(0..1).unwrap(), Residency::Bytes(1..)));
    assert_eq!(file.evict(&whole).unwrap(), Evicted::Done);
    assert_eq!(file.residency(whole).unwrap(), Residency::Bytes(0));
    let mut read = vec![0; 256 << 12];
    file.load_bytes(0, &mut read).unwrap();
    assert!(read == bytes);
}

/// The system takes a length of zero to mean "up to the end".
#[test]
fn an_empty_range_is_not_in_the_cache_and_not_evicted() {
    let folder = folder();
    let options =
        CreateOptions { file: FileOptions { cache: CachePolicy::Keep, ..FileOptions::default() }, ..create_options() };
    let file = BlockFile::create(&OsIo, &folder.path().join("data"), shape(16, 12), options).unwrap();
    file.store_bytes(0, &pattern(16 << 12, 1)).unwrap();
    let Residency::Bytes(before) = file.residency(0..16 << 12).unwrap() else { return skip(UNKNOWN) };
    for at in [0, 100, 4096] {
        assert_eq!(file.residency(at..at).unwrap(), Residency::Bytes(0), "at {at}");
        assert_eq!(file.evict(&(at..at)).unwrap(), Evicted::Done, "at {at}");
    }
    assert_eq!(file.residency(0..16 << 12).unwrap(), Residency::Bytes(before));
}

#[test]
fn what_was_ever_written_is_told_apart() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 64, 16);
    let Ok(None) = file.next_data(0) else { return skip("what was written: reserved space counts as written here") };
    file.write_at(10 << 16, &[IoSlice::new(&pattern(1 << 16, 1))], Durability::Synced).unwrap();
    let run = file.next_data(0).unwrap().expect("a run of data");
    assert!(run.start <= 10 << 16 && run.end >= 11 << 16, "{run:?}");
    assert!(run.start > 0 && run.end < 64 << 16, "{run:?}");
    assert_eq!(file.next_data(run.end).unwrap(), None);
    assert_eq!(file.next_data(64 << 16).unwrap(), None);
    assert_eq!(file.next_data(10 << 16).unwrap(), Some(10 << 16..run.end));
}
