//! The engine of pstream by its Rust interface.

use std::io::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use pstream_core::stream::read::{ReadOptions, Snapshot};
use pstream_core::stream::{Append, Group, GroupOptions, Level, Log, LogOptions, Pending, PendingKind, Settled};
use pstream_core::{CachePolicy, OsIo};

use super::{NAME, Records, Stream};
use crate::content::{check, content, stamp};
use crate::session::elapsed;

fn open_log(folder: &Path) -> Result<Log> {
    let (log, _) = Log::open(Arc::new(OsIo), folder, LogOptions::new(NAME)).map_err(Error::other)?;
    Ok(log)
}

/// The next records to hand over: as many as `together` says, or as are free.
fn pending(records: Records, payload: &[u8], count: u64) -> Result<Pending<'_>> {
    Ok(Pending { kind: kind(records), payload, count: u32::try_from(count).map_err(Error::other)? })
}

fn kind(records: Records) -> PendingKind {
    if records.together.is_some() { PendingKind::Together } else { PendingKind::Records }
}

/// `Log`: the calling thread commits.
pub(super) struct Single {
    log: Log,
}

impl Single {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        Ok(Self { log: open_log(folder)? })
    }
}

impl Stream for Single {
    /// What is in flight is one commit.
    fn append(&mut self, records: Records) -> Result<u64> {
        let each = records.together.unwrap_or(records.in_flight).max(1);
        let mut payloads = Vec::new();
        let (mut next, mut nanoseconds) = (records.first, 0);
        while next < records.end() {
            let upto = (next + records.in_flight.max(each)).min(records.end());
            payloads.clear();
            while next < upto {
                let count = each.min(upto - next);
                let mut payload = Vec::new();
                records.payload(next, count, &mut payload);
                payloads.push((payload, count));
                next += count;
            }
            let start = Instant::now();
            let pending: Result<Vec<_>> =
                payloads.iter().map(|(payload, count)| pending(records, payload, *count)).collect();
            let committed = self.log.commit(&pending?, Level::Durable).map_err(Error::other)?;
            nanoseconds += elapsed(start);
            check_seq(committed.seqs.end, next)?;
            // What the commit thread does between two commits.
            if self.log.wants_next() {
                self.log.prepare_next().map_err(Error::other)?;
            }
        }
        Ok(nanoseconds)
    }

    fn scan(&mut self, records: Records, cold: bool) -> Result<u64> {
        scan(&self.log, records, cold)
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.log.close().map_err(Error::other)
    }
}

/// `Group`: a thread commits what others hand over.
pub(super) struct Grouped {
    group: Group,
    settled: Receiver<Settled>,
}

impl Grouped {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let (tell, settled) = mpsc::channel();
        let listener = Box::new(move |one: Settled| drop(tell.send(one)));
        let group = Group::start(open_log(folder)?, GroupOptions::default(), listener).map_err(Error::other)?;
        Ok(Self { group, settled })
    }

    /// Waits for a commit; returns the seq behind the tickets that it has settled, and their number.
    fn wait(&self) -> Result<(u64, u64)> {
        match self.settled.recv().map_err(Error::other)? {
            Settled::Committed { tickets, first_seq, .. } => Ok((first_seq, tickets.end - tickets.start)),
            Settled::Failed { error, .. } => Err(Error::other(error.to_string())),
        }
    }
}

