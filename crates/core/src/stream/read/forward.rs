//! How far a file that somebody else writes is durable, by what later batches say of earlier ones.

use std::collections::VecDeque;

use super::chain::walk_at;
use super::slot::Slot;
use super::snapshot::Part;
use crate::error::Result;
use crate::file::CachePolicy;
use crate::stream::Mark;

/// The end of what is durable from `end` on, which is such a place in the file, or its first one. A batch that the page
/// cache shows may not be durable itself; but what it says of those in front of it was true when it was written, and stays
/// true.
pub(in crate::stream) fn forward(slot: &Slot, mut end: Mark) -> Result<Mark> {
    let segment = slot.open()?;
    let layout = segment.layout();
    let (first, at) = (layout.first_batch(), end.position.saturating_sub(segment.start()));
    let previous = (at == first).then(|| segment.first_previous());
    let part = Part { segment, limit: layout.capacity(), bound: u64::MAX, after: None, open_end: true };
    let mut walk = walk_at(part, at.max(first), end.seq, previous, CachePolicy::Drop, true);
    let mut ends = VecDeque::new();
    while let Some(found) = walk.step()? {
        walk.pass(&found);
        ends.push_back(Mark { position: walk.part.segment.position_of(walk.at), seq: walk.seq });
        while let Some(proven) = ends.front().filter(|mark| mark.position <= found.header.durable_upto) {
            end = *proven;
            ends.pop_front();
        }
    }
    Ok(end)
}
