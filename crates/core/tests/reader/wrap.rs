//! The engine's own writer goes on where the oracle has stopped, and the index of files wraps.

use std::path::Path;

use pstream_core::format::batch::push_record;
use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind};
use pstream_sim::SimDisk;

use pstream_core::stream::read::{ReadOptions, Start};

use crate::harness::{from, read, search, verify};
use crate::oracle::{Oracle, SEAL, pattern};

#[test]
fn indexes_wrap() {
    let mut oracle = Oracle::new(31, 0xfffd, 12, 8);
    for size in [10, 3000, 9000, 4000] {
        let record = pattern(size, oracle.next_seq());
        oracle.append(0, &[record], false);
    }
    oracle.mark(SEAL);
    let disk = SimDisk::new(5);
    disk.io().create_dir(Path::new("/d")).unwrap();
    disk.install("/d/s.fffd-12", &oracle.file().bytes).unwrap();
    disk.settle();
    let mut options = LogOptions::new("s");
    (options.block_size, options.file_size, options.first_file_size) = (4096, 8 * 4096, Some(8 * 4096));
    let (mut log, recovery) = Log::open(disk.io(), Path::new("/d"), options).unwrap();
    assert_eq!((recovery.next_seq, recovery.torn), (4, None));
    for seq in 4..60 {
        let record = pattern(3000, seq);
        let mut payload = Vec::new();
        push_record(&record, &mut payload);
        log.commit(&[Pending { kind: PendingKind::Records, payload: &payload, count: 1 }], Level::Durable).unwrap();
        oracle.records.push((0, record));
    }
    let mut reader = log.snapshot(Level::Durable).unwrap().read(from(Start::Seq(30))).unwrap();
    assert_eq!(reader.next_batch().unwrap().unwrap().seq, 30);
    for released in 0..6 {
        let snapshot = log.snapshot(Level::Durable).unwrap();
        let indexes: Vec<u16> = snapshot.files().iter().map(|file| file.index()).collect();
        assert!(indexes.len() > 2 && indexes.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{indexes:?}");
        assert_eq!(indexes[0], 0xfffd_u16.wrapping_add(released));
        let oldest = snapshot.oldest_seq().unwrap();
        let (records, error) = read(&snapshot, ReadOptions::default());
        assert_eq!((records.len() as u64, error), (60 - oldest, None));
        assert!(records.iter().all(|(seq, _, data)| *data == oracle.records[*seq as usize].1));
        for seq in oldest..60 {
            assert_eq!(snapshot.get(seq).unwrap().unwrap().data, oracle.records[seq as usize].1);
            assert_eq!(search(&snapshot, |at, _| at < seq).unwrap(), seq);
        }
        assert!(verify(&snapshot).ok());
        reader.renew(snapshot).unwrap();
        log.release_first().unwrap();
    }
    let mut next = 31;
    while let Some(batch) = reader.next_batch().unwrap() {
        assert_eq!(batch.seq, next);
        next += batch.count;
    }
    assert_eq!(next, 60);
}
