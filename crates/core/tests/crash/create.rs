//! A create leaves a whole file or none. The story: made in place, a file was half made at 21 of 26 points of a power
//! cut on ext4, and a half-made file ("zero file size") keeps the crate's recovery from ever opening the sequence.

use std::path::Path;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::{BlockFile, CreateOptions, ErrorKind, Reserve};
use pstream_sim::{CallKind, Effect, Fault, SimDisk};

use crate::harness::{BLOCK, create, disk, fail_everywhere, load, open, shape, stop_everywhere};

const BLOCKS: u64 = 3;

fn program(prewrite: bool) -> impl Fn(&Arc<dyn Io>) -> bool {
    let options = CreateOptions { prewrite, ..CreateOptions::default() };
    move |io| BlockFile::create(&**io, Path::new("/d/f"), shape(BLOCKS), options).is_ok()
}

fn whole_or_not_there(disk: &SimDisk, created: bool, what: &str) {
    match open(&*disk.io(), "/d/f") {
        Ok(file) => {
            assert_eq!(file.shape(), shape(BLOCKS), "{what}");
            assert!(file.reserved(), "not reserved: {what}");
            assert!(load(&file, 0, 3 * BLOCK).iter().all(|byte| *byte == 0), "not zero: {what}");
        }
        Err(error) => {
            assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}: {what}");
            assert!(!created, "lost: {what}");
            BlockFile::create(&*disk.io(), Path::new("/d/f"), shape(BLOCKS), CreateOptions::default())
                .unwrap_or_else(|error| panic!("cannot be made again: {error}: {what}"));
        }
    }
    for name in disk.names("/d").unwrap() {
        assert!(name == "f" || name.starts_with(".pstream-tmp-"), "{name} is left: {what}");
    }
}

#[test]
fn a_create_that_is_stopped_leaves_a_whole_file_or_none() {
    for prewrite in [false, true] {
        let states = stop_everywhere(&disk(1), 40, program(prewrite), |disk, created, what| {
            whole_or_not_there(disk, *created, what);
        });
        assert!(states > 80, "only {states} states");
    }
}

#[test]
fn a_create_that_fails_leaves_a_whole_file_or_none() {
    let effects = [Effect::EIO, Effect::ENOSPC, Effect::FAIL_SYNC, Effect::Torn(std::io::ErrorKind::Other)];
    for prewrite in [false, true] {
        let states = fail_everywhere(&disk(2), 20, &effects, program(prewrite), |disk, created, what| {
            whole_or_not_there(disk, *created, what);
        });
        assert!(states > 80, "only {states} states");
    }
}

/// Of what goes wrong before the file has its name nothing is left behind, however often it is tried.
#[test]
fn a_create_that_fails_cleans_up() {
    for kind in [CallKind::Reserve, CallKind::SetLen, CallKind::SyncAll, CallKind::Rename, CallKind::Write] {
        let disk = disk(3);
        disk.inject(Fault::new(Effect::EIO).kind(kind));
        assert!(!program(true)(&disk.io()), "{kind:?}");
        assert_eq!(disk.names("/d").unwrap(), Vec::<String>::new(), "{kind:?}");
        assert!(program(true)(&disk.io()), "{kind:?}");
    }
}

/// Another process made the file between our look at the path and our rename: nothing is replaced, and nothing left.
#[test]
fn the_rename_decides_who_was_first() {
    let disk = disk(4);
    let theirs = create(&*disk.io(), "/d/f", 1);
    theirs.store_bytes(0, b"theirs").unwrap();
    disk.inject(Fault::new(Effect::Fail(std::io::ErrorKind::NotFound)).kind(CallKind::Metadata));
    let ours = BlockFile::create(&*disk.io(), Path::new("/d/f"), shape(2), CreateOptions::default());
    assert_eq!(*ours.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.faults_fired(), 1);
    assert_eq!(load(&open(&*disk.io(), "/d/f").unwrap(), 0, 6), b"theirs");
    assert_eq!(disk.names("/d").unwrap(), ["f"]);
}

/// Where the file system cannot reserve: an error, or a file that says so.
#[test]
fn without_reservation_a_create_fails_or_says_so() {
    let disk = disk(5);
    disk.unsupported(CallKind::Reserve);
    let error = BlockFile::create(&*disk.io(), Path::new("/d/f"), shape(2), CreateOptions::default()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(disk.names("/d").unwrap().is_empty());
    let options = CreateOptions { reserve: Reserve::BestEffort, ..CreateOptions::default() };
    let file = BlockFile::create(&*disk.io(), Path::new("/d/f"), shape(2), options).unwrap();
    assert!(!file.reserved());
    assert_eq!(load(&file, 0, 2 * BLOCK), vec![0; 2 * BLOCK]);
}
