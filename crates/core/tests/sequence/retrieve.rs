//! Reading back: all files, in order, or what is wrong with them.

use std::fs;

use pstream_core::ErrorKind;

use crate::common::{assert_code, assert_fails, folder, indexes, sequence, sparse};

#[test]
fn a_gap() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let files: Vec<_> = (0..3).map(|_| sequence.alloc(None).unwrap()).collect();
    files[1].close();
    fs::remove_file(files[1].path()).unwrap();
    let message = "filesequence: indexes are not monotonically increasing";
    assert_fails(sequence.retrieve(), &ErrorKind::SequenceBroken, message);
}

#[test]
fn a_file_outside_the_window() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    sequence.alloc(None).unwrap();
    for index in [0x000f_u16, 0x0ff0, 0, 2, 0x8001] {
        let path = folder.path().join(format!("s.{index:04x}-20"));
        sparse(&path, 1 << 20);
        let message = format!("filesequence: index {index:#06x} out of range");
        assert_fails(sequence.retrieve(), &ErrorKind::SequenceOutOfRange(index), &message);
        fs::remove_file(path).unwrap();
    }
    assert_eq!(indexes(&sequence).unwrap(), [1]);
}

#[test]
fn files_whose_length_or_shift_cannot_be() {
    for (name, len, message) in [
        ("s.0001-12", 0, "zero file size"),
        ("s.0001-12", 5000, "file size not aligned to block size"),
        ("s.0001-13", 4096, "file size not aligned to block size"),
        ("s.0001-30", 1 << 30, "block shift must be between 12 and 28 inclusive"),
        ("s.0001-0", 4096, "block shift must be between 12 and 28 inclusive"),
    ] {
        let folder = folder();
        sparse(&folder.path().join(name), len);
        let sequence = sequence(folder.path(), "s");
        assert_eq!(sequence.len(), 1, "an open looks at names alone");
        assert_fails(sequence.retrieve(), &ErrorKind::InvalidFile, message);
    }
}

/// The whole sequence is checked before the first file is given out.
#[test]
fn a_bad_file_at_the_end_is_found_at_the_beginning() {
    let folder = folder();
    for name in ["s.0001-12", "s.0002-12"] {
        sparse(&folder.path().join(name), 4096);
    }
    sparse(&folder.path().join("s.0003-12"), 1);
    let sequence = sequence(folder.path(), "s");
    assert_fails(sequence.retrieve(), &ErrorKind::InvalidFile, "file size not aligned to block size");
}

/// Released while the files are still being given out: the next one is not there any more.
#[test]
fn a_file_released_in_the_meantime() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    let first = sequence.alloc(None).unwrap();
    sequence.alloc(None).unwrap();
    let mut files = sequence.retrieve().unwrap();
    sequence.release(&first).unwrap();
    assert_code(files.next().unwrap(), "PSTREAM_NOT_FOUND");
    assert_eq!(files.next().unwrap().unwrap().index(), 2);
    assert!(files.next().is_none());
}

#[test]
fn files_keep_their_bytes_over_a_reopen() {
    let folder = folder();
    {
        let sequence = sequence(folder.path(), "s");
        for seed in 0..5 {
            sequence.alloc(None).unwrap().store_bytes(0, &crate::common::pattern(8192, seed)).unwrap();
        }
    }
    let sequence = sequence(folder.path(), "s");
    for (seed, file) in sequence.retrieve().unwrap().enumerate() {
        let mut read = vec![0; 8192];
        file.unwrap().load_bytes(0, &mut read).unwrap();
        assert!(read == crate::common::pattern(8192, seed as u64), "file {seed}");
    }
}
