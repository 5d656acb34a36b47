//! What happens at one certain moment of a call: a close, an interruption, an error that somebody else's call reports.

use std::fs;
use std::io::{Error, ErrorKind as Kind};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use pstream_core::{BlockFile, CreateOptions, ErrorKind, FileOptions};

use crate::common::hooked::Hooked;
use crate::common::{assert_code, assert_fails, create, create_options, failure, folder, names, pattern, shape};

/// A hook that fails the first `times` calls of this name.
fn failing(call: &'static str, kind: Kind, times: u32) -> (Hooked, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let io = Hooked::new(move |name, _| {
        if name == call && counter.fetch_add(1, Ordering::Relaxed) < times { Err(kind.into()) } else { Ok(()) }
    });
    (io, calls)
}

fn create_by(io: &Hooked, path: &Path, options: CreateOptions) -> pstream_core::Result<BlockFile> {
    BlockFile::create(io, path, shape(4, 12), options)
}

/// A close lets calls that are under way finish: the load in whose middle it came has its bytes.
#[test]
fn a_load_under_way_outlives_a_close() {
    let folder = folder();
    let path = folder.path().join("data");
    create(&path, 4, 12).store_bytes(0, b"hello").unwrap();
    let file: Arc<OnceLock<BlockFile>> = Arc::default();
    let closed = Arc::clone(&file);
    let io = Hooked::new(move |call, _| {
        if let Some(file) = closed.get().filter(|_| call == "read_at") {
            file.close();
        }
        Ok(())
    });
    let opened = file.get_or_init(|| BlockFile::open(&io, &path, 12, FileOptions::default()).unwrap());
    let mut read = [0; 5];
    opened.load_bytes(0, &mut read).unwrap();
    assert_eq!(&read, b"hello");
    assert_code(opened.load_bytes(0, &mut read), "PSTREAM_CLOSED");
}

/// An error of a hint on the way of prewriting is the only report of a failed writeback that there will be: the sync
/// behind it says that all is well.
#[test]
fn prewriting_heeds_the_error_of_a_hint() {
    let folder = folder();
    let (io, _) = failing("start_writeback", Kind::Other, 1);
    let options = CreateOptions { prewrite: true, ..create_options() };
    let error = failure(create_by(&io, &folder.path().join("data"), options));
    assert_eq!((error.kind(), error.syscall()), (&ErrorKind::SyncFailed, Some("sync_file_range")));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

/// A signal may interrupt a reservation, or the zeroing of a range, before anything is done: they are made again.
#[test]
fn an_interrupted_reservation_is_made_again() {
    let folder = folder();
    for call in ["reserve", "set_len", "write_at"] {
        let (io, calls) = failing(call, Kind::Interrupted, 3);
        let options = CreateOptions { prewrite: true, ..create_options() };
        create_by(&io, &folder.path().join(call), options).unwrap();
        assert!(calls.load(Ordering::Relaxed) >= 4, "{call}");
    }
    let (io, calls) = failing("zero_range", Kind::Interrupted, 3);
    let file = create_by(&io, &folder.path().join("zeroed"), create_options()).unwrap();
    file.store_bytes(0, &pattern(4096, 1)).unwrap();
    file.zero(0..4096).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    let mut read = [1; 4096];
    file.load_bytes(0, &mut read).unwrap();
    assert_eq!(read, [0; 4096]);
}

/// Never a sync: it may have been interrupted after it had thrown away the report of a failure.
#[test]
fn an_interrupted_sync_is_a_failed_one() {
    let folder = folder();
    let (io, calls) = failing("sync_data", Kind::Interrupted, 1);
    let file = create_by(&io, &folder.path().join("data"), create_options()).unwrap();
    assert_code(file.sync(), "PSTREAM_SYNC_FAILED");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let message = "file is unavailable due to prior sync error";
    assert_fails(file.sync(), &ErrorKind::SyncFailed, message);
    assert_fails(file.store(0, &[]), &ErrorKind::SyncFailed, message);
    assert_fails(file.load(0, &mut []), &ErrorKind::SyncFailed, message);
    assert_fails(file.check_load(9, 9), &ErrorKind::SyncFailed, message);
}

/// Each step of a creation fails in turn: no file, no left-over, and the name is free for the next try.
#[test]
fn a_creation_that_fails_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("data");
    for call in ["reserve", "set_len", "write_at", "start_writeback", "sync_all", "rename_new"] {
        let (io, _) = failing(call, Kind::Other, 1);
        let options = CreateOptions { prewrite: true, ..create_options() };
        failure(create_by(&io, &path, options));
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{call}");
    }
    let (io, _) = failing("sync_dir", Kind::Other, 1);
    assert_code(create_by(&io, &path, create_options()), "PSTREAM_SYNC_FAILED");
    assert_eq!(fs::metadata(&path).unwrap().len(), 4 << 12, "whole, if it is there");
}

/// An open that cannot make durable what an earlier writer left does not trust the file.
#[test]
fn an_open_that_cannot_sync_fails() {
    let folder = folder();
    let path = folder.path().join("data");
    create(&path, 4, 12);
    let (io, _) = failing("sync_data", Kind::Other, 1);
    assert_code(BlockFile::open(&io, &path, 12, FileOptions::default()), "PSTREAM_SYNC_FAILED");
    let io = Hooked::new(|call, _| if call == "sync_data" { Err(Error::other("disk")) } else { Ok(()) });
    let options = FileOptions { read_only: true, ..FileOptions::default() };
    assert_code(BlockFile::open(&io, &path, 12, options), "PSTREAM_SYNC_FAILED");
}

/// The page cache is dropped along the way of a long load, not only at its end.
#[test]
fn a_long_load_drops_the_cache_along_the_way() {
    let folder = folder();
    let path = folder.path().join("data");
    create(&path, 32, 20);
    let trace: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&trace);
    let io = Hooked::new(move |call, _| {
        kept.lock().unwrap().push(call.to_owned());
        Ok(())
    });
    let file = BlockFile::open(&io, &path, 20, FileOptions::default()).unwrap();
    trace.lock().unwrap().clear();
    file.load_bytes(0, &mut vec![0; 32 << 20]).unwrap();
    let trace = trace.lock().unwrap();
    let undropped = trace.split(|call| call == "evict").map(<[String]>::len).max().unwrap();
    assert!(trace.iter().filter(|call| *call == "read_at").count() >= 4 && undropped <= 4, "{trace:?}");
}
