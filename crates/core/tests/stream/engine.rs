//! Reads a stream with the engine's own reader.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use pstream_core::Result;
use pstream_core::stream::read::{Gap, ReadOptions};
use pstream_core::stream::{Level, Log};

/// What a reader was given.
#[derive(Debug, Default)]
pub struct Given {
    pub records: Vec<(u64, Vec<u8>)>,
    /// What it was told of damage on the way.
    pub gaps: Vec<Range<u64>>,
}

/// All that can be read up to the end of this level; a verification must find the same.
pub fn read(log: &Log, level: Level) -> Result<Given> {
    let snapshot = log.snapshot(level)?;
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
    let mut verifier = snapshot.verify()?;
    while verifier.step()? {}
    let report = verifier.into_report();
    assert_eq!(report.records, records.len() as u64, "a verification reads what a reader does");
    assert!(gaps.is_empty() || !report.ok(), "a verification finds what a reader meets: {gaps:?}");
    Ok(Given { records, gaps })
}
