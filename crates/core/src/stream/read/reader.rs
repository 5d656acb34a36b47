//! [`Reader`]: records in order, from anywhere in a stream.

use std::fmt;
use std::ops::Range;
use std::sync::mpsc;

use super::chain::{Damage, Found, Met, walk_at};
use super::records::{Batch, Record, Run, RunBatch};
use super::seek::Blocks;
use super::snapshot::Snapshot;
use super::to_u64;
use super::track::Track;
use crate::error::{Error, ErrorKind, Result};
use crate::file::CachePolicy;
use crate::format::batch::Records;

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first record there is.
    #[default]
    Oldest,
    /// Behind the last record of the snapshot: with what comes later.
    End,
    /// With the record of this seq, which may be one to come.
    Seq(u64),
    /// With the first record that was appended at this time or later, in ms since 1970.
    Time(u64),
}

/// What is called with each gap.
pub type OnGap = Box<dyn FnMut(Gap) + Send>;

/// What is read, and what to do about damage.
#[derive(Default)]
pub struct ReadOptions {
    /// Where reading begins. Default: the oldest record.
    pub from: Start,
    /// Seq to stop in front of. Default: none.
    pub to: Option<u64>,
    /// Called at damage, and reading goes on behind it. Default: none, and damage is an error.
    pub on_gap: Option<OnGap>,
    /// What stays in the page cache. Default: [`CachePolicy::Drop`].
    pub cache: CachePolicy,
}

impl fmt::Debug for ReadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ReadOptions");
        debug.field("from", &self.from).field("to", &self.to).field("on_gap", &self.on_gap.is_some());
        debug.field("cache", &self.cache).finish()
    }
}

/// Records that cannot be read.
#[derive(Debug)]
pub struct Gap {
    /// Seq of the first one.
    pub from_seq: u64,
    /// Seq of the first one behind them; equal to `from_seq` if the damage hurts no record.
    pub to_seq: u64,
    /// What was met, and where.
    pub cause: Error,
}

/// Reads records in order, up to the end of its [`Snapshot`]. Every byte that it gives has passed its checksum.
///
/// Its memory is bounded: a piece of 1 MiB that is read ahead, or the largest batch if that is larger.
pub struct Reader {
    track: Track,
    /// Records in front of these are passed over.
    from_seq: u64,
    from_time: u64,
    to: u64,
    on_gap: Option<OnGap>,
    /// A block header that was reported already.
    reported: Option<(usize, u64)>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("file", &self.track.number).field("seq", &self.seq()).finish_non_exhaustive()
    }
}

impl Reader {
    /// Begins where `options` say.
    ///
    /// # Errors
    ///
    /// `PSTREAM_TRIMMED` for a seq in front of the oldest one; `PSTREAM_CORRUPT` if no file can be read; those of
    /// [`crate::BlockFile::load`].
    pub fn new(snapshot: Snapshot, options: ReadOptions) -> Result<Self> {
        Self::begin(snapshot, options, false)
    }

