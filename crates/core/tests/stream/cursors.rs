//! Cursors: one consumer each, a position that never goes back, what retention has to keep.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pstream_core::format::StreamId;
use pstream_core::stream::cursor::{Cursor, Folder, check, resolve};
use pstream_core::stream::read::Start;
use pstream_core::stream::{Level, destroy};
use pstream_core::{ErrorKind, OsIo};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

use crate::harness::{DIR, NAME, commit_each, disk, open, options, rest};

pub const SLOTS: &str = "/d/s.meta/cursors/cursor.c";

pub fn id() -> StreamId {
    StreamId::new(77).unwrap()
}

pub fn folder(disk: &SimDisk) -> Folder {
    Folder::new(disk.io(), Path::new(DIR), NAME)
}

pub fn make(disk: &SimDisk, at: u64) -> Cursor {
    folder(disk).open("c", id(), || Ok(at)).unwrap()
}

/// Of a cursor that is there.
pub fn reopen(disk: &SimDisk) -> Cursor {
    folder(disk).open("c", id(), || panic!("there is none")).unwrap()
}

pub fn floor(disk: &SimDisk) -> Option<u64> {
    let folder = folder(disk);
    folder.floor(&folder.exclude().unwrap().unwrap(), id()).unwrap()
}

#[test]
fn a_position_is_kept() {
    let disk = disk(1);
    let mut cursor = make(&disk, 5);
    assert_eq!((cursor.name(), cursor.position(), cursor.damaged()), ("c", 5, false));
    cursor.commit(8, 100).unwrap();
    cursor.commit(6, 100).unwrap();
    assert_eq!(cursor.position(), 9, "never goes back");
    drop(cursor);
    disk.power_cut(&Keep::None);
    let mut cursor = reopen(&disk);
    assert_eq!((cursor.position(), cursor.damaged()), (9, false));
    cursor.seek(|| Ok(2)).unwrap();
    assert_eq!(cursor.position(), 2, "unless asked");
    drop(cursor);
    disk.power_cut(&Keep::None);
    assert_eq!(reopen(&disk).position(), 2);
}

#[test]
fn a_record_that_is_not_durable_is_not_committed() {
    let disk = disk(2);
    let mut cursor = make(&disk, 0);
    for seq in [3, 4, u64::MAX] {
        let error = cursor.commit(seq, 3).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (&ErrorKind::InvalidInput, Some(seq)));
    }
    assert_eq!(cursor.position(), 0);
    cursor.commit(2, 3).unwrap();
}

#[test]
fn one_consumer_each() {
    let disk = disk(3);
    let cursor = make(&disk, 0);
    let error = folder(&disk).open("c", id(), || Ok(0)).unwrap_err();
    let ErrorKind::Locked(Some(holder)) = error.kind() else { panic!("{error}") };
    assert_eq!((holder.alive, holder.host.as_deref()), (Some(true), Some("sim")));
    let error = folder(&disk).delete("c", id()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(Some(_))), "{error}");
    folder(&disk).open("C", id(), || Ok(0)).unwrap();
    drop(cursor);
    reopen(&disk);
}

#[test]
fn listed_and_deleted() {
    let disk = disk(4);
    assert_eq!(folder(&disk).list(id()).unwrap().len(), 0);
    let held = make(&disk, 7);
    drop(folder(&disk).open("B.b", id(), || Ok(3)).unwrap());
    let listed = folder(&disk).list(id()).unwrap();
    let listed: Vec<_> = listed.into_iter().map(|one| (one.name, one.state.unwrap().slot.position)).collect();
    assert_eq!(listed, [("B.b".to_owned(), 3), ("c".to_owned(), 7)]);
    assert_eq!(floor(&disk), Some(3));
    folder(&disk).delete("B.b", id()).unwrap();
    let mut names = disk.names("/d/s.meta/cursors").unwrap();
    names.sort();
    assert_eq!(names, ["cursor.c", "guard", "holder.c", "lock.c"], "nothing is left of it");
    disk.power_cut(&Keep::None);
    drop(held);
    assert_eq!(floor(&disk), Some(7));
    for _ in 0..2 {
        let error = folder(&disk).delete("B.b", id()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
    }
}

#[test]
fn retention_obeys_the_older_slot() {
    let disk = disk(5);
    assert_eq!(floor(&disk), None);
    let mut cursor = make(&disk, 10);
    assert_eq!(floor(&disk), Some(10));
    cursor.commit(19, 100).unwrap();
    assert_eq!(floor(&disk), Some(10));
    cursor.commit(29, 100).unwrap();
    assert_eq!(floor(&disk), Some(20));
    cursor.seek(|| Ok(4)).unwrap();
    assert_eq!(floor(&disk), Some(4));
}

#[test]
fn making_and_trimming_exclude_each_other() {
    let disk = disk(6);
    let mut cursor = make(&disk, 0);
    let trimming = folder(&disk).exclude().unwrap().unwrap();
    assert!(folder(&disk).exclude().unwrap().is_none());
    let error = folder(&disk).open("d", id(), || panic!("somebody trims")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(None)), "{error}");
    assert!(matches!(cursor.seek(|| panic!("somebody trims")).unwrap_err().kind(), ErrorKind::Locked(None)));
    cursor.commit(1, 100).unwrap();
    drop(trimming);
    cursor
        .seek(|| {
            assert!(folder(&disk).exclude().unwrap().is_none(), "somebody seeks");
            Ok(1)
        })
        .unwrap();
    folder(&disk)
        .open("d", id(), || {
            assert!(folder(&disk).exclude().unwrap().is_none(), "somebody makes one");
            Ok(1)
        })
        .unwrap();
    assert!(folder(&disk).exclude().unwrap().is_some());
}

