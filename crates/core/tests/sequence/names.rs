//! The grammar of names on disk: what is lenient, what is refused, and in which words.

use std::fs;

use pstream_core::error::BadName;
use pstream_core::{ErrorKind, FileSequence};

use crate::common::{
    assert_fails, failure, folder, indexes, names, os, sequence, sequence_options, shape, sparse, try_sequence,
};

#[test]
fn names_that_do_not_parse_are_quoted() {
    for (options, reason, message) in [
        ("xxx", BadName::Index, "filesequence: bad index: 'xxx'"),
        ("meta", BadName::Index, "filesequence: bad index: 'meta'"),
        ("10000-12", BadName::Index, "filesequence: bad index: '10000-12'"),
        ("-12", BadName::Index, "filesequence: bad index: '-12'"),
        ("0x1-12", BadName::Index, "filesequence: bad index: '0x1-12'"),
        ("0001", BadName::MissingFields, "filesequence: fields missing: '0001'"),
        ("0001-", BadName::Shift, "filesequence: bad shift: '0001-'"),
        ("0001-c", BadName::Shift, "filesequence: bad shift: '0001-c'"),
        ("0001-12-", BadName::TooManyFields, "filesequence: too many fields: '0001-12-'"),
        ("0001--12", BadName::Shift, "filesequence: bad shift: '0001--12'"),
    ] {
        let folder = folder();
        sparse(&folder.path().join(format!("s.{options}")), 4096);
        let error = failure(try_sequence(folder.path(), "s"));
        assert_eq!((error.kind(), error.to_string().as_str()), (&ErrorKind::SequenceBadName(reason), message));
        assert!(error.path().unwrap().ends_with(format!("s.{options}")));
        let path = folder.path().join(format!("s.{options}"));
        fs::remove_file(&path).unwrap();
        if options == "meta" {
            continue; // Once the sequence is open its own folder has that name.
        }
        let sequence = sequence(folder.path(), "s");
        sparse(&path, 4096);
        assert_fails(sequence.retrieve(), &ErrorKind::SequenceBadName(reason), message);
    }
}

/// Files that were named by hand: fewer or more digits, upper case, a plus sign.
#[test]
fn lenient_spellings_are_read_and_released() {
    for (spelling, index) in [("cc-12", 0xcc), ("0000000f-12", 15), ("CC-012", 0xcc), ("+f-+12", 15)] {
        let folder = folder();
        let path = folder.path().join(format!("s.{spelling}"));
        sparse(&path, 8192);
        let sequence = sequence(folder.path(), "s");
        assert_eq!((sequence.start(), sequence.len()), (index, 1), "{spelling}");
        let next = sequence.alloc(None).unwrap();
        assert_eq!(next.index(), index + 1);
        let files: Vec<_> = sequence.retrieve().unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 2);
        sequence.release(&files[0]).unwrap();
        assert!(!path.exists());
        assert_eq!(indexes(&sequence).unwrap(), [index + 1]);
    }
}

/// Two spellings of one index are two files with one index.
#[test]
fn two_spellings_are_a_duplicate() {
    for twin in ["3-12", "00003-12", "0003-13", "+3-12"] {
        let folder = folder();
        for name in ["0002-12", "0003-12", twin] {
            sparse(&folder.path().join(format!("s.{name}")), 8192);
        }
        let sequence = sequence(folder.path(), "s");
        assert_fails(sequence.retrieve(), &ErrorKind::SequenceDuplicate(3), "filesequence: duplicate index 0x0003");
    }
}

#[test]
fn a_name_is_one_component_that_leaves_room() {
    let folder = folder();
    let open = |name: &str| FileSequence::open(os(), folder.path(), name, shape(1, 12), sequence_options());
    for name in ["", ".", "..", "/", "a/b", "../a", "a/", "/etc", "a\0b", &"x".repeat(248), &"é".repeat(124)] {
        let error = failure(open(name));
        assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{name:?}");
        assert!(error.to_string().starts_with(&format!("name {name:?} ")), "{error}");
    }
    assert_eq!(names(folder.path()), Vec::<String>::new());
    for name in
        ["a", "a.b", ".a", "0001-12", "a.0001-12", "x y", "é", "-", "lock", "a.lock", "a.meta", &"x".repeat(247)]
    {
        let sequence = open(name).unwrap();
        assert_eq!(sequence.alloc(None).unwrap().index(), 1, "{name}");
        sequence.close().unwrap();
        let sequence = open(name).unwrap();
        assert_eq!(indexes(&sequence).unwrap(), [1], "{name}");
        sequence.release(&sequence.retrieve().unwrap().next().unwrap().unwrap()).unwrap();
        sequence.close().unwrap();
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{name}");
    }
}

/// Names on disk need not be text. Behind our stem they cannot parse; elsewhere they are not ours.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    sparse(&folder.path().join(OsStr::from_bytes(b"\xff.0001-12")), 4096);
    sparse(&folder.path().join(OsStr::from_bytes(b"s\xff.0001-12")), 4096);
    sequence(folder.path(), "s").close().unwrap();
    sparse(&folder.path().join(OsStr::from_bytes(b"s.\xff1-12")), 4096);
    let kind = ErrorKind::SequenceBadName(BadName::Index);
    assert_fails(try_sequence(folder.path(), "s"), &kind, "filesequence: bad index: '\u{fffd}1-12'");
}
