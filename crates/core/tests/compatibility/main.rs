//! The Rust crate `pstream` 0.1.1 reads what we write, and we read what it writes; each honours the other's lock; and
//! what both refuse they refuse in the same words, taken here from the crate itself and not from memory.

#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod refusals;

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;

use common::{create, failure, folder, indexes, open, pattern, sequence, sparse, try_sequence};
use pstream::{Blocks, BlocksAllocator};

type TheirFile = pstream::io::File;
type TheirSequence = pstream::io::FileSequence;

fn their_sequence(root: &Path) -> std::io::Result<TheirSequence> {
    TheirSequence::open(root, "s", 2, 12)
}

/// How many blocks each file has that the crate finds; panics if it does not find a whole sequence.
fn their_files(root: &Path) -> Vec<u64> {
    let theirs = their_sequence(root).unwrap();
    let mut counts = Vec::new();
    theirs.retrieve(|file| counts.push(file.block_count())).unwrap();
    theirs.close().unwrap();
    counts
}

/// The crate has no fallback where `pwritev2` is missing, as it is under an emulator.
fn cannot_store() -> bool {
    let folder = folder();
    let mut theirs = TheirFile::create(folder.path().join("data"), 1, 12).unwrap();
    let stored = theirs.store_at(0, &mut [IoSlice::new(b"a"), IoSlice::new(b"b")]);
    if let Err(error) = &stored {
        eprintln!("SKIPPED: the crate cannot store here: {error}");
    }
    stored.is_err()
}

fn pairs(bytes: &[u8], block: usize) -> Vec<IoSlice<'_>> {
    let cut = |chunk: &[u8]| chunk.len().min(48);
    bytes
        .chunks(block)
        .flat_map(|chunk| [IoSlice::new(&chunk[..cut(chunk)]), IoSlice::new(&chunk[cut(chunk)..])])
        .collect()
}

fn pairs_mut(bytes: &mut [u8], block: usize) -> Vec<IoSliceMut<'_>> {
    let mut buffers = Vec::new();
    for chunk in bytes.chunks_mut(block) {
        let (head, body) = chunk.split_at_mut(chunk.len().min(48));
        buffers.extend([IoSliceMut::new(head), IoSliceMut::new(body)]);
    }
    buffers
}

