//! Search by whatever the caller's own data is ordered by.
//!
//! Turned inside out: it asks, and is told. Who compares may live in another thread than the one that reads, and no
//! thread waits for it.

use std::fmt;

use super::chain::{Found, Met, Walk, walk_at};
use super::records::Record;
use super::seek::{Bisect, Blocks, Entry};
use super::snapshot::{Part, Snapshot};
use super::{to_u64, to_usize};
use crate::error::Result;
use crate::file::CachePolicy;
use crate::format::batch::Records;
use crate::format::block_header::Crossing;

/// So many batches are looked at in a row before one of them is compared: more than a block of small ones has.
const MOST_ENTRIES: usize = 4096;

/// Finds the first record that does not come before what the caller looks for, by binary search: the stream must be
/// ordered by it. Reads a number of blocks that grows with the logarithm of the stream's length.
///
/// ```
/// # use std::sync::Arc;
/// # use pstream_core::OsIo;
/// # use pstream_core::format::batch::push_record;
/// # use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind};
/// # let folder = tempfile::tempdir()?;
/// # let (mut log, _) = Log::open(Arc::new(OsIo), folder.path(), LogOptions::new("events"))?;
/// # let mut payload = Vec::new();
/// for name in ["Ada", "Grace", "Radia"] {
///     push_record(name.as_bytes(), &mut payload);
/// }
/// log.commit(&[Pending { kind: PendingKind::Records, payload: &payload, count: 3 }], Level::Durable)?;
/// let mut search = log.snapshot(Level::Durable)?.search();
/// while let Some(record) = search.next()? {
///     search.answer(record.data.as_slice() < b"Edith");
/// }
/// assert_eq!(search.seq(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Search {
    snapshot: Snapshot,
    stage: Stage,
    /// What the record is that was given last, until it is answered for.
    asked: Option<Asked>,
    lost: Option<Lost>,
}

/// What a search looks through: each stage narrows down what the next one looks through.
enum Stage {
    Files(Bisect),
    /// The blocks of a file whose first record comes before.
    Blocks {
        part: Part,
        blocks: Bisect,
        begin: Entry,
    },
    /// The batches from a block on, the first of which comes before: collects them.
    Collect {
        walk: Box<Walk>,
        begin: Entry,
        upto: u64,
        entries: Vec<Entry>,
        next: Option<Entry>,
    },
    /// Those that were collected.
    Batches {
        part: Part,
        begin: Entry,
        entries: Vec<Entry>,
        batches: Bisect,
    },
    /// The records of one batch.
    Records {
        seq: u64,
        time_ms: u64,
        records: Vec<Vec<u8>>,
        bisect: Bisect,
    },
    Done(u64),
}

/// A file beside the one that was narrowed down to cannot be read: what is looked for may be in it.
#[derive(Clone, Copy)]
enum Lost {
    /// The file of this number, and the seq of the first record behind it.
    InFront(usize, u64),
    Behind,
}

/// A place in the stage, and what to begin with there.
#[derive(Clone, Copy)]
struct Asked {
    at: u64,
    entry: Entry,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("asked", &self.asked.is_some()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Begins a search.
    #[must_use]
    pub fn search(&self) -> Search {
        let files = Bisect::of(0..to_u64(self.files().len()));
        Search { snapshot: self.clone(), stage: Stage::Files(files), asked: None, lost: None }
    }
}

impl Search {
    /// The next record to compare, which [`Search::answer`] must follow; `None` when it is found. Asked again without an
    /// answer, it gives the same record.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if a record that must be compared is damaged, or what is looked for may be; `PSTREAM_TRIMMED`; those of
    /// [`crate::BlockFile::load`]. It may be called again.
    #[allow(clippy::should_implement_trait, reason = "it can fail, and must be answered")]
    pub fn next(&mut self) -> Result<Option<Record>> {
        self.asked = None;
        loop {
            let (asked, then) = match &mut self.stage {
                Stage::Files(files) => probe_files(&self.snapshot, files, &mut self.lost)?,
                Stage::Blocks { part, blocks, begin } => probe_blocks(part, blocks, *begin)?,
                Stage::Collect { walk, begin, upto, entries, next } => collect(walk, *begin, *upto, entries, next)?,
                Stage::Batches { part, begin, entries, batches } => probe_batches(part, *begin, entries, batches)?,
                Stage::Records { seq, time_ms, records, bisect } => probe_records(*seq, *time_ms, records, bisect),
                Stage::Done(_) => return Ok(None),
            };
            if let Some(stage) = then {
                self.check_found(&stage)?;
                self.stage = stage;
            }
            if let Some((asked, record)) = asked {
                self.asked = Some(asked);
                return Ok(Some(record));
            }
        }
    }

