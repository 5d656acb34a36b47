//! Records of a read, run by run, in memory of JavaScript.
//!
//! A run in that memory is its batches, one behind the other: seq and time in 8 bytes each and the number of records in
//! 4, little-endian, then the records, each with its length in front. Batches of the same millisecond that follow each
//! other become one. So a call has a few numbers to return, however small the batches on disk are.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};

use pstream_core::stream::read::{Gap, OnGap, ReadOptions, Reader, RunBatch, Snapshot, Start};
use pstream_core::{CachePolicy, Error, Result};

use crate::error::{count, internal, number};
use crate::stream_read_data::{RawReadGap, RawReadOptions, RawRun};

/// In front of a batch.
const HEAD: usize = 20;

/// What can be read by now.
pub(crate) type Snapshots = Box<dyn Fn() -> Result<Snapshot> + Send>;

/// A read, and what was read of it and not handed over yet.
pub(crate) struct Runs {
    snapshot: Snapshot,
    /// Of a live read.
    later: Option<Snapshots>,
    from: Start,
    to: u64,
    cache: CachePolicy,
    pass_gaps: bool,
    /// While there is something to read: with its file open, and memory of its own.
    open: Option<Open>,
    /// What was read last. Its batches lie in `memory`, behind its gaps and in front of its error.
    memory: Vec<u8>,
    gaps: Vec<Gap>,
    batches: VecDeque<RunBatch>,
    failed: Option<Error>,
    ended: bool,
}

struct Open {
    reader: Reader,
    gaps: Receiver<Gap>,
}

impl Runs {
    pub(crate) fn new(snapshot: Snapshot, later: Option<Snapshots>, options: &RawReadOptions) -> Self {
        Self {
            snapshot,
            later,
            from: options.from(),
            to: count(options.to),
            cache: options.cache(),
            pass_gaps: options.pass_gaps,
            open: None,
            memory: Vec::new(),
            gaps: Vec::new(),
            batches: VecDeque::new(),
            failed: None,
            ended: false,
        }
    }

    /// Gives up everything but the place to go on from.
    pub(crate) fn rest(&mut self, seq: u64) {
        self.let_go();
        self.from = Start::Seq(seq);
        self.gaps.clear();
        self.batches.clear();
        self.failed = None;
        self.ended = false;
    }

    /// Fills `into` with what comes next. If not even the first batch fits, what comes next is kept for the next call.
    pub(crate) fn next(&mut self, into: &mut [u8]) -> Result<RawRun> {
        self.renew()?;
        if self.is_used_up() {
            self.read()?;
        }
        let needed = self.batches.front().map_or(0, |batch| HEAD.saturating_add(batch.place.len()));
        if needed > into.len() {
            return Ok(RawRun { needed: length(needed), ..self.run() });
        }
        let gaps: Vec<RawReadGap> = self.gaps.drain(..).map(|gap| RawReadGap::from(&gap)).collect();
        if let Some(error) = self.failed.take_if(|_| gaps.is_empty() && self.batches.is_empty()) {
            return Err(error);
        }
        let mut fill = Fill { into, used: 0, records: 0, last: None };
        while let Some(batch) = self.batches.pop_front() {
            let bytes = self.memory.get(batch.place.clone()).ok_or_else(|| internal("a batch is not in its run"))?;
            if !fill.push(&batch, bytes)? {
                self.batches.push_front(batch);
                break;
            }
        }
        let (used, records) = (length(fill.used), number(fill.records));
        // So that nobody has to ask just to be told that there is nothing.
        let behind = self.to.min(self.snapshot.next_seq());
        if self.is_used_up()
            && self.open.as_ref().is_some_and(|open| open.reader.seq() >= behind)
            && let Err(error) = self.read()
        {
            self.failed = Some(error);
        }
        let run = RawRun { used, records, gaps, ..self.run() };
        if self.ended && self.later.is_none() {
            self.let_go();
        }
        Ok(run)
    }

