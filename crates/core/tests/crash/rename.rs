//! A rename of a sequence, stopped and failed at every call: whoever opens either name afterwards finds the whole
//! sequence under it, or, once it was done, under the new one.

use std::path::Path;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::sequence::rename;
use pstream_core::{BlockFile, ErrorKind, FileOptions};
use pstream_sim::{Effect, Keep, SimDisk};

use crate::harness::{SHIFT, disk, fail_everywhere, open_sequence, rest, stop_everywhere};

const FILES: u8 = 3;

fn start(seed: u64) -> SimDisk {
    let disk = disk(seed);
    let sequence = open_sequence(&disk.io(), "a").unwrap();
    for number in 1..=FILES {
        sequence.alloc(None).unwrap().store_bytes(0, &[number; 16]).unwrap();
    }
    // Something that belongs to the sequence beside its files.
    disk.io().create_dir(Path::new("/d/a.meta/quarantine-1")).unwrap();
    disk.install("/d/a.meta/quarantine-1/old", b"evidence").unwrap();
    sequence.close().unwrap();
    rest(&disk);
    disk
}

fn program(io: &Arc<dyn Io>) -> bool {
    rename(io, Path::new("/d"), "a", "b").is_ok()
}

/// The numbers in the files of a sequence, which must be 1, 2, 3 if there are any; and its evidence beside them.
fn whole(disk: &SimDisk, name: &str, what: &str) -> bool {
    let sequence = open_sequence(&disk.io(), name).unwrap_or_else(|error| panic!("open {name}: {error}: {what}"));
    let files = sequence.retrieve().unwrap_or_else(|error| panic!("{error}: {what}"));
    let numbers: Vec<u8> = files
        .map(|file| {
            let mut byte = [0];
            file.unwrap().load_bytes(0, &mut byte).unwrap();
            byte[0]
        })
        .collect();
    sequence.close().unwrap();
    let evidence = disk.names(format!("/d/{name}.meta/quarantine-1")).is_ok_and(|names| names == ["old"]);
    assert!(numbers.is_empty() || numbers == [1, 2, 3], "{name} has {numbers:?}: {what}");
    assert_eq!(!numbers.is_empty(), evidence, "{name}: files and what belongs to them are apart: {what}");
    !numbers.is_empty()
}

fn found_under_the_name_that_is_opened(disk: &SimDisk, renamed: bool, what: &str) {
    for (first, second) in [("a", "b"), ("b", "a")] {
        let disk = disk.fork_after(&Keep::All);
        let under_first = whole(&disk, first, &format!("{first} opened first: {what}"));
        let under_second = whole(&disk, second, &format!("{second} opened second: {what}"));
        assert!(under_first != under_second, "{under_first} {under_second}, {first} opened first: {what}");
        if renamed {
            assert_eq!(under_first, first == "b", "{first} opened first: {what}");
        }
        // What was settled stays so, without a note left to act on.
        disk.power_cut(&Keep::None);
        assert_eq!(whole(&disk, first, what), under_first, "{first} once more: {what}");
        assert_eq!(whole(&disk, second, what), under_second, "{second} once more: {what}");
    }
}

#[test]
fn a_rename_that_is_stopped_is_finished_or_undone() {
    let states = stop_everywhere(&start(1), 15, program, |disk, renamed, what| {
        found_under_the_name_that_is_opened(disk, *renamed, what);
    });
    assert!(states > 1000, "only {states} states");
}

#[test]
fn a_rename_of_which_a_call_fails_is_finished_or_undone() {
    let states = fail_everywhere(
        &start(2),
        6,
        &[Effect::EIO, Effect::ENOSPC, Effect::FAIL_SYNC],
        program,
        |disk, renamed, what| {
            found_under_the_name_that_is_opened(disk, *renamed, what);
        },
    );
    assert!(states > 1000, "only {states} states");
}

/// The recovery of a rename can be stopped too.
#[test]
fn an_open_that_finishes_or_undoes_a_rename_may_be_stopped_itself() {
    let mut points = 0;
    for nth in 1.. {
        let disk = start(3);
        disk.inject(pstream_sim::Fault::new(Effect::Stop).nth(nth));
        let renamed = program(&disk.io());
        if !disk.is_stopped() {
            break;
        }
        assert!(!renamed);
        disk.power_cut(&Keep::any(nth));
        disk.clear_faults();
        points += 1;
        for name in ["a", "b"] {
            let opening = |io: &Arc<dyn Io>| open_sequence(io, name).is_ok();
            stop_everywhere(&disk, 1, opening, |disk, _, what| {
                found_under_the_name_that_is_opened(
                    disk,
                    false,
                    &format!("rename stopped at {nth}, {name} opened, {what}"),
                );
            });
        }
    }
    assert!(points > 30, "only {points} points");
}

/// Nothing of the old name, of the notes and of the locks is left, and none of it comes back.
#[test]
fn a_rename_is_durable_when_it_returns() {
    let disk = start(6);
    assert!(program(&disk.io()));
    disk.power_cut(&Keep::None);
    assert_eq!(disk.names("/d").unwrap(), ["b.0001-12", "b.0002-12", "b.0003-12", "b.meta"]);
    // The text about the last holder may come back: nothing depends on it.
    let beside = disk.names("/d/b.meta").unwrap();
    assert!(beside == ["quarantine-1"] || beside == ["holder", "quarantine-1"], "{beside:?}");
}

/// A note that was left, without its partner, says nothing: least of all about a new sequence of the old name.
#[test]
fn a_note_without_its_partner_is_ignored() {
    let disk = start(4);
    let io = disk.io();
    io.create_dir(Path::new("/d/b.meta")).unwrap();
    disk.install("/d/b.meta/rename-from", b"pstream-rename 1\n1-1\na\n").unwrap();
    assert!(!whole(&disk, "b", "an old note"));
    assert!(whole(&disk, "a", "an old note"));
    disk.install("/d/a.meta/rename-to", b"pstream-rename 1\n1-2\nb\n").unwrap();
    disk.io().create_dir(Path::new("/d/b.meta")).unwrap();
    disk.install("/d/b.meta/rename-from", b"pstream-rename 1\n1-1\na\n").unwrap();
    assert!(!whole(&disk, "b", "notes of two renames"));
    assert!(whole(&disk, "a", "notes of two renames"));
}

#[test]
fn a_rename_that_is_refused_changes_nothing() {
    let disk = start(5);
    let io = disk.io();
    let other = open_sequence(&io, "b").unwrap();
    other.alloc(None).unwrap();
    other.close().unwrap();
    let before = disk.names("/d").unwrap();
    let refusals =
        [("a", "b", "PSTREAM_ALREADY_EXISTS"), ("a", "a", "PSTREAM_INVALID_INPUT"), ("x", "y", "PSTREAM_NOT_FOUND")];
    for (from, to, code) in refusals {
        let error = rename(&io, Path::new("/d"), from, to).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let held = open_sequence(&io, "a").unwrap();
    assert!(matches!(rename(&io, Path::new("/d"), "a", "c").unwrap_err().kind(), ErrorKind::Locked(_)));
    held.close().unwrap();
    assert_eq!(disk.names("/d").unwrap(), before);
    BlockFile::open(&*io, Path::new("/d/a.0001-12"), SHIFT, FileOptions::default()).unwrap();
}
