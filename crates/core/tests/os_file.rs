//! The operating system against the contract of `pstream_core::io::IoFile`. What a platform cannot do is skipped, and
//! says so in the output.

mod os;

use std::fs;
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut};

use os::{create, name, read, skip, write, write_once};
use pstream_core::io::os::OsIo;
use pstream_core::io::{Durability, Io, IoFile, MAX_BUFFERS, OpenOptions, Residency, SyncLevel};

const MIB: u64 = 1 << 20;

/// The value, or `None` and a word about it if the platform cannot do it.
#[allow(clippy::unwrap_used, reason = "tests say what they expect by panicking")]
fn supported<T>(what: &str, result: Result<T, Error>) -> Option<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            skip(&format!("{what}: {error}"));
            None
        }
        done => Some(done.unwrap()),
    }
}

#[test]
fn reads_and_writes_go_through_the_buffers_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    for (durability, offset) in [(Durability::Cached, 0), (Durability::Synced, 100)] {
        let parts =
            [IoSlice::new(b""), IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two"), IoSlice::new(b"")];
        assert_eq!(write_once(&*file, &parts, offset, durability), 6);
        let (mut a, mut b, mut c) = ([0; 1], [0; 4], [0; 1]);
        let mut none: [u8; 0] = [];
        let mut room =
            [IoSliceMut::new(&mut none), IoSliceMut::new(&mut a), IoSliceMut::new(&mut b), IoSliceMut::new(&mut c)];
        assert_eq!(file.read_at(&mut room, offset).unwrap(), 6);
        assert_eq!((&a, &b, &c), (b"o", b"netw", b"o"));
    }
    assert_eq!(file.size().unwrap(), 106);
    assert_eq!(read(&*file, 6, 94), [0; 94]);
}

#[test]
fn the_end_of_the_file_is_a_short_read_and_then_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    assert_eq!(read(&*file, 0, 10), b"");
    write(&*file, 0, b"0123456789").unwrap();
    assert_eq!(read(&*file, 7, 10), b"789");
    let (mut a, mut b, mut c) = ([0xaa; 2], [0xaa; 4], [0xaa; 4]);
    let mut room = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b), IoSliceMut::new(&mut c)];
    assert_eq!(file.read_at(&mut room, 7).unwrap(), 3);
    assert_eq!((&a[..], &b[..1]), (&b"78"[..], &b"9"[..]));
    assert_eq!(read(&*file, 10, 10), b"");
    assert_eq!(read(&*file, 10_000, 10), b"");
}

#[test]
fn no_room_and_no_bytes_are_fine() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    write(&*file, 0, b"x").unwrap();
    assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
    assert_eq!(file.read_at(&mut [IoSliceMut::new(&mut [])], 0).unwrap(), 0);
    for durability in [Durability::Cached, Durability::Synced] {
        assert_eq!(write_once(&*file, &[], 0, durability), 0);
        assert_eq!(write_once(&*file, &[IoSlice::new(b"")], 5, durability), 0);
    }
    assert_eq!(file.size().unwrap(), 1);
}

#[test]
fn offsets_beyond_every_file_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    for offset in [1 << 63, u64::MAX] {
        assert!(file.read_at(&mut [IoSliceMut::new(&mut [0; 4])], offset).is_err());
        assert!(file.write_at(&[IoSlice::new(b"no")], offset, Durability::Cached).is_err());
        assert!(file.write_at(&[IoSlice::new(b"no")], offset, Durability::Synced).is_err());
    }
    assert_eq!(file.size().unwrap(), 0);
}

#[test]
fn more_buffers_than_one_call_takes_are_done_in_part() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    let bytes: Vec<[u8; 2]> = (0..3000_u16).map(u16::to_le_bytes).collect();
    for durability in [Durability::Cached, Durability::Synced] {
        let mut done = 0;
        while done < bytes.len() {
            let rest: Vec<_> = bytes[done..].iter().map(|pair| IoSlice::new(pair)).collect();
            let offset = u64::try_from(done * 2).unwrap();
            let written = write_once(&*file, &rest, offset, durability);
            assert!(written > 0 && written <= 2 * MAX_BUFFERS && written.is_multiple_of(2));
            done += written / 2;
        }
    }
    let mut back = vec![[0_u8; 2]; 3000];
    let mut done = 0;
    while done < back.len() {
        let mut rest: Vec<_> = back[done..].iter_mut().map(|pair| IoSliceMut::new(pair)).collect();
        let count = file.read_at(&mut rest, u64::try_from(done * 2).unwrap()).unwrap();
        assert!(count > 0 && count <= 2 * MAX_BUFFERS && count.is_multiple_of(2));
        done += count / 2;
    }
    assert_eq!(back, bytes);
}

