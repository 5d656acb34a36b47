//! Who may open while somebody has it open, and what is told of the holder.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use pstream_core::sequence::{break_lock, inspect};
use pstream_core::{ErrorKind, FileSequence};
use tempfile::TempDir;

use crate::common::hooked::Hooked;
use crate::common::probe::rename_open;
use crate::common::{
    Guarded, assert_code, await_file, failure, folder, helper, names, os, sequence, sequence_options, shape,
    try_sequence,
};
use crate::{holder_in, open_within};

/// A folder `root` for the sequence, in one for the signs that processes give each other.
fn rooted() -> (TempDir, PathBuf) {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    (folder, root)
}

/// Another process that has the sequence open.
fn holder(folder: &TempDir) -> Guarded {
    let child = Guarded(helper("hold", folder.path()).spawn().unwrap());
    await_file(&folder.path().join("held"));
    child
}

#[test]
fn one_opener_within_a_process() {
    let folder = folder();
    let first = sequence(folder.path(), "s");
    for _ in 0..3 {
        let known = holder_in(&failure(try_sequence(folder.path(), "s")));
        assert_eq!((known.pid, known.alive), (Some(std::process::id()), Some(true)));
    }
    sequence(folder.path(), "another name");
    first.close().unwrap();
    sequence(folder.path(), "s");
}

#[test]
fn one_opener_among_processes() {
    let (folder, root) = rooted();
    let mut child = holder(&folder);
    let before = SystemTime::now();
    let known = holder_in(&failure(try_sequence(&root, "s")));
    assert_eq!((known.pid, known.alive, known.note.clone()), (Some(child.0.id()), Some(true), None));
    assert!(known.since.unwrap() <= before && known.since.unwrap() > before - Duration::from_secs(600));
    assert_eq!(inspect(&*os(), &root, "s").unwrap().lock, Some(known));
    fs::write(folder.path().join("release"), "").unwrap();
    // Waits for the other one to let go.
    let sequence = open_within(&root, Duration::from_secs(30)).unwrap();
    assert!(child.0.wait().unwrap().success());
    sequence.close().unwrap();
    assert_eq!(names(&root), Vec::<String>::new(), "no lock and no text of a holder is left");
}

/// The kernel gives the lock up when a process dies, however it dies: what it leaves behind is in nobody's way.
#[test]
fn a_killed_holder_is_no_holder() {
    let (folder, root) = rooted();
    let mut child = holder(&folder);
    assert_code(try_sequence(&root, "s"), "PSTREAM_LOCKED");
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    assert_eq!(names(&root), ["s.lock", "s.meta"]);
    assert_eq!(inspect(&*os(), &root, "s").unwrap().lock, None);
    assert_eq!(names(&root), ["s.lock", "s.meta"], "who looks changes nothing");
    let sequence = sequence(&root, "s");
    let known = holder_in(&failure(try_sequence(&root, "s")));
    assert_eq!(known.pid, Some(std::process::id()), "the text is that of the new holder");
    sequence.close().unwrap();
    assert_eq!(names(&root), Vec::<String>::new());
}

#[test]
fn a_process_that_ends_without_closing() {
    let (folder, root) = rooted();
    assert!(helper("exit", folder.path()).status().unwrap().success());
    assert_eq!(names(&root), ["s.0001-12", "s.lock", "s.meta"]);
    assert_eq!(sequence(&root, "s").len(), 1);
}

/// A lock is waited for as long as asked, and not much longer.
#[test]
fn waiting_for_a_lock() {
    let folder = folder();
    let first = open_within(folder.path(), Duration::ZERO).unwrap();
    for (timeout, at_least) in
        [(Duration::ZERO, Duration::ZERO), (Duration::from_millis(150), Duration::from_millis(150))]
    {
        let begin = Instant::now();
        assert_code(open_within(folder.path(), timeout), "PSTREAM_LOCKED");
        assert!(begin.elapsed() >= at_least && begin.elapsed() < at_least + Duration::from_secs(5));
    }
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| open_within(folder.path(), Duration::from_secs(30)));
        std::thread::sleep(Duration::from_millis(100));
        first.close().unwrap();
        assert!(waiter.join().unwrap().is_ok());
    });
}

#[test]
fn the_lock_is_removed_on_close_and_on_drop() {
    let folder = folder();
    let first = sequence(folder.path(), "s");
    assert_eq!(names(folder.path()), ["s.lock", "s.meta"]);
    assert_eq!(names(&folder.path().join("s.meta")), ["holder"]);
    first.close().unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new());
    drop(sequence(folder.path(), "s"));
    assert_eq!(names(folder.path()), Vec::<String>::new());
    drop(first);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

