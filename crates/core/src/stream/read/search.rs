//! Search by whatever the caller's own data is ordered by.

use std::cmp::Ordering;

use super::chain::{Found, Met, Walk, walk_at};
use super::seek::{Blocks, Entry, partition};
use super::snapshot::{Part, Snapshot};
use super::to_u64;
use crate::error::Result;
use crate::file::CachePolicy;
use crate::format::batch::Records;
use crate::format::block_header::Crossing;

/// What the caller says of a record: whether it comes before what is looked for.
type Compare<'a> = dyn FnMut(u64, &[u8]) -> Result<Ordering> + 'a;

impl Snapshot {
    /// The seq of the first record for which `compare(seq, data)` is not `Less`, or the next seq if there is none, by
    /// binary search: the stream must be ordered by it. Reads a number of blocks that grows with the logarithm of the
    /// stream's length.
    ///
    /// # Errors
    ///
    /// Those of `compare`; `PSTREAM_CORRUPT` if a record that must be compared is damaged; those of
    /// [`crate::BlockFile::load`].
    pub fn search(&self, mut compare: impl FnMut(u64, &[u8]) -> Result<Ordering>) -> Result<u64> {
        let compare: &mut Compare<'_> = &mut compare;
        // Files without records say nothing.
        let parts = (0..self.segments().len()).filter_map(|number| self.part(number));
        let parts: Vec<Part> = parts.filter(|part| part.segment.seq() < part.bound).collect();
        let last = partition(0..to_u64(parts.len()), |_, mid| {
            let Some(part) = parts.get(super::to_usize(mid)) else { return Ok(None) };
            let first = first_at(part, Blocks::of(part, CachePolicy::Drop).by_offset(0)?, compare)?;
            Ok(first.map(|first| (mid, first.is_lt())))
        })?;
        match last.and_then(|last| parts.get(super::to_usize(last))) {
            Some(part) => in_file(part, compare),
            None => Ok(parts.first().map_or(self.next_seq(), |part| part.segment.seq())),
        }
    }
}

/// In a file whose first record comes before what is looked for.
fn in_file(part: &Part, compare: &mut Compare<'_>) -> Result<u64> {
    let blocks = Blocks::of(part, CachePolicy::Drop);
    let mut begin = blocks.by_offset(0)?;
    partition(blocks.searchable(), |low, mid| {
        let mut block = mid;
        loop {
            if let Some((at, first)) = blocks.first_of(block)? {
                let entry = Entry { at, seq: first.seq, previous: None };
                return Ok(match first_at(part, entry, compare)? {
                    Some(Ordering::Less) => {
                        begin = entry;
                        Some((block, true))
                    }
                    // Without a record behind it, whatever is looked for is in front of it or nowhere.
                    _ => Some((block, false)),
                });
            }
            // A batch may fill thousands of blocks.
            let before = match blocks.head(block)?.filter(|head| head.crossing != Crossing::None) {
                Some(head) => blocks.begin_of(block, head.seq)?,
                None => block.saturating_sub(1),
            };
            if block == low || before < low {
                return Ok(None);
            }
            block = before;
        }
    })?;
    from_entry(part, begin, compare)
}

fn walk(part: &Part, entry: Entry) -> Walk {
    walk_at(part.clone(), entry.at, entry.seq, entry.previous, CachePolicy::Drop, true)
}

/// The next batch with a record.
fn next(walk: &mut Walk) -> Result<Option<Found>> {
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
            Met::End => return Ok(None),
        }
    }
}

/// How the first record at or behind a place compares.
fn first_at(part: &Part, entry: Entry, compare: &mut Compare<'_>) -> Result<Option<Ordering>> {
    let mut walk = walk(part, entry);
    let Some(found) = next(&mut walk)? else { return Ok(None) };
    Records::of(payload(&walk, &found)).next().flatten().map(|record| compare(found.header.seq, record)).transpose()
}

fn payload<'a>(walk: &'a Walk, found: &Found) -> &'a [u8] {
    walk.window.get(found.payload_at(), u64::from(found.header.payload_len))
}

/// In the batches from a place on, the first record of which comes before what is looked for: it is in them up to the
/// end of the block behind, or the first behind them.
fn from_entry(part: &Part, begin: Entry, compare: &mut Compare<'_>) -> Result<u64> {
    let mut walk_on = walk(part, begin);
    // The first that does not come before lies in the last batch whose first record does, or right behind it.
    let mut step = 1_u64;
    let mut passed: Vec<Entry> = Vec::new();
    let mut compared = 0_u64;
    let mut low = begin;
    while let Some(found) = next(&mut walk_on)? {
        // All of it was checked: what it names as its predecessor's checksum is that.
        let entry = Entry { at: found.at, seq: found.header.seq, previous: Some(found.header.previous) };
        passed.push(entry);
        compared = compared.saturating_add(1);
        if compared < step {
            continue;
        }
        // Twice as far each time, so that few records are compared however many batches a block has.
        let first = Records::of(payload(&walk_on, &found)).next().flatten();
        let order = first.map(|record| compare(found.header.seq, record)).transpose()?;
        if order != Some(Ordering::Less) {
            break;
        }
        (low, step) = (entry, step.saturating_mul(2));
        passed.clear();
        compared = 0;
    }
    let last = partition(0..to_u64(passed.len()), |_, mid| {
        let Some(entry) = passed.get(super::to_usize(mid)) else { return Ok(None) };
        Ok(first_at(part, *entry, compare)?.map(|first| (mid, first.is_lt())))
    })?;
    let last = last.and_then(|last| passed.get(super::to_usize(last))).copied().unwrap_or(low);
    in_batch(part, last, compare)
}

/// In a batch whose first record comes before what is looked for.
fn in_batch(part: &Part, entry: Entry, compare: &mut Compare<'_>) -> Result<u64> {
    let mut walk = walk(part, entry);
    let Some(found) = next(&mut walk)? else { return Ok(entry.seq) };
    let records: Vec<&[u8]> = Records::of(payload(&walk, &found)).map_while(|record| record).collect();
    let last = partition(0..to_u64(records.len()), |_, mid| {
        let Some(record) = records.get(super::to_usize(mid)) else { return Ok(None) };
        Ok(Some((mid, compare(found.header.seq.saturating_add(mid), record)?.is_lt())))
    })?;
    Ok(found.header.seq.saturating_add(last.map_or(0, |last| last.saturating_add(1))))
}
