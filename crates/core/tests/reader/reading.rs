//! What was written is what is read, from everywhere to everywhere.

use proptest::prelude::*;
use pstream_core::stream::read::{ReadOptions, Start};
use pstream_core::{CachePolicy, ErrorKind};

use crate::harness::{Op, Stream, apply, assert_true, from, ops, read, read_with_gaps, sampler, search, verify};
use crate::oracle::Oracle;

fn seqs(stream: &Stream, options: ReadOptions) -> Vec<u64> {
    let (records, error) = read(&stream.snapshot(), options);
    assert_eq!(error, None);
    assert_true(&stream.oracle, &records);
    records.into_iter().map(|(seq, _, _)| seq).collect()
}

fn check_everything(stream: &Stream, step: usize) {
    let (oracle, snapshot) = (&stream.oracle, stream.snapshot());
    let next = oracle.next_seq();
    assert_eq!(seqs(stream, ReadOptions::default()), (0..next).collect::<Vec<_>>());
    assert_eq!(read_with_gaps(&snapshot, Start::Oldest).1, []);
    for seq in (0..=next + 2).step_by(step) {
        assert_eq!(seqs(stream, from(Start::Seq(seq))), (seq..next).collect::<Vec<_>>(), "from {seq}");
        let to = (seq * 7 + 3) % (next + 2);
        let options = ReadOptions { to: Some(to), cache: CachePolicy::Keep, ..from(Start::Seq(seq)) };
        assert_eq!(seqs(stream, options), (seq..to.min(next)).collect::<Vec<_>>(), "from {seq} to {to}");
        let got = snapshot.get(seq).unwrap().map(|record| (record.seq, record.time_ms, record.data));
        let expected = oracle.records.get(seq as usize).map(|(time, data)| (seq, *time, data.clone()));
        assert_eq!(got, expected, "get {seq}");
        let found = search(&snapshot, |at, data| {
            assert_eq!(data, oracle.records[at as usize].1);
            at < seq
        });
        assert_eq!(found.unwrap(), seq.min(next), "search {seq}");
    }
    let times = oracle.records.iter().flat_map(|(time, _)| [*time, time + 1]).chain([0, u64::MAX]);
    let mut times: Vec<u64> = times.collect();
    times.dedup();
    for time in times.into_iter().step_by(step) {
        let first = oracle.records.iter().position(|record| record.0 >= time).map_or(next, |first| first as u64);
        assert_eq!(seqs(stream, from(Start::Time(time))), (first..next).collect::<Vec<_>>(), "from time {time}");
    }
    assert_eq!(seqs(stream, from(Start::End)), Vec::<u64>::new());
    let report = verify(&snapshot);
    assert!(report.ok(), "{report:?}");
    let bytes: usize = oracle.records.iter().map(|record| record.1.len()).sum();
    assert_eq!((report.records, report.bytes), (next, bytes as u64));
    check_runs(stream, next / 3);
}

fn check_runs(stream: &Stream, seq: u64) {
    let mut reader = stream.snapshot().read(from(Start::Seq(seq))).unwrap();
    let (mut memory, mut next) = (Vec::new(), seq);
    loop {
        let run = reader.next_run(&mut memory).unwrap();
        if run.batches.is_empty() {
            break;
        }
        for batch in &run.batches {
            assert_eq!(batch.seq, next);
            for range in batch.ranges(&memory) {
                let (time, data) = &stream.oracle.records[next as usize];
                assert!(memory[range] == data[..] && batch.time_ms == *time, "record {next}");
                next += 1;
            }
            assert_eq!(next, batch.seq + batch.count);
        }
    }
    assert_eq!(next, stream.oracle.next_seq());
}

#[test]
fn everything_can_be_read_from_everywhere() {
    let stream = Stream::of(sampler(7));
    assert_eq!(stream.oracle.files.len(), 2);
    check_everything(&stream, 1);
}

#[test]
fn an_empty_stream_has_no_records() {
    let stream = Stream::of(Oracle::new(3, 1, 16, 16));
    check_everything(&stream, 1);
    // Not even the file batch is known to be durable.
    let snapshot = stream.of_slots(stream.slots(), 0, 0);
    let mut reader = snapshot.read(from(Start::End)).unwrap();
    assert!(reader.next_batch().unwrap().is_none());
}

#[test]
fn a_record_of_thousands_of_blocks() {
    let mut oracle = Oracle::new(3, 1, 12, 3000);
    for size in [10, 5_000_000, 20, 5_000_000, 30] {
        apply(&mut oracle, &Op::Append { sizes: vec![size, 1], together: true, aligned: false });
    }
    apply(&mut oracle, &Op::Fill { blocks: 300 });
    check_everything(&Stream::of(oracle), 1);
}

#[test]
fn a_released_record_is_an_error_that_names_the_oldest() {
    let mut oracle = sampler(5);
    apply(&mut oracle, &Op::Roll { shift: 13, blocks: 6 });
    apply(&mut oracle, &Op::Append { sizes: vec![1, 2, 3], together: false, aligned: false });
    let stream = Stream::of(oracle);
    let snapshot = stream.without_first(1);
    let oldest = stream.oracle.files[1].seq;
    for seq in 0..oldest {
        assert_eq!(*snapshot.get(seq).unwrap_err().kind(), ErrorKind::Trimmed(oldest));
        assert_eq!(snapshot.read(from(Start::Seq(seq))).unwrap_err().code(), "PSTREAM_TRIMMED");
    }
    let (records, error) = read(&snapshot, ReadOptions::default());
    assert_eq!((records[0].0, records.len() as u64, error), (oldest, stream.oracle.next_seq() - oldest, None));
    assert_eq!(search(&snapshot, |_, _| false).unwrap(), oldest);
    let (records, _) = read(&snapshot, from(Start::Time(0)));
    assert_eq!(records[0].0, oldest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_stream_can_be_read(shift in 12_u32..=16, blocks in 6_u64..20, ops in ops()) {
        let mut oracle = Oracle::new(9, 0xfffe, shift, blocks);
        for op in &ops {
            apply(&mut oracle, op);
        }
        check_everything(&Stream::of(oracle), 3);
    }
}
