//! The operating system against the contracts of `pstream_core::io`: locks, notes and the process. What a platform
//! cannot do is skipped, and says so in the output.

mod os;

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime};

use os::{kind_of, name, symlink};
use pstream_core::io::Io;
use pstream_core::io::os::OsIo;

#[test]
fn a_lock_has_one_holder_and_is_given_up_when_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = name(&dir, "name.lock");
    let first = OsIo.open_lock(&path, Some(0o600)).unwrap();
    let second = OsIo.open_lock(&path, Some(0o600)).unwrap();
    assert!(first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    let from_another_thread = std::thread::spawn(move || second.try_lock().map(|got| (got, second)));
    let (got, second) = from_another_thread.join().unwrap().unwrap();
    assert!(!got);
    drop(first);
    assert!(second.try_lock().unwrap());
}

#[test]
fn a_lock_file_can_be_removed_while_it_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let path = name(&dir, "name.lock");
    if !os::removal_is_immediate(&dir) {
        return;
    }
    let held = OsIo.open_lock(&path, Some(0o600)).unwrap();
    assert!(held.try_lock().unwrap() && held.is_at(&path).unwrap());
    let waiting = OsIo.open_lock(&path, Some(0o600)).unwrap();
    OsIo.remove_file(&path).unwrap();
    drop(held);
    // Got, but of a file that has no name any more.
    assert!(waiting.try_lock().unwrap());
    assert!(!waiting.is_at(&path).unwrap());
    drop(waiting);
    let next = OsIo.open_lock(&path, Some(0o600)).unwrap();
    assert!(next.try_lock().unwrap() && next.is_at(&path).unwrap());
}

#[test]
fn a_lock_file_is_a_regular_file() {
    let dir = tempfile::tempdir().unwrap();
    OsIo.create_dir(&name(&dir, "folder")).unwrap();
    assert_eq!(kind_of(OsIo.open_lock(&name(&dir, "folder"), Some(0o600))), ErrorKind::InvalidInput);
    for (link, target) in [("held", "1234"), ("to-folder", "folder")] {
        if symlink(&name(&dir, target), &name(&dir, link)) {
            assert_eq!(kind_of(OsIo.open_lock(&name(&dir, link), Some(0o600))), ErrorKind::InvalidInput);
        }
    }
    assert!(!name(&dir, "1234").exists());
    assert_eq!(kind_of(OsIo.open_lock(&name(&dir, "none"), None)), ErrorKind::NotFound);
    assert!(!name(&dir, "none").exists());
    OsIo.open_lock(&name(&dir, "none"), Some(0o600)).unwrap();
    OsIo.open_lock(&name(&dir, "none"), None).unwrap();
    // What is in it already stays there.
    fs::write(name(&dir, "old.lock"), b"text").unwrap();
    OsIo.open_lock(&name(&dir, "old.lock"), Some(0o600)).unwrap();
    assert_eq!(fs::read(name(&dir, "old.lock")).unwrap(), b"text");
}

#[test]
fn notes_are_replaced_and_read_up_to_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = name(&dir, "note");
    assert_eq!(kind_of(OsIo.read_note(&path, 10)), ErrorKind::NotFound);
    OsIo.write_note(&path, 0o600, b"a long note").unwrap();
    OsIo.write_note(&path, 0o600, b"shorter").unwrap();
    assert_eq!(OsIo.read_note(&path, 100).unwrap(), b"shorter");
    assert_eq!(OsIo.read_note(&path, 7).unwrap(), b"shorter");
    assert_eq!(OsIo.read_note(&path, 5).unwrap(), b"short");
    assert_eq!(OsIo.read_note(&path, 0).unwrap(), b"");
    fs::write(name(&dir, "other"), b"stays").unwrap();
    if symlink(&name(&dir, "other"), &name(&dir, "link")) {
        assert!(OsIo.write_note(&name(&dir, "link"), 0o600, b"no").is_err());
        assert!(OsIo.read_note(&name(&dir, "link"), 10).is_err());
        assert_eq!(fs::read(name(&dir, "other")).unwrap(), b"stays");
    }
}

#[test]
fn processes_are_told_alive_from_dead() {
    let own = std::process::id();
    assert_eq!(OsIo.identity().pid, own);
    assert_eq!(OsIo.process_alive(own), Some(true));
    // Far above what any of the systems gives out.
    assert_eq!(OsIo.process_alive(0x7fff_fff0), Some(false));
    assert_ne!(OsIo.process_alive(0), Some(true));
    assert_ne!(OsIo.process_alive(u32::MAX), Some(true));
    if cfg!(windows) {
        // Ids are multiples of four there, and others are rounded down when asked for.
        assert_ne!(OsIo.process_alive(own | 1), Some(true));
    }
}

#[test]
fn identity_does_not_change() {
    let identity = OsIo.identity();
    assert_eq!(identity, OsIo.identity());
    assert!(identity.host.is_none_or(|host| !host.is_empty() && !host.contains('\0')));
    assert!(identity.boot_id.is_none_or(|id| !id.is_empty() && id.trim() == id));
    if cfg!(target_os = "linux") {
        assert!(OsIo.identity().boot_id.is_some());
    }
}

#[test]
fn time_passes() {
    assert!(OsIo.now() > SystemTime::UNIX_EPOCH);
    let clock = Instant::now();
    OsIo.sleep(Duration::from_millis(20));
    assert!(clock.elapsed() >= Duration::from_millis(20));
}