    /// `few`: no more than a record is wanted, so little is read ahead.
    fn begin(snapshot: Snapshot, options: ReadOptions, few: bool) -> Result<Self> {
        let (mut from_seq, mut from_time) = (0, 0);
        match options.from {
            Start::Oldest => {}
            Start::End => from_seq = snapshot.next_seq(),
            Start::Seq(seq) => {
                snapshot.check_not_trimmed(seq)?;
                from_seq = seq;
            }
            Start::Time(time_ms) => from_time = time_ms,
        }
        let to = options.to.unwrap_or(u64::MAX);
        let found = match options.from {
            Start::Oldest => snapshot.first(),
            Start::Time(time_ms) => snapshot.place_where(|head| head.stamp.time_ms < time_ms),
            Start::Seq(_) | Start::End => snapshot.place_where(|head| head.start.seq <= from_seq),
        };
        let (place, lost) = match found {
            // Released since: with the first record there is, then.
            Err(error) if from_time > 0 && matches!(error.kind(), ErrorKind::Trimmed(_)) => snapshot.first()?,
            found => found?,
        };
        let number = place.number;
        let (part, next) = snapshot.part(place)?;
        let entry = match options.from {
            Start::Oldest => Blocks::of(&part, options.cache).by_offset(0)?,
            Start::Time(time_ms) => Blocks::of(&part, options.cache).by_time(time_ms)?,
            _ if from_seq >= snapshot.next_seq() => Blocks::of(&part, options.cache).behind(),
            _ => Blocks::of(&part, options.cache).by_seq(from_seq)?,
        };
        let mut walk = walk_at(part, entry.at, entry.seq, entry.previous, options.cache, few);
        while walk.is_in_doubt()? {
            let entry = Blocks::of(&walk.part, options.cache).by_offset(walk.at.saturating_sub(1))?;
            (walk.at, walk.seq, walk.previous) = (entry.at, entry.seq, entry.previous);
        }
        let on_gap = options.on_gap;
        let track = Track::new(snapshot, number, walk, next, lost);
        Ok(Self { track, from_seq, from_time, to, on_gap, reported: None })
    }

