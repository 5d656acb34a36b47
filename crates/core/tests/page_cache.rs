//! What stays in the page cache, on the real operating system.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests say what they expect by panicking")]

use pstream_core::{BlockFile, CachePolicy, CreateOptions, FileOptions, OsIo, Residency, Shape};

const LEN: usize = 1 << 20;

/// Stores and loads 1 MiB, too little for a drop on the way, closes, and looks through another handle.
fn left_over(cache: CachePolicy, close: impl Fn(BlockFile)) -> Residency {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let file = FileOptions { cache, ..FileOptions::default() };
    let options = CreateOptions { file, ..CreateOptions::default() };
    let writer = BlockFile::create(&OsIo, &path, Shape::new(256, 12).unwrap(), options).unwrap();
    let watcher = BlockFile::open(&OsIo, &path, 12, FileOptions::default()).unwrap();
    writer.store_bytes(0, &vec![7; LEN]).unwrap();
    writer.load_bytes(0, &mut vec![0; LEN]).unwrap();
    close(writer);
    watcher.residency(0..watcher.shape().size()).unwrap()
}

#[test]
fn a_small_file_leaves_nothing_in_the_page_cache_when_it_is_closed() {
    let empty = [Residency::Bytes(0), Residency::InMemory, Residency::Unknown];
    assert!(empty.contains(&left_over(CachePolicy::Drop, |file| file.close())));
    assert!(empty.contains(&left_over(CachePolicy::Drop, drop)));
}

#[test]
fn what_is_to_be_kept_is_kept() {
    assert_ne!(left_over(CachePolicy::Keep, drop), Residency::Bytes(0));
}
