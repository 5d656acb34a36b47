//! A stream of the oracle on the simulated disk, and what every reading of it must hold to.

use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use pstream_core::format::StreamId;
use pstream_core::stream::Mark;
use pstream_core::stream::read::{ReadOptions, Slot, Snapshot, Start, VerifyReport};
use pstream_core::{CachePolicy, ErrorKind, Result};
use pstream_sim::SimDisk;

use crate::oracle::{Oracle, SEAL, TOGETHER, WATERMARK, pattern};

pub struct Stream {
    pub disk: SimDisk,
    pub oracle: Oracle,
}

pub fn path(index: u16) -> String {
    format!("/d/s.{index}")
}

impl Stream {
    pub fn of(oracle: Oracle) -> Self {
        let disk = SimDisk::new(1);
        disk.io().create_dir(Path::new("/d")).unwrap();
        for file in &oracle.files {
            disk.install(path(file.index), &file.bytes).unwrap();
        }
        Self { disk, oracle }
    }

    pub fn slots(&self) -> Vec<Arc<Slot>> {
        let slot = |file: &crate::oracle::File| {
            Arc::new(Slot::new(self.disk.io(), file.index, path(file.index).into(), file.shift, CachePolicy::Drop))
        };
        self.oracle.files.iter().map(slot).collect()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.of_slots(self.slots(), self.oracle.end(), self.oracle.next_seq())
    }

    pub fn of_slots(&self, slots: Vec<Arc<Slot>>, position: u64, seq: u64) -> Snapshot {
        Snapshot::new(StreamId::new(self.oracle.id).unwrap(), slots, Mark { position, seq }).unwrap()
    }

    /// A snapshot without so many of the first files.
    pub fn without_first(&self, files: usize) -> Snapshot {
        self.of_slots(self.slots().split_off(files), self.oracle.end(), self.oracle.next_seq())
    }
}

pub fn from(from: Start) -> ReadOptions {
    ReadOptions { from, ..ReadOptions::default() }
}

pub type Read = Vec<(u64, u64, Vec<u8>)>;

/// All records, and the seqs of the error that ends them, if one does.
pub fn read(snapshot: &Snapshot, options: ReadOptions) -> (Read, Option<std::ops::Range<u64>>) {
    let mut records = Read::new();
    let mut reader = match snapshot.read(options) {
        Ok(reader) => reader,
        Err(error) => panic!("begin: {error}"),
    };
    loop {
        match reader.next_batch() {
            Ok(Some(batch)) => {
                assert!(batch.count > 0);
                let before = records.len();
                records.extend(batch.records().map(|(seq, data)| (seq, batch.time_ms, data.to_vec())));
                assert_eq!((records.len() - before) as u64, batch.count);
                let ranges: Vec<&[u8]> = batch.ranges().map(|range| &batch.bytes()[range]).collect();
                assert!(ranges.iter().zip(&records[before..]).all(|(range, (_, _, data))| range == data));
            }
            Ok(None) => return (records, None),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
                assert!(error.path().is_some());
                let again = reader.next_batch().unwrap_err();
                assert_eq!(again.seqs(), error.seqs(), "the reader stays where it is");
                return (records, error.seqs());
            }
        }
    }
}

/// Searches the way that a caller does who compares by himself.
pub fn search(snapshot: &Snapshot, mut before: impl FnMut(u64, &[u8]) -> bool) -> Result<u64> {
    let mut search = snapshot.search();
    while let Some(record) = search.next()? {
        search.answer(before(record.seq, &record.data));
    }
    Ok(search.seq())
}

/// Verifies everything, step by step.
pub fn verify(snapshot: &Snapshot) -> VerifyReport {
    let mut verifier = snapshot.verify().unwrap();
    let mut before = 0;
    while verifier.step().unwrap() {
        assert!(verifier.bytes() >= before + (1 << 20), "a step goes on");
        before = verifier.bytes();
    }
    assert_eq!(verifier.bytes(), verifier.total_bytes());
    verifier.into_report()
}

pub type Seqs = Vec<std::ops::Range<u64>>;

/// All records, and all gaps.
pub fn read_with_gaps(snapshot: &Snapshot, from: Start) -> (Read, Seqs) {
    let gaps = Arc::new(Mutex::new(Seqs::new()));
    let list = Arc::clone(&gaps);
    let on_gap =
        Box::new(move |gap: pstream_core::stream::read::Gap| list.lock().unwrap().push(gap.from_seq..gap.to_seq));
    let (records, error) = read(snapshot, ReadOptions { from, on_gap: Some(on_gap), ..ReadOptions::default() });
    assert_eq!(error, None);
    let gaps = std::mem::take(&mut *gaps.lock().unwrap());
    (records, gaps)
}

