//! Cursors: one consumer each, a position that never goes back, what retention has to keep.

use std::path::Path;

use pstream_core::ErrorKind;
use pstream_core::format::StreamId;
use pstream_core::stream::cursor::{Cursor, Folder};
use pstream_core::stream::destroy;
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
    drop(make(&disk, 1));
    rest(&disk);
    destroy(&disk.io(), Path::new(DIR), &options()).unwrap();
    assert_eq!(disk.names("/d/s.meta").unwrap_or_default(), Vec::<String>::new());
}