    /// Seq of the next record that it gives, if that is not hurt.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.track.seq().max(self.from_seq)
    }

    /// Goes on to the end of a later snapshot of the same stream.
    ///
    /// # Errors
    ///
    /// `PSTREAM_TRIMMED` if the next record was released in the meantime; `PSTREAM_SYNC_FAILED` if a failed sync of the
    /// writer may have taken back records that were read, which can happen to those that are not durable yet: begin anew.
    /// Those of [`crate::BlockFile::load`].
    pub fn renew(&mut self, snapshot: Snapshot) -> Result<()> {
        let seq = self.seq();
        if !self.track.renew(snapshot, seq)? {
            self.from_seq = seq;
        }
        Ok(())
    }

    /// The next records, or `None` at the end of the snapshot or of what was asked for. They are in the reader's memory
    /// and can be used until its next call.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` at damage, unless gaps are asked for: with the file, block, position and the seqs that are
    /// affected; the reader stays where it is. `PSTREAM_TRIMMED` if the next file was released in the meantime.
    /// `PSTREAM_SYNC_FAILED` if records that are written and not durable were lost with a failed sync of the writer. Those
    /// of [`crate::BlockFile::load`].
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>> {
        let Some(found) = self.advance()? else { return Ok(None) };
        let clip = self.clip(&found);
        let from = found.payload_at().saturating_add(to_u64(clip.place.start));
        let bytes = self.track.walk.window.get(from, to_u64(clip.place.len()));
        Ok(Some(Batch { seq: clip.seq, time_ms: found.header.time_ms, count: clip.count, bytes }))
    }

    /// The next records and all behind them that were read with them, in memory that changes hands: `memory` is filled
    /// with what was read, and what it held is used for the next piece.
    ///
    /// # Errors
    ///
    /// As [`Reader::next_batch`].
    pub fn next_run(&mut self, memory: &mut Vec<u8>) -> Result<Run> {
        let mut run = Run::default();
        let Some(mut found) = self.advance()? else { return Ok(run) };
        loop {
            let clip = self.clip(&found);
            if clip.count > 0 {
                let from = found.payload_at().saturating_add(to_u64(clip.place.start));
                let place = self.track.walk.window.place(from, to_u64(clip.place.len()));
                run.batches.push(RunBatch { seq: clip.seq, time_ms: found.header.time_ms, count: clip.count, place });
            }
            let next = if self.track.walk.seq >= self.to { None } else { self.track.walk.ready() };
            let Some(next) = next.filter(|next| self.track.walk.wrong_head(next).is_none()) else { break };
            self.track.walk.pass(&next);
            found = next;
        }
        self.track.walk.window.swap(&self.track.walk.part, self.track.walk.at, memory);
        Ok(run)
    }

    /// The next batch with a record that was asked for. The walk is behind it, its bytes are in the window.
    fn advance(&mut self) -> Result<Option<Found>> {
        loop {
            if self.seq() >= self.to {
                return Ok(None);
            }
            match self.track.next()? {
                Met::Batch(found) => {
                    self.report_head(&found)?;
                    self.track.walk.pass(&found);
                    let header = &found.header;
                    if header.count > 0 && header.next_seq() > self.from_seq && header.time_ms >= self.from_time {
                        self.from_time = 0;
                        return Ok(Some(found));
                    }
                }
                Met::Damage(damage) => {
                    let Damage { error, seqs, resume, whole_files } = damage;
                    // What is passed over may be damaged.
                    if seqs.end > self.from_seq || seqs.start >= self.from_seq {
                        self.report(seqs.clone(), error)?;
                    }
                    self.track.go_on(seqs.end, resume, whole_files);
                }
                Met::File => {}
                Met::End => return Ok(None),
            }
        }
    }

    fn report_head(&mut self, found: &Found) -> Result<()> {
        let Some(block) = self.track.walk.wrong_head(found) else { return Ok(()) };
        let seq = found.header.seq;
        let place = (self.track.number, block);
        if self.reported == Some(place) || seq < self.from_seq {
            return Ok(());
        }
        let error = self.track.walk.head_damage(block);
        self.report(seq..seq, error)?;
        self.reported = Some(place);
        Ok(())
    }

    fn report(&mut self, seqs: Range<u64>, cause: Error) -> Result<()> {
        let from_seq = seqs.start.max(self.from_seq).min(seqs.end);
        let to_seq = seqs.end.min(self.to.max(from_seq));
        let cause = cause.at_seqs(from_seq..to_seq);
        let Some(on_gap) = &mut self.on_gap else { return Err(cause) };
        on_gap(Gap { from_seq, to_seq, cause });
        Ok(())
    }

    /// The part of a batch that was asked for.
    fn clip(&self, found: &Found) -> Clip {
        let header = &found.header;
        let len = u64::from(header.payload_len);
        let first = header.seq.max(self.from_seq);
        let last = header.next_seq().min(self.to).max(first);
        let whole = first == header.seq && last == header.next_seq();
        let payload = self.track.walk.window.get(found.payload_at(), len);
        if whole {
            return Clip { seq: first, count: u64::from(header.count), place: 0..payload.len() };
        }
        let mut records = Records::of(payload);
        let mut skip = |count: u64| {
            for _ in 0..count {
                records.next();
            }
            payload.len().saturating_sub(records.left())
        };
        let start = skip(first.saturating_sub(header.seq));
        let end = skip(last.saturating_sub(first));
        Clip { seq: first, count: last.saturating_sub(first), place: start..end }
    }
}

struct Clip {
    seq: u64,
    count: u64,
    place: Range<usize>,
}

impl Snapshot {
    /// The record `seq`; `None` if it is not there yet. Damage beside it does not matter.
    ///
    /// # Errors
    ///
    /// `PSTREAM_TRIMMED`; `PSTREAM_CORRUPT` if it is damaged; those of [`crate::BlockFile::load`].
    pub fn get(&self, seq: u64) -> Result<Option<Record>> {
        let (report, damage) = mpsc::channel();
        let on_gap: OnGap = Box::new(move |gap| drop(report.send(gap)));
        let to = Some(seq.saturating_add(1));
        let options = ReadOptions { from: Start::Seq(seq), to, on_gap: Some(on_gap), cache: CachePolicy::Drop };
        let mut reader = Reader::begin(self.clone(), options, true)?;
        if let Some(batch) = reader.next_batch()? {
            let time_ms = batch.time_ms;
            return Ok(batch.records().next().map(|(seq, data)| Record { seq, time_ms, data: data.to_vec() }));
        }
        match damage.try_iter().find(|gap| (gap.from_seq..gap.to_seq).contains(&seq)) {
            Some(gap) => Err(gap.cause),
            None => Ok(None),
        }
    }
}
