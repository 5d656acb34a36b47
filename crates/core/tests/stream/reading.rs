//! What the engine's reader sees of what the engine's writer wrote.

use std::sync::{Arc, Mutex};

use pstream_core::stream::read::{Gap, ReadOptions, Snapshot, Start};
use pstream_core::stream::{Level, LogOptions, Mode};
use pstream_core::{Error, ErrorKind};
use pstream_sim::{CallKind, Effect, Fault, Keep};

use crate::harness::{commit, commit_each, disk, open, open_with, options, path, record, rest, sized, write};

type Records = Vec<(u64, Vec<u8>)>;
type Gaps = Vec<(u64, u64)>;

/// All records from a seq on, with their seqs, and the gaps; or the error that ends them.
pub fn read_from(snapshot: &Snapshot, from: Start, gaps: bool) -> (Records, Gaps, Option<Error>) {
    let met = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&met);
    let on_gap = move |gap: Gap| list.lock().unwrap().push((gap.from_seq, gap.to_seq));
    let on_gap: Option<pstream_core::stream::read::OnGap> = if gaps { Some(Box::new(on_gap)) } else { None };
    let mut records = Vec::new();
    let error = match snapshot.read(ReadOptions { from, on_gap, ..ReadOptions::default() }) {
        Err(error) => Some(error),
        Ok(mut reader) => loop {
            match reader.next_batch() {
                Ok(None) => break None,
                Err(error) => break Some(error),
                Ok(Some(batch)) => records.extend(batch.records().map(|(seq, data)| (seq, data.to_vec()))),
            }
        },
    };
    let gaps = std::mem::take(&mut *met.lock().unwrap());
    (records, gaps, error)
}

/// All records, which must be there without a gap.
#[track_caller]
pub fn read_all(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let (records, gaps, error) = read_from(snapshot, Start::Oldest, true);
    assert!(gaps.is_empty() && error.is_none(), "{gaps:?}, {error:?}");
    let oldest = snapshot.oldest_seq().unwrap();
    assert!(records.iter().zip(oldest..).all(|((seq, _), expected)| *seq == expected));
    assert_eq!(oldest + records.len() as u64, snapshot.next_seq());
    records.into_iter().map(|(_, data)| data).collect()
}

fn salvage() -> LogOptions {
    LogOptions { recovery: Mode::Salvage, ..options() }
}

/// A stream that was salvaged behind each kind of damage is read on both sides of it, and says what is gone.
#[test]
fn a_salvaged_stream_has_a_gap() {
    let start = disk(101);
    let (mut log, _) = open_with(&start.io(), &options()).unwrap();
    commit_each(&mut log, 0..20, 3000);
    let last = log.snapshot(Level::Durable).unwrap().files().last().unwrap().index();
    log.close().unwrap();
    drop(log);
    rest(&start);
    let mut lost_any = 0;
    let sectors = (0..8).map(|sector| (last, sector * 4096..sector * 4096 + 4096));
    let heads = [(last, 0..8192), (last, 0..8 * 4096)];
    for (index, range) in sectors.chain(heads) {
        let damaged = start.fork();
        damaged.garble_on_disk(path(index), range.clone()).unwrap();
        if open_with(&damaged.fork().io(), &options()).is_ok() {
            continue;
        }
        let (mut log, recovery) = open_with(&damaged.io(), &salvage()).unwrap();
        commit_each(&mut log, 1000..1010, 3000);
        let snapshot = log.snapshot(Level::Durable).unwrap();
        let (records, gaps, error) = read_from(&snapshot, Start::Oldest, true);
        assert!(error.is_none(), "{range:?}: {error:?}");
        assert!(!gaps.is_empty(), "{range:?}");
        let gone: Vec<u64> = gaps.iter().flat_map(|(from, to)| *from..*to).collect();
        let mut all: Vec<u64> = records.iter().map(|(seq, _)| *seq).chain(gone.iter().copied()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..snapshot.next_seq()).collect::<Vec<_>>(), "{range:?}: {gaps:?}");
        for (seq, data) in &records {
            let number = if *seq < recovery.next_seq { *seq } else { 1000 + seq - recovery.next_seq };
            assert_eq!(*data, record(number, 3000), "{range:?}: record {seq}");
            assert_eq!(snapshot.get(*seq).unwrap().unwrap().data, *data);
        }
        for seq in &gone {
            assert!(matches!(snapshot.get(*seq).unwrap_err().kind(), ErrorKind::Corrupt(_)), "{range:?}: {seq}");
        }
        let (strict, _, error) = read_from(&snapshot, Start::Oldest, false);
        assert!(matches!(error.unwrap().kind(), ErrorKind::Corrupt(_)), "{range:?}");
        assert_eq!(strict.len() as u64, gaps[0].0);
        let mut verifier = snapshot.verify().unwrap();
        while verifier.step().unwrap() {}
        assert_eq!((verifier.report().records, verifier.report().ok()), (records.len() as u64, false), "{range:?}");
        lost_any += gone.len();
    }
    assert!(lost_any > 4, "{lost_any}");
}

