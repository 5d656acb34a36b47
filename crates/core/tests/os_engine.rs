//! The engine on the operating system at hand, once through: what is tested at length in memory also works here.
//! Space need not be reserved, so that this also runs where it cannot be.

mod os;

use std::io::IoSlice;
use std::sync::Arc;

use os::{name, skip};
use pstream_core::{
    BlockFile, CreateOptions, ErrorKind, FileOptions, FileSequence, OsIo, Reserve, SequenceOptions, Shape,
};

const BEST_EFFORT: CreateOptions = CreateOptions {
    file: FileOptions { cache: pstream_core::CachePolicy::Drop, sync: pstream_core::SyncLevel::Full, read_only: false },
    reserve: Reserve::BestEffort,
    prewrite: false,
    mode: 0o600,
};

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at.wrapping_mul(31) % 251).unwrap_or(0)).collect()
}

#[test]
fn a_block_file_is_created_stored_to_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = name(&dir, "data");
    let shape = Shape::new(11, 21).unwrap();
    let file = BlockFile::create(&OsIo, &path, shape, BEST_EFFORT).unwrap();
    if !file.reserved() {
        skip("reserve: the file system cannot");
    }
    let taken = BlockFile::create(&OsIo, &path, shape, BEST_EFFORT).unwrap_err();
    assert_eq!(*taken.kind(), ErrorKind::AlreadyExists);

    // One call, and one that goes through the pipeline.
    file.store_bytes(0, b"small").unwrap();
    let large = pattern(17 << 20);
    file.store_bytes(1, &large).unwrap();
    let (head, body) = (pattern(9), pattern(1000));
    file.store(10, &[IoSlice::new(&head), IoSlice::new(&body)]).unwrap();
    drop(file);

    let file = BlockFile::open(&OsIo, &path, 21, FileOptions::default()).unwrap();
    let mut back = vec![0; large.len()];
    file.load_bytes(1, &mut back).unwrap();
    assert!(back == large);
    let mut small = [0; 6];
    file.load_bytes(0, &mut small).unwrap();
    assert_eq!(&small, b"small\0");
    let mut last = [0; 1009];
    file.load_bytes(10, &mut last).unwrap();
    assert_eq!((&last[..9], &last[9..]), (&head[..], &body[..]));

    // Nothing temporary is left beside it.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_sequence_grows_shrinks_and_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let shape = Shape::new(4, 12).unwrap();
    let options = SequenceOptions { create: BEST_EFFORT, ..SequenceOptions::default() };
    let open = || FileSequence::open(Arc::new(OsIo), dir.path(), "events", shape, options);
    let sequence = open().unwrap();
    assert!(matches!(open().unwrap_err().kind(), ErrorKind::Locked(Some(_))));
    for text in [b"one", b"two", b"thr"] {
        sequence.alloc(None).unwrap().store_bytes(0, text).unwrap();
    }
    let first = sequence.retrieve().unwrap().next().unwrap().unwrap();
    sequence.release(&first).unwrap();
    drop(first);
    sequence.close().unwrap();

    let sequence = open().unwrap();
    let mut found = Vec::new();
    for file in sequence.retrieve().unwrap() {
        let file = file.unwrap();
        let mut text = [0; 3];
        file.load_bytes(0, &mut text).unwrap();
        found.push((file.index(), text));
    }
    assert_eq!(found, [(2, *b"two"), (3, *b"thr")]);
    sequence.close().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["events.0002-12", "events.0003-12"]);
}

/// A colon names a stream of another file on Windows, and a trailing dot or space is dropped, so that two names would be
/// one sequence. Elsewhere these are names like any other, and the crate's.
#[test]
fn a_name_that_the_system_takes_for_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a:b", "a.", "a ", "a?", "a\nb"] {
        let looked = pstream_core::sequence::inspect(&OsIo, folder.path(), name);
        assert_eq!(looked.is_err(), cfg!(windows), "{name:?}");
    }
}
