//! What the traced process does between the two marks, and what it expects of it.

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;

use pstream_core::file::Staging;
use pstream_core::{
    BlockFile, CachePolicy, CreateOptions, Durability, ErrorKind, FileOptions, FileSequence, LockMode, OsIo, Reserve,
    SequenceOptions,
};

use crate::common::{assert_code, assert_fails, names, open, os, pattern, shape, try_open};

/// Opened where tracing begins and ends; there are no such files.
pub const BEGIN: &str = "/pstream-trace-begins";
pub const END: &str = "/pstream-trace-ends";

fn traced<T>(work: impl FnOnce() -> T) -> T {
    drop(File::open(BEGIN));
    let done = work();
    drop(File::open(END));
    done
}

/// With the very defaults, and without asking first whether space can be reserved: that would be a call like any other,
/// and the one that is made to fail.
fn create(path: &Path, block_count: u64, block_shift: u32) -> BlockFile {
    BlockFile::create(&OsIo, path, shape(block_count, block_shift), CreateOptions::default()).expect("create")
}

fn sequence(root: &Path, name: &str) -> FileSequence {
    FileSequence::open(os(), root, name, shape(2, 12), SequenceOptions::default()).expect("open the sequence")
}

/// Asserts that a file does nothing any more after a failed sync.
#[track_caller]
fn is_poisoned(file: &BlockFile) {
    let message = "file is unavailable due to prior sync error";
    assert_fails(file.store_bytes(0, b"x"), &ErrorKind::SyncFailed, message);
    assert_fails(file.store(0, &[]), &ErrorKind::SyncFailed, message);
    assert_fails(file.load_bytes(0, &mut [0]), &ErrorKind::SyncFailed, message);
    assert_fails(file.load(0, &mut []), &ErrorKind::SyncFailed, message);
    assert_fails(file.sync(), &ErrorKind::SyncFailed, message);
}

#[track_caller]
fn holds(path: &Path, shift: u32, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    open(path, shift).load_bytes(0, &mut read).unwrap();
    assert!(read == bytes);
}

pub fn play(role: &str, folder: &Path) {
    let path = folder.join("data");
    match role {
        "nothing" => traced(|| drop(File::open("/none"))),
        "create" => drop(traced(|| create(&path, 4, 12))),
        "create prewritten" => {
            let options = CreateOptions { prewrite: true, ..CreateOptions::default() };
            traced(|| BlockFile::create(&OsIo, &path, shape(5, 22), options)).unwrap();
        }
        "open" => {
            create(&path, 4, 12);
            traced(|| open(&path, 12));
        }
        "small store" | "small stores" => small_stores(&path, if role == "small store" { 1 } else { 3 }),
        "large store" => {
            let (file, bytes) = (create(&path, 40, 20), pattern((20 << 20) + 5, 1));
            traced(|| file.store_bytes(1, &bytes)).unwrap();
        }
        "raw" => {
            let file = create(&path, 16, 12);
            traced(|| {
                file.write_at(5, &[IoSlice::new(b"cached")], Durability::Cached).unwrap();
                file.write_at(100, &[IoSlice::new(b"synced")], Durability::Synced).unwrap();
                file.sync().unwrap();
            });
        }
        "direct" | "large direct" => {
            let file = create(&path, 16, 20);
            let bytes = pattern(if role == "direct" { (1 << 20) + 5 } else { (3 << 20) + 5 }, 1);
            let mut staging = Staging::new(1 << 20);
            let write = |file: &BlockFile, staging: &mut Staging| {
                file.write_direct(staging, (8192, bytes.len()), |stage| {
                    stage.put(&bytes);
                    Ok(())
                })
            };
            traced(|| write(&file, &mut staging)).unwrap();
            drop(file);
            let mut seen = vec![0; bytes.len()];
            open(&path, 20).read_at(8192, &mut [IoSliceMut::new(&mut seen)]).unwrap();
            assert!(seen == bytes);
        }
        "drops" => drops(&path),
        "keeps" => {
            let options = FileOptions { cache: CachePolicy::Keep, ..FileOptions::default() };
            create(&path, 32, 20);
            let file = BlockFile::open(&OsIo, &path, 20, options).unwrap();
            traced(|| {
                file.store_bytes(0, &vec![1; 20 << 20]).unwrap();
                file.load_bytes(0, &mut vec![0; 20 << 20]).unwrap();
            });
        }
        "sequence" => {
            let sequence = sequence(folder, "s");
            sequence.alloc(None).unwrap();
            traced(|| sequence.alloc(None)).unwrap();
        }
        "release" => {
            let sequence = sequence(folder, "s");
            let file = sequence.alloc(None).unwrap();
            traced(|| sequence.release(&file)).unwrap();
        }
        "open and close a sequence" => traced(|| sequence(folder, "s").close()).unwrap(),
        "drop a sequence" => traced(|| drop(sequence(folder, "s"))),
        _ => faulty(role, folder, &path),
    }
}

fn small_stores(path: &Path, count: u64) {
    let file = create(path, 4, 12);
    let bytes = pattern(4096, 1);
    traced(|| {
        for block in 0..count {
            file.store(block, &[IoSlice::new(&bytes[..48]), IoSlice::new(&bytes[48..])]).unwrap();
        }
    });
    drop(file);
    holds(path, 12, &bytes);
}

