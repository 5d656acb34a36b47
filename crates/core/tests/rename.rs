//! Renaming a sequence: everything moves or nothing does, and a rename that was interrupted anywhere is finished or
//! undone by the next open of either name, which finds the whole sequence under the name it asked for.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

mod common;

use std::fs;
use std::io::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::hooked::Hooked;
use common::{assert_code, assert_fails, failure, folder, indexes, names, os, sequence, sparse, try_sequence};
use pstream_core::ErrorKind;
use pstream_core::io::Io;

fn rename(root: &Path, from: &str, to: &str) -> pstream_core::Result<()> {
    pstream_core::sequence::rename(&os(), root, from, to)
}

/// A sequence of three files that know their names, and something in its folder.
fn lay_out(root: &Path, name: &str) {
    for index in 1..=3_u8 {
        fs::write(root.join(format!("{name}.000{index}-12")), [index; 4096]).unwrap();
    }
    fs::create_dir_all(root.join(format!("{name}.meta/quarantine-1"))).unwrap();
    fs::write(root.join(format!("{name}.meta/quarantine-1/{name}.bak")), "kept").unwrap();
    fs::write(root.join(format!("{name}.meta/cursor")), "7").unwrap();
}

/// That the whole of it is there under `name`, and nothing of it under `other`.
#[track_caller]
fn is_whole(root: &Path, name: &str, other: &str) {
    let opened = sequence(root, name);
    assert_eq!(indexes(&opened).unwrap(), [1, 2, 3], "under {name}");
    for file in opened.retrieve().unwrap() {
        let file = file.unwrap();
        let mut read = [0; 100];
        file.load_bytes(0, &mut read).unwrap();
        assert_eq!(u16::from(read[50]), file.index());
    }
    opened.close().unwrap();
    assert_eq!(fs::read(root.join(format!("{name}.meta/cursor"))).unwrap(), b"7");
    assert_eq!(names(&root.join(format!("{name}.meta/quarantine-1"))).len(), 1);
    assert_eq!(names(&root.join(format!("{name}.meta"))), ["cursor", "quarantine-1"]);
    // What a crash left of the other name, a lock or a note, is gone once that has been opened too.
    assert!(sequence(root, other).is_empty());
    let rest: Vec<String> = names(root).into_iter().filter(|entry| entry.starts_with(&format!("{other}."))).collect();
    let empty_folder = rest.len() == 1 && names(&root.join(&rest[0])).is_empty();
    assert!(rest.is_empty() || empty_folder, "{rest:?}");
}

#[test]
fn everything_moves() {
    let folder = folder();
    lay_out(folder.path(), "a");
    sparse(&folder.path().join("b"), 1);
    rename(folder.path(), "a", "b").unwrap();
    assert_eq!(names(folder.path()), ["b", "b.0001-12", "b.0002-12", "b.0003-12", "b.meta"]);
    is_whole(folder.path(), "b", "a");
    assert!(sequence(folder.path(), "a").is_empty());
    rename(folder.path(), "b", "a").unwrap();
    is_whole(folder.path(), "a", "b");
}

#[test]
fn gaps_and_lenient_spellings_move_as_they_are() {
    let folder = folder();
    for options in ["1-12", "0003-13", "+4-012"] {
        sparse(&folder.path().join(format!("a.{options}")), 8192);
    }
    rename(folder.path(), "a", "b.c").unwrap();
    assert_eq!(names(folder.path()), ["b.c.+4-012", "b.c.0003-13", "b.c.1-12"]);
}