    /// One of no records.
    fn run(&self) -> RawRun {
        let in_run = self.batches.front().map(|batch| batch.seq);
        let next_seq = in_run.or_else(|| self.open.as_ref().map(|open| open.reader.seq()));
        RawRun {
            used: 0,
            needed: 0,
            records: 0,
            gaps: Vec::new(),
            end: self.ended && self.gaps.is_empty(),
            next_seq: number(next_seq.unwrap_or(0)),
            generation: number(self.snapshot.generation()),
            durable: number(self.snapshot.durable_seq()),
            kept: number(self.snapshot.kept_seq()),
        }
    }

    /// A live read that is at the end of what there was, or has no file open: goes on to the end of what there is now.
    fn renew(&mut self) -> Result<()> {
        let Some(later) = &self.later else { return Ok(()) };
        let told = self.batches.is_empty() && self.gaps.is_empty() && self.failed.is_none();
        if !told || !self.ended && self.open.is_some() {
            return Ok(());
        }
        let snapshot = later()?;
        if let Some(open) = &mut self.open {
            open.reader.renew(snapshot.clone())?;
        }
        (self.snapshot, self.ended) = (snapshot, false);
        Ok(())
    }

    fn is_used_up(&self) -> bool {
        self.batches.is_empty() && self.gaps.is_empty() && self.failed.is_none() && !self.ended
    }

    fn let_go(&mut self) {
        self.open = None;
        self.memory = Vec::new();
    }

    fn read(&mut self) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let run = open.reader.next_run(&mut self.memory);
        self.gaps.extend(open.gaps.try_iter());
        self.open = Some(open);
        match run {
            Ok(run) => {
                self.ended = run.batches.is_empty();
                self.batches = run.batches.into();
            }
            // What was met in front of it comes first.
            Err(error) if !self.gaps.is_empty() => self.failed = Some(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn begin(&self) -> Result<Open> {
        let (tell, gaps) = mpsc::channel();
        let on_gap = self.pass_gaps.then(|| -> OnGap {
            // The receiver is there as long as the reader.
            Box::new(move |gap| drop(tell.send(gap)))
        });
        let options = ReadOptions { from: self.from, to: Some(self.to), on_gap, cache: self.cache };
        Ok(Open { reader: self.snapshot.read(options)?, gaps })
    }
}

/// Memory that is being filled.
struct Fill<'a> {
    into: &'a mut [u8],
    used: usize,
    records: u64,
    last: Option<Last>,
}

/// The batch at the end of what is filled.
#[derive(Clone, Copy)]
struct Last {
    at: usize,
    next_seq: u64,
    time_ms: u64,
    count: u32,
}

impl Fill<'_> {
    /// Adds a batch, if there is room for it.
    fn push(&mut self, batch: &RunBatch, bytes: &[u8]) -> Result<bool> {
        let added = u32::try_from(batch.count).map_err(|_| internal("a batch has too many records"))?;
        let follows = |last: &Last| last.next_seq == batch.seq && last.time_ms == batch.time_ms;
        let joined = self.last.filter(follows).and_then(|last| Some((last, last.count.checked_add(added)?)));
        let (at, begin, count) = match joined {
            Some((last, count)) => (last.at, self.used, count),
            None => (self.used, self.used.saturating_add(HEAD), added),
        };
        let end = begin.saturating_add(bytes.len());
        let Some(place) = self.into.get_mut(begin..end) else { return Ok(false) };
        place.copy_from_slice(bytes);
        let head = [&batch.seq.to_le_bytes()[..], &batch.time_ms.to_le_bytes()].concat();
        if joined.is_none() {
            self.put(at, &head)?;
        }
        self.put(at.saturating_add(head.len()), &count.to_le_bytes())?;
        self.used = end;
        self.records = self.records.saturating_add(batch.count);
        let next_seq = batch.seq.saturating_add(batch.count);
        self.last = Some(Last { at, next_seq, time_ms: batch.time_ms, count });
        Ok(true)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let place = self.into.get_mut(at..at.saturating_add(bytes.len()));
        place.ok_or_else(|| internal("a head does not fit"))?.copy_from_slice(bytes);
        Ok(())
    }
}

fn length(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
