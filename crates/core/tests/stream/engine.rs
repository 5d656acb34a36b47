//! Reads a stream with the engine's own reader, as another process of a copy of the machine: the disk itself, its cache
//! and the numbers of its calls stay as they are.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use pstream_core::stream::Log;
use pstream_core::stream::read::{Gap, ReadOptions, Segment, Snapshot};
use pstream_core::{BlockFile, FileOptions, Result};
use pstream_sim::SimDisk;

/// What a reader was given.
#[derive(Debug, Default)]
pub struct Given {
    pub records: Vec<(u64, Vec<u8>)>,
    /// What it was told of damage on the way.
    pub gaps: Vec<Range<u64>>,
}

/// All that can be read up to the durable end, and what a verification counts.
pub fn read(disk: &SimDisk, log: &Log) -> Result<Given> {
    let copy = disk.fork();
    copy.clear_faults();
    let io = copy.as_process(2).io();
    let view = log.snapshot()?;
    let (mut segments, mut headless) = (Vec::new(), false);
    for file in view.files() {
        let opened = BlockFile::open(&*io, file.path(), file.block_shift(), FileOptions::default())?;
        match Segment::open(Arc::new(opened), file.index())? {
            Some(segment) => segments.push(Arc::new(segment)),
            None => headless = true,
        }
    }
    let snapshot = Snapshot::new(segments, view.durable().position, view.durable().seq)?;
    let gaps = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&gaps);
    let on_gap = Box::new(move |gap: Gap| list.lock().unwrap().push(gap.from_seq..gap.to_seq));
    let mut reader = snapshot.read(ReadOptions { on_gap: Some(on_gap), ..ReadOptions::default() })?;
    let mut records = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        records.extend(batch.records().map(|(seq, data)| (seq, data.to_vec())));
    }
    drop(reader);
    let gaps = std::mem::take(&mut *gaps.lock().unwrap());
    let report = snapshot.verify(|_| Ok(()))?;
    assert_eq!(report.records, records.len() as u64, "a verification reads what a reader does");
    assert!(gaps.is_empty() || !report.ok(), "a verification finds what a reader meets: {gaps:?}");
    let lost = headless.then(|| 0..snapshot.oldest_seq());
    let gaps = gaps.into_iter().chain(lost).collect();
    Ok(Given { records, gaps })
}