#[test]
fn syncs_succeed_at_both_levels() {
    let dir = tempfile::tempdir().unwrap();
    for (file, sync) in [("full", SyncLevel::Full), ("best", SyncLevel::BestEffort)] {
        let file = OsIo.create(&name(&dir, file), 0o600, OpenOptions { sync, read_only: false }).unwrap();
        let big = vec![7_u8; 3 << 20];
        assert_eq!(write_once(&*file, &[IoSlice::new(&big)], 0, Durability::Synced), big.len());
        write(&*file, MIB, b"more").unwrap();
        file.start_writeback(0..MIB).unwrap();
        file.wait_writeback(0..MIB).unwrap();
        file.start_writeback(0..0).unwrap();
        file.wait_writeback(5..3 * MIB).unwrap();
        file.sync_data().unwrap();
        file.sync_all().unwrap();
        file.advise_sequential().unwrap();
        assert_eq!(read(&*file, MIB, 4), b"more");
    }
}

#[test]
fn set_len_grows_with_zeros_and_cuts_off() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    write(&*file, 0, b"abcdef").unwrap();
    file.set_len(3).unwrap();
    file.set_len(10).unwrap();
    assert_eq!(file.size().unwrap(), 10);
    assert_eq!(read(&*file, 0, 20), b"abc\0\0\0\0\0\0\0");
}

#[test]
fn reserve_makes_room_and_length_and_keeps_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    if supported("reserve", file.reserve(4 * MIB)).is_none() {
        return assert_eq!(file.size().unwrap(), 0);
    }
    assert_eq!(file.size().unwrap(), 4 * MIB);
    assert!(file.allocated().unwrap().is_none_or(|bytes| bytes >= 4 * MIB));
    assert_eq!(read(&*file, 3 * MIB, 64), [0; 64]);

    write(&*file, 100, b"kept").unwrap();
    // No more than there is: neither shortened nor changed.
    file.reserve(MIB).unwrap();
    file.reserve(0).unwrap();
    assert_eq!(file.size().unwrap(), 4 * MIB);
    file.reserve(6 * MIB).unwrap();
    assert_eq!(file.size().unwrap(), 6 * MIB);
    assert!(file.allocated().unwrap().is_none_or(|bytes| bytes >= 6 * MIB));
    file.sync_all().unwrap();
    assert_eq!(read(&*file, 98, 8), b"\0\0kept\0\0");
}

#[test]
fn allocated_tells_holes_from_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    write(&*file, 0, &vec![1; 1 << 20]).unwrap();
    file.sync_all().unwrap();
    let Some(allocated) = file.allocated().unwrap() else { return skip("allocated: not known") };
    assert!((MIB..4 * MIB).contains(&allocated), "{allocated}");
}

#[test]
fn zero_range_reads_as_zeros_and_stays_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    write(&*file, 0, &vec![1; 1 << 20]).unwrap();
    file.sync_all().unwrap();
    let before = file.allocated().unwrap();
    // On no block boundary.
    if supported("zero_range", file.zero_range(1000..500_000)).is_none() {
        return;
    }
    file.zero_range(7..7).unwrap();
    file.sync_all().unwrap();
    assert_eq!(file.size().unwrap(), MIB);
    assert!(file.allocated().unwrap() >= before);
    let bytes = read(&*file, 0, 1 << 20);
    assert!(bytes[..1000].iter().all(|byte| *byte == 1));
    assert!(bytes[1000..500_000].iter().all(|byte| *byte == 0));
    assert!(bytes[500_000..].iter().all(|byte| *byte == 1));
}

