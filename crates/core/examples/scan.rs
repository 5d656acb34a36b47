//! How fast a stream is read, beside plain reads of the same files and the checksum alone:
//! `cargo run --release -p pstream-core --example scan -- <folder> <record bytes> [<total bytes>]`.
//!
//! Writes the stream into the folder first. Cold: the files were dropped from the page cache.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a program for the developer's eyes"
)]

use std::error::Error;
use std::io::IoSliceMut;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pstream_core::format::StreamId;
use pstream_core::format::batch::push_record;
use pstream_core::stream::read::{ReadOptions, Snapshot};
use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind};
use pstream_core::{BlockFile, CachePolicy, FileOptions, OsIo};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let size: usize = arguments.next().ok_or("records of how many bytes?")?.parse()?;
    let total: usize = arguments.next().map_or(Ok(1 << 30), |total| total.parse())?;
    let log = fill(Path::new(&folder), size, total)?;
    let snapshot = log.snapshot(Level::Durable)?;
    checksum()?;
    for (name, cache) in [("cold", CachePolicy::Drop), ("warm", CachePolicy::Keep)] {
        if cache == CachePolicy::Keep {
            // Brings everything into the cache.
            plain(&snapshot, cache)?;
        }
        for _ in 0..3 {
            let seconds = plain(&snapshot, cache)?;
            println!("{name} plain: {:.0} MB/s", total as f64 / seconds / 1e6);
            let (records, seconds) = scan(&snapshot, cache)?;
            let rate = records as f64 / seconds;
            println!("{name} scan: {:.2} M records/s, {:.0} MB/s", rate / 1e6, rate * size as f64 / 1e6);
        }
    }
    Ok(())
}

/// A stream of at least so many bytes.
fn fill(folder: &Path, size: usize, total: usize) -> Outcome<Log> {
    let (mut log, recovery) = Log::open(Arc::new(OsIo), folder, LogOptions::new("scan"))?;
    let count = (1_usize << 20).div_ceil(size);
    let mut payload = Vec::new();
    for number in 0..count {
        let record: Vec<u8> = (0..size).map(|at| (at * 7 + number * 13) as u8).collect();
        push_record(&record, &mut payload);
    }
    let pending = Pending { kind: PendingKind::Records, payload: &payload, count: u32::try_from(count)? };
    let mut seq = recovery.next_seq;
    while (seq as usize) * size < total {
        seq = log.commit(&[pending], Level::Durable)?.seqs.end;
    }
    Ok(log)
}

/// The checksum alone, of what is in the processor's cache.
fn checksum() -> Outcome<()> {
    let id = StreamId::new(1).ok_or("zero")?;
    for len in [64, 256, 4096, 256 << 10] {
        let bytes = vec![7; len];
        let begin = Instant::now();
        let rounds = (1 << 28) / len;
        let mut sum = 0;
        for _ in 0..rounds {
            sum ^= id.checksum(std::hint::black_box(&bytes));
        }
        let seconds = begin.elapsed().as_secs_f64();
        std::hint::black_box(sum);
        println!("checksum of {len} bytes: {:.2} GB/s", (rounds * len) as f64 / seconds / 1e9);
    }
    Ok(())
}

/// Reads all files, 1 MiB at a time.
fn plain(snapshot: &Snapshot, cache: CachePolicy) -> Outcome<f64> {
    let mut buffer = vec![0; 1 << 20];
    let mut seconds = 0.0;
    for slot in snapshot.files() {
        let shift = slot.start().map_or(16, |start| start.block_shift);
        // As a store behind a failed sync must: opening a file drops it from the cache.
        let file = match cache {
            CachePolicy::Drop => {
                BlockFile::open(&OsIo, slot.path(), shift, FileOptions { cache, ..Default::default() })?
            }
            CachePolicy::Keep => BlockFile::open_behind_writer(&OsIo, slot.path(), shift, cache)?,
        };
        let begin = Instant::now();
        let mut at = 0;
        while at < file.shape().size() {
            let len = (file.shape().size() - at).min(1 << 20) as usize;
            file.load_at(at, &mut [IoSliceMut::new(&mut buffer[..len])])?;
            at += len as u64;
        }
        seconds += begin.elapsed().as_secs_f64();
    }
    Ok(seconds)
}

fn scan(snapshot: &Snapshot, cache: CachePolicy) -> Outcome<(u64, f64)> {
    let begin = Instant::now();
    let mut reader = snapshot.read(ReadOptions { cache, ..ReadOptions::default() })?;
    let (mut memory, mut count) = (Vec::new(), 0);
    loop {
        let run = reader.next_run(&mut memory)?;
        if run.batches.is_empty() {
            return Ok((count, begin.elapsed().as_secs_f64()));
        }
        count += run.batches.iter().map(|batch| batch.count).sum::<u64>();
    }
}