    /// Whether what was found is the first record for sure.
    fn check_found(&self, stage: &Stage) -> Result<()> {
        match (stage, self.lost) {
            (Stage::Done(seq), Some(Lost::InFront(number, first))) if *seq == first => {
                Err(self.snapshot.why_lost(number, None)?)
            }
            // It says so if it is not in the file itself.
            (Stage::Done(seq), Some(Lost::Behind)) => self.snapshot.get(*seq).map(drop),
            _ => Ok(()),
        }
    }

    /// Whether the record that [`Search::next`] gave last comes before what is looked for.
    pub fn answer(&mut self, before: bool) {
        let Some(Asked { at, entry }) = self.asked.take() else { return };
        match &mut self.stage {
            Stage::Files(bisect) | Stage::Batches { batches: bisect, .. } | Stage::Records { bisect, .. } => {
                bisect.narrow(Some((at, before)));
            }
            Stage::Blocks { blocks, begin, .. } => {
                blocks.narrow(Some((at, before)));
                if before {
                    *begin = entry;
                }
            }
            Stage::Collect { begin, upto, entries, .. } => {
                if before {
                    *begin = entry;
                    entries.clear();
                } else {
                    *upto = entry.at;
                }
            }
            Stage::Done(_) => {}
        }
    }

    /// When [`Search::next`] gives none any more: the seq of the first record that does not come before, or the next seq
    /// if all do.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self.stage {
            Stage::Done(seq) => seq,
            _ => self.snapshot.next_seq(),
        }
    }
}

/// What to ask, or what comes next; neither: the probe was answered without asking.
type Step = (Option<(Asked, Record)>, Option<Stage>);

fn probe_files(snapshot: &Snapshot, files: &mut Bisect, lost: &mut Option<Lost>) -> Result<Step> {
    if let Some((low, mid)) = files.probe() {
        for number in (low..=mid).rev() {
            // Files without records, and those that cannot be read, say nothing.
            let Some((_, part)) = file(snapshot, number)? else { continue };
            let entry = Blocks::of(&part, CachePolicy::Drop).by_offset(0)?;
            if let Some(record) = first_at(&part, entry)? {
                return Ok((Some((Asked { at: number, entry }, record)), None));
            }
        }
        files.narrow(None);
        return Ok((None, None));
    }
    let Some((begin, part)) = files.best().map(|number| file(snapshot, number)).transpose()?.flatten() else {
        let (first, is_lost) = snapshot.first()?;
        *lost = is_lost.then(|| Lost::InFront(first.number.saturating_sub(1), first.segment.seq()));
        return Ok((None, Some(Stage::Done(first.segment.seq()))));
    };
    *lost = part.open_end.then_some(Lost::Behind);
    let blocks = Bisect::of(Blocks::of(&part, CachePolicy::Drop).searchable());
    Ok((None, Some(Stage::Blocks { part, blocks, begin })))
}

/// A file with records, and where they begin.
fn file(snapshot: &Snapshot, number: u64) -> Result<Option<(Entry, Part)>> {
    let Some(place) = snapshot.place(to_usize(number))? else { return Ok(None) };
    let (part, _) = snapshot.part(place)?;
    if part.segment.seq() >= part.bound {
        return Ok(None);
    }
    let begin = Blocks::of(&part, CachePolicy::Drop).by_offset(0)?;
    Ok(Some((begin, part)))
}

fn probe_blocks(part: &Part, bisect: &mut Bisect, begin: Entry) -> Result<Step> {
    let blocks = Blocks::of(part, CachePolicy::Drop);
    let Some((low, mid)) = bisect.probe() else {
        let upto = part.segment.layout().start_of(bisect.end()).min(part.limit);
        let walk = Box::new(walk(part, begin));
        let (entries, next) = (Vec::new(), None);
        return Ok((None, Some(Stage::Collect { walk, begin, upto, entries, next })));
    };
    let mut block = mid;
    loop {
        if let Some((at, first)) = blocks.first_of(block)? {
            let entry = Entry { at, seq: first.seq, previous: None };
            let Some(record) = first_at(part, entry)? else {
                // Without a record behind it, whatever is looked for is in front of it or nowhere.
                bisect.narrow(Some((block, false)));
                return Ok((None, None));
            };
            return Ok((Some((Asked { at: block, entry }, record)), None));
        }
        // A batch may fill thousands of blocks.
        let before = match blocks.head(block)?.filter(|head| head.crossing != Crossing::None) {
            Some(head) => blocks.begin_of(block, head.seq)?,
            None => block.saturating_sub(1),
        };
        if block == low || before < low {
            bisect.narrow(None);
            return Ok((None, None));
        }
        block = before;
    }
}

