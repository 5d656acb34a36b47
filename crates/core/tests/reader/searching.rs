//! Finding one record among very many takes a few reads.

use std::cell::Cell;

use pstream_core::stream::read::{ReadOptions, Start};
use pstream_sim::{CallKind, Effect, Fault};

use crate::harness::{Op, Stream, apply, from, read, search};
use crate::oracle::Oracle;

fn reads(stream: &Stream, act: impl FnOnce()) -> usize {
    stream.disk.record(true);
    act();
    let reads = stream.disk.trace().iter().filter(|call| call.kind == CallKind::Read).count();
    stream.disk.record(false);
    reads
}

/// Three files, of `blocks` blocks each, of small batches and a few that fill many blocks.
fn long(blocks: u64) -> Stream {
    let mut oracle = Oracle::new(4, 1, 12, blocks);
    let large = (blocks as usize / 6) * 4048;
    let mut number = 0;
    for _ in 0..3 {
        loop {
            number += 1;
            let size = if number % 500 == 77 { large } else { 100 + number % 300 };
            let sizes = vec![size, 5];
            let records: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
            if !oracle.fits(&records, false) {
                break;
            }
            oracle.time += 2;
            apply(&mut oracle, &Op::Append { sizes, together: false, aligned: false });
        }
        if number > 0 && oracle.files.len() < 3 {
            oracle.roll(12, blocks);
        }
    }
    Stream::of(oracle)
}

fn most(stream: &Stream) -> [usize; 4] {
    let (snapshot, next) = (stream.snapshot(), stream.oracle.next_seq());
    let compares = Cell::new(0_usize);
    let mut most = [0; 4];
    for seq in (0..next).step_by(next as usize / 60).chain([next - 1]) {
        let get = reads(stream, || assert_eq!(snapshot.get(seq).unwrap().unwrap().seq, seq));
        let time = stream.oracle.records[seq as usize].0;
        let by_time = reads(stream, || {
            let mut reader = snapshot.read(from(Start::Time(time))).unwrap();
            assert_eq!(reader.next_batch().unwrap().unwrap().time_ms, time);
        });
        compares.set(0);
        let search = reads(stream, || {
            let found = search(&snapshot, |at, _| {
                compares.set(compares.get() + 1);
                at < seq
            });
            assert_eq!(found.unwrap(), seq);
        });
        for (most, count) in most.iter_mut().zip([get, by_time, search, compares.get()]) {
            *most = (*most).max(count);
        }
    }
    most
}

#[test]
fn the_number_of_reads_grows_with_the_logarithm() {
    for blocks in [60_u64, 240, 960] {
        let stream = long(blocks);
        let log = (3 * blocks).ilog2() as usize;
        let [get, time, search, compares] = most(&stream);
        // The large batches are 160 reads of 4 KiB blocks at most, in pieces.
        let large = (blocks * 4096 / 6) as usize / (32 << 10) + 2;
        assert!(get <= 3 * log + 2 * large + 6, "{blocks} blocks: get {get}");
        assert!(time <= 3 * log + 2 * large + 6, "{blocks} blocks: time {time}");
        assert!(search <= 6 * log + 6 * large + 20, "{blocks} blocks: search {search}");
        assert!(compares <= 3 * log + 20, "{blocks} blocks: {compares} compared");
    }
}

/// What a search passes over costs nothing twice, and finds the right place all the same.
#[test]
fn block_headers_that_cannot_be_read_are_passed_over() {
    let stream = long(60);
    let file = &stream.oracle.files[1];
    for block in (5..40).filter(|block| block % 3 != 0) {
        stream.disk.zero_on_disk(crate::harness::path(file.index), block * 4096..block * 4096 + 48).unwrap();
    }
    let snapshot = stream.snapshot();
    for seq in (0..stream.oracle.next_seq()).step_by(7) {
        let count = reads(&stream, || {
            let record = snapshot.get(seq).unwrap().unwrap();
            assert_eq!(record.data, stream.oracle.records[seq as usize].1);
        });
        assert!(count < 120, "{count}");
        let found = search(&snapshot, |at, _| at < seq).unwrap();
        assert_eq!(found, seq);
    }
}

/// Whatever the length of the stream: what is read ahead.
#[test]
fn reading_on_and_on_reads_each_byte_once() {
    let stream = long(240);
    stream.disk.record(true);
    let (records, error) = read(&stream.snapshot(), ReadOptions::default());
    assert_eq!((records.len() as u64, error), (stream.oracle.next_seq(), None));
    let trace = stream.disk.trace();
    let bytes: u64 = trace.iter().filter(|call| call.kind == CallKind::Read).map(|call| call.len).sum();
    let size: u64 = stream.oracle.files.iter().map(|file| file.bytes.len() as u64).sum();
    assert!(bytes <= size + 3 * 8192, "{bytes} of {size}");
    let largest = trace.iter().filter(|call| call.kind == CallKind::Read).map(|call| call.len).max().unwrap();
    assert!(largest <= 1 << 20);
}

/// A search waits for its answers, however often it is asked, and a read that failed can be tried again.
#[test]
fn a_search_waits_for_its_answers() {
    let stream = long(60);
    let next = stream.oracle.next_seq();
    for seq in (0..=next).step_by(41) {
        let mut search = stream.snapshot().search();
        let mut asked = 0;
        loop {
            stream.disk.inject(Fault::new(Effect::EIO).kind(CallKind::Read).nth(1 + asked % 3));
            let first = search.next();
            stream.disk.clear_faults();
            let Some(record) = search.next().unwrap() else { break };
            if let Ok(Some(first)) = first {
                assert_eq!(first, record);
            }
            search.answer(record.seq < seq);
            asked += 1;
        }
        assert_eq!(search.seq(), seq);
    }
}
