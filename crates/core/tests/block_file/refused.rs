//! What a load or store refuses, in which order it checks, and that nothing is written then.

use std::io::{IoSlice, IoSliceMut};

use pstream_core::{BlockFile, ErrorKind};

use crate::common::{assert_fails, create, failure, folder};

const EOF: (&ErrorKind, &str) = (&ErrorKind::UnexpectedEof, "failed to fill all buffers");
const CAPACITY: (&ErrorKind, &str) = (&ErrorKind::Capacity, "write exceeds file capacity");

struct Fixture {
    _folder: tempfile::TempDir,
    file: BlockFile,
}

/// Four blocks of 4 KiB, full of sevens.
fn fixture() -> Fixture {
    let folder = folder();
    let file = create(&folder.path().join("data"), 4, 12);
    file.store_bytes(0, &[7; 4 << 12]).unwrap();
    Fixture { _folder: folder, file }
}

impl Fixture {
    /// That storing buffers of these lengths at `block` fails so, and writes nothing.
    #[track_caller]
    fn refuses(&self, block: u64, lengths: &[usize], kind: &ErrorKind, message: &str) {
        let bytes = vec![9; lengths.iter().copied().max().unwrap_or_default()];
        let buffers: Vec<IoSlice<'_>> = lengths.iter().map(|len| IoSlice::new(&bytes[..*len])).collect();
        assert_fails(self.file.store(block, &buffers), kind, message);
        assert_fails(self.file.check_store(block, lengths), kind, message);
        self.is_untouched();
    }

    #[track_caller]
    fn is_untouched(&self) {
        let mut read = vec![0; 4 << 12];
        self.file.load_bytes(0, &mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == 7));
    }
}

#[test]
fn pairs_that_are_none() {
    let fixture = fixture();
    let invalid = &ErrorKind::InvalidInput;
    fixture.refuses(0, &[4096], invalid, "odd number of bufs");
    fixture.refuses(0, &[0], invalid, "odd number of bufs");
    fixture.refuses(0, &[48, 4048, 10], invalid, "odd number of bufs");
    fixture.refuses(0, &[48, 4049], invalid, "uneven pair of bufs is too large");
    fixture.refuses(0, &[48, 4048, 4096, 1], invalid, "uneven pair of bufs is too large");
    fixture.refuses(0, &[8192, 0], invalid, "uneven pair of bufs is too large");
    fixture.refuses(0, &[48, 4000, 48, 4048], invalid, "uneven pair of bufs is not the last pair");
    fixture.refuses(0, &[1, 1, 1, 1], invalid, "uneven pair of bufs is not the last pair");
    fixture.refuses(0, &[0, 0, 0, 0], invalid, "uneven pair of bufs is not the last pair");
}

#[test]
fn a_store_past_the_end() {
    let fixture = fixture();
    for (block, lengths) in
        [(4, vec![1, 0]), (3, vec![4096, 0, 1, 0]), (0, vec![4096, 0, 4096, 0, 4096, 0, 4096, 0, 1, 0]), (5, vec![])]
    {
        fixture.refuses(block, &lengths, CAPACITY.0, CAPACITY.1);
    }
    let error = failure(fixture.file.store_bytes(3, &[0; 4097]));
    assert_eq!((error.code(), error.block()), ("PSTREAM_CAPACITY", Some(3)));
    assert_eq!(error.path(), Some(fixture.file.path()));
    fixture.is_untouched();
}

/// As in the crate: a list that breaks both rules is told of the capacity.
#[test]
fn capacity_is_checked_before_the_pairs() {
    let fixture = fixture();
    fixture.refuses(4, &[1], CAPACITY.0, CAPACITY.1);
    fixture.refuses(3, &[4097, 0], CAPACITY.0, CAPACITY.1);
    fixture.refuses(2, &[1, 1, 4096, 0, 4096, 0], CAPACITY.0, CAPACITY.1);
}

/// `block << shift` must not wrap to a block at the front.
#[test]
fn a_block_whose_offset_wraps_is_past_the_end() {
    let fixture = fixture();
    let mut read = [0; 16];
    for block in [1 << 52, (1 << 52) + 1, 1 << 63, u64::MAX >> 12, u64::MAX] {
        fixture.refuses(block, &[16, 16], CAPACITY.0, CAPACITY.1);
        assert_fails(fixture.file.store_bytes(block, &[9; 16]), CAPACITY.0, CAPACITY.1);
        assert_fails(fixture.file.load_bytes(block, &mut read), EOF.0, EOF.1);
        assert_fails(fixture.file.check_load(block, 16), EOF.0, EOF.1);
    }
    fixture.is_untouched();
}

#[test]
fn a_load_past_the_end() {
    let fixture = fixture();
    let file = &fixture.file;
    for (block, len) in [(4, 1), (3, 4097), (0, (4 << 12) + 1), (5, 1)] {
        assert_fails(file.load_bytes(block, &mut vec![0; len]), EOF.0, EOF.1);
        assert_fails(file.check_load(block, len as u64), EOF.0, EOF.1);
    }
    let error = failure(file.load_bytes(4, &mut [0]));
    assert_eq!((error.block(), error.path()), (Some(4), Some(file.path())));
    file.load_bytes(3, &mut [0; 4096]).unwrap();
    file.check_load(3, 4096).unwrap();
}

#[test]
fn an_empty_list_does_nothing_and_succeeds() {
    let fixture = fixture();
    for block in [0, 3, 4] {
        fixture.file.store(block, &[]).unwrap();
        fixture.file.load(block, &mut []).unwrap();
        fixture.file.check_store(block, &[]).unwrap();
    }
    fixture.is_untouched();
}

#[test]
fn a_list_of_only_empty_buffers_makes_no_progress() {
    let fixture = fixture();
    let message = "failed to write all buffers";
    fixture.refuses(0, &[0, 0], &ErrorKind::WriteZero, message);
    fixture.refuses(4, &[0, 0], &ErrorKind::WriteZero, message);
    assert_fails(fixture.file.store_bytes(0, &[]), &ErrorKind::WriteZero, message);
    for count in [1, 2, 5] {
        let mut buffers: Vec<IoSliceMut<'_>> = (0..count).map(|_| IoSliceMut::new(&mut [])).collect();
        assert_fails(fixture.file.load(0, &mut buffers), EOF.0, EOF.1);
    }
}

/// Somebody shortened the file behind our back: the load says so and does not invent zeros.
#[test]
fn a_file_that_was_cut_short_ends_early() {
    let fixture = fixture();
    std::fs::File::options().write(true).open(fixture.file.path()).unwrap().set_len(6000).unwrap();
    fixture.file.load_bytes(1, &mut [0; 1000]).unwrap();
    assert_fails(fixture.file.load_bytes(1, &mut [0; 4096]), EOF.0, EOF.1);
    assert_fails(fixture.file.load_bytes(3, &mut [0; 1]), EOF.0, EOF.1);
}