#[test]
fn block_files_of_many_shapes_go_both_ways() {
    if cannot_store() {
        return;
    }
    let folder = folder();
    for (shift, count) in [(12, 1), (12, 700), (13, 1100), (16, 9), (17, 150), (20, 3), (24, 2)] {
        let block = 1_usize << shift;
        let capacity = count as usize * block;
        for (seed, len) in [1, 48, 49, block, block + 1, capacity - 1, capacity].into_iter().enumerate() {
            if len > capacity {
                continue;
            }
            let bytes = pattern(len, seed as u64);
            let mut read = vec![0; len];
            let path = folder.path().join(format!("theirs-{shift}-{count}-{seed}"));
            let mut theirs = TheirFile::create(&path, count, shift).unwrap();
            theirs.store_at(0, &mut pairs(&bytes, block)).unwrap();
            let ours = open(&path, shift);
            assert_eq!((ours.shape().block_count(), ours.reserved()), (count, true));
            ours.load(0, &mut pairs_mut(&mut read, block)).unwrap();
            assert!(read == bytes, "theirs, read by us: {len} bytes, shift {shift}");
            fs::remove_file(path).unwrap();

            let path = folder.path().join(format!("ours-{shift}-{count}-{seed}"));
            create(&path, count, shift).store(0, &pairs(&bytes, block)).unwrap();
            let mut theirs = TheirFile::open(&path, shift).unwrap();
            assert_eq!((theirs.block_count(), theirs.block_shift()), (count, shift));
            read.fill(0);
            theirs.load_from(0, &mut pairs_mut(&mut read, block)).unwrap();
            assert!(read == bytes, "ours, read by them: {len} bytes, shift {shift}");
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn sequences_go_back_and_forth() {
    if cannot_store() {
        return;
    }
    let folder = folder();
    let root = folder.path();
    let ours = sequence(root, "s");
    ours.alloc(None).unwrap();
    ours.alloc(Some(7)).unwrap();
    ours.alloc(None).unwrap().store_bytes(0, b"from us").unwrap();
    ours.release(&ours.retrieve().unwrap().next().unwrap().unwrap()).unwrap();
    ours.close().unwrap();
    assert_eq!(their_files(root), [7, 2]);

    let theirs = their_sequence(root).unwrap();
    let mut files = Vec::new();
    theirs.retrieve(|file| files.push(file)).unwrap();
    let mut read = [0; 7];
    files[1].load_from(0, &mut [IoSliceMut::new(&mut read)]).unwrap();
    assert_eq!(&read, b"from us");
    theirs.release(files.remove(0)).unwrap();
    let mut made = theirs.alloc().unwrap();
    made.store_at(0, &mut [IoSlice::new(b"from "), IoSlice::new(b"them")]).unwrap();
    theirs.close().unwrap();

    let ours = sequence(root, "s");
    assert_eq!((ours.start(), ours.end(), indexes(&ours).unwrap()), (3, 5, vec![3, 4]));
    let last = ours.retrieve().unwrap().last().unwrap().unwrap();
    let mut read = [0; 9];
    last.load_bytes(0, &mut read).unwrap();
    assert_eq!(&read, b"from them");
    assert_eq!(ours.alloc(None).unwrap().index(), 5);
}

#[test]
fn the_wrap_goes_both_ways() {
    let folder = folder();
    let root = folder.path();
    create(&root.join("s.fffd-12"), 2, 12);
    let theirs = their_sequence(root).unwrap();
    for _ in 0..2 {
        theirs.alloc().unwrap();
    }
    theirs.close().unwrap();
    let ours = sequence(root, "s");
    assert_eq!(indexes(&ours).unwrap(), [0xfffd, 0xfffe, 0xffff]);
    for _ in 0..2 {
        ours.alloc(None).unwrap();
    }
    ours.close().unwrap();
    assert_eq!(their_files(root).len(), 5);
    assert!(root.join("s.0000-12").is_file() && root.join("s.0001-12").is_file());
    assert_eq!(indexes(&sequence(root, "s")).unwrap(), [0xfffd, 0xfffe, 0xffff, 0, 1]);
}

/// The crate finds a sequence that we have open, repaired, or left in a crash: its folder beside the files is none of
/// the files to it.
#[test]
fn our_folder_is_in_nobodys_way() {
    let folder = folder();
    let root = folder.path();
    let ours = sequence(root, "s");
    ours.alloc(None).unwrap();
    ours.close().unwrap();
    fs::create_dir_all(root.join("s.meta/quarantine-1")).unwrap();
    fs::write(root.join("s.meta/alloc.tmp"), "").unwrap();
    assert_eq!(their_files(root), [2]);
}

#[test]
fn each_honours_the_others_lock() {
    let folder = folder();
    let root = folder.path();
    let theirs = their_sequence(root).unwrap();
    let error = failure(try_sequence(root, "s"));
    let said_by_them = their_sequence(root).unwrap_err().to_string();
    assert_eq!((error.code(), error.to_string()), ("PSTREAM_LOCKED", said_by_them.clone()));
    theirs.close().unwrap();
    let ours = sequence(root, "s");
    assert_eq!(their_sequence(root).unwrap_err().to_string(), said_by_them);
    ours.close().unwrap();
    their_sequence(root).unwrap();
}

/// Names as one may write them by hand: whatever the crate makes of them, so do we.
#[test]
fn names_mean_the_same_to_both() {
    let long = format!("{}1-12", "0".repeat(100));
    for options in [
        "1-12",
        "0001-12",
        "+1-12",
        "+1-+12",
        "0001-012",
        "C-12",
        "c-12",
        "00000001-12",
        &long,
        "1-13",
        "xxx",
        "",
        "1",
        "1-",
        "-12",
        "1-12-",
        "1-12-3",
        "1--12",
        "10000-12",
        "+-12",
        "++1-12",
        "-1-12",
        "1-+",
        "0x1-12",
        " 1-12",
        "1-12 ",
        "1_0-12",
        "1-4294967296",
        "1-4294967295",
        "é-12",
        "1-é",
    ] {
        let folder = folder();
        sparse(&folder.path().join(format!("s.{options}")), 8192);
        let theirs = their_sequence(folder.path()).and_then(|theirs| {
            let mut files = 0;
            theirs.retrieve(|_| files += 1).map(|()| files)
        });
        let ours = try_sequence(folder.path(), "s").and_then(|ours| Ok(indexes(&ours)?.len()));
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => assert_eq!(theirs, ours, "{options:?}"),
            (Err(theirs), Err(ours)) => assert_eq!(theirs.to_string(), ours.to_string(), "{options:?}"),
            (theirs, ours) => panic!("{options:?}: {theirs:?} {ours:?}"),
        }
    }
}

/// Which windows are open, which are not, and why.
#[test]
fn windows_mean_the_same_to_both() {
    for (present, same_words) in [
        (&[1_u16, 2, 3][..], true),
        (&[1, 3], true),
        (&[0xffff, 0, 1], true),
        (&[1, 0x3fff], true),
        (&[1, 0x1fff, 0x4000], true),
        (&[0xc001, 0xe000, 0], true),
        // Which of two that are too far apart it names depends on the order in which the crate meets them.
        (&[1, 0x4002], false),
        (&[0, 0x8000], false),
        (&[1, 0x4000, 0x8000], false),
    ] {
        let folder = folder();
        for index in present {
            sparse(&folder.path().join(format!("s.{index:04x}-12")), 8192);
        }
        let theirs = their_sequence(folder.path()).and_then(|theirs| theirs.retrieve(|_| ()));
        let ours = try_sequence(folder.path(), "s").and_then(|ours| ours.retrieve().map(drop));
        match (theirs, ours) {
            (Err(theirs), Err(ours)) if same_words => assert_eq!(theirs.to_string(), ours.to_string(), "{present:x?}"),
            (Ok(()), Ok(())) | (Err(_), Err(_)) => {}
            (theirs, ours) => panic!("{present:x?}: {theirs:?} {ours:?}"),
        }
    }
}