/// What was read is what was written, in order.
#[track_caller]
pub fn assert_true(oracle: &Oracle, records: &Read) {
    for (seq, time, data) in records {
        let (expected_time, expected) = &oracle.records[*seq as usize];
        assert!((time, data) == (expected_time, expected), "record {seq} is wrong");
    }
    assert!(records.is_sorted_by(|left, right| left.0 < right.0));
}

/// Records and gaps together are all there is, without an overlap. The seqs that are lost.
#[track_caller]
pub fn assert_dense(oracle: &Oracle, records: &Read, gaps: &[std::ops::Range<u64>]) -> Vec<u64> {
    assert_true(oracle, records);
    let mut all: Vec<u64> = records.iter().map(|(seq, _, _)| *seq).collect();
    all.extend(gaps.iter().cloned().flatten());
    all.sort_unstable();
    assert_eq!(all, (0..oracle.next_seq()).collect::<Vec<_>>(), "gaps {gaps:?}");
    gaps.iter().cloned().flatten().collect()
}

#[derive(Clone, Debug)]
pub enum Op {
    Append { sizes: Vec<usize>, together: bool, aligned: bool },
    Fill { blocks: u64 },
    Watermark,
    Reopen,
    Roll { shift: u32, blocks: u64 },
    Wait(u64),
}

pub fn apply(oracle: &mut Oracle, op: &Op) {
    let seed = oracle.next_seq();
    let shape = (oracle.file().shift, oracle.file().bytes.len() as u64 >> oracle.file().shift);
    match op {
        Op::Append { sizes, together, aligned } => {
            let records: Vec<Vec<u8>> = sizes.iter().zip(seed..).map(|(size, seed)| pattern(*size, seed)).collect();
            if !oracle.fits(&records, *aligned) {
                oracle.roll(shape.0, shape.1);
            }
            if oracle.fits(&records, *aligned) {
                oracle.append(if *together { TOGETHER } else { 0 }, &records, *aligned);
            }
        }
        Op::Fill { blocks } => {
            let record = [oracle.filling(*blocks, seed)];
            if oracle.fits(&record, false) {
                oracle.append(0, &record, false);
            }
        }
        Op::Watermark => oracle.mark(WATERMARK),
        Op::Reopen => {
            oracle.mark(SEAL);
            oracle.epoch += 1;
        }
        Op::Roll { shift, blocks } => oracle.roll(*shift, *blocks),
        Op::Wait(ms) => oracle.time += ms,
    }
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let size = prop_oneof![
        6 => 0_usize..40,
        3 => 0_usize..1500,
        2 => 3900_usize..4200,
        1 => 4000_usize..20_000,
        1 => 60_000_usize..140_000,
    ];
    let append = (proptest::collection::vec(size, 1..6), any::<bool>(), any::<bool>())
        .prop_map(|(sizes, together, aligned)| Op::Append { sizes, together, aligned });
    let op = prop_oneof![
        10 => append,
        3 => (0_u64..3).prop_map(|blocks| Op::Fill { blocks }),
        2 => Just(Op::Watermark),
        1 => Just(Op::Reopen),
        1 => (12_u32..=16, 6_u64..24).prop_map(|(shift, blocks)| Op::Roll { shift, blocks }),
        3 => (0_u64..5).prop_map(Op::Wait),
    ];
    proptest::collection::vec(op, 0..40)
}

/// A small stream of two files with everything in it, for damage of every kind.
pub fn sampler(id: u64) -> Oracle {
    sampler_upto(id, usize::MAX).unwrap_or_else(|| unreachable!())
}

/// The sampler after so many steps; `None` beyond the last one but for all of them.
pub fn sampler_upto(id: u64, steps: usize) -> Option<Oracle> {
    let mut oracle = Oracle::new(id, 0xffff, 12, 6);
    let append =
        |sizes: &[usize], together: bool, aligned: bool| Op::Append { sizes: sizes.to_vec(), together, aligned };
    let ops = [
        append(&[5, 0, 300], false, false),
        append(&[1000], false, false),
        Op::Wait(3),
        Op::Watermark,
        append(&[7, 7, 7], true, false),
        append(&[64], false, false),
        Op::Fill { blocks: 0 },
        append(&[20], false, true),
        Op::Roll { shift: 12, blocks: 8 },
        Op::Wait(5),
        append(&[11, 12], false, false),
        append(&[5000], false, false),
        append(&[13], false, false),
        Op::Fill { blocks: 1 },
        append(&[14], false, true),
        Op::Reopen,
        append(&[15], false, false),
    ];
    if steps > ops.len() && steps < usize::MAX {
        return None;
    }
    for op in ops.iter().take(steps) {
        apply(&mut oracle, op);
    }
    Some(oracle)
}
