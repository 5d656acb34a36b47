//! Whether the stream really ended where its batches do: evidence that more of it was durable once.

use super::layout::EMPTY_BATCH;
use super::tail::Chain;
use crate::format::Decoded;
use crate::format::batch::{ALIGNMENT, BatchHeader};

impl Chain<'_> {
    /// A header behind offset `at` that says that something at or behind it was durable (rule 5). Looked for at every
    /// place where one can be, not only where headers of blocks lead: the damage may lie between those and it. Magic and
    /// position are compared before any checksum, so that hostile payload costs no more than any other.
    pub(super) fn evidence_against(&self, at: u64) -> Option<BatchHeader> {
        let end = self.base.saturating_add(at);
        self.headers_behind(at).find(|header| header.durable_upto > end)
    }

    /// Every valid header at or behind `at`.
    pub(super) fn headers_behind(&self, at: u64) -> impl Iterator<Item = BatchHeader> {
        // One may begin in what was never written and end in what was, if rot made it so.
        let runs = self.image.written(at).map(move |run| run.start.saturating_sub(EMPTY_BATCH).max(at)..run.end);
        let step = usize::try_from(ALIGNMENT).unwrap_or(1);
        let places = runs.flat_map(move |run| (run.start.next_multiple_of(ALIGNMENT)..run.end).step_by(step));
        places.filter_map(|at| match self.header_at(at) {
            Decoded::Valid(header) => Some(header),
            Decoded::Invalid | Decoded::Newer(_) => None,
        })
    }
}
