//! Reading over many files: of several shapes, released, and far too many to be open at once.

use pstream_core::ErrorKind;
use pstream_core::stream::Level;
use pstream_core::stream::read::{ReadOptions, Snapshot, Start};
use pstream_sim::{CallKind, Keep, SimDisk};

use crate::harness::{commit, commit_each, disk, open_with, record, rest, sized};
use crate::reading::{read_all, read_from};

/// Every record by its seq, by its time and by search.
fn check_seeks(snapshot: &Snapshot, from: u64, len: usize, time_of: impl Fn(u64) -> u64) {
    for seq in from..snapshot.next_seq() {
        let found = snapshot.get(seq).unwrap().unwrap();
        assert_eq!((found.seq, found.time_ms, found.data), (seq, time_of(seq), record(seq, len)));
        let mut search = snapshot.search();
        while let Some(asked) = search.next().unwrap() {
            assert_eq!(asked.data, record(asked.seq, len));
            search.answer(asked.data != record(seq, len) && asked.seq < seq);
        }
        assert_eq!(search.seq(), seq);
        let (records, _, error) = read_from(snapshot, Start::Time(time_of(seq)), false);
        assert!(error.is_none());
        assert_eq!(records[0].0, seq);
    }
}

#[test]
fn files_of_several_shapes() {
    let disk = disk(111);
    let time_of = |seq: u64| 2_000_000_000_000 + seq * 10_000;
    let count = 120;
    for number in 0..count {
        // Each open with other sizes.
        let options = sized(4 + number / 30, 32 - number / 30);
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        disk.set_now(std::time::Duration::from_millis(time_of(number)));
        commit(&mut log, &[record(number, 1500)]);
        if number % 7 == 0 {
            log.close().unwrap();
        }
        drop(log);
        if number % 11 == 0 {
            disk.power_cut(&Keep::Random(number));
        }
    }
    let (log, _) = open_with(&disk.io(), &sized(4, 32)).unwrap();
    let snapshot = log.snapshot(Level::Durable).unwrap();
    assert!(snapshot.files().len() > 5);
    let shapes = snapshot.files().iter().filter(|file| {
        snapshot.get(file.start().map_or(0, |start| start.seq)).unwrap();
        file.start().is_some()
    });
    assert!(shapes.count() > 0);
    assert_eq!(read_all(&snapshot), (0..count).map(|number| record(number, 1500)).collect::<Vec<_>>());
    check_seeks(&snapshot, 0, 1500, time_of);
    assert_eq!(snapshot.get(count).unwrap(), None);
}

#[test]
fn records_that_were_released() {
    let disk = disk(112);
    let (mut log, _) = open_with(&disk.io(), &sized(8, 8)).unwrap();
    commit_each(&mut log, 0..60, 3000);
    let before = log.snapshot(Level::Durable).unwrap();
    let starts: Vec<u64> = before.files().iter().map(|file| file.start().unwrap().seq).collect();
    let mut reader = before.read(ReadOptions::default()).unwrap();
    reader.next_batch().unwrap().unwrap();
    for _ in 0..3 {
        assert!(log.release_first().unwrap());
    }
    let oldest = starts[3];
    let after = log.snapshot(Level::Durable).unwrap();
    assert_eq!((after.oldest_seq().unwrap(), before.oldest_seq().unwrap()), (oldest, oldest));
    for snapshot in [&before, &after] {
        for seq in 0..oldest {
            assert_eq!(*snapshot.get(seq).unwrap_err().kind(), ErrorKind::Trimmed(oldest), "{seq}");
            let (_, _, error) = read_from(snapshot, Start::Seq(seq), true);
            assert_eq!(*error.unwrap().kind(), ErrorKind::Trimmed(oldest));
        }
        let (records, gaps, error) = read_from(snapshot, Start::Oldest, true);
        assert!(gaps.is_empty() && error.is_none());
        assert_eq!(records, (oldest..60).map(|seq| (seq, record(seq, 3000))).collect::<Vec<_>>());
        let (records, _, error) = read_from(snapshot, Start::Time(1), true);
        assert!(error.is_none());
        assert_eq!(records[0].0, oldest);
    }
    // What it has open it reads to its end.
    let mut next = 1;
    let error = loop {
        match reader.next_batch() {
            Ok(batch) => next += batch.expect("more").count,
            Err(error) => break error,
        }
    };
    assert_eq!((next, error.kind()), (starts[1], &ErrorKind::Trimmed(oldest)));
}

fn opens(disk: &SimDisk) -> usize {
    let count = disk.trace().iter().filter(|call| call.kind == CallKind::Open).count();
    disk.record(true);
    count
}

/// However many files there are: an open of the stream opens the last ones, a seek a few, and whoever scans has two open
/// at a time.
#[test]
fn very_many_files_are_not_opened() {
    const FILES: u64 = 2000;
    let disk = disk(113);
    let (mut log, _) = open_with(&disk.io(), &sized(4, 4)).unwrap();
    let mut seq = 0;
    while log.snapshot(Level::Durable).unwrap().files().len() < FILES as usize {
        commit(&mut log, &[record(seq, 3800)]);
        seq += 1;
    }
    log.close().unwrap();
    drop(log);
    rest(&disk);
    disk.record(true);
    let (mut log, _) = open_with(&disk.io(), &sized(4, 4)).unwrap();
    assert!(opens(&disk) <= 4, "the lock's file, the last one, the first one");
    let idle = disk.open_handles();
    let snapshot = log.snapshot(Level::Durable).unwrap();
    assert_eq!((snapshot.files().len() as u64, snapshot.next_seq()), (FILES, seq));
    assert!(opens(&disk) == 0 && disk.open_handles() == idle);
    let most = 2 * FILES.ilog2() as usize + 6;
    for wanted in [0, 1, seq / 2, seq / 3, seq - 1] {
        assert_eq!(snapshot.get(wanted).unwrap().unwrap().data, record(wanted, 3800));
        let count = opens(&disk);
        assert!(count <= most, "get {wanted}: {count}");
        let mut search = snapshot.search();
        while let Some(asked) = search.next().unwrap() {
            search.answer(asked.seq < wanted);
        }
        assert_eq!(search.seq(), wanted);
        let count = opens(&disk);
        assert!(count <= 2 * most, "search {wanted}: {count}");
        assert_eq!(disk.open_handles(), idle, "nothing stays open");
    }
    let mut reader = snapshot.read(ReadOptions::default()).unwrap();
    let beside = snapshot.read(ReadOptions::default()).unwrap();
    assert_eq!(disk.open_handles() - idle, 2, "readers in one place share what is open");
    drop(beside);
    opens(&disk);
    let (mut next, mut handles) = (0, 0);
    while let Some(batch) = reader.next_batch().unwrap() {
        assert_eq!(batch.seq, next);
        next += batch.count;
        handles = handles.max(disk.open_handles() - idle);
    }
    assert_eq!((next, handles), (seq, 2));
    let count = opens(&disk);
    assert!(count <= FILES as usize + 2, "each file is opened once: {count}");
    drop(reader);
    assert_eq!(disk.open_handles(), idle);
    log.close().unwrap();
}
