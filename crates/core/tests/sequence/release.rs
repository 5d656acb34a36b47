//! Shrinking: only the first file may go, and only if it is the very one.

use std::fs;

use pstream_core::ErrorKind;

use crate::common::probe::{removal_is_immediate, remove_open, rename_open};
use crate::common::{assert_code, assert_fails, create, folder, indexes, names, sequence, sparse};

const UNRECOGNIZED: &str = "filesequence: file does not belong to this sequence";

#[test]
fn the_first_file_goes_and_is_closed() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let (first, second) = (sequence.alloc(None).unwrap(), sequence.alloc(None).unwrap());
    sequence.release(&first).unwrap();
    assert_eq!((sequence.start(), sequence.len()), (2, 1));
    assert!(!first.path().exists());
    assert_fails(first.load_bytes(0, &mut [0]), &ErrorKind::Closed, "file is closed");
    second.store_bytes(0, b"x").unwrap();
    sequence.release(&second).unwrap();
    assert!(sequence.is_empty());
    assert_eq!(sequence.alloc(None).unwrap().index(), 3, "the index goes on");
}

/// The state lies in names alone: with no file left there is nothing that remembers the index.
#[test]
fn an_emptied_sequence_starts_at_one_when_opened_anew() {
    let folder = folder();
    let opened = sequence(folder.path(), "s");
    opened.release(&opened.alloc(None).unwrap()).unwrap();
    opened.close().unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new());
    assert_eq!(sequence(folder.path(), "s").alloc(None).unwrap().index(), 1);
}

#[test]
fn out_of_order_and_twice() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let files: Vec<_> = (0..3).map(|_| sequence.alloc(None).unwrap()).collect();
    for file in &files[1..] {
        let index = file.index();
        let message = format!("filesequence: index {index:#06x} out of order");
        assert_fails(sequence.release(file), &ErrorKind::SequenceOutOfOrder(index), &message);
        file.store_bytes(0, b"still open").unwrap();
    }
    let twin = sequence.retrieve().unwrap().next().unwrap().unwrap();
    sequence.release(&files[0]).unwrap();
    let (kind, message) = (ErrorKind::SequenceOutOfRange(1), "filesequence: index 0x0001 out of range");
    assert_fails(sequence.release(&files[0]), &kind, message);
    assert_fails(sequence.release(&twin), &kind, message);
    if !removal_is_immediate(&folder) {
        drop(twin); // Until then the first file is still listed, outside the window.
    }
    assert_eq!(indexes(&sequence).unwrap(), [2, 3]);
    sequence.release(&files[1]).unwrap();
    sequence.release(&files[2]).unwrap();
    let kind = ErrorKind::SequenceOutOfRange(3);
    assert_fails(sequence.release(&files[2]), &kind, "filesequence: index 0x0003 out of range");
}

#[test]
fn of_another_sequence() {
    let folder = folder();
    fs::create_dir(folder.path().join("other")).unwrap();
    let ours = sequence(folder.path(), "s");
    ours.alloc(None).unwrap();
    for other in [sequence(folder.path(), "t"), sequence(&folder.path().join("other"), "s")] {
        let file = other.alloc(None).unwrap();
        assert_fails(ours.release(&file), &ErrorKind::SequenceUnrecognized, UNRECOGNIZED);
        file.store_bytes(0, b"still open").unwrap();
        assert!(file.path().exists());
    }
    assert_eq!(indexes(&ours).unwrap(), [1]);
}

#[test]
fn of_an_earlier_instance() {
    let folder = folder();
    let earlier = sequence(folder.path(), "s");
    let (first, second) = (earlier.alloc(None).unwrap(), earlier.alloc(None).unwrap());
    earlier.close().unwrap();
    let later = sequence(folder.path(), "s");
    let message = "filesequence: index 0x0002 out of order";
    assert_fails(later.release(&second), &ErrorKind::SequenceOutOfOrder(2), message);
    later.release(&first).unwrap();
    later.release(&second).unwrap();
    assert!(later.is_empty());
}

/// The name of a file of an earlier instance may have passed to another file: that one must survive.
#[test]
fn of_an_earlier_instance_whose_place_was_taken() {
    let folder = folder();
    let earlier = sequence(folder.path(), "s");
    let file = earlier.alloc(None).unwrap();
    earlier.close().unwrap();
    if !remove_open(file.path()) {
        return;
    }
    create(file.path(), 2, 12).store_bytes(0, b"another").unwrap();
    let later = sequence(folder.path(), "s");
    assert_fails(later.release(&file), &ErrorKind::SequenceUnrecognized, UNRECOGNIZED);
    assert_eq!(&fs::read(file.path()).unwrap()[..7], b"another");
    assert_eq!(later.len(), 1);
}

/// The same within one instance: somebody restored another file under the name. It is none that we know, and releasing
/// ours must not remove it.
#[test]
fn of_this_instance_whose_place_was_taken() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let file = sequence.alloc(None).unwrap();
    if !rename_open(file.path(), &folder.path().join("kept")) {
        return;
    }
    create(file.path(), 2, 12).store_bytes(0, b"another").unwrap();
    assert_fails(sequence.release(&file), &ErrorKind::SequenceUnrecognized, UNRECOGNIZED);
    assert_eq!(&fs::read(file.path()).unwrap()[..7], b"another");
}

/// A file whose handle is closed is still the first one, and still ours.
#[test]
fn a_closed_file_can_be_released() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let file = sequence.alloc(None).unwrap();
    file.close();
    sequence.release(&file).unwrap();
    assert!(sequence.is_empty());
}

/// Removed by hand: the sequence says that it is not there, and stays as it is.
#[test]
fn a_file_that_is_gone() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let file = sequence.alloc(None).unwrap();
    if !remove_open(file.path()) {
        return;
    }
    assert_code(sequence.release(&file), "PSTREAM_NOT_FOUND");
    assert_eq!(sequence.len(), 1);
    sparse(file.path(), 8192);
    assert_eq!(indexes(&sequence).unwrap(), [1]);
}
