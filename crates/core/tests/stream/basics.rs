//! What a log does when nothing goes wrong.

use std::path::Path;
use std::time::Duration;

use pstream_core::ErrorKind;
use pstream_core::format::batch::Kind;
use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind, Previous};

use pstream_sim::CallKind;

use crate::harness::{
    DIR, aligned, commit, commit_as, commit_each, disk, open, open_with, options, payload, record, sized, write,
};
use crate::reader::read;

#[test]
fn what_is_committed_is_read_in_order_and_seqs_are_dense() {
    let disk = disk(1);
    let (mut log, recovery) = open(&disk);
    assert_eq!((recovery.previous, recovery.next_seq, recovery.oldest_seq), (Previous::New, 0, Some(0)));
    let mut expected = Vec::new();
    for number in 0..40 {
        let records: Vec<Vec<u8>> =
            (0..=number % 4).map(|part| record(number * 10 + part, 90 * part as usize)).collect();
        let committed = commit(&mut log, &records);
        assert_eq!(committed.seqs, expected.len() as u64..(expected.len() + records.len()) as u64);
        assert_eq!(committed.durable.seq, committed.seqs.end);
        expected.extend(records);
    }
    assert_eq!(read(&disk).unwrap().records(), expected);
    log.close().unwrap();
    let (log, recovery) = open(&disk);
    assert_eq!((recovery.previous, recovery.next_seq), (Previous::Closed, expected.len() as u64));
    assert_eq!((recovery.torn, recovery.leftovers, log.next_seq()), (None, vec![], expected.len() as u64));
    assert_eq!(read(&disk).unwrap().records(), expected);
}

#[test]
fn an_empty_commit_writes_nothing() {
    let disk = disk(2);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 10)]);
    let calls = disk.call_count();
    for kind in [PendingKind::Records, PendingKind::Together] {
        assert_eq!(commit_as(&mut log, kind, &[], Level::Durable).unwrap().seqs, 1..1);
    }
    assert_eq!(log.commit(&[], Level::Durable).unwrap().seqs, 1..1);
    assert_eq!(disk.call_count(), calls);
}

/// A lone durable commit is one synced write: nothing else is asked of the disk. Behind it the mark goes into the page cache.
#[test]
fn a_durable_commit_is_one_call() {
    let disk = disk(3);
    let (mut log, _) = open(&disk);
    let payloads: Vec<Vec<u8>> = (0..5).map(|number| payload(&[record(number, 100)])).collect();
    let batches: Vec<Pending<'_>> =
        payloads.iter().map(|payload| Pending { kind: PendingKind::Records, payload, count: 1 }).collect();
    disk.record(true);
    log.commit(&batches, Level::Durable).unwrap();
    let calls: Vec<CallKind> = disk.trace().iter().map(|call| call.kind).collect();
    assert_eq!(calls, [CallKind::WriteSynced, CallKind::Write], "and the mark behind it: {}", disk.trace_text());
    assert_eq!(read(&disk).unwrap().count(Kind::Records), 5);
}

#[test]
fn files_grow_up_to_the_full_size() {
    let disk = disk(4);
    let options = sized(4, 32);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    commit_each(&mut log, 0..150, 1500);
    let sizes: Vec<u64> = read(&disk).unwrap().files.iter().map(|file| file.block_count).collect();
    assert_eq!(sizes[..5], [4, 8, 16, 32, 32]);
    assert_eq!(read(&disk).unwrap().records().len(), 150);
    let snapshot = log.snapshot(Level::Durable).unwrap();
    assert_eq!(snapshot.files().len(), sizes.len());
    assert_eq!((snapshot.next_seq(), log.snapshot(Level::Written).unwrap().next_seq()), (150, 150));
    let known: Option<Vec<_>> = snapshot.files().iter().map(|file| file.start()).collect();
    assert_eq!(known, Some(read(&disk).unwrap().files));
}

#[test]
fn a_prepared_file_is_used_and_reported() {
    let disk = disk(5);
    let (mut log, _) = open(&disk);
    assert!(log.prepare_next().unwrap());
    assert!(!log.prepare_next().unwrap());
    commit(&mut log, &[record(0, 9)]);
    log.close().unwrap();
    let (mut log, recovery) = open(&disk);
    assert_eq!((recovery.leftovers, recovery.previous), (vec!["s.0002-12".to_owned()], Previous::Closed));
    assert_eq!(log.snapshot(Level::Durable).unwrap().files().len(), 1);
    commit_each(&mut log, 1..30, 1500);
    assert_eq!(read(&disk).unwrap().records().len(), 30);
}