/// Ten stores of a MiB in order, then some that jump.
fn drops(path: &Path) {
    let file = create(path, 32, 20);
    traced(|| {
        for block in 0..10 {
            file.store_bytes(block, &vec![1; 1 << 20]).unwrap();
        }
        for block in [20, 3, 17, 9] {
            file.store_bytes(block, &vec![1; 1 << 20]).unwrap();
        }
    });
}

/// Roles that expect a fault of one of their calls.
fn faulty(role: &str, folder: &Path, path: &Path) {
    match role {
        "store fails" => {
            let file = create(path, 4, 12);
            let error = traced(|| file.store_bytes(2, b"x")).unwrap_err();
            assert_eq!((error.code(), error.block()), ("PSTREAM_SYNC_FAILED", Some(2)));
            assert!(error.os().is_some() && error.path() == Some(file.path()), "{error:?}");
            is_poisoned(&file);
            open(path, 12).store_bytes(2, b"x").unwrap();
        }
        "large store fails" => {
            let file = create(path, 40, 20);
            assert_code(traced(|| file.store_bytes(0, &vec![1; 20 << 20])), "PSTREAM_SYNC_FAILED");
            is_poisoned(&file);
        }
        "store has no space" => {
            let (file, bytes) = (create(path, 4, 12), pattern(4096, 3));
            let error = traced(|| file.store_bytes(0, &bytes)).unwrap_err();
            assert_eq!((error.code(), error.syscall()), ("PSTREAM_NO_SPACE", Some("pwritev")));
            file.store_bytes(0, &bytes).unwrap();
            holds(path, 12, &bytes);
        }
        "create fails" => {
            assert_code(
                traced(|| BlockFile::create(&OsIo, path, shape(4, 12), CreateOptions::default())),
                "PSTREAM_SYNC_FAILED",
            );
            assert_eq!(names(folder), Vec::<String>::new());
        }
        "create has no space" => {
            assert_code(
                traced(|| BlockFile::create(&OsIo, path, shape(4, 12), CreateOptions::default())),
                "PSTREAM_NO_SPACE",
            );
            assert_eq!(names(folder), Vec::<String>::new());
        }
        "create cannot reserve" => {
            let make = |reserve| {
                BlockFile::create(&OsIo, path, shape(4, 12), CreateOptions { reserve, ..CreateOptions::default() })
            };
            assert_code(make(Reserve::Required), "PSTREAM_UNSUPPORTED");
            assert_eq!(names(folder), Vec::<String>::new());
            let file = traced(|| make(Reserve::BestEffort)).unwrap();
            assert_eq!((file.reserved(), fs::metadata(path).unwrap().len()), (false, 4 << 12));
        }
        "create by link" => {
            traced(|| create(path, 4, 12));
            let again = BlockFile::create(&OsIo, path, shape(4, 12), CreateOptions::default());
            assert_code(again, "PSTREAM_ALREADY_EXISTS");
            assert_eq!(names(folder), ["data"]);
            by_link(folder);
        }
        "open fails" => {
            create(path, 4, 12);
            assert_code(traced(|| try_open(path, 12)), "PSTREAM_SYNC_FAILED");
        }
        _ => faulty_sequence(role, folder),
    }
}

fn faulty_sequence(role: &str, folder: &Path) {
    match role {
        "alloc fails" => {
            let sequence = sequence(folder, "s");
            assert_code(traced(|| sequence.alloc(None)), "PSTREAM_SYNC_FAILED");
            let message = "sequence is unavailable due to prior sync error";
            assert_fails(sequence.alloc(None), &ErrorKind::SyncFailed, message);
            assert_fails(sequence.retrieve(), &ErrorKind::SyncFailed, message);
        }
        "release fails" => {
            let sequence = sequence(folder, "s");
            let file = sequence.alloc(None).unwrap();
            assert_code(traced(|| sequence.release(&file)), "PSTREAM_SYNC_FAILED");
            assert_eq!((sequence.start(), sequence.len()), (1, 1));
            let message = "sequence is unavailable due to prior sync error";
            assert_fails(sequence.release(&file), &ErrorKind::SyncFailed, message);
            file.store_bytes(0, b"the caller keeps the file").unwrap();
        }
        "no locks" => {
            let try_with = |lock| {
                let options = SequenceOptions { lock, ..SequenceOptions::default() };
                FileSequence::open(os(), folder, "s", shape(1, 12), options)
            };
            assert_code(try_with(LockMode::Required), "PSTREAM_UNSUPPORTED");
            try_with(LockMode::BestEffort).unwrap().close().unwrap();
            assert_eq!(names(folder), Vec::<String>::new());
        }
        role => panic!("no such role: {role}"),
    }
}

/// Where a file system can only link and unlink, a crash in between leaves both names: finishing is possible, and a
/// name that is another file's is still refused.
fn by_link(folder: &Path) {
    use pstream_core::io::Io;
    let (from, to, other) = (folder.join("from"), folder.join("to"), folder.join("other"));
    fs::write(&from, "same").unwrap();
    fs::write(&other, "other").unwrap();
    fs::hard_link(&from, &to).unwrap();
    assert!(OsIo.rename_new(&from, &other).is_err());
    OsIo.rename_new(&from, &to).unwrap();
    assert!(!from.exists() && fs::read(&to).unwrap() == b"same" && fs::read(&other).unwrap() == b"other");
}