/// All runs of data from the start to the end.
#[allow(clippy::unwrap_used, reason = "tests say what they expect by panicking")]
fn data(file: &dyn IoFile) -> Vec<(u64, u64)> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(run) = file.next_data(at).unwrap() {
        assert!(run.start >= at && run.end > run.start);
        at = run.end;
        found.push((run.start, run.end));
    }
    found
}

#[test]
fn next_data_covers_all_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    if supported("next_data", file.next_data(0)).is_none() {
        return;
    }
    assert_eq!(data(&*file), []);
    file.set_len(8 * MIB).unwrap();
    write(&*file, 2 * MIB, &[1; 5000]).unwrap();
    write(&*file, 6 * MIB, &[1; 5000]).unwrap();
    file.sync_all().unwrap();
    let runs = data(&*file);
    for written in [2 * MIB..2 * MIB + 5000, 6 * MIB..6 * MIB + 5000] {
        assert!(runs.iter().any(|(start, end)| *start <= written.start && written.end <= *end), "{runs:?}");
    }
    // From the middle of a run and from behind the last one.
    assert_eq!(file.next_data(2 * MIB + 10).unwrap().unwrap().start, 2 * MIB + 10);
    assert_eq!(file.next_data(8 * MIB).unwrap(), None);
    assert_eq!(file.next_data(80 * MIB).unwrap(), None);
    assert!(runs.len() == 2 || runs == [(0, 8 * MIB)], "{runs:?}");
}

#[test]
fn reserved_space_that_was_never_written_is_no_data() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    let possible = supported("next_data", file.next_data(0)).is_some();
    if !possible || supported("reserve", file.reserve(8 * MIB)).is_none() {
        return;
    }
    // Where the file system cannot tell, all of it is data: safe, but slower for those who look for it.
    if data(&*file) == [(0, 8 * MIB)] {
        return skip("reserved space counts as data here");
    }
    assert_eq!(data(&*file), []);
    write(&*file, 4 * MIB, &[1; 100]).unwrap();
    file.sync_all().unwrap();
    let runs = data(&*file);
    assert!(runs.len() == 1 && runs[0].0 <= 4 * MIB && (4 * MIB + 100..5 * MIB).contains(&runs[0].1), "{runs:?}");
}

#[test]
fn residency_drops_when_evicted() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    write(&*file, 0, &vec![1; 8 << 20]).unwrap();
    file.sync_all().unwrap();
    let full = file.residency(0..8 * MIB).unwrap();
    file.evict(0..8 * MIB).unwrap();
    let left = file.residency(0..8 * MIB).unwrap();
    let (full, left) = match (full, left) {
        (Residency::Bytes(full), Residency::Bytes(left)) => (full, left),
        other => return skip(&format!("residency: {other:?}")),
    };
    if cfg!(target_os = "macos") {
        return skip("macOS has no way to drop pages");
    }
    assert_eq!(full, 8 * MIB);
    assert_eq!(left, 0);
    assert_eq!(read(&*file, 3 * MIB, 10), [1; 10]);
    assert!(matches!(file.residency(3 * MIB..3 * MIB + 10).unwrap(), Residency::Bytes(bytes) if bytes > 0));
    // Of a range, beyond the end, and of nothing.
    assert_eq!(file.residency(9 * MIB..10 * MIB).unwrap(), Residency::Bytes(0));
    assert_eq!(file.residency(5..5).unwrap(), Residency::Bytes(0));
}

#[test]
fn files_are_used_from_many_threads_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let file = &file;
            scope.spawn(move || {
                let at = u64::from(thread) * 4096;
                for round in 0..50_u8 {
                    write(&**file, at, &[thread ^ round; 4096]).unwrap();
                    assert_eq!(read(&**file, at, 4096), [thread ^ round; 4096]);
                }
            });
        }
    });
    assert_eq!(file.size().unwrap(), 8 * 4096);
}

#[test]
fn what_is_written_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "file");
    let parts = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    assert_eq!(write_once(&*file, &parts, 0, Durability::Synced), 8);
    drop(file);
    assert_eq!(fs::read(name(&dir, "file")).unwrap(), b"headbody");
    let again = OsIo.open(&name(&dir, "file"), OpenOptions::default()).unwrap();
    again.sync_all().unwrap();
    assert_eq!(read(&*again, 4, 10), b"body");
}
