//! On behind damage.
//!
//! Every byte is looked at once, and every payload checked once: whatever the bytes are, the work is bounded by the length
//! of the file.

use super::chain::{Broken, Damage, Found, HEADER, Walk};
use crate::error::Result;
use crate::format::batch::ALIGNMENT;
use crate::format::block_header::Crossing;

impl Walk {
    /// No batch that can be believed stands where the walk is: what that affects, and where it goes on.
    pub(super) fn damaged(&mut self, broken: Option<Broken>) -> Result<Damage> {
        let what = if broken.is_some() { "the payload of a batch is not what was written" } else { "no batch" };
        if let Some(broken) = broken.filter(|broken| broken.chained)
            && let Some(next) = self.behind_broken(&broken.found)?
        {
            return Ok(self.damage(what, self.at, Some(next)));
        }
        let from = broken.map_or(self.at.saturating_add(ALIGNMENT), |broken| broken.behind);
        let resume = self.search(from)?.map(|found| (found, None));
        Ok(self.damage(what, self.at, resume))
    }

    /// The batch behind one whose header is right and whose payload is not: it names that header's checksum.
    fn behind_broken(&mut self, broken: &Found) -> Result<Option<(Found, Option<u32>)>> {
        let checksum = broken.header.checksum(self.part.segment.id());
        for at in self.candidates(broken.end()) {
            self.window.hold(at);
            let Some(header) = self.header_at(at)? else { continue };
            let chained = header.previous == checksum && header.seq == broken.header.next_seq();
            if chained && self.is_whole(at, &header)? {
                return Ok(Some((Found { at, header }, Some(checksum))));
            }
        }
        Ok(None)
    }

    /// The first whole batch at or behind `from`, at whatever multiple of 8: block headers say what to skip.
    fn search(&mut self, mut from: u64) -> Result<Option<Found>> {
        let layout = self.part.segment.layout();
        loop {
            self.window.hold(from);
            if !self.window.need(&self.part, from, HEADER)? {
                return Ok(None);
            }
            let (block, within) = layout.block_of(from);
            let next = layout.start_of(block.saturating_add(1));
            if within == 0 {
                match self.decode_head(block).map(|head| head.crossing) {
                    Some(Crossing::Fills) => {
                        from = next;
                        continue;
                    }
                    Some(Crossing::EndsAt(offset)) if is_inside(offset, layout.block_data()) => {
                        from = from.saturating_add(u64::from(offset));
                    }
                    _ => {}
                }
            }
            match self.search_block(from, next)? {
                Ok(found) => return Ok(Some(found)),
                Err(end) => from = end,
            }
        }
    }

    /// The same in one block; or where to go on.
    fn search_block(&mut self, from: u64, next: u64) -> Result<std::result::Result<Found, u64>> {
        let mut at = from;
        while at < next {
            self.window.hold(at);
            let Some(header) = self.header_at(at)? else {
                at = at.saturating_add(ALIGNMENT);
                continue;
            };
            let found = Found { at, header };
            // Not a byte of it is looked at again.
            let mut behind = found.end();
            if self.is_whole(at, &header)? {
                match self.contradiction(at, &header)? {
                    None => return Ok(Ok(found)),
                    Some(at) => behind = at,
                }
            }
            at = behind;
        }
        Ok(Err(at))
    }
}

fn is_inside(offset: u32, block_data: u64) -> bool {
    u64::from(offset) < block_data && u64::from(offset).is_multiple_of(ALIGNMENT)
}
