//! Streams in folders of the operating system, of records that tell which they are.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use pstream_core::Result;
use pstream_core::format::batch::push_record;
use pstream_core::stream::read::ReadOptions;
use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind, Recovery};

use super::os;

pub const NAME: &str = "events";

/// Blocks of 4 KiB: so many in the first file, and at most so many in later ones. Nobody is asked first whether space can
/// be reserved: that would be a call like any other, and perhaps the one that is made to fail.
pub fn options(first: u64, full: u64) -> LogOptions {
    let mut options = LogOptions::new(NAME);
    options.block_size = 4096;
    options.file_size = full * 4096;
    options.first_file_size = Some(first * 4096);
    options
}

pub fn open(folder: &Path, options: &LogOptions) -> Result<(Log, Recovery)> {
    Log::open(os(), folder, options.clone())
}

/// Bytes by which a record is known: its number, and a length that differs from one to the next.
pub fn record(number: u64) -> Vec<u8> {
    let len = usize::try_from(number * 7919 % 3001).expect("a length");
    sized(number, len)
}

pub fn sized(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = format!("<{number}>").into_bytes();
    let fill = bytes.clone();
    while bytes.len() < len {
        bytes.extend_from_slice(&fill);
    }
    bytes
}

pub fn commit_as(log: &mut Log, kind: PendingKind, records: &[Vec<u8>], level: Level) -> Result<u64> {
    let mut payload = Vec::new();
    for record in records {
        push_record(record, &mut payload);
    }
    let count = u32::try_from(records.len()).expect("a count");
    log.commit(&[Pending { kind, payload: &payload, count }], level).map(|committed| committed.seqs.start)
}

pub fn commit(log: &mut Log, records: &[Vec<u8>]) -> Result<u64> {
    commit_as(log, PendingKind::Records, records, Level::Durable)
}

/// Records with their seqs.
pub type Read = Vec<(u64, Vec<u8>)>;

/// What the engine's own reader gives, and the gaps in between.
pub fn read(log: &Log) -> Result<(Read, Vec<Range<u64>>)> {
    let gaps = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&gaps);
    let on_gap = Box::new(move |gap: pstream_core::stream::read::Gap| {
        list.lock().expect("the list").push(gap.from_seq..gap.to_seq);
    });
    let mut reader =
        log.snapshot(Level::Durable)?.read(ReadOptions { on_gap: Some(on_gap), ..ReadOptions::default() })?;
    let mut records = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        records.extend(batch.records().map(|(seq, data)| (seq, data.to_vec())));
    }
    drop(reader);
    let gaps = std::mem::take(&mut *gaps.lock().expect("the list"));
    Ok((records, gaps))
}

/// That the stream holds these records and no others, from seq 0 on.
#[track_caller]
pub fn holds(log: &Log, expected: &[Vec<u8>]) {
    let (records, gaps) = read(log).expect("read");
    assert!(gaps.is_empty(), "{gaps:?}");
    assert_eq!(records.len(), expected.len());
    for ((seq, data), (number, expected)) in records.iter().zip((0_u64..).zip(expected)) {
        assert!(*seq == number && data == expected, "record {seq} is wrong");
    }
}