#[test]
fn one_of_another_stream_counts_for_nothing() {
    let disk = disk(7);
    drop(make(&disk, 3));
    let other = StreamId::new(78).unwrap();
    let folder = folder(&disk);
    assert_eq!(folder.list(other).unwrap().len(), 0);
    assert_eq!(folder.floor(&folder.exclude().unwrap().unwrap(), other).unwrap(), None);
    assert_eq!(*folder.delete("c", other).unwrap_err().kind(), ErrorKind::NotFound);
    let cursor = folder.open("c", other, || Ok(50)).unwrap();
    assert_eq!(cursor.position(), 50);
    assert_eq!(floor(&disk), None, "it is replaced");
}

#[test]
fn trimming_needs_no_space() {
    let disk = disk(8);
    disk.inject(Fault::new(Effect::ENOSPC));
    let folder = folder(&disk);
    let guard = folder.exclude().unwrap().unwrap();
    disk.clear_faults();
    assert_eq!(folder.floor(&guard, id()).unwrap(), None);
}

#[test]
fn goes_with_the_stream() {
    let disk = disk(9);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..3, 100);
    log.close().unwrap();
    let cursor = make(&disk, 1);
    let error = destroy(&disk.io(), Path::new(DIR), &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(Some(_))), "{error}");
    assert_eq!(open(&disk).1.next_seq, 3, "with nothing removed");
    drop(cursor);
    let trimming = folder(&disk).exclude().unwrap();
    let error = destroy(&disk.io(), Path::new(DIR), &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(None)), "{error}");
    drop(trimming);
    rest(&disk);
    destroy(&disk.io(), Path::new(DIR), &options()).unwrap();
    assert_eq!(disk.names("/d/s.meta").unwrap_or_default(), Vec::<String>::new());
}

/// What is left is what is on the disk, whatever the snapshot says.
#[test]
fn a_place_is_looked_up() {
    let disk = disk(10);
    let (mut log, _) = open(&disk);
    disk.set_now(Duration::from_secs(3_000_001_000));
    commit_each(&mut log, 0..20, 6000);
    disk.set_now(Duration::from_secs(3_000_002_000));
    commit_each(&mut log, 20..40, 6000);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let kind = |to: Start| resolve(&snapshot, to).map_err(|error| error.kind().clone());
    assert_eq!(kind(Start::Oldest), Ok(0));
    assert_eq!(kind(Start::End), Ok(40));
    assert_eq!(kind(Start::Seq(40)), Ok(40));
    assert_eq!(kind(Start::Seq(41)), Err(ErrorKind::InvalidInput));
    assert_eq!(kind(Start::Time(3_000_001_500_000)), Ok(20));
    assert_eq!(kind(Start::Time(4_000_000_000_000)), Ok(40));
    // By somebody else.
    disk.io().remove_file(Path::new("/d/s.0001-12")).unwrap();
    let oldest = kind(Start::Oldest).unwrap();
    assert!(oldest > 0 && oldest < 20, "{oldest}");
    assert_eq!(kind(Start::Seq(0)), Err(ErrorKind::Trimmed(oldest)));
    assert_eq!(kind(Start::Time(0)), Ok(oldest));
    assert_eq!(kind(Start::Seq(oldest)), Ok(oldest));
}

#[test]
fn bytes_behind_a_record_are_told_without_reading() {
    let disk = disk(11);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..60, 3000);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let calls = disk.call_count();
    let all = snapshot.bytes_from(0);
    assert_eq!((snapshot.bytes_from(60), snapshot.bytes_from(99)), (0, 0));
    for seq in 0..60 {
        let (here, next) = (snapshot.bytes_from(seq), snapshot.bytes_from(seq + 1));
        assert!(here > next, "{seq}");
        let expected = all * (60 - seq) / 60;
        assert!(here.abs_diff(expected) < all / 10, "{seq}: {here}, about {expected}");
    }
    assert_eq!(disk.call_count(), calls);
    assert_eq!(all, snapshot.bytes().unwrap());
    for slot in snapshot.files() {
        let start = slot.start().unwrap();
        assert_eq!(snapshot.bytes_from(start.seq), snapshot.end() - start.position);
    }
}

/// Somebody trims one file after the other, and looks at the cursors in between. On the real system, where waiting takes time.
#[test]
fn who_trims_lets_others_have_their_turn() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(Arc::new(OsIo), root.path(), NAME);
    let trimming = folder.exclude().unwrap().unwrap();
    let other = {
        let folder = folder.clone();
        std::thread::spawn(move || folder.open("d", id(), || Ok(0)).unwrap().position())
    };
    let wanted = root.path().join("s.meta/cursors/wanted");
    while !wanted.exists() {
        assert!(!other.is_finished(), "did not wait");
        std::thread::yield_now();
    }
    // It has the lock the moment after.
    std::thread::sleep(Duration::from_millis(50));
    drop(trimming);
    while !other.is_finished() {
        // Without the other's turn in between this would get it again and again.
        if let Some(again) = folder.exclude().unwrap() {
            assert_eq!(folder.list(id()).unwrap().len(), 1, "came before the one who waits");
            drop(again);
        }
    }
    assert_eq!(other.join().unwrap(), 0);
}

/// The stream was taken back to an earlier state, by hand.
#[test]
fn a_cursor_ahead_of_its_stream_is_damage() {
    let disk = disk(12);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..5, 100);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let mut cursor = make(&disk, 5);
    check(&cursor, &snapshot).unwrap();
    cursor.commit(6, 100).unwrap();
    let error = check(&cursor, &snapshot).unwrap_err();
    assert_eq!((error.seqs(), error.path()), (Some(5..7), Some(Path::new(SLOTS))));
}