/// Goes through the batches up to the block whose first record does not come before; asks on the way where there are very
/// many of them.
fn collect(
    walk: &mut Walk,
    begin: Entry,
    upto: u64,
    entries: &mut Vec<Entry>,
    next: &mut Option<Entry>,
) -> Result<Step> {
    // What was asked about is the next one, if it comes before.
    entries.extend(next.take());
    while walk.at < upto {
        let Some(found) = next_batch(walk)? else { break };
        // All of it was checked: what it names as its predecessor's checksum is that.
        let entry = Entry { at: found.at, seq: found.header.seq, previous: Some(found.header.previous) };
        if entries.len() < MOST_ENTRIES {
            entries.push(entry);
            continue;
        }
        if let Some(record) = first_of(walk, &found) {
            *next = Some(entry);
            return Ok((Some((Asked { at: 0, entry }, record)), None));
        }
    }
    let (part, entries) = (walk.part.clone(), std::mem::take(entries));
    let batches = Bisect::of(0..to_u64(entries.len()));
    Ok((None, Some(Stage::Batches { part, begin, entries, batches })))
}

fn probe_batches(part: &Part, begin: Entry, entries: &[Entry], batches: &mut Bisect) -> Result<Step> {
    if let Some((_, mid)) = batches.probe() {
        let entry = entries.get(to_usize(mid)).copied().unwrap_or(begin);
        let Some(record) = first_at(part, entry)? else {
            batches.narrow(None);
            return Ok((None, None));
        };
        return Ok((Some((Asked { at: mid, entry }, record)), None));
    }
    let last = batches.best().and_then(|last| entries.get(to_usize(last))).copied().unwrap_or(begin);
    let mut walk = walk(part, last);
    let Some(found) = next_batch(&mut walk)? else { return Ok((None, Some(Stage::Done(last.seq)))) };
    let records: Vec<Vec<u8>> =
        Records::of(payload(&walk, &found)).map_while(|record| record).map(<[u8]>::to_vec).collect();
    let bisect = Bisect::of(0..to_u64(records.len()));
    let (seq, time_ms) = (found.header.seq, found.header.time_ms);
    Ok((None, Some(Stage::Records { seq, time_ms, records, bisect })))
}

fn probe_records(seq: u64, time_ms: u64, records: &[Vec<u8>], bisect: &Bisect) -> Step {
    let probe = bisect.probe().and_then(|(_, mid)| Some((mid, records.get(to_usize(mid))?)));
    let Some((at, data)) = probe else {
        let behind = bisect.best().map_or(0, |last| last.saturating_add(1));
        return (None, Some(Stage::Done(seq.saturating_add(behind))));
    };
    let seq = seq.saturating_add(at);
    let entry = Entry { at, seq, previous: None };
    (Some((Asked { at, entry }, Record { seq, time_ms, data: data.clone() })), None)
}

fn walk(part: &Part, entry: Entry) -> Walk {
    walk_at(part.clone(), entry.at, entry.seq, entry.previous, CachePolicy::Drop, true)
}

/// The next batch with a record.
fn next_batch(walk: &mut Walk) -> Result<Option<Found>> {
    loop {
        match walk.next()? {
            Met::Batch(found) => {
                walk.pass(&found);
                if found.header.count > 0 {
                    return Ok(Some(found));
                }
            }
            // What hurts no record does not matter here.
            Met::Damage(damage) if damage.seqs.is_empty() => walk.go_on(damage.seqs.end, damage.resume),
            Met::Damage(damage) => return Err(damage.error),
            Met::End | Met::File => return Ok(None),
        }
    }
}

/// The first record at or behind a place.
fn first_at(part: &Part, entry: Entry) -> Result<Option<Record>> {
    let mut walk = walk(part, entry);
    let found = next_batch(&mut walk)?;
    Ok(found.and_then(|found| first_of(&walk, &found)))
}

fn first_of(walk: &Walk, found: &Found) -> Option<Record> {
    let data = Records::of(payload(walk, found)).next().flatten()?.to_vec();
    Some(Record { seq: found.header.seq, time_ms: found.header.time_ms, data })
}

fn payload<'a>(walk: &'a Walk, found: &Found) -> &'a [u8] {
    walk.window.get(found.payload_at(), u64::from(found.header.payload_len))
}
