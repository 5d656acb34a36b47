//! On the real operating system: the page cache stays flat while a stream is read, and memory does not grow with it.

use std::sync::Arc;

use pstream_core::format::StreamId;
use pstream_core::stream::Mark;
use pstream_core::stream::read::{ReadOptions, Slot, Snapshot};
use pstream_core::{BlockFile, CachePolicy, FileOptions, OsIo, Residency};

use crate::oracle::Oracle;

const RECORD: usize = 200_000;

fn resident(cache: CachePolicy) -> Residency {
    let mut oracle = Oracle::new(11, 1, 16, 384);
    let record = [vec![7; RECORD]];
    while oracle.fits(&record, false) {
        oracle.append(0, &record, false);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, &oracle.file().bytes).unwrap();
    // Its opening empties the cache; it reads nothing.
    let file = BlockFile::open(&OsIo, &path, 16, FileOptions::default()).unwrap();
    let slot = Slot::new(Arc::new(OsIo), 1, path, 16, cache);
    let end = Mark { position: oracle.end(), seq: oracle.next_seq() };
    let snapshot = Snapshot::new(StreamId::new(11).unwrap(), vec![slot.into()], end).unwrap();
    let mut reader = snapshot.read(ReadOptions { cache, ..ReadOptions::default() }).unwrap();
    let (mut memory, mut count, mut most) = (Vec::new(), 0, 0);
    loop {
        let run = reader.next_run(&mut memory).unwrap();
        most = most.max(memory.capacity());
        if run.batches.is_empty() {
            break;
        }
        for range in run.batches.iter().flat_map(|batch| batch.ranges(&memory)) {
            assert!(memory[range] == record[0]);
            count += 1;
        }
    }
    assert_eq!(count, oracle.next_seq());
    assert!(most <= 4 << 20, "{most} bytes of memory");
    file.residency(0..file.shape().size()).unwrap()
}

#[test]
fn the_page_cache_stays_flat() {
    match resident(CachePolicy::Drop) {
        // 24 MiB were read: what goes through between two drops, and what the system reads ahead.
        Residency::Bytes(bytes) => assert!(bytes <= 8 << 20, "{bytes} bytes of it are in the cache"),
        Residency::Unknown | Residency::InMemory => {}
    }
    match resident(CachePolicy::Keep) {
        Residency::Bytes(bytes) => assert!(bytes > 16 << 20, "{bytes} bytes of it are in the cache"),
        Residency::Unknown | Residency::InMemory => {}
    }
}
