//! What a sync makes durable, and what it does not.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by panicking, in their helpers too"
)]

mod common;

use std::io::{IoSlice, IoSliceMut};
use std::path::Path;

use common::{PAGE, SECTOR, create, heads, in_cache, machine, on_disk, open, read, with_file, write, write_synced};
use pstream_core::io::{Durability, OpenOptions, Residency};
use pstream_sim::{Keep, Unsynced};

#[test]
fn what_no_sync_covered_is_gone_under_keep_none() {
    let (disk, _io, file) = with_file(PAGE, 1);
    write(&*file, 0, &[2; PAGE]);
    assert_eq!(read(&*file, 0, PAGE), [2; PAGE]);
    assert_eq!(on_disk(&disk, "/f"), [1; PAGE]);
    assert_eq!(disk.unsynced(), 8);
    disk.power_cut(&Keep::None);
    assert_eq!(in_cache(&disk, "/f"), [1; PAGE]);
}

#[test]
fn all_stays_under_keep_all() {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    write(&*file, 100, &[2; PAGE]);
    disk.power_cut(&Keep::All);
    assert_eq!(in_cache(&disk, "/f"), [&[0; 100][..], &[2; PAGE]].concat());
    assert_eq!(disk.unsynced(), 0);
}

#[test]
fn a_power_cut_keeps_any_subset_of_sectors() {
    let (disk, _io, file) = with_file(4 * SECTOR, 0);
    write(&*file, 0, &[1; 3 * SECTOR]);
    assert_eq!(disk.unsynced(), 3);
    for mask in 0..8_u8 {
        let after = disk.fork_after(&Keep::Mask(mask.into()));
        let expected = [mask & 1, mask >> 1 & 1, mask >> 2 & 1, 0];
        assert_eq!(heads(&in_cache(&after, "/f")), expected);
        assert_eq!(on_disk(&after, "/f"), in_cache(&after, "/f"));
    }
}

