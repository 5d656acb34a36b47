//! What an open finds, refuses and ignores; the window of indexes and its bounds.

use std::fs;
use std::path::Path;

use pstream_core::{ErrorKind, FileSequence};

use crate::common::probe::{can_resolve, rename_open};
use crate::common::{
    assert_code, assert_fails, failure, folder, indexes, names, os, sequence, sequence_options, shape, sparse,
    try_sequence,
};

fn touch(folder: &Path, name: &str) {
    sparse(&folder.join(name), 4096);
}

/// The window that an open of files with these indexes finds.
fn window(present: &[u16]) -> pstream_core::Result<(u16, u16)> {
    let folder = folder();
    for index in present {
        touch(folder.path(), &format!("s.{index:04x}-12"));
    }
    let sequence = try_sequence(folder.path(), "s")?;
    Ok((sequence.start(), sequence.end()))
}

#[test]
fn an_empty_folder_starts_at_one() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    assert_eq!((sequence.start(), sequence.end(), sequence.len(), sequence.is_empty()), (1, 1, 0, true));
    assert_eq!((sequence.root(), sequence.name()), (&*fs::canonicalize(folder.path()).unwrap(), "s"));
    assert_eq!(indexes(&sequence).unwrap(), []);
    sequence.close().unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new(), "nothing is left behind");
}

#[test]
fn the_window_spans_the_files_also_where_it_wraps() {
    for (present, expected) in [
        (&[1][..], (1, 2)),
        (&[0], (0, 1)),
        (&[0xffff], (0xffff, 0)),
        (&[0xfffe, 0xffff, 0, 1], (0xfffe, 2)),
        (&[7, 9], (7, 10)),
        (&[1, 0x3fff], (1, 0x4000)),
        (&[0x3fff, 1, 0x2000], (1, 0x4000)),
        (&[0xe000, 0x1ffe], (0xe000, 0x1fff)),
        (&[0xffff, 0x3ffd], (0xffff, 0x3ffe)),
    ] {
        assert_eq!(window(present).unwrap(), expected, "{present:x?}");
    }
}

#[test]
fn files_too_far_apart() {
    let kind = ErrorKind::SequenceOutOfRange(0x4002);
    assert_fails(window(&[1, 0x4002]), &kind, "filesequence: index 0x4002 out of range");
    let kind = ErrorKind::SequenceTooLong(1, 0x4001);
    assert_fails(window(&[1, 0x1fff, 0x4000]), &kind, "filesequence: 0x0001..0x4001 is too long");
    assert_fails(window(&[1, 0x4000]), &kind, "filesequence: 0x0001..0x4001 is too long");
    let kind = ErrorKind::SequenceTooLong(0xffff, 0x3fff);
    assert_fails(window(&[0xffff, 0x3ffe]), &kind, "filesequence: 0xffff..0x3fff is too long");
    assert_code(window(&[0, 0x8000]), "PSTREAM_SEQUENCE_OUT_OF_RANGE");
    assert_code(window(&[0, 0x5555, 0xaaaa]), "PSTREAM_SEQUENCE_OUT_OF_RANGE");
}

/// An error must not keep the lock, nor leave its file behind.
#[test]
fn a_failed_open_gives_the_lock_up() {
    let folder = folder();
    touch(folder.path(), "s.xxx");
    for _ in 0..2 {
        assert_code(try_sequence(folder.path(), "s"), "PSTREAM_SEQUENCE_BAD_NAME");
        assert_eq!(names(folder.path()), ["s.xxx"]);
    }
    fs::remove_file(folder.path().join("s.xxx")).unwrap();
    sequence(folder.path(), "s");
}

#[test]
fn the_folder_must_exist() {
    let folder = folder();
    let error = failure(try_sequence(&folder.path().join("none"), "s"));
    assert_eq!((error.kind(), error.path()), (&ErrorKind::NotFound, Some(&*folder.path().join("none"))));
    assert_fails(try_sequence(Path::new("a\0b"), "s"), &ErrorKind::InvalidInput, "path contains a zero byte");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let message = format!("'{}' is not a folder", file.display());
    assert_fails(try_sequence(&file, "s"), &ErrorKind::InvalidFile, &message);
    assert_eq!(names(folder.path()), ["file"]);
}

/// Longer than the 255 bytes that the crate allows.
#[test]
fn a_deep_folder_is_fine() {
    let folder = folder();
    let mut deep = fs::canonicalize(folder.path()).unwrap();
    for _ in 0..5 {
        deep.push("x".repeat(100));
    }
    fs::create_dir_all(&deep).unwrap();
    if !can_resolve(&deep) {
        return;
    }
    let sequence = sequence(&deep, "s");
    sequence.alloc(None).unwrap().store_bytes(0, b"x").unwrap();
    assert_eq!(indexes(&sequence).unwrap(), [1]);
}

