//! A reader that goes on behind a failed sync: what it has read may be gone, or is not.

use pstream_core::ErrorKind;
use pstream_core::stream::Level;
use pstream_core::stream::Log;
use pstream_core::stream::read::{ReadOptions, Reader, Snapshot};
use pstream_sim::{CallKind, Effect, Fault, Keep};

use crate::harness::{commit, disk, open, record, write};

fn at_end(log: &Log) -> (Reader, Snapshot) {
    let snapshot = log.snapshot(Level::Written).unwrap();
    let mut reader = snapshot.read(ReadOptions::default()).unwrap();
    while reader.next_batch().unwrap().is_some() {}
    (reader, snapshot)
}

fn fail_sync(disk: &pstream_sim::SimDisk, log: &mut Log, keep: Keep) {
    let fault = Effect::FailSync { kind: std::io::ErrorKind::Other, keep };
    disk.inject(Fault::new(fault).kind(CallKind::SyncData));
    log.flush().unwrap_err();
    log.recover_in_place().unwrap();
}

fn records(reader: &mut Reader) -> Vec<(u64, Vec<u8>)> {
    let mut records = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        records.extend(batch.records().map(|(seq, data)| (seq, data.to_vec())));
    }
    records
}

/// What was written when it was read and became durable after that is not taken back by a later failure, and its reader is
/// not told that it may have been; who has read further is, whatever the disk has kept.
#[test]
fn a_reader_fails_only_if_it_may_have_lost_something() {
    for keep in [Keep::None, Keep::All, Keep::Random(3), Keep::Random(4)] {
        let disk = disk(105);
        let (mut log, _) = open(&disk);
        write(&mut log, &[record(0, 100)]);
        let (mut before, snapshot) = at_end(&log);
        assert_eq!((before.seq(), snapshot.durable_seq(), snapshot.generation()), (1, 0, 1));
        log.flush().unwrap();
        write(&mut log, &[record(1, 5000)]);
        let (mut beyond, _) = at_end(&log);
        fail_sync(&disk, &mut log, keep.clone());
        let next = commit(&mut log, &[record(2, 300)]).seqs.start;
        let later = log.snapshot(Level::Written).unwrap();
        assert_eq!((later.generation(), later.kept_seq(), later.durable_seq()), (2, 1, next + 1));
        before.renew(later.clone()).unwrap();
        let mut expected = vec![(next, record(2, 300))];
        if next == 2 {
            expected.insert(0, (1, record(1, 5000)));
        }
        assert_eq!(records(&mut before), expected);
        assert_eq!(*beyond.renew(later).unwrap_err().kind(), ErrorKind::SyncFailed);
    }
}

/// Of two recoveries the last one says nothing about what the first one took.
#[test]
fn what_an_earlier_recovery_took_is_not_forgotten() {
    let disk = disk(106);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    let (mut durable, _) = at_end(&log);
    write(&mut log, &[record(1, 5000)]);
    let (mut beyond, _) = at_end(&log);
    fail_sync(&disk, &mut log, Keep::None);
    // The same seq, for another record, which is durable when the next sync fails.
    assert_eq!(commit(&mut log, &[record(7, 5000)]).seqs, 1..2);
    write(&mut log, &[record(8, 100)]);
    fail_sync(&disk, &mut log, Keep::None);
    commit(&mut log, &[record(9, 100)]);
    let later = log.snapshot(Level::Written).unwrap();
    assert_eq!((later.generation(), later.kept_seq()), (3, 2));
    assert_eq!(*beyond.renew(later.clone()).unwrap_err().kind(), ErrorKind::SyncFailed);
    durable.renew(later).unwrap();
    assert_eq!(records(&mut durable), [(1, record(7, 5000)), (2, record(9, 100))]);
}
