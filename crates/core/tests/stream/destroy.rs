//! Removing a stream: stopped and failed at every call, it opens without the records that are gone, or another call
//! removes the rest.

use std::path::Path;

use pstream_core::ErrorKind;
use pstream_core::io::OpenOptions;
use pstream_core::stream::{Level, PendingKind, destroy};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

use crate::harness::{DIR, commit_as, commit_each, disk, open, open_with, options, record, rest, write};
use crate::reader::read;

const RECORDS: u64 = 30;

/// Files that were trimmed, several in use, one prepared, a torn copy, a half-made file, and strangers.
fn full() -> (SimDisk, Vec<String>) {
    let disk = disk(71);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..6, 6000);
    log.release_first().unwrap();
    write(&mut log, &[record(6, 4000)]);
    drop(log);
    rest(&disk);
    // Its middle is lost.
    let last = crate::reader::names(&disk).pop().unwrap();
    let bytes = disk.cached_bytes(format!("{DIR}/{last}"), 0..u64::MAX).unwrap();
    let at = bytes.windows(6).rposition(|bytes| bytes == b"<6><6>").unwrap() as u64 / 4096 * 4096;
    disk.zero_on_disk(format!("{DIR}/{last}"), at..at + 4096).unwrap();
    let (mut log, recovery) = open(&disk);
    assert!(recovery.torn.is_some());
    for number in recovery.next_seq..RECORDS {
        commit_as(&mut log, PendingKind::Records, &[record(number, 3000)], Level::Durable).unwrap();
    }
    log.prepare_next().unwrap();
    log.close().unwrap();
    let io = disk.io();
    for path in ["/d/s.meta/alloc.tmp", "/d/s.meta/notes", "/d/t.0001-12", "/d/s2.0001-12", "/d/s.txt.bak"] {
        io.create(Path::new(path), 0o600, OpenOptions::default()).unwrap();
    }
    for path in ["/d/s.meta/quarantine-1", "/d/s.folder"] {
        io.create_dir(Path::new(path)).unwrap();
    }
    io.create(Path::new("/d/s.meta/quarantine-1/s.0001-12"), 0o600, OpenOptions::default()).unwrap();
    rest(&disk);
    let strangers = disk.names(DIR).unwrap().into_iter().filter(|name| {
        let path = format!("{DIR}/{name}");
        name != "s.lock" && (!name.starts_with("s.0") || disk.names(path).is_ok())
    });
    let strangers = strangers.collect();
    (disk, strangers)
}

fn gone(disk: &SimDisk, strangers: &[String], what: &str) {
    assert_eq!(disk.names(DIR).unwrap(), strangers, "{what}");
    // Who held the lock: text for messages, which a power cut may bring back.
    let meta: Vec<String> = disk.names("/d/s.meta").unwrap().into_iter().filter(|name| name != "holder").collect();
    assert_eq!(meta, ["notes", "quarantine-1"], "{what}");
    assert_eq!(disk.names("/d/s.meta/quarantine-1").unwrap(), ["s.0001-12"], "{what}");
}

/// It opens, with a run of the newest records; or there is nothing of it.
fn opens(disk: &SimDisk, what: &str) {
    let (log, recovery) =
        open_with(&disk.io(), &options()).unwrap_or_else(|error| panic!("{what}: does not open: {error}"));
    let contents = read(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let records = contents.records();
    if records.is_empty() && recovery.next_seq == 0 {
        return;
    }
    assert_eq!(recovery.next_seq, RECORDS, "{what}: the newest records go last");
    assert_eq!(contents.start + records.len() as u64, RECORDS, "{what}");
    for (seq, bytes) in (contents.start..).zip(&records) {
        assert!(bytes.starts_with(format!("<{seq}>").as_bytes()), "{what}: seq {seq}");
    }
    drop(log);
}

fn finish(disk: &SimDisk, strangers: &[String], what: &str) {
    match destroy(&disk.io(), Path::new(DIR), &options()) {
        Ok(()) => {}
        Err(error) if *error.kind() == ErrorKind::NotFound => {}
        Err(error) => panic!("{what}: cannot be finished: {error}"),
    }
    // An open that finds nothing to destroy leaves its lock to the next one.
    disk.io().remove_file(Path::new("/d/s.lock")).ok();
    disk.io().remove_file(Path::new("/d/s.meta/holder")).ok();
    gone(disk, strangers, what);
}

#[test]
fn all_of_it_and_nothing_else_is_removed() {
    let (disk, strangers) = full();
    opens(&disk.fork(), "before");
    destroy(&disk.io(), Path::new(DIR), &options()).unwrap();
    gone(&disk, &strangers, "after");
    disk.power_cut(&Keep::None);
    gone(&disk, &strangers, "after a power cut");
    let error = destroy(&disk.io(), Path::new(DIR), &options()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    gone(&disk, &strangers, "refused");
    assert_eq!(open(&disk).1.next_seq, 0, "a new one");
}

#[test]
fn stopped_and_failed_at_every_call() {
    let (start, strangers) = full();
    let mut states = 0;
    for effect in [Effect::Stop, Effect::StopAfter, Effect::EIO, Effect::FAIL_SYNC, Effect::ENOSPC] {
        for nth in 1.. {
            let disk = start.fork();
            disk.inject(Fault::new(effect.clone()).nth(nth));
            let done = destroy(&disk.io(), Path::new(DIR), &options());
            let hit = disk.is_stopped() || disk.faults_fired() > 0;
            if !hit {
                done.unwrap();
                break;
            }
            let what = format!("{effect:?} at call {nth}");
            disk.clear_faults();
            if !disk.is_stopped() {
                opens(&disk.fork(), &what);
                finish(&disk.fork(), &strangers, &what);
            }
            for keep in [Keep::None, Keep::All, Keep::any(nth), Keep::any(nth + 99)] {
                let what = format!("{what}, {keep:?}");
                let after = disk.fork_after(&keep);
                opens(&after.fork(), &what);
                finish(&after, &strangers, &what);
                states += 1;
            }
        }
    }
    assert!(states > 300, "{states}");
}

#[test]
fn an_open_stream_is_not_destroyed() {
    let disk = disk(72);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..1, 100);
    let error = destroy(&disk.io(), Path::new(DIR), &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Locked(_)), "{error}");
    commit_each(&mut log, 1..2, 100);
    log.close().unwrap();
    assert_eq!(open(&disk).1.next_seq, 2);
}

/// Files of a sequence that holds something else are left alone.
#[test]
fn what_is_no_stream_is_refused() {
    let disk = disk(73);
    let shape = pstream_core::Shape::new(8, 12).unwrap();
    let sequence = pstream_core::FileSequence::open(
        disk.io(),
        Path::new(DIR),
        "s",
        shape,
        pstream_core::SequenceOptions::default(),
    );
    let sequence = sequence.unwrap();
    sequence.alloc(None).unwrap().store_bytes(3, b"somebody else's").unwrap();
    sequence.close().unwrap();
    let error = destroy(&disk.io(), Path::new(DIR), &options()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidFile);
    assert_eq!(crate::reader::names(&disk).len(), 1);
}
