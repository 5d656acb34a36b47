//! A folder full of strangers, and strangers in the place of what is ours: on the real system.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use pstream_core::stream::LogOptions;

use crate::common::streams::{commit, holds, open, options as sized, record};
use crate::common::{folder, sequence_options, tree};

fn options() -> LogOptions {
    LogOptions { sequence: sequence_options(), ..sized(8, 16) }
}

fn stream(folder: &Path, count: u64) {
    let (mut log, _) = open(folder, &options()).unwrap();
    for number in 0..count {
        commit(&mut log, &[record(number)]).unwrap();
    }
    log.close().unwrap();
}

/// Runs it in a thread of its own: a pipe that nobody writes to would keep it for good.
#[track_caller]
fn without_hanging<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    std::thread::spawn(move || drop(sender.send(work())));
    receiver.recv_timeout(Duration::from_secs(30)).expect("it hangs")
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Whatever it is called, what is not spelled like a file of the stream is nobody's business.
#[test]
fn a_folder_full_of_strangers() {
    let folder = folder();
    let root = folder.path();
    let names = ["events", "event", "eventss", "Events.0001-12", "events-0001-12", "events.0001_12.x.y", ".events"];
    for name in names {
        fs::write(root.join(name), name).unwrap();
    }
    for number in 0..300 {
        fs::write(root.join(format!("other.{number:04x}-12")), b"another stream's").unwrap();
        fs::write(root.join(format!("\u{1f4a9} {number}.0001-12")), b"x").unwrap();
        fs::write(root.join(format!("events.{number}.0001-12")), b"the stream 'events.N'").unwrap();
    }
    fs::create_dir_all(root.join("events.0000-12/below")).unwrap();
    fs::create_dir(root.join("events.ffff-99")).unwrap();
    symlink("nowhere", root.join("events.link")).unwrap();
    symlink("/", root.join("root")).unwrap();
    pipe(&root.join("pipe"));
    let _socket = UnixListener::bind(root.join("events.socket")).unwrap();
    let before = tree(root);
    let path = root.to_owned();
    without_hanging(move || {
        stream(&path, 30);
        let (log, recovery) = open(&path, &options()).unwrap();
        assert_eq!(recovery.next_seq, 30);
        holds(&log, &(0..30).map(record).collect::<Vec<_>>());
    });
    let after = tree(root);
    assert!(before.iter().all(|file| after.contains(file)), "somebody else's file was changed");
}

/// In the place of a file of the stream.
#[test]
fn in_the_way() {
    type Make = fn(&Path);
    let kinds: [(&str, Make); 5] = [
        ("link", |path| symlink("/etc/passwd", path).unwrap()),
        ("broken link", |path| symlink("nowhere", path).unwrap()),
        ("pipe", pipe),
        ("folder", |path| fs::create_dir(path).unwrap()),
        ("empty file", |path| drop(File::create(path).unwrap())),
    ];
    // The next file, one that is there already with its own removed, the lock, the note of its holder, all of `meta`.
    for place in ["events.0002-12", "events.0001-12", "events.lock", "events.meta/holder", "events.meta"] {
        for (kind, make) in kinds {
            let folder = folder();
            let root = folder.path().to_owned();
            let what = format!("{kind} at {place}");
            stream(&root, 2);
            let kept = fs::read(root.join("events.0001-12")).unwrap();
            if place == "events.0001-12" {
                fs::remove_file(root.join(place)).unwrap();
            }
            // Of the lock what a close leaves.
            match place {
                "events.lock" => fs::remove_file(root.join(place)).unwrap(),
                "events.meta" => fs::remove_dir_all(root.join(place)).unwrap(),
                _ => {}
            }
            make(&root.join(place));
            let passwd = fs::read("/etc/passwd").unwrap();
            let (path, said) = (root.clone(), what.clone());
            let outcome = without_hanging(move || {
                let (mut log, _) = open(&path, &options())?;
                // Enough to need the next file.
                for number in log.next_seq()..40 {
                    commit(&mut log, &[record(number)])?;
                }
                holds(&log, &(0..40).map(record).collect::<Vec<_>>());
                drop(said);
                log.close()
            });
            println!(
                "{what}: {}",
                outcome
                    .as_ref()
                    .map_or_else(|error| format!("{} {error}", error.code()), |()| "of no consequence".to_owned())
            );
            assert!(fs::read("/etc/passwd").unwrap() == passwd);
            // With the stranger gone all is as it was.
            let stranger = root.join(place);
            if outcome.is_err() {
                if fs::symlink_metadata(&stranger).is_ok_and(|metadata| metadata.is_dir()) {
                    fs::remove_dir_all(&stranger).unwrap();
                } else {
                    fs::remove_file(&stranger).unwrap();
                }
                if place == "events.0001-12" {
                    fs::write(&stranger, &kept).unwrap();
                }
                let (log, recovery) = open(&root, &options()).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(recovery.next_seq >= 2, "{what}");
                holds(&log, &(0..recovery.next_seq).map(record).collect::<Vec<_>>());
            }
        }
    }
}

/// No name leads out of its folder, and none is too long for the files it leads to.
#[test]
fn names() {
    let folder = folder();
    let root = folder.path().join("inner");
    fs::create_dir(&root).unwrap();
    let too_long = "x".repeat(248);
    let longest = "x".repeat(247);
    for name in ["", ".", "..", "a/b", "../a", "/a", "a/", "a\0b", "./a", &too_long, &"x".repeat(5000)] {
        let error = open(&root, &LogOptions { name: name.to_owned(), ..options() }).unwrap_err();
        assert_eq!(error.code(), "PSTREAM_INVALID_INPUT", "{name:?}: {error}");
    }
    assert_eq!((tree(folder.path()).len(), fs::read_dir(&root).unwrap().count()), (0, 0));
    for name in ["...", "a.b", ".hidden", " ", "a\nb", "\u{1f4a9}", "a-1", "0001-12", "-", "*", &longest] {
        for round in 0..2 {
            let options = LogOptions { name: name.to_owned(), ..options() };
            let (mut log, recovery) = open(&root, &options).unwrap_or_else(|error| panic!("{name:?}: {error}"));
            assert_eq!(recovery.next_seq, round, "{name:?}");
            commit(&mut log, &[record(round)]).unwrap();
            log.close().unwrap();
        }
    }
}