/// A file that is gone in the middle, and one whose beginning is.
#[test]
fn a_salvaged_stream_with_a_file_missing() {
    for missing in [false, true] {
        let disk = disk(102);
        let (mut log, _) = open(&disk);
        commit_each(&mut log, 0..40, 3000);
        let starts: Vec<u64> =
            log.snapshot(Level::Durable).unwrap().files().iter().map(|file| file.start().unwrap().seq).collect();
        log.close().unwrap();
        drop(log);
        if missing {
            disk.io().remove_file(path(3).as_ref()).unwrap();
        }
        rest(&disk);
        if !missing {
            disk.garble_on_disk(path(3), 0..8192).unwrap();
        }
        let options = if missing { salvage() } else { options() };
        let (mut log, recovery) = open_with(&disk.io(), &options).unwrap();
        commit(&mut log, &[record(40, 3000)]);
        let snapshot = log.snapshot(Level::Durable).unwrap();
        let (records, gaps, error) = read_from(&snapshot, Start::Oldest, true);
        assert!(error.is_none() && recovery.next_seq == 40);
        assert_eq!(gaps, [(starts[2], starts[3])], "{missing}");
        assert!(records.iter().all(|(seq, data)| *data == record(*seq, 3000)));
        assert_eq!(records.len() as u64, 41 - (starts[3] - starts[2]));
        let (later, gaps, _) = read_from(&snapshot, Start::Seq(starts[2] + 1), true);
        assert_eq!((gaps, later[0].0), (vec![(starts[2] + 1, starts[3])], starts[3]));
    }
}

/// A reader that goes on as the log grows sees what is durable, and no more; one of what is written sees that.
#[test]
fn a_reader_sees_what_is_durable_and_no_more() {
    let disk = disk(103);
    let (mut log, _) = open_with(&disk.io(), &sized(5, 20)).unwrap();
    let mut durable = log.snapshot(Level::Durable).unwrap().read(ReadOptions::default()).unwrap();
    let mut written = log.snapshot(Level::Written).unwrap().read(ReadOptions::default()).unwrap();
    let mut seen = (0, 0);
    for number in 0..200 {
        if number % 3 == 2 {
            commit(&mut log, &[record(number, 1700)]);
        } else {
            write(&mut log, &[record(number, 1700)]);
        }
        for (reader, level, seen) in
            [(&mut durable, Level::Durable, &mut seen.0), (&mut written, Level::Written, &mut seen.1)]
        {
            reader.renew(log.snapshot(level).unwrap()).unwrap();
            while let Some(batch) = reader.next_batch().unwrap() {
                for (seq, data) in batch.records() {
                    assert_eq!((seq, data), (*seen, &record(*seen, 1700)[..]));
                    *seen += 1;
                }
            }
        }
        assert_eq!(seen, (log.durable().seq, number + 1));
    }
    assert!(log.snapshot(Level::Durable).unwrap().files().len() > 5);
    assert_eq!(read_all(&log.snapshot(Level::Written).unwrap()).len(), 200);
}