/// A relative root is resolved once: a later change of the working directory or of a link does not matter.
#[cfg(unix)]
#[test]
fn the_folder_is_kept_resolved() {
    let folder = folder();
    for name in ["one", "two"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("one", &link).unwrap();
    let sequence = sequence(&link, "s");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("two", &link).unwrap();
    sequence.alloc(None).unwrap();
    assert!(folder.path().join("one/s.0001-12").is_file());
    assert_eq!(names(&folder.path().join("two")), Vec::<String>::new());
}

#[test]
fn what_is_of_other_names_or_no_file_is_ignored() {
    let folder = folder();
    for name in ["s", "other.xxx", "s2.0001-12", "s.0001-12.bak", ".s.0001-12", "ss.0001-12", ".pstream-tmp-1-0"] {
        touch(folder.path(), name);
    }
    for name in ["s.0005-12", "s.xxx", "s.meta", "s.d"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::create_dir_all(folder.path().join("s.meta/quarantine-1")).unwrap();
    touch(folder.path(), "s.meta/s.0009-12");
    touch(folder.path(), "s.0001-12");
    let sequence = sequence(folder.path(), "s");
    assert_eq!((sequence.start(), sequence.end()), (1, 2));
    assert_eq!(indexes(&sequence).unwrap(), [1]);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_data_file_is_refused() {
    let folder = folder();
    let path = fs::canonicalize(folder.path()).unwrap().join("s.0002-12");
    touch(folder.path(), "s.0001-12");
    touch(folder.path(), "target");
    std::os::unix::fs::symlink("target", &path).unwrap();
    let message = format!("'{}' is a symbolic link, not a file", path.display());
    assert_fails(try_sequence(folder.path(), "s"), &ErrorKind::InvalidFile, &message);
    fs::remove_file(&path).unwrap();
    let sequence = sequence(folder.path(), "s");
    std::os::unix::fs::symlink("target", &path).unwrap();
    assert_fails(sequence.retrieve(), &ErrorKind::InvalidFile, &message);
    assert_code(sequence.alloc(None), "PSTREAM_ALREADY_EXISTS");
    // A link whose name is none of a data file is nobody's business.
    fs::rename(&path, folder.path().join("s.note")).unwrap();
    assert_eq!(indexes(&sequence).unwrap(), [1]);
}

#[test]
fn two_sequences_share_a_folder() {
    let folder = folder();
    let (one, two) = (sequence(folder.path(), "one"), sequence(folder.path(), "one.two"));
    for _ in 0..3 {
        one.alloc(None).unwrap();
    }
    two.alloc(None).unwrap();
    assert_eq!((indexes(&one).unwrap(), indexes(&two).unwrap()), (vec![1, 2, 3], vec![1]));
    one.close().unwrap();
    two.close().unwrap();
    assert_eq!(names(folder.path()), ["one.0001-12", "one.0002-12", "one.0003-12", "one.two.0001-12"]);
}

#[test]
fn a_closed_sequence_does_nothing_more() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let file = sequence.alloc(None).unwrap();
    sequence.close().unwrap();
    sequence.close().unwrap();
    let (kind, message) = (&ErrorKind::Closed, "sequence is closed");
    assert_fails(sequence.alloc(None), kind, message);
    assert_fails(sequence.release(&file), kind, message);
    assert_fails(sequence.retrieve(), kind, message);
    file.store_bytes(0, b"files stay usable").unwrap();
    assert_eq!(names(folder.path()), ["s.0001-12"]);
}

/// A file being built when the power went, or the second name of one whose building had just ended.
#[test]
fn the_left_over_of_an_interrupted_alloc_is_replaced() {
    let folder = folder();
    let meta = folder.path().join("s.meta");
    fs::create_dir(&meta).unwrap();
    touch(&meta, "alloc.tmp");
    {
        let sequence = sequence(folder.path(), "s");
        let file = sequence.alloc(None).unwrap();
        file.store_bytes(0, b"precious").unwrap();
    }
    fs::hard_link(folder.path().join("s.0001-12"), meta_again(&meta).join("alloc.tmp")).unwrap();
    let sequence = sequence(folder.path(), "s");
    sequence.alloc(None).unwrap().store_bytes(0, b"other").unwrap();
    assert_eq!(&fs::read(folder.path().join("s.0001-12")).unwrap()[..8], b"precious");
    assert_eq!(indexes(&sequence).unwrap(), [1, 2]);
    assert_eq!(names(&meta), ["holder"]);
}

fn meta_again(meta: &Path) -> &Path {
    drop(fs::create_dir(meta));
    meta
}

#[test]
fn a_root_that_vanishes_is_an_error_and_no_panic() {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let options = sequence_options();
    let sequence = FileSequence::open(os(), &root, "s", shape(1, 12), options).unwrap();
    let file = sequence.alloc(None).unwrap();
    if !rename_open(&root, &folder.path().join("moved")) {
        return; // A folder in use cannot be moved on Windows.
    }
    assert_code(sequence.alloc(None), "PSTREAM_NOT_FOUND");
    assert_code(sequence.release(&file), "PSTREAM_NOT_FOUND");
    assert_code(sequence.retrieve(), "PSTREAM_NOT_FOUND");
    failure(sequence.close());
    sequence.close().unwrap();
    file.store_bytes(0, b"still there").unwrap();
    assert_eq!(&fs::read(folder.path().join("moved/s.0001-12")).unwrap()[..5], b"still");
}
