//! The lock, on a disk where processes die and power is cut.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pstream_core::io::Io;
use pstream_core::sequence::{break_lock, inspect};
use pstream_core::{ErrorKind, FileSequence, LockMode, SequenceOptions};
use pstream_sim::{CallKind, Effect, Fault, Keep};

use crate::harness::{disk, open_sequence, shape};

/// The story: the crate's lock is a symbolic link to a pid, which is in the way after every crash.
#[test]
fn a_lock_left_by_a_crash_is_not_in_the_way() {
    let disk = disk(1);
    open_sequence(&disk.io(), "s").unwrap().alloc(None).unwrap();
    let held = open_sequence(&disk.io(), "s").unwrap();
    disk.process_crash();
    assert!(disk.names("/d").unwrap().contains(&"s.lock".to_owned()));
    open_sequence(&disk.io(), "s").unwrap();
    drop(held);

    let held = open_sequence(&disk.io(), "s").unwrap();
    disk.power_cut(&Keep::All);
    open_sequence(&disk.io(), "s").unwrap();
    drop(held);
}

#[test]
fn another_process_waits_and_is_told_who_holds_the_lock() {
    let disk = disk(2);
    let held = open_sequence(&disk.io(), "s").unwrap();
    let other = disk.as_process(77);
    let before = disk.now();
    let error = open_sequence(&other.io(), "s").unwrap_err();
    assert_eq!(error.to_string(), "filesequence: lock file is held by another instance");
    let ErrorKind::Locked(Some(holder)) = error.kind() else { panic!("{error:?}") };
    assert_eq!((holder.pid, holder.alive, holder.since), (Some(1000), Some(true), Some(before)));
    assert_eq!(disk.now().duration_since(before).unwrap(), Duration::from_millis(50), "waited as long as told");
    held.close().unwrap();
    open_sequence(&other.io(), "s").unwrap();
}

/// Where the folder's file system has no locks.
#[test]
fn without_locks_an_open_fails_unless_told_otherwise() {
    let disk = disk(3);
    disk.unsupported(CallKind::TryLock);
    let error = open_sequence(&disk.io(), "s").unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    let options = SequenceOptions { lock: LockMode::BestEffort, ..SequenceOptions::default() };
    let sequence = FileSequence::open(disk.io(), Path::new("/d"), "s", shape(1), options).unwrap();
    sequence.alloc(None).unwrap();
}

/// A closing holder removes the file between our opening and our locking of it: we would hold a lock on nothing.
#[test]
fn a_lock_on_a_file_that_was_removed_is_no_lock() {
    let disk = disk(4);
    // The first look says that the path names another file; the second try finds it well.
    disk.inject(Fault::new(Effect::Fail(std::io::ErrorKind::Other)).kind(CallKind::IsAt));
    let error = open_sequence(&disk.io(), "s").unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Io, "what cannot be checked is not taken");
    open_sequence(&disk.io(), "s").unwrap();
}

/// A symbolic link is somebody's lock until it is broken, and broken for good then.
#[test]
fn a_broken_lock_does_not_come_back() {
    let disk = disk(5);
    disk.symlink("moving house", "/d/s.lock").unwrap();
    let error = open_sequence(&disk.io(), "s").unwrap_err();
    let ErrorKind::Locked(Some(holder)) = error.kind() else { panic!("{error:?}") };
    assert_eq!(holder.note.as_deref(), Some("moving house"));
    disk.settle();
    let holder = break_lock(&*disk.io(), Path::new("/d"), "s", false).unwrap().unwrap();
    assert_eq!(holder.note.as_deref(), Some("moving house"));
    disk.power_cut(&Keep::None);
    open_sequence(&disk.io(), "s").unwrap();
}

/// Not even by force while the operating system says that somebody holds it; and a living pid needs force.
#[test]
fn a_lock_that_somebody_holds_is_not_broken() {
    let disk = disk(6);
    let held = open_sequence(&disk.io(), "s").unwrap();
    for force in [false, true] {
        let error = break_lock(&*disk.io(), Path::new("/d"), "s", force).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Locked(Some(_))), "{error}");
    }
    drop(held);
    let _living = disk.as_process(55).io();
    disk.symlink("55", "/d/s.lock").unwrap();
    assert!(break_lock(&*disk.io(), Path::new("/d"), "s", false).is_err());
    assert!(break_lock(&*disk.io(), Path::new("/d"), "s", true).unwrap().is_some());
    assert!(break_lock(&*disk.io(), Path::new("/d"), "s", true).unwrap().is_none());
}

/// Nothing depends on the text that says who holds the lock, on a full disk least of all.
#[test]
fn the_holders_text_may_fail() {
    let disk = disk(7);
    disk.inject(Fault::new(Effect::ENOSPC).kind(CallKind::WriteNote).every());
    disk.inject(Fault::new(Effect::ENOSPC).kind(CallKind::CreateDir).every());
    let held = open_sequence(&disk.io(), "s").unwrap();
    let error = open_sequence(&disk.as_process(2).io(), "s").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(Some(holder)) if holder.pid.is_none()), "{error:?}");
    drop(held);
}

/// Looking takes no lock and makes no file.
#[test]
fn a_look_changes_nothing() {
    let disk = disk(8);
    let io: Arc<dyn Io> = disk.io();
    assert_eq!(inspect(&*io, Path::new("/d"), "s").unwrap().lock, None);
    assert!(disk.names("/d").unwrap().is_empty());
    let held = open_sequence(&io, "s").unwrap();
    let names = disk.names("/d").unwrap();
    let report = inspect(&*disk.as_process(3).io(), Path::new("/d"), "s").unwrap();
    assert_eq!(report.lock.and_then(|holder| holder.alive), Some(true));
    assert_eq!(disk.names("/d").unwrap(), names);
    drop(held);
}