/// What a failed sync has taken is never shown as durable, before the recovery in place or behind it; and a reader of
/// what is written is told that it is gone, not that the stream is damaged.
#[test]
fn what_a_failed_sync_took_is_not_shown() {
    for keep in [Keep::None, Keep::All, Keep::Random(3), Keep::Random(4)] {
        let disk = disk(104);
        let (mut log, _) = open(&disk);
        commit(&mut log, &[record(0, 100)]);
        let mut live = log.snapshot(Level::Durable).unwrap().read(ReadOptions::default()).unwrap();
        assert_eq!(live.next_batch().unwrap().unwrap().seq, 0);
        write(&mut log, &[record(1, 5000)]);
        let mut at_end = log.snapshot(Level::Written).unwrap().read(ReadOptions::default()).unwrap();
        while at_end.next_batch().unwrap().is_some() {}
        let mut behind = log.snapshot(Level::Written).unwrap().read(ReadOptions::default()).unwrap();
        assert_eq!(behind.next_batch().unwrap().unwrap().seq, 0);
        let unread = log.snapshot(Level::Written).unwrap();
        let fault = Effect::FailSync { kind: std::io::ErrorKind::Other, keep };
        disk.inject(Fault::new(fault).kind(CallKind::SyncData));
        log.flush().unwrap_err();
        assert!(log.needs_recovery());
        // The page cache still shows it.
        let snapshot = log.snapshot(Level::Durable).unwrap();
        assert_eq!(read_all(&snapshot), [record(0, 100)]);
        assert_eq!(log.snapshot(Level::Written).unwrap().next_seq(), 2);
        let next = log.recover_in_place().unwrap().next_seq;
        let found = read_all(&log.snapshot(Level::Durable).unwrap());
        assert_eq!(found.len() as u64, next);
        let (_, _, error) = read_from(&unread, Start::Oldest, true);
        match error {
            None => assert_eq!(next, 2),
            Some(error) => assert_eq!((next, error.kind()), (1, &ErrorKind::SyncFailed), "{error}"),
        }
        commit(&mut log, &[record(7, 5000)]);
        live.renew(log.snapshot(Level::Durable).unwrap()).unwrap();
        let mut seen = vec![record(0, 100)];
        while let Some(batch) = live.next_batch().unwrap() {
            seen.extend(batch.records().map(|(_, data)| data.to_vec()));
        }
        let mut expected = found.clone();
        expected.push(record(7, 5000));
        assert_eq!(seen, expected);
        assert_eq!(read_all(&log.snapshot(Level::Durable).unwrap()), expected);
        // It had read more than what was durable: whether that is still so is not known.
        let error = at_end.renew(log.snapshot(Level::Written).unwrap()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::SyncFailed);
        match behind.next_batch() {
            Ok(batch) => assert!(batch.is_none_or(|batch| {
                // What it had read ahead was written then.
                batch.records().all(|(seq, data)| seq == 1 && (data == expected[1] || data == record(1, 5000)))
            })),
            Err(error) => assert_eq!(*error.kind(), ErrorKind::SyncFailed, "{error}"),
        }
    }
}

/// Without the log, which could not be recovered, what was durable can be read.
#[test]
fn reading_goes_on_while_the_log_cannot_be_recovered() {
    let disk = disk(105);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..10, 3000);
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    crate::harness::commit_as(&mut log, pstream_core::stream::PendingKind::Records, &[record(10, 10)], Level::Durable)
        .unwrap_err();
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::SyncData).every());
    log.recover_in_place().unwrap_err();
    assert_eq!((log.durable().seq, log.next_seq()), (10, 10), "what is durable stays so");
    let snapshot = log.snapshot(Level::Durable).unwrap();
    assert_eq!(read_all(&snapshot), (0..10).map(|number| record(number, 3000)).collect::<Vec<_>>());
    disk.clear_faults();
    log.recover_in_place().unwrap();
    log.close().unwrap();
    assert_eq!(*log.snapshot(Level::Durable).unwrap_err().kind(), ErrorKind::Closed);
    // Who has one reads on.
    assert_eq!(read_all(&snapshot).len(), 10);
}
