//! Traps: each was measured in the Rust crate `pstream` 0.1.1, and cost data or a sequence that would not open any more.
//! Here is what happened, and that it does not happen here. On Linux the crate itself is made to fall into those that
//! can be shown without a power cut, so that a test that no longer tests anything is noticed.
//!
//! Two are shown elsewhere: the bytes of a large store that were lost for want of a last `fdatasync`, by the system calls
//! that are made (`syscalls`); and the write error that left a file in use, by the simulated disk.

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

use common::probe::can_reserve;
use common::{assert_fails, create, create_options, folder, indexes, names, sequence, sparse, try_open};
use pstream_core::{BlockFile, ErrorKind, OsIo, Shape};

/// The crate computes `block_count << block_shift` and then asks whether it is too large. 2^52 + 1 blocks of 2^12 bytes
/// are 2^64 + 4096 bytes; what is left of that in 64 bits is 4096, and a file of one block is made for all of them.
#[test]
fn a_block_count_that_overflows_makes_no_small_file() {
    for (count, shift) in [((1 << 52) + 1, 12), ((1 << 60) + 1, 12), (1 << 60, 12), ((1 << 36) + 1, 28)] {
        assert_fails(Shape::new(count, shift), &ErrorKind::InvalidInput, "total blocks size too large");
    }
    #[cfg(target_os = "linux")]
    {
        use pstream::Blocks;
        let folder = folder();
        let path = folder.path().join("data");
        let theirs = pstream::io::File::create(&path, (1 << 52) + 1, 12).unwrap();
        assert_eq!((theirs.block_count(), fs::metadata(path).unwrap().len()), ((1 << 52) + 1, 4096));
    }
}

/// The crate computes `block << block_shift` for the place of a store: block 2^52 of 2^12 bytes is at 2^64, which is 0.
/// The store succeeds, and block 0 is gone.
#[test]
fn a_block_far_behind_the_end_does_not_land_on_the_first_one() {
    let folder = folder();
    let path = folder.path().join("data");
    let file = create(&path, 2, 12);
    file.store_bytes(0, b"precious").unwrap();
    for block in [1 << 52, 1 << 63, (1 << 52) + 1] {
        assert_fails(file.store_bytes(block, b"intruder"), &ErrorKind::Capacity, "write exceeds file capacity");
        let mut read = [0; 8];
        assert_fails(file.load_bytes(block, &mut read), &ErrorKind::UnexpectedEof, "failed to fill all buffers");
    }
    assert_eq!(&fs::read(&path).unwrap()[..8], b"precious");
    #[cfg(target_os = "linux")]
    {
        use pstream::Blocks;
        use std::io::IoSlice;
        let mut theirs = pstream::io::File::open(&path, 12).unwrap();
        let stored = theirs.store_at(1 << 52, &mut [IoSlice::new(b"intr"), IoSlice::new(b"uder")]);
        // The crate cannot store at all where `pwritev2` is missing, as it is under an emulator.
        if stored.is_err_and(|error| error.kind() == std::io::ErrorKind::Unsupported) {
            return;
        }
        assert_eq!(&fs::read(&path).unwrap()[..8], b"intruder");
    }
}

/// The crate creates a file under its name and gives it its length after: a crash in between leaves a file of no length,
/// and from then on every recovery fails with "zero file size". Measured: 21 of 26 crash points on ext4. Ours has its
/// name last, so that no crash makes such a file; and one that somebody else left is what a repair moves aside.
#[test]
fn a_half_made_file_does_not_brick_a_sequence() {
    let folder = folder();
    let opened = sequence(folder.path(), "s");
    opened.alloc(None).unwrap().store_bytes(0, b"precious").unwrap();
    opened.close().unwrap();
    // The crash of the crate:
    sparse(&folder.path().join("s.0002-12"), 0);
    assert_fails(sequence(folder.path(), "s").retrieve(), &ErrorKind::InvalidFile, "zero file size");
    let options = pstream_core::sequence::RepairOptions { apply: true, close_gaps: false };
    pstream_core::sequence::repair(&common::os(), folder.path(), "s", options).unwrap();
    assert_eq!(indexes(&sequence(folder.path(), "s")).unwrap(), [1]);
    // The crash of ours, at its worst: whole but for its name.
    fs::write(folder.path().join("s.meta/alloc.tmp"), "").unwrap();
    let opened = sequence(folder.path(), "s");
    assert_eq!(indexes(&opened).unwrap(), [1]);
    assert_eq!(opened.alloc(None).unwrap().index(), 2);
    assert_eq!(indexes(&opened).unwrap(), [1, 2]);
}