/// Dropped or closed, the folder is synced after the lock is gone.
#[test]
fn a_drop_syncs_the_folder_like_a_close() {
    for close in [true, false] {
        let folder = folder();
        let trace: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&trace);
        let io = Hooked::new(move |call, path| {
            kept.lock().unwrap().push(format!("{call} {}", path.file_name().unwrap().to_string_lossy()));
            Ok(())
        });
        let options = sequence_options();
        let sequence = FileSequence::open(Arc::new(io), folder.path(), "s", shape(1, 12), options).unwrap();
        let root = format!("sync_dir {}", sequence.root().file_name().unwrap().to_string_lossy());
        trace.lock().unwrap().clear();
        if close {
            sequence.close().unwrap();
        }
        drop(sequence);
        assert_eq!(*trace.lock().unwrap(), ["remove_file holder", "remove_file s.lock", &root]);
    }
}

/// What else lies in the folder of the sequence stays.
#[test]
fn a_close_leaves_what_is_not_its_own() {
    let folder = folder();
    let meta = folder.path().join("s.meta");
    fs::create_dir(&meta).unwrap();
    fs::write(meta.join("cursor"), "7").unwrap();
    sequence(folder.path(), "s").close().unwrap();
    assert_eq!((names(folder.path()), names(&meta)), (vec!["s.meta".to_owned()], vec!["cursor".to_owned()]));
}

/// Somebody replaced the lock file by hand: a close leaves theirs alone.
#[test]
fn a_close_leaves_a_lock_that_is_not_its_own() {
    let folder = folder();
    let first = sequence(folder.path(), "s");
    let path = folder.path().join("s.lock");
    if !rename_open(&path, &folder.path().join("moved")) {
        return;
    }
    fs::write(&path, "theirs").unwrap();
    first.close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
}

/// The text is written on taking the lock; a torn or senseless one is no reason to fail, and decides nothing.
#[test]
fn a_senseless_text_decides_nothing() {
    let folder = folder();
    let text = folder.path().join("s.meta/holder");
    let first = sequence(folder.path(), "s");
    for content in [
        &b""[..],
        b"pid",
        b"pid x\nhost \n",
        b"\xff\xfe",
        &vec![b'a'; 100_000],
        b"pid 4294967296\nsince 99999999999999999999\n",
    ] {
        fs::write(&text, content).unwrap();
        let known = holder_in(&failure(try_sequence(folder.path(), "s")));
        assert_eq!((known.pid, known.alive), (None, Some(true)));
    }
    // A pid of another machine says nothing; that of an earlier boot is dead. The lock itself says that he lives.
    fs::write(&text, "pid 1\nhost nowhere.invalid\nboot x\nsince 86400000\n").unwrap();
    let known = holder_in(&failure(try_sequence(folder.path(), "s")));
    assert_eq!((known.pid, known.host.as_deref(), known.alive), (Some(1), Some("nowhere.invalid"), Some(true)));
    assert_eq!(known.since, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(86400)));
    first.close().unwrap();
    fs::create_dir_all(folder.path().join("s.meta")).unwrap();
    fs::write(&text, "pid 1\nhost x\nboot y\nsince 0\n").unwrap();
    sequence(folder.path(), "s");
}

#[test]
fn what_is_in_the_place_of_the_lock() {
    let folder = folder();
    fs::create_dir(folder.path().join("s.lock")).unwrap();
    let error = failure(try_sequence(folder.path(), "s"));
    assert_eq!(*error.kind(), ErrorKind::InvalidFile, "{error}");
    let report = inspect(&*os(), folder.path(), "s").unwrap();
    assert!(!report.openable, "{report:?}");
    fs::remove_dir(folder.path().join("s.lock")).unwrap();
    fs::write(folder.path().join("s.lock"), "any text").unwrap();
    sequence(folder.path(), "s");
}

/// Breaking is for locks that nobody can release. A lock of the operating system is released by itself.
#[test]
fn a_lock_that_is_held_cannot_be_broken() {
    let (folder, root) = rooted();
    let io = os();
    assert_eq!(break_lock(&*io, &root, "s", false).unwrap(), None, "there is none");
    let mut child = holder(&folder);
    for force in [false, true] {
        let known = holder_in(&failure(break_lock(&*io, &root, "s", force)));
        assert_eq!((known.pid, known.alive), (Some(child.0.id()), Some(true)));
    }
    assert_code(try_sequence(&root, "s"), "PSTREAM_LOCKED");
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let broken = break_lock(&*io, &root, "s", false).unwrap().unwrap();
    assert_eq!((broken.pid, broken.alive), (Some(child.0.id()), Some(false)));
    assert!(!root.join("s.lock").exists());
    assert_eq!(break_lock(&*io, &root, "s", true).unwrap(), None);
    sequence(&root, "s");
}