/// A record that is too large for the prepared file: that one enters use all the same, and a large enough one follows.
#[test]
fn a_large_record_goes_past_a_small_file() {
    let disk = disk(6);
    let options = sized(4, 64);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    log.prepare_next().unwrap();
    let large = record(1, 200_000);
    commit(&mut log, &[record(0, 10)]);
    commit(&mut log, std::slice::from_ref(&large));
    let contents = read(&disk).unwrap();
    assert_eq!(contents.records(), [record(0, 10), large]);
    assert_eq!(contents.files.iter().map(|file| file.block_count).collect::<Vec<_>>(), [4, 8, 64]);
}

#[test]
fn the_largest_record_fits_and_one_byte_more_is_refused() {
    for options in [sized(4, 16), aligned(sized(16, 16)), LogOptions { block_size: 16384, ..sized(16, 64) }] {
        let disk = disk(7);
        let most = options.max_record_bytes().unwrap() as usize;
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        for kind in [PendingKind::Records, PendingKind::Together] {
            let error = commit_as(&mut log, kind, &[record(0, most + 1)], Level::Durable).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Capacity);
            assert!(error.to_string().contains(&format!("maxRecordBytes is {most}")), "{error}");
            commit_as(&mut log, kind, &[record(1, most)], Level::Durable).unwrap();
        }
        assert_eq!(read(&disk).unwrap().records(), [record(1, most), record(1, most)]);
        let half = vec![record(0, most / 2 + 8); 2];
        let error = commit_as(&mut log, PendingKind::Together, &half, Level::Durable).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Capacity);
        commit(&mut log, &half);
    }
}

#[test]
fn many_records_make_batches_of_256_kib() {
    let disk = disk(8);
    let options = sized(1024, 1024);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    let records: Vec<Vec<u8>> = (0..900).map(|number| record(number, 1000)).collect();
    commit(&mut log, &records);
    commit_as(&mut log, PendingKind::Together, &records, Level::Durable).unwrap();
    let contents = read(&disk).unwrap();
    assert_eq!(contents.records(), [records.clone(), records].concat());
    let sizes = |kind: Kind| {
        let of_kind = contents.batches.iter().filter(move |batch| batch.header.kind == kind);
        of_kind.map(|batch| batch.header.payload_len).collect::<Vec<_>>()
    };
    assert_eq!(sizes(Kind::Together).len(), 1);
    assert_eq!(sizes(Kind::Records).len(), 4);
    assert!(sizes(Kind::Records).iter().all(|len| *len <= 256 << 10), "{:?}", sizes(Kind::Records));
}

/// One commit that takes several files is whole, and no batch crosses a file.
#[test]
fn a_commit_may_take_several_files() {
    let disk = disk(9);
    let (mut log, _) = open(&disk);
    let records: Vec<Vec<u8>> = (0..60).map(|number| record(number, 2000)).collect();
    let committed = commit(&mut log, &records);
    assert_eq!((committed.seqs, committed.durable.seq), (0..60, 60));
    disk.power_cut(&pstream_sim::Keep::None);
    let contents = read(&disk).unwrap();
    assert_eq!(contents.records(), records);
    assert!(contents.files.len() > 4);
}

#[test]
fn aligned_commits_begin_in_sectors_of_their_own() {
    let disk = disk(10);
    let options = aligned(LogOptions { block_size: 16384, ..sized(16, 64) });
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    for number in 0..20 {
        commit(&mut log, &[record(number, 1 + 700 * number as usize)]);
    }
    log.close().unwrap();
    let contents = read(&disk).unwrap();
    assert_eq!(contents.records().len(), 20);
    for batch in &contents.batches {
        let file = contents.files.iter().find(|file| file.index == batch.file).unwrap();
        let shape = pstream_core::Shape::new(file.block_count, file.block_shift).unwrap();
        let layout = pstream_core::stream::layout::Layout::new(shape);
        assert_eq!(layout.next_own(batch.at), batch.at);
    }
}