impl Stream for Grouped {
    /// Whenever a commit has made room, as many are handed over as it has acknowledged: what an event loop does.
    fn append(&mut self, records: Records) -> Result<u64> {
        let together = records.together.unwrap_or(1);
        // The memory is made before the time is taken; the copy into it is the caller's work, and counts.
        let mut whole = Vec::new();
        records.payload(records.first, records.in_flight.max(together), &mut whole);
        let each = whole.len() / usize::try_from(records.in_flight.max(together)).map_err(Error::other)?;
        let (mut next, mut free) = (records.first, records.in_flight.max(together));
        let mut handed = std::collections::VecDeque::new();
        let start = Instant::now();
        while next < records.end() || !handed.is_empty() {
            while free >= together && next < records.end() {
                let limit = records.together.unwrap_or(free);
                let count = limit.min(free).min(records.end() - next);
                let len = each * usize::try_from(count).map_err(Error::other)?;
                let mut payload = whole.get(..len).unwrap_or_default().to_vec();
                for (record, number) in payload.chunks_exact_mut(each).zip(next..) {
                    let prefix = each - records.bytes;
                    stamp(record.get_mut(prefix..).unwrap_or_default(), number);
                }
                let append = Append {
                    kind: kind(records),
                    payload: Box::new(payload),
                    count: u32::try_from(count).map_err(Error::other)?,
                    level: Level::Durable,
                };
                self.group.append(append).map_err(|refused| Error::other(format!("refused: {refused:?}")))?;
                handed.push_back((next, count));
                next += count;
                free -= count;
            }
            let (mut seq, tickets) = self.wait()?;
            for _ in 0..tickets {
                let (first, count) = handed.pop_front().ok_or_else(|| Error::other("more settled than handed over"))?;
                check_seq(seq, first)?;
                seq += count;
                free += count;
            }
        }
        Ok(elapsed(start))
    }

    fn scan(&mut self, _: Records, _: bool) -> Result<u64> {
        Err(Error::other("the reader is measured by the contender 'log'"))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.group.close().map_err(Error::other)
    }
}

fn check_seq(seq: u64, expected: u64) -> Result<()> {
    if seq == expected { Ok(()) } else { Err(Error::other(format!("seq {seq} instead of {expected}"))) }
}

fn snapshot(log: &Log) -> Result<Snapshot> {
    log.snapshot(Level::Durable).map_err(Error::other)
}

fn reading(cold: bool) -> ReadOptions {
    ReadOptions { cache: if cold { CachePolicy::Drop } else { CachePolicy::Keep }, ..ReadOptions::default() }
}

/// Opening the files is part of it, as it is for the others.
fn scan(log: &Log, records: Records, cold: bool) -> Result<u64> {
    let start = Instant::now();
    let mut reader = snapshot(log)?.read(reading(cold)).map_err(Error::other)?;
    let (mut count, mut bytes) = (0_u64, 0_usize);
    while let Some(batch) = reader.next_batch().map_err(Error::other)? {
        for (_, record) in batch.records() {
            count += 1;
            bytes += record.len();
        }
    }
    let nanoseconds = elapsed(start);
    check_seq(count, records.end())?;
    check_seq(u64::try_from(bytes).map_err(Error::other)?, records.end() * u64::try_from(records.bytes).unwrap_or(0))?;
    Ok(nanoseconds)
}

/// Whether the stream in the folder holds exactly these records: by the reader of the engine, whoever wrote it.
pub(crate) fn verify(folder: &Path, records: Records) -> Result<()> {
    let mut log = open_log(folder)?;
    let mut reader = snapshot(&log)?.read(reading(true)).map_err(Error::other)?;
    let (mut wanted, mut next) = (content(records.seed, records.bytes), 0);
    while let Some(batch) = reader.next_batch().map_err(Error::other)? {
        for (seq, record) in batch.records() {
            check_seq(seq, next)?;
            stamp(&mut wanted, seq);
            check(record, &wanted, seq)?;
            next += 1;
        }
    }
    check_seq(next, records.end())?;
    log.close().map_err(Error::other)
}

/// How long it takes to open the stream for writing. It is closed again.
pub(crate) fn reopen(folder: &Path) -> Result<u64> {
    let start = Instant::now();
    let mut log = open_log(folder)?;
    let nanoseconds = elapsed(start);
    log.close().map_err(Error::other)?;
    Ok(nanoseconds)
}