#[test]
fn an_overwritten_unsynced_version_may_be_what_is_left() {
    let (disk, _io, file) = with_file(SECTOR, 0);
    write(&*file, 0, &[1; SECTOR]);
    write(&*file, 0, &[2; 10]);
    let left: Vec<u8> = (0..4).map(|mask| in_cache(&disk.fork_after(&Keep::Mask(mask)), "/f")[0]).collect();
    assert_eq!(left, [0, 1, 2, 2]);
    assert_eq!(in_cache(&disk.fork_after(&Keep::Mask(1)), "/f"), [1; SECTOR]);
    file.sync_data().unwrap();
    assert_eq!(disk.unsynced(), 0);
    assert_eq!(in_cache(&disk.fork_after(&Keep::None), "/f")[..11], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
}

#[test]
fn without_versions_a_sector_is_one_bit() {
    let (disk, _io, file) = with_file(SECTOR, 0);
    disk.set_versions(false);
    write(&*file, 0, &[1; SECTOR]);
    write(&*file, 0, &[2; SECTOR]);
    assert_eq!(disk.unsynced(), 1);
}

#[test]
fn a_synced_write_covers_its_own_sectors_only() {
    let (disk, _io, file) = with_file(4 * PAGE, 0);
    write(&*file, 0, &[1; 2 * PAGE]);
    write_synced(&*file, SECTOR as u64, &[2; SECTOR]);
    disk.power_cut(&Keep::None);
    let after = in_cache(&disk, "/f");
    assert_eq!(heads(&after)[..4], [0, 2, 0, 0]);
    assert!(after[PAGE..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_synced_write_covers_the_length_up_to_its_end_only() {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    io.sync_dir(Path::new("/")).unwrap();
    file.set_len(10 * PAGE as u64).unwrap();
    write_synced(&*file, 100, &[1; 100]);
    assert_eq!(disk.disk_len("/f").unwrap(), 200);
    assert_eq!(disk.fork_after(&Keep::None).cached_len("/f").unwrap(), 200);
    assert_eq!(disk.fork_after(&Keep::All).cached_len("/f").unwrap(), 10 * PAGE as u64);
}

#[test]
fn sync_data_leaves_the_reservation_and_the_unwritten_length_unsynced() {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    io.sync_dir(Path::new("/")).unwrap();
    file.reserve(4 * PAGE as u64).unwrap();
    write(&*file, 0, &[1; PAGE + 1]);
    file.sync_data().unwrap();
    assert_eq!(disk.fork_after(&Keep::None).cached_len("/f").unwrap(), PAGE as u64 + 1);
    let expected = [
        Unsynced::Reserve { path: "/f".into(), to: 4 * PAGE as u64 },
        Unsynced::Len { path: "/f".into(), len: 4 * PAGE as u64 },
    ];
    assert_eq!(disk.unsynced_changes(), expected);
    file.sync_all().unwrap();
    disk.power_cut(&Keep::None);
    let file = open(&*disk.io(), "/f");
    assert_eq!(file.size().unwrap(), 4 * PAGE as u64);
    assert_eq!(file.allocated().unwrap(), Some(4 * PAGE as u64));
}

#[test]
fn writeback_promises_nothing() {
    let (disk, _io, file) = with_file(PAGE, 0);
    write(&*file, 0, &[1; PAGE]);
    file.start_writeback(0..PAGE as u64).unwrap();
    file.wait_writeback(0..PAGE as u64).unwrap();
    assert_eq!(in_cache(&disk.fork_after(&Keep::Mask(2)), "/f")[..2 * SECTOR], [[0; SECTOR], [1; SECTOR]].concat());
    file.sync_data().unwrap();
    assert_eq!(in_cache(&disk.fork_after(&Keep::None), "/f"), [1; PAGE]);
}

#[test]
fn unsynced_pages_leave_the_cache_only_after_writeback() {
    let (disk, _io, file) = with_file(2 * PAGE, 0);
    let all = 0..2 * PAGE as u64;
    write(&*file, 0, &[1; 2 * PAGE]);
    file.evict(all.clone()).unwrap();
    assert_eq!(file.residency(all.clone()).unwrap(), Residency::Bytes(2 * PAGE as u64));
    file.wait_writeback(0..PAGE as u64).unwrap();
    file.evict(all.clone()).unwrap();
    assert_eq!(file.residency(all.clone()).unwrap(), Residency::Bytes(PAGE as u64));
    // The bytes are in the disk's own cache: readable, and not durable.
    assert_eq!(read(&*file, 0, PAGE), [1; PAGE]);
    assert_eq!(file.residency(all).unwrap(), Residency::Bytes(2 * PAGE as u64));
    assert_eq!(in_cache(&disk.fork_after(&Keep::None), "/f"), [0; 2 * PAGE]);
}

#[test]
fn eviction_takes_whole_pages_and_the_tail_at_the_end_of_the_file() {
    let (_disk, _io, file) = with_file(2 * PAGE + 1, 3);
    file.evict(1..2 * PAGE as u64 - 1).unwrap();
    assert_eq!(file.residency(0..u64::MAX).unwrap(), Residency::Bytes(3 * PAGE as u64));
    file.evict(1..2 * PAGE as u64).unwrap();
    assert_eq!(file.residency(0..u64::MAX).unwrap(), Residency::Bytes(2 * PAGE as u64));
    file.evict(PAGE as u64..2 * PAGE as u64 + 1).unwrap();
    assert_eq!(file.residency(0..u64::MAX).unwrap(), Residency::Bytes(PAGE as u64));
    assert_eq!(read(&*file, 0, 3 * PAGE), [3; 2 * PAGE + 1]);
}

#[test]
fn a_pinned_cache_is_not_evicted() {
    let (disk, _io, file) = with_file(PAGE, 3);
    disk.pin_cache("/f", true).unwrap();
    file.evict(0..PAGE as u64).unwrap();
    assert_eq!(file.residency(0..PAGE as u64).unwrap(), Residency::Bytes(PAGE as u64));
    disk.pin_cache("/f", false).unwrap();
    file.evict(0..PAGE as u64).unwrap();
    assert_eq!(file.residency(0..PAGE as u64).unwrap(), Residency::Bytes(0));
}

#[test]
fn a_truncation_is_undone_or_done_and_new_space_is_zero() {
    let (disk, _io, file) = with_file(2 * PAGE, 9);
    file.set_len(100).unwrap();
    file.set_len(PAGE as u64).unwrap();
    let cached = read(&*file, 0, 2 * PAGE);
    assert_eq!(cached, [&[9; 100][..], &[0; PAGE - 100]].concat());
    assert_eq!(in_cache(&disk.fork_after(&Keep::None), "/f"), [9; 2 * PAGE]);
    assert_eq!(in_cache(&disk.fork_after(&Keep::All), "/f"), cached);
    // The truncation alone, without the zeros and the new length.
    let changes = disk.unsynced_changes();
    let only_len = |len| changes.iter().map(|change| *change == Unsynced::Len { path: "/f".into(), len }).collect();
    assert_eq!(in_cache(&disk.fork_after(&Keep::Exactly(only_len(100))), "/f"), [9; 100]);
    file.sync_data().unwrap();
    assert_eq!(in_cache(&disk.fork_after(&Keep::None), "/f"), cached);
}

#[test]
fn a_synced_write_after_a_truncation_cannot_be_cut_off_by_it() {
    let (disk, _io, file) = with_file(2 * PAGE, 9);
    write(&*file, PAGE as u64, &[8; PAGE]);
    file.set_len(0).unwrap();
    file.set_len(2 * PAGE as u64).unwrap();
    write_synced(&*file, 0, &[1; SECTOR]);
    let mut seen = Vec::new();
    for keep in [Keep::None, Keep::All, Keep::Random(1), Keep::Random(2), Keep::Holes(3, 2)] {
        let after = in_cache(&disk.fork_after(&keep), "/f");
        assert_eq!(after[..SECTOR], [1; SECTOR]);
        seen.push(after[PAGE]);
    }
    assert_eq!(seen, [0; 5], "what a durable truncation cut off came back");
}

#[test]
fn reserved_space_and_gaps_read_as_zeros() {
    let (_disk, io) = machine();
    let file = create(&*io, "/f");
    file.reserve(PAGE as u64).unwrap();
    write(&*file, 3 * PAGE as u64, &[1]);
    assert_eq!(read(&*file, 0, 4 * PAGE), [&[0; 3 * PAGE][..], &[1]].concat());
    assert_eq!(file.allocated().unwrap(), Some(2 * PAGE as u64));
}

#[test]
fn next_data_finds_what_was_written_and_zero_range_makes_it_a_hole_again() {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    let page = PAGE as u64;
    file.reserve(10 * page).unwrap();
    assert_eq!(file.next_data(0).unwrap(), None);
    write(&*file, 2 * page + 5, &[1; 2 * PAGE]);
    assert_eq!(file.next_data(0).unwrap(), Some(2 * page..5 * page));
    assert_eq!(file.next_data(3 * page + 1).unwrap(), Some(3 * page + 1..5 * page));
    assert_eq!(file.next_data(5 * page).unwrap(), None);
    file.sync_all().unwrap();
    io.sync_dir(Path::new("/")).unwrap();
    file.zero_range(0..4 * page).unwrap();
    assert_eq!(file.next_data(0).unwrap(), Some(4 * page..5 * page));
    assert_eq!(read(&*file, 4 * page, 6), [1, 1, 1, 1, 1, 0]);
    assert_eq!(file.size().unwrap(), 10 * page);
    assert_eq!(disk.fork_after(&Keep::None).disk_bytes("/f", 2 * page + 5..2 * page + 6).unwrap(), [1]);
    file.sync_data().unwrap();
    disk.power_cut(&Keep::None);
    assert_eq!(open(&*disk.io(), "/f").next_data(0).unwrap(), Some(4 * page..5 * page));
}

#[test]
fn huge_sparse_files_are_cheap() {
    let (disk, io) = machine();
    let file = create(&*io, "/f");
    file.reserve(1 << 50).unwrap();
    write_synced(&*file, (1 << 50) - 1, &[1]);
    assert_eq!(file.next_data(0).unwrap(), Some((1 << 50) - 4096..1 << 50));
    file.zero_range(0..1 << 50).unwrap();
    file.set_len(0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(disk.used(), 0);
}

#[test]
fn buffers_are_gathered_and_scattered_in_order() {
    let (_disk, io) = machine();
    let file = create(&*io, "/f");
    let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
    assert_eq!(file.write_at(&parts, 1, Durability::Cached).unwrap(), 5);
    let (mut first, mut second) = ([9; 3], [9; 4]);
    let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(file.read_at(&mut buffers, 0).unwrap(), 6);
    assert_eq!((&first, &second), (b"\0ab", b"cde\x09"));
    assert_eq!(read(&*file, 6, 1), []);
}

#[test]
fn a_read_only_handle_does_not_write() {
    let (_disk, io, _file) = with_file(10, 1);
    let file = io.open(Path::new("/f"), OpenOptions { read_only: true, ..OpenOptions::default() }).unwrap();
    assert!(common::try_write(&*file, 0, &[2], Durability::Cached).is_err());
    assert!(file.set_len(0).is_err() && file.reserve(99).is_err() && file.zero_range(0..1).is_err());
    assert_eq!(read(&*file, 0, 99), [1; 10]);
}
