//! A symbolic link in the lock's place is somebody else's lock: made by hand (`ln -s reason name.lock`), or by the Rust
//! crate, which writes its pid into it. It is honoured whatever it points to, and broken only on request.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use pstream_core::sequence::{RepairOptions, break_lock, inspect, rename, repair};
use pstream_core::{ErrorKind, FileSequence};

use crate::common::hooked::Hooked;
use crate::common::{assert_code, failure, folder, names, os, sequence, try_sequence};
use crate::holder_in;

/// The pid of a process that is dead and reaped.
fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

#[test]
fn any_link_is_a_lock() {
    let folder = folder();
    let path = folder.path().join("s.lock");
    fs::write(folder.path().join("a file"), "").unwrap();
    for target in ["moving files by hand", "a file", ".", "s.lock", "/", "1 2", "-1", "0", "99999999999"] {
        symlink(target, &path).unwrap();
        let known = holder_in(&failure(try_sequence(folder.path(), "s")));
        assert_eq!((known.note.as_deref(), known.host), (Some(target), None));
        assert_eq!(inspect(&*os(), folder.path(), "s").unwrap().lock.unwrap().note.as_deref(), Some(target));
        assert!(is_link(&path));
        fs::remove_file(&path).unwrap();
    }
    sequence(folder.path(), "s");
}

#[test]
fn a_link_to_a_pid_says_whether_it_lives() {
    let folder = folder();
    let path = folder.path().join("s.lock");
    for (pid, alive) in [(std::process::id(), true), (dead_pid(), false)] {
        symlink(pid.to_string(), &path).unwrap();
        let known = holder_in(&failure(try_sequence(folder.path(), "s")));
        assert_eq!((known.pid, known.alive, known.note), (Some(pid), Some(alive), Some(pid.to_string())));
        fs::remove_file(&path).unwrap();
    }
}

/// Everything that changes files honours it, and leaves it in its place.
#[test]
fn every_change_honours_it() {
    let folder = folder();
    sequence(folder.path(), "s").alloc(None).unwrap();
    symlink("by hand", folder.path().join("s.lock")).unwrap();
    symlink("by hand", folder.path().join("t.lock")).unwrap();
    let io = os();
    let options = RepairOptions { apply: true, close_gaps: true };
    assert_code(repair(&io, folder.path(), "s", options), "PSTREAM_LOCKED");
    assert_code(rename(&io, folder.path(), "s", "u"), "PSTREAM_LOCKED");
    repair(&io, folder.path(), "s", RepairOptions::default()).unwrap();
    fs::remove_file(folder.path().join("s.lock")).unwrap();
    assert_code(rename(&io, folder.path(), "s", "t"), "PSTREAM_LOCKED");
    assert_eq!(names(folder.path()), ["s.0001-12", "t.lock"]);
}

#[test]
fn breaking_it_takes_a_dead_pid_or_force() {
    let folder = folder();
    let path = folder.path().join("s.lock");
    let io = os();
    for (target, needs_force) in
        [(std::process::id().to_string(), true), (dead_pid().to_string(), false), ("a reason".to_owned(), false)]
    {
        symlink(&target, &path).unwrap();
        if needs_force {
            let error = failure(break_lock(&*io, folder.path(), "s", false));
            assert_eq!(holder_in(&error).note, Some(target.clone()));
            assert!(is_link(&path));
        }
        let broken = break_lock(&*io, folder.path(), "s", needs_force).unwrap().unwrap();
        assert_eq!(broken.note, Some(target));
        assert_eq!(names(folder.path()), Vec::<String>::new());
        sequence(folder.path(), "s");
    }
}

/// Nothing but a lock is removed.
#[test]
fn a_folder_in_its_place_is_not_broken() {
    let folder = folder();
    fs::create_dir(folder.path().join("s.lock")).unwrap();
    for force in [false, true] {
        let error = failure(break_lock(&*os(), folder.path(), "s", force));
        assert_eq!(*error.kind(), ErrorKind::InvalidFile, "{error}");
    }
    assert_eq!(names(folder.path()), ["s.lock"]);
}

/// The story: two break the same link. The slower one has looked, and sees a link to a dead process; then the faster one
/// removes it, opens the sequence, and makes a lock of its own at the very path that the slower one now removes. The
/// next opener would be a second holder.
#[test]
fn of_two_who_break_it_none_removes_the_lock_of_the_other() {
    for force in [false, true] {
        let folder = folder();
        let root = folder.path().to_owned();
        symlink(dead_pid().to_string(), root.join("s.lock")).unwrap();
        let faster: Arc<Mutex<Option<FileSequence>>> = Arc::default();
        let kept = Arc::clone(&faster);
        let slower = Hooked::new(move |call, path| {
            if call == "remove_file" && path.ends_with("s.lock") && kept.lock().unwrap().is_none() {
                drop(break_lock(&*os(), &root, "s", force));
                *kept.lock().unwrap() = try_sequence(&root, "s").ok();
            }
            Ok(())
        });
        drop(break_lock(&slower, folder.path(), "s", force));
        if faster.lock().unwrap().is_some() {
            assert_code(try_sequence(folder.path(), "s"), "PSTREAM_LOCKED");
        }
        drop(faster.lock().unwrap().take());
        sequence(folder.path(), "s").close().unwrap();
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
