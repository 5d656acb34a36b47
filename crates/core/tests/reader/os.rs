//! On the real operating system: the page cache stays flat while a stream is read, and memory does not grow with it.

use std::sync::Arc;

use pstream_core::format::StreamId;
use pstream_core::format::batch::push_record;
use pstream_core::stream::read::{ReadOptions, Slot, Snapshot};
use pstream_core::stream::{Level, Log, LogOptions, Mark, Pending, PendingKind};
use pstream_core::{BlockFile, CachePolicy, ErrorKind, FileOptions, OsIo, Residency};

use crate::oracle::{Oracle, pattern};

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

/// The engine's own writer and reader on a real disk, while it is written: files of several sizes.
#[test]
fn a_stream_is_read_while_it_is_written() {
    const TOTAL: u64 = 48 << 20;
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions { file_size: 16 << 20, ..LogOptions::new("s") };
    let (mut log, _) = Log::open(Arc::new(OsIo), folder.path(), options).unwrap();
    let record = pattern(RECORD, 1);
    let mut payload = Vec::new();
    push_record(&record, &mut payload);
    let mut reader = log.snapshot(Level::Durable).unwrap().read(ReadOptions::default()).unwrap();
    let (mut memory, mut next, mut most) = (Vec::new(), 0, 0);
    while next * (RECORD as u64) < TOTAL {
        let pending = Pending { kind: PendingKind::Records, payload: &payload, count: 1 };
        for _ in 0..=next % 5 {
            log.commit(&[pending], Level::Durable).unwrap();
        }
        reader.renew(log.snapshot(Level::Durable).unwrap()).unwrap();
        loop {
            let run = reader.next_run(&mut memory).unwrap();
            most = most.max(memory.capacity());
            for batch in &run.batches {
                assert_eq!(batch.seq, next);
                assert!(batch.ranges(&memory).all(|range| memory[range] == record[..]));
                next += batch.count;
            }
            if run.batches.is_empty() {
                break;
            }
        }
        assert_eq!(next, log.durable().seq);
    }
    assert!(most <= 4 << 20, "{most} bytes of memory");
    let snapshot = log.snapshot(Level::Durable).unwrap();
    assert!(snapshot.files().len() > 4);
    let mut resident = 0;
    for slot in snapshot.files() {
        let file = BlockFile::open_behind_writer(&OsIo, slot.path(), 16, CachePolicy::Keep).unwrap();
        match file.residency(0..file.shape().size()).unwrap() {
            Residency::Bytes(bytes) => resident += bytes,
            Residency::Unknown | Residency::InMemory => {}
        }
    }
    assert!(resident <= 16 << 20, "{resident} bytes are in the cache");
    let starts: Vec<u64> = snapshot.files().iter().map(|slot| slot.start().unwrap().seq).collect();
    log.release_first().unwrap();
    assert_eq!(*snapshot.get(0).unwrap_err().kind(), ErrorKind::Trimmed(starts[1]));
    assert_eq!(snapshot.get(starts[1]).unwrap().unwrap().data, record);
    log.close().unwrap();
}