#[test]
fn what_cannot_be_renamed() {
    let folder = folder();
    let root = folder.path();
    assert_code(rename(root, "a", "b"), "PSTREAM_NOT_FOUND");
    assert_code(rename(&root.join("none"), "a", "b"), "PSTREAM_NOT_FOUND");
    lay_out(root, "a");
    let before = common::tree(root);
    assert_fails(rename(root, "a", "a"), &ErrorKind::InvalidInput, "a sequence cannot be renamed to itself");
    for (from, to) in [("a/b", "c"), ("a", "c/d"), ("a", ""), ("", "a"), ("a", ".."), ("a", "x\0")] {
        assert_code(rename(root, from, to), "PSTREAM_INVALID_INPUT");
    }
    assert_code(rename(root, "none", "b"), "PSTREAM_NOT_FOUND");
    for taken in ["b.0001-12", "b.bak", "b.0009-30"] {
        sparse(&root.join(taken), 1);
        assert_code(rename(root, "a", "b"), "PSTREAM_ALREADY_EXISTS");
        fs::remove_file(root.join(taken)).unwrap();
    }
    fs::create_dir(root.join("b.meta")).unwrap();
    fs::write(root.join("b.meta/cursor"), "8").unwrap();
    assert_code(rename(root, "a", "b"), "PSTREAM_ALREADY_EXISTS");
    fs::remove_dir_all(root.join("b.meta")).unwrap();
    fs::create_dir(root.join("b.0002-12")).unwrap();
    assert_code(rename(root, "a", "b"), "PSTREAM_ALREADY_EXISTS");
    fs::remove_dir(root.join("b.0002-12")).unwrap();
    sparse(&root.join("a.bak"), 1);
    assert_code(rename(root, "a", "b"), "PSTREAM_SEQUENCE_BAD_NAME");
    fs::remove_file(root.join("a.bak")).unwrap();
    assert_eq!(common::tree(root), before, "nothing was changed");
}

#[test]
fn held_locks() {
    let folder = folder();
    lay_out(folder.path(), "a");
    for name in ["a", "b"] {
        let holder = sequence(folder.path(), name);
        assert_code(rename(folder.path(), "a", "b"), "PSTREAM_LOCKED");
        holder.close().unwrap();
    }
    rename(folder.path(), "a", "b").unwrap();
    is_whole(folder.path(), "b", "a");
}

/// The notes of a rename from `a` to `b`, by hand.
fn note(root: &Path, file: &str, token: &str, other: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("pstream-rename 1\n{token}\n{other}\n")).unwrap();
}

/// Both notes are there and agree, and so many of the files have moved: the opener decides which way it goes.
#[test]
fn a_rename_in_progress_goes_where_the_opener_looks() {
    let moves = ["0001-12", "0002-12", "0003-12", "meta/cursor", "meta/quarantine-1"];
    for moved in 0..=moves.len() {
        for (name, other) in [("a", "b"), ("b", "a")] {
            let folder = folder();
            let root = folder.path();
            lay_out(root, "a");
            note(root, "b.meta/rename-from", "token", "a");
            note(root, "a.meta/rename-to", "token", "b");
            for what in &moves[..moved] {
                fs::rename(root.join(format!("a.{what}")), root.join(format!("b.{what}"))).unwrap();
            }
            is_whole(root, name, other);
            // Settled for good: the other name is empty.
            assert!(sequence(root, other).is_empty());
            is_whole(root, name, other);
        }
    }
}

/// One note without its partner is left from before the beginning, or after the end. Nothing moves.
#[test]
fn a_note_without_its_partner_is_removed() {
    for (file, token, other) in [("b.meta/rename-from", "t", "a"), ("a.meta/rename-to", "t", "b")] {
        for opened in ["a", "b"] {
            let folder = folder();
            lay_out(folder.path(), "a");
            note(folder.path(), file, token, other);
            sequence(folder.path(), opened).close().unwrap();
            assert_eq!(sequence(folder.path(), "a").len(), 3);
            assert!(sequence(folder.path(), "b").is_empty());
            is_whole(folder.path(), "a", "b");
        }
    }
}

/// Notes that do not agree, or are none of ours, are left from something else.
#[test]
fn notes_that_do_not_agree_move_nothing() {
    for (token, other) in [("another", "a"), ("token", "c"), ("token", "b"), ("token", "../a"), ("token", "")] {
        let folder = folder();
        lay_out(folder.path(), "a");
        note(folder.path(), "b.meta/rename-from", token, other);
        note(folder.path(), "a.meta/rename-to", "token", "b");
        assert!(sequence(folder.path(), "b").is_empty());
        is_whole(folder.path(), "a", "b");
    }
    for content in
        [&b""[..], b"pstream-rename 2\ntoken\nb\n", b"pstream-rename 1\ntoken\nb", b"\xff\n\n\n", &[b'x'; 9000]]
    {
        let folder = folder();
        lay_out(folder.path(), "a");
        fs::write(folder.path().join("a.meta/rename-to"), content).unwrap();
        is_whole(folder.path(), "a", "b");
    }
}