#[test]
fn time_never_goes_back() {
    let disk = disk(11);
    let (mut log, _) = open(&disk);
    for (number, seconds) in [2_000_005_000_u64, 2_000_001_000, 2_000_007_000, 10].into_iter().enumerate() {
        disk.set_now(Duration::from_secs(seconds));
        commit(&mut log, &[record(number as u64, 3000)]);
        if number == 1 {
            log.close().unwrap();
            log = open(&disk).0;
        }
    }
    let times: Vec<u64> = read(&disk).unwrap().batches.iter().map(|batch| batch.header.time_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(*times.last().unwrap(), 2_000_007_000_000);
}

#[test]
fn each_open_has_a_higher_epoch() {
    let disk = disk(12);
    for number in 0..4 {
        let (mut log, _) = open(&disk);
        commit(&mut log, &[record(number, 5)]);
        log.close().unwrap();
    }
    let contents = read(&disk).unwrap();
    let epochs: Vec<u32> = contents.batches.iter().map(|batch| batch.header.epoch).collect();
    assert_eq!(epochs, [1, 1, 2, 2, 3, 3, 4, 4], "records and seals");
}

#[test]
fn bad_options_and_payloads_are_refused() {
    let disk = disk(13);
    let mut bad = vec![
        LogOptions { block_size: 2048, ..options() },
        LogOptions { block_size: 5000, ..options() },
        LogOptions { block_size: 2 << 20, ..options() },
        LogOptions { file_size: 3 * 4096, ..options() },
        LogOptions { file_size: 8 * 4096 + 1, ..options() },
        LogOptions { file_size: 4 << 30, ..options() },
        LogOptions { first_file_size: None, ..options() },
        aligned(sized(4, 4)),
        LogOptions { first_file_size: Some(64 * 4096), ..options() },
        LogOptions { name: "a/b".to_owned(), ..options() },
    ];
    bad.push(LogOptions { block_size: 1 << 20, file_size: 8 << 20, ..LogOptions::new("s") });
    for options in bad {
        let error = Log::open(disk.io(), Path::new(DIR), options.clone()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{options:?}: {error}");
    }
    assert!(disk.names(DIR).unwrap().is_empty());
    let (mut log, _) = open(&disk);
    let good = payload(&[record(0, 5), record(1, 5)]);
    for (payload, count) in [(&good[..], 1), (&good[..], 3), (&good[..7], 2), (&[][..], 1), (&good[..], 0)] {
        let pending = Pending { kind: PendingKind::Records, payload, count };
        let error = log.commit(&[pending], Level::Durable).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidInput);
    }
    commit(&mut log, &[record(0, 5)]);
    log.close().unwrap();
    log.close().unwrap();
    let error = commit_as(&mut log, PendingKind::Records, &[record(0, 5)], Level::Durable).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Closed);
    for error in [log.flush().unwrap_err(), log.snapshot(Level::Durable).unwrap_err(), log.prepare_next().unwrap_err()]
    {
        assert_eq!(*error.kind(), ErrorKind::Closed);
    }
}

#[test]
fn a_second_writer_is_kept_out() {
    let disk = disk(14);
    let (log, _) = open(&disk);
    assert!(matches!(open_with(&disk.io(), &options()).unwrap_err().kind(), ErrorKind::Locked(_)));
    drop(log);
    open(&disk);
}

#[test]
fn written_records_are_durable_after_a_flush_and_not_before() {
    let disk = disk(15);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 50)]);
    let before = log.durable();
    let written = write(&mut log, &[record(1, 5000)]);
    assert_eq!((written.durable, log.durable(), log.next_seq()), (before, before, 2));
    assert_eq!(log.snapshot(Level::Written).unwrap().next_seq(), 2);
    let flushed = log.flush().unwrap();
    assert_eq!((flushed.seq, log.flush().unwrap().seq), (2, 2));
    disk.power_cut(&pstream_sim::Keep::None);
    assert_eq!(open(&disk).1.next_seq, 2);
}

/// What a stream of full-size files does is what one of small files does.
#[test]
fn the_defaults_work() {
    let disk = disk(16);
    let options = LogOptions::new("s");
    assert_eq!(options.max_record_bytes().unwrap(), 67_047_300);
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    commit_each(&mut log, 0..20, 300_000);
    drop(log);
    disk.power_cut(&pstream_sim::Keep::None);
    let (_, recovery) = open_with(&disk.io(), &options).unwrap();
    assert_eq!((recovery.next_seq, recovery.previous), (20, Previous::Crashed));
    assert_eq!(read(&disk).unwrap().files.iter().map(|file| file.block_count).collect::<Vec<_>>(), [64, 128]);
}

/// However long the stream is: an open reads one file, and of others the beginning alone.
#[test]
fn an_open_reads_one_file() {
    let disk = disk(17);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..200, 3000);
    log.prepare_next().unwrap();
    let files = log.snapshot(Level::Durable).unwrap().files().len() as u64;
    drop(log);
    crate::harness::rest(&disk);
    disk.record(true);
    let (log, recovery) = open(&disk);
    assert_eq!((recovery.next_seq, recovery.leftovers.len()), (200, 1));
    assert!(files > 20);
    let read: u64 = disk.trace().iter().filter(|call| call.kind == CallKind::Read).map(|call| call.len).sum();
    assert!(read <= 8 * 4096 + 3 * 8192, "{read} bytes were read");
    let opened = disk.trace().iter().filter(|call| call.kind == CallKind::Open).count();
    assert_eq!(opened, 4, "the prepared file, the last one, the first one, and the mark");
    assert_eq!(log.snapshot(Level::Durable).unwrap().files().len() as u64, files);
}
