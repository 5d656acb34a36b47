//! What both refuse, and in which words.

use std::fs;
use std::io::{IoSlice, IoSliceMut};

use pstream::{Blocks, BlocksAllocator};

use crate::common::{assert_code, create, failure, folder, sequence, sparse, try_open, try_sequence};
use crate::{TheirFile, cannot_store, their_sequence};

/// Makes the same mistake with both and compares what they say.
#[track_caller]
fn same<T, U>(theirs: std::io::Result<T>, ours: pstream_core::Result<U>, code: &str) {
    let (theirs, ours) = (theirs.err().expect("the crate refuses it"), failure(ours));
    assert_eq!((theirs.to_string().as_str(), code), (ours.to_string().as_str(), ours.code()));
}

#[test]
fn files_refuse_in_the_same_words() {
    if cannot_store() {
        return;
    }
    let folder = folder();
    let path = folder.path().join("data");
    for (count, shift) in [(1, 11), (1, 29), (0, 12), (1 << 51, 12), (1 << 35, 28)] {
        same(TheirFile::create(&path, count, shift), pstream_core::Shape::new(count, shift), "PSTREAM_INVALID_INPUT");
    }
    for (len, shift, code) in [
        (0, 12, "PSTREAM_INVALID_FILE"),
        (4097, 12, "PSTREAM_INVALID_FILE"),
        (123, 17, "PSTREAM_INVALID_FILE"),
        (4096, 11, "PSTREAM_INVALID_INPUT"),
    ] {
        sparse(&path, len);
        same(TheirFile::open(&path, shift), try_open(&path, shift), code);
        fs::remove_file(&path).unwrap();
    }
    let ours = create(&path, 4, 12);
    let mut theirs = TheirFile::open(&path, 12).unwrap();
    let bytes = vec![1; 9000];
    for (block, lengths, code) in [
        (0, &[4096][..], "PSTREAM_INVALID_INPUT"),
        (0, &[48, 4049], "PSTREAM_INVALID_INPUT"),
        (0, &[48, 4000, 48, 4048], "PSTREAM_INVALID_INPUT"),
        (0, &[0, 0, 0, 0], "PSTREAM_INVALID_INPUT"),
        (0, &[0, 0], "PSTREAM_WRITE_ZERO"),
        (4, &[0, 0], "PSTREAM_WRITE_ZERO"),
        (4, &[1, 0], "PSTREAM_CAPACITY"),
        (4, &[1], "PSTREAM_CAPACITY"),
        (3, &[4096, 0, 1, 0], "PSTREAM_CAPACITY"),
        (5, &[], "PSTREAM_CAPACITY"),
    ] {
        let buffers: Vec<IoSlice<'_>> = lengths.iter().map(|len| IoSlice::new(&bytes[..*len])).collect();
        same(theirs.store_at(block, &mut buffers.clone()), ours.store(block, &buffers), code);
    }
    let (mut one, mut two) = (vec![0; 4097], vec![0; 4097]);
    for (block, len) in [(3, 4097), (4, 1), (9, 1), (0, 0)] {
        let theirs = theirs.load_from(block, &mut [IoSliceMut::new(&mut one[..len])]);
        same(theirs, ours.load(block, &mut [IoSliceMut::new(&mut two[..len])]), "PSTREAM_UNEXPECTED_EOF");
    }
    for block in [0, 3, 4] {
        theirs.store_at(block, &mut []).unwrap();
        ours.store(block, &[]).unwrap();
    }
    theirs.load_from(9, &mut []).unwrap();
    ours.load(9, &mut []).unwrap();
}

#[test]
fn sequences_refuse_in_the_same_words() {
    let (at_theirs, at_ours) = (folder(), folder());
    let (theirs, ours) = (their_sequence(at_theirs.path()).unwrap(), sequence(at_ours.path(), "s"));
    let mut their_files: Vec<_> = (0..3).map(|_| theirs.alloc().unwrap()).collect();
    let our_files: Vec<_> = (0..3).map(|_| ours.alloc(None).unwrap()).collect();
    let (second, error) = theirs.release(their_files.remove(1)).unwrap_err();
    same::<(), ()>(Err(error), ours.release(&our_files[1]), "PSTREAM_SEQUENCE_OUT_OF_ORDER");
    let mut twin = None;
    theirs
        .retrieve(|file| {
            if twin.is_none() {
                twin = Some(file);
            }
        })
        .unwrap();
    theirs.release(their_files.remove(0)).unwrap();
    ours.release(&our_files[0]).unwrap();
    let (_, error) = theirs.release(twin.unwrap()).unwrap_err();
    same::<(), ()>(Err(error), ours.release(&our_files[0]), "PSTREAM_SEQUENCE_OUT_OF_RANGE");
    let (other_theirs, other_ours) = (folder(), folder());
    let (_, error) = their_sequence(other_theirs.path()).unwrap().release(second).unwrap_err();
    let foreign = sequence(other_ours.path(), "s").release(&our_files[1]);
    same::<(), ()>(Err(error), foreign, "PSTREAM_SEQUENCE_UNRECOGNIZED");

    for (name, code) in [
        ("s.0003-20", "PSTREAM_SEQUENCE_DUPLICATE"),
        ("s.000f-20", "PSTREAM_SEQUENCE_OUT_OF_RANGE"),
        ("s.0ff0-20", "PSTREAM_SEQUENCE_OUT_OF_RANGE"),
        ("s.000x-20", "PSTREAM_SEQUENCE_BAD_NAME"),
    ] {
        sparse(&at_theirs.path().join(name), 0);
        sparse(&at_ours.path().join(name), 0);
        same(theirs.retrieve(drop), ours.retrieve(), code);
        fs::remove_file(at_theirs.path().join(name)).unwrap();
        fs::remove_file(at_ours.path().join(name)).unwrap();
    }
    fs::rename(at_theirs.path().join("s.0003-12"), at_theirs.path().join("s.0003-30")).unwrap();
    fs::rename(at_ours.path().join("s.0003-12"), at_ours.path().join("s.0003-30")).unwrap();
    same(theirs.retrieve(drop), ours.retrieve(), "PSTREAM_INVALID_FILE");
    fs::remove_file(at_theirs.path().join("s.0002-12")).unwrap();
    fs::remove_file(at_ours.path().join("s.0002-12")).unwrap();
    same(theirs.retrieve(drop), ours.retrieve(), "PSTREAM_SEQUENCE_BROKEN");
    sparse(&at_ours.path().join("s.0004-12"), 1);
    sparse(&at_theirs.path().join("s.0004-12"), 1);
    assert_eq!(theirs.alloc().unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_code(ours.alloc(None), "PSTREAM_ALREADY_EXISTS");
}

/// A window that is full, to both in the same words, and open again after a release.
#[test]
fn a_full_window_is_full_to_both() {
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
    let theirs = their_sequence(folder.path()).unwrap();
    let error = theirs.alloc().err();
    theirs.close().unwrap();
    let ours = sequence(folder.path(), "s");
    same::<(), _>(Err(error.unwrap()), ours.alloc(None), "PSTREAM_SEQUENCE_TOO_LONG");
    ours.release(&ours.retrieve().unwrap().next().unwrap().unwrap()).unwrap();
    ours.alloc(None).unwrap();
    ours.close().unwrap();
    sparse(&folder.path().join("s.4001-12"), 8192);
    let theirs = their_sequence(folder.path());
    same(theirs, try_sequence(folder.path(), "s"), "PSTREAM_SEQUENCE_TOO_LONG");
}
