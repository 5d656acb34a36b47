//! What is left of a stream in front, and how much there is behind a record, without reading.

use super::snapshot::Snapshot;
use crate::error::Result;

impl Snapshot {
    /// [`Snapshot::oldest_seq`] as of now: files that were released since the snapshot was taken do not count, whoever has
    /// released them.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::oldest_seq`].
    pub fn oldest_left(&self) -> Result<u64> {
        let from = self.first_left()?;
        match self.next_place(from, None)? {
            Some(place) => Ok(place.segment.seq()),
            None if from >= self.files().len() => Ok(self.next_seq()),
            None => Err(self.why_lost(from, None)?),
        }
    }

    /// Bytes of the stream from the record `seq` on, with everything but the headers of blocks: roughly, as if the records of a
    /// file were all of the same size. Exact where a file begins and at the end. Reads nothing, and goes by the files that
    /// somebody has looked at.
    #[must_use]
    pub fn bytes_from(&self, seq: u64) -> u64 {
        let end = (self.next_seq(), self.end());
        if seq >= end.0 {
            return 0;
        }
        let known = || self.files().iter().rev().filter_map(|slot| slot.start()).map(|file| (file.seq, file.position));
        let after = known().take_while(|(first, _)| *first > seq).last().unwrap_or(end);
        let Some(before) = known().find(|(first, _)| *first <= seq) else {
            return end.1.saturating_sub(after.1);
        };
        let (records, bytes) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        let ahead = u128::from(after.0.saturating_sub(seq)).saturating_mul(u128::from(bytes));
        let within = ahead.checked_div(u128::from(records)).unwrap_or_default();
        end.1.saturating_sub(after.1).saturating_add(u64::try_from(within).unwrap_or(u64::MAX))
    }
}