/// Both notes of one sequence that name the sequence itself: nothing that a rename ever writes, and nothing to wait for.
#[test]
fn notes_that_name_their_own_sequence() {
    let folder = folder();
    lay_out(folder.path(), "a");
    note(folder.path(), "a.meta/rename-from", "token", "a");
    note(folder.path(), "a.meta/rename-to", "token", "a");
    is_whole(folder.path(), "a", "b");
}

/// A rename in progress whose partner somebody has open waits for them to settle it.
#[test]
fn a_partner_that_is_open_is_waited_for() {
    let folder = folder();
    lay_out(folder.path(), "a");
    let holder = sequence(folder.path(), "b");
    note(folder.path(), "b.meta/rename-from", "token", "a");
    note(folder.path(), "a.meta/rename-to", "token", "b");
    assert_code(try_sequence(folder.path(), "a"), "PSTREAM_LOCKED");
    holder.close().unwrap();
    is_whole(folder.path(), "a", "b");
}

/// The process ends at each call that changes something: from there on every call fails, the clean-up's too.
#[test]
fn interrupted_at_every_call() {
    let mut points = 0;
    for (name, other) in [("a", "b"), ("b", "a")] {
        for point in 0.. {
            let folder = folder();
            lay_out(folder.path(), "a");
            let calls = Arc::new(AtomicU32::new(0));
            let counter = Arc::clone(&calls);
            let io: Arc<dyn Io> = Arc::new(Hooked::new(move |_, _| {
                if counter.fetch_add(1, Ordering::Relaxed) < point { Ok(()) } else { Err(Error::other("power cut")) }
            }));
            let renamed = pstream_core::sequence::rename(&io, folder.path(), "a", "b");
            if renamed.is_ok() && calls.load(Ordering::Relaxed) <= point {
                points = point;
                break;
            }
            let before_the_beginning = !folder.path().join("b.meta/rename-from").exists();
            let whole = [sequence(folder.path(), "a").len(), sequence(folder.path(), "b").len()];
            assert!(whole == [3, 0] || whole == [0, 3], "{whole:?} at call {point}");
            if before_the_beginning || renamed.is_ok() {
                continue;
            }
            let (name, other) = if sequence(folder.path(), name).is_empty() { (other, name) } else { (name, other) };
            is_whole(folder.path(), name, other);
        }
    }
    assert!(points > 15, "{points} calls in a rename");
}

/// The open that settles an interrupted rename is interrupted itself, at each of its calls.
#[test]
fn settling_is_interrupted_at_every_call() {
    for opened in ["a", "b"] {
        for point in 0.. {
            let folder = folder();
            let root = folder.path();
            lay_out(root, "a");
            note(root, "b.meta/rename-from", "token", "a");
            note(root, "a.meta/rename-to", "token", "b");
            fs::rename(root.join("a.0002-12"), root.join("b.0002-12")).unwrap();
            let calls = Arc::new(AtomicU32::new(0));
            let counter = Arc::clone(&calls);
            let io = Hooked::new(move |_, _| {
                if counter.fetch_add(1, Ordering::Relaxed) < point { Ok(()) } else { Err(Error::other("power cut")) }
            });
            let options = common::sequence_options();
            let shape = common::shape(2, 12);
            let settled = pstream_core::FileSequence::open(Arc::new(io), root, opened, shape, options).map(drop);
            if settled.is_ok() && calls.load(Ordering::Relaxed) <= point {
                break;
            }
            let other = if opened == "a" { "b" } else { "a" };
            if point % 2 == 0 {
                is_whole(root, opened, other);
            } else {
                let found = [sequence(root, other).len(), sequence(root, opened).len()];
                assert!(found == [3, 0] || found == [0, 3], "{found:?} at call {point}");
            }
        }
    }
}

#[test]
fn a_name_that_is_too_long_for_its_files() {
    let folder = folder();
    lay_out(folder.path(), "a");
    let error = failure(rename(folder.path(), "a", &"x".repeat(248)));
    assert!(error.to_string().ends_with("is longer than 247 bytes"), "{error}");
    rename(folder.path(), "a", &"x".repeat(247)).unwrap();
    is_whole(folder.path(), &"x".repeat(247), "a");
}