/// The lock of the crate is a symbolic link to its pid. A crash leaves it, and nobody opens the sequence again before
/// somebody removes it by hand, rightly or, where another process has that pid by now, not knowing. Ours is given up by
/// the kernel; the crate's, once its pid is dead, is broken on request.
#[test]
fn a_crash_leaves_no_lock_that_is_in_the_way() {
    let folder = folder();
    fs::write(folder.path().join("s.lock"), "").unwrap();
    fs::create_dir(folder.path().join("s.meta")).unwrap();
    let text = format!("pid {}\nhost \nboot \nsince 0\n", std::process::id());
    fs::write(folder.path().join("s.meta/holder"), text).unwrap();
    sequence(folder.path(), "s").close().unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new());
    #[cfg(target_os = "linux")]
    {
        std::mem::forget(pstream::io::FileSequence::open(folder.path(), "s", 2, 12).unwrap());
        let error = common::failure(common::try_sequence(folder.path(), "s"));
        let ErrorKind::Locked(Some(holder)) = error.kind() else { panic!("{error}") };
        assert_eq!((holder.pid, holder.alive), (Some(std::process::id()), Some(true)));
        pstream_core::sequence::break_lock(&OsIo, folder.path(), "s", true).unwrap();
        sequence(folder.path(), "s");
    }
}

/// Two releases of the same file at once, and an alloc that meets another, run into assertions of the crate. Here the
/// second one is told that it came too late.
#[test]
fn a_second_release_is_an_error_and_no_panic() {
    let folder = folder();
    let opened = sequence(folder.path(), "s");
    let file = opened.alloc(None).unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| opened.release(&file))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        assert_fails(result, &ErrorKind::SequenceOutOfRange(1), "filesequence: index 0x0001 out of range");
    }
}

/// A file named just like the sequence, with nothing behind it, is a file of the sequence to one of the crate's two
/// scans and none to the other: it opens, and cannot be retrieved.
#[test]
fn a_file_named_like_the_sequence_is_none_of_it() {
    let folder = folder();
    create(&folder.path().join("s.0001-12"), 2, 12);
    sparse(&folder.path().join("s"), 1);
    assert_eq!(indexes(&sequence(folder.path(), "s")).unwrap(), [1]);
    #[cfg(target_os = "linux")]
    {
        use pstream::BlocksAllocator;
        let theirs = pstream::io::FileSequence::open(folder.path(), "s", 2, 12).unwrap();
        assert_eq!(theirs.retrieve(drop).unwrap_err().to_string(), "filesequence: bad index: ''");
    }
}

/// A file with a lenient spelling is found by the crate and then released under the usual one, which is not there: it
/// can never be released. Ours is released under the name it has.
#[test]
fn a_file_is_released_under_the_name_it_has() {
    let folder = folder();
    create(&folder.path().join("s.1-12"), 2, 12);
    #[cfg(target_os = "linux")]
    {
        use pstream::BlocksAllocator;
        let theirs = pstream::io::FileSequence::open(folder.path(), "s", 2, 12).unwrap();
        let mut files = Vec::new();
        theirs.retrieve(|file| files.push(file)).unwrap();
        let (_, error) = theirs.release(files.remove(0)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
    let ours = sequence(folder.path(), "s");
    ours.release(&ours.retrieve().unwrap().next().unwrap().unwrap()).unwrap();
    assert_eq!(names(folder.path()), ["s.lock", "s.meta"]);
}

/// Where space cannot be reserved the crate goes on only if its reservation was compiled in; ours says which it was.
#[test]
fn a_file_that_could_not_be_reserved_says_so() {
    let folder = folder();
    let path = folder.path().join("data");
    let made = BlockFile::create(&OsIo, &path, Shape::new(2, 12).unwrap(), create_options()).unwrap();
    assert_eq!(made.reserved(), can_reserve());
    made.close();
    fs::remove_file(made.path()).unwrap();
    sparse(&path, 1 << 20);
    if cfg!(target_os = "linux") {
        assert!(!try_open(&path, 12).unwrap().reserved());
    }
}
