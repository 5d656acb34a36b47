//! Growing: where the next file goes, and what keeps it from being made.

use std::fs;

use pstream_core::{BlockFile, ErrorKind, FileOptions, FileSequence, OsIo};

use crate::common::probe::can_reserve;
use crate::common::{
    assert_code, assert_fails, create, failure, folder, indexes, names, os, sequence, sequence_options, shape, sparse,
    try_sequence,
};

#[test]
fn files_come_in_order_with_the_shape_asked_for() {
    let folder = folder();
    let sequence = FileSequence::open(os(), folder.path(), "s", shape(3, 13), sequence_options()).unwrap();
    assert_eq!(sequence.alloc(None).unwrap().shape(), shape(3, 13));
    assert_eq!(sequence.alloc(Some(7)).unwrap().shape(), shape(7, 13));
    assert_eq!(sequence.alloc(Some(1)).unwrap().index(), 3);
    assert_eq!((sequence.start(), sequence.end(), sequence.len()), (1, 4, 3));
    sequence.close().unwrap();
    assert_eq!(names(folder.path()), ["s.0001-13", "s.0002-13", "s.0003-13"]);
    // Opened with another shape: files keep theirs, new ones get the new one.
    let sequence = FileSequence::open(os(), folder.path(), "s", shape(2, 12), sequence_options()).unwrap();
    sequence.alloc(None).unwrap();
    let shapes: Vec<_> = sequence.retrieve().unwrap().map(|file| file.unwrap().shape()).collect();
    assert_eq!(shapes, [shape(3, 13), shape(7, 13), shape(1, 13), shape(2, 12)]);
}

#[test]
fn a_block_count_out_of_range_changes_nothing() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    assert_fails(sequence.alloc(Some(0)), &ErrorKind::InvalidInput, "block count must be non-zero");
    for count in [1 << 52, 1 << 60, (1 << 60) + 1, u64::MAX] {
        assert_fails(sequence.alloc(Some(count)), &ErrorKind::InvalidInput, "total blocks size too large");
    }
    assert_eq!((sequence.end(), names(folder.path())), (1, vec!["s.lock".to_owned(), "s.meta".to_owned()]));
}

/// What cannot be made leaves no file, no left-over, and the index for the next try.
#[test]
fn a_failed_alloc_changes_nothing() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    failure(sequence.alloc(Some(1 << 50)));
    assert_eq!(names(folder.path()), ["s.lock", "s.meta"]);
    assert_eq!(names(&folder.path().join("s.meta")), ["holder"]);
    assert_eq!(sequence.alloc(None).unwrap().index(), 1);
}

#[test]
fn a_foreign_file_with_the_next_index_is_left_alone() {
    for foreign in ["s.0002-12", "s.0002-20"] {
        let folder = folder();
        let sequence = sequence(folder.path(), "s");
        sequence.alloc(None).unwrap();
        let path = fs::canonicalize(folder.path()).unwrap().join(foreign);
        fs::write(&path, "foreign").unwrap();
        let error = failure(sequence.alloc(None));
        assert_eq!((error.kind(), error.path()), (&ErrorKind::AlreadyExists, Some(&*path)));
        assert_eq!(fs::read(&path).unwrap(), b"foreign");
        assert_eq!(sequence.end(), 2);
        fs::remove_file(&path).unwrap();
        assert_eq!(sequence.alloc(None).unwrap().index(), 2);
        assert_eq!(indexes(&sequence).unwrap(), [1, 2]);
    }
}

#[test]
fn indexes_wrap_through_zero() {
    let folder = folder();
    create(&folder.path().join("s.fffd-12"), 2, 12);
    let opened = sequence(folder.path(), "s");
    let made: Vec<u16> = (0..4).map(|_| opened.alloc(None).unwrap().index()).collect();
    assert_eq!(made, [0xfffe, 0xffff, 0, 1]);
    assert_eq!((opened.start(), opened.end(), opened.len()), (0xfffd, 2, 5));
    drop(opened);
    let sequence = sequence(folder.path(), "s");
    assert_eq!((sequence.start(), sequence.end()), (0xfffd, 2));
    assert_eq!(indexes(&sequence).unwrap(), [0xfffd, 0xfffe, 0xffff, 0, 1]);
    for expected in [0xfffe, 0xffff, 0, 1, 2] {
        let first = sequence.retrieve().unwrap().next().unwrap().unwrap();
        sequence.release(&first).unwrap();
        assert_eq!(sequence.start(), expected);
    }
    assert_eq!(sequence.alloc(None).unwrap().index(), 2);
}

/// 16,383 files are a full window. Names of one sparse file stand in for the files, so that this takes no space; where
/// a file can have only so many names, another one takes over.
#[test]
fn a_full_window_has_room_again_after_a_release() {
    let folder = folder();
    let mut original = folder.path().join("s.0001-12");
    sparse(&original, 8192);
    for index in 2..0x4000_u16 {
        let path = folder.path().join(format!("s.{index:04x}-12"));
        if index % 1000 == 0 || fs::hard_link(&original, &path).is_err() {
            sparse(&path, 8192);
            original = path;
        }
    }
    let sequence = sequence(folder.path(), "s");
    assert_eq!((sequence.start(), sequence.end(), sequence.len()), (1, 0x4000, 16_383));
    let mut start = 1;
    for _ in 0..3 {
        let end = start + 0x3fff;
        let kind = ErrorKind::SequenceTooLong(start, end);
        let message = format!("filesequence: {start:#06x}..{end:#06x} is too long");
        let before = sequence.len();
        assert_fails(sequence.alloc(None), &kind, &message);
        assert_eq!((sequence.start(), sequence.end(), sequence.len()), (start, end, before));
        let mut files = sequence.retrieve().unwrap();
        assert_eq!(files.size_hint(), (16_383, Some(16_383)));
        sequence.release(&files.next().unwrap().unwrap()).unwrap();
        assert_eq!(sequence.alloc(None).unwrap().index(), end);
        start += 1;
    }
    sequence.close().unwrap();
    sparse(&folder.path().join(format!("s.{:04x}-12", start + 0x3fff)), 8192);
    let kind = ErrorKind::SequenceTooLong(start, start + 0x4000);
    let message = format!("filesequence: {start:#06x}..{:#06x} is too long", start + 0x4000);
    assert_fails(try_sequence(folder.path(), "s"), &kind, &message);
}

#[test]
fn a_file_of_a_sequence_is_a_block_file() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let file = sequence.alloc(None).unwrap();
    file.store_bytes(1, b"hello").unwrap();
    assert_eq!(file.reserved(), can_reserve());
    let other = BlockFile::open(&OsIo, file.path(), 12, FileOptions::default()).unwrap();
    let mut read = [0; 5];
    other.load_bytes(1, &mut read).unwrap();
    assert_eq!(&read, b"hello");
}

/// A folder of the next index's name is none of our files, but its name is taken.
#[test]
fn a_folder_in_the_next_place_is_in_the_way() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    fs::create_dir(folder.path().join("s.0001-12")).unwrap();
    assert_code(sequence.alloc(None), "PSTREAM_ALREADY_EXISTS");
    fs::remove_dir(folder.path().join("s.0001-12")).unwrap();
    sequence.alloc(None).unwrap();
}
