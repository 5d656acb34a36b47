//! Reading and checking everything.

use std::io::IoSliceMut;

use super::chain::{Met, Walk};
use super::reader::Gap;
use super::snapshot::{Part, Snapshot};
use super::window::Window;
use crate::error::{Error, Result};
use crate::file::CachePolicy;
use crate::format::batch::HEADER_LEN;
use crate::format::block_header::{BlockHeader, Crossing, LEN};
use crate::format::file_batch::PAYLOAD_LEN;
use crate::format::{Decoded, StreamId};

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Bytes of the stream that were checked.
    pub bytes: u64,
    /// Bytes of the stream.
    pub total_bytes: u64,
}

/// What a verification has found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Records that can be read.
    pub records: u64,
    /// Batches with records.
    pub batches: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// All damage, also such that hurts no record.
    pub gaps: Vec<Gap>,
    /// More gaps than are listed.
    pub more_gaps: u64,
}

/// The report is kept in memory.
const MOST_GAPS: usize = 10_000;

impl VerifyReport {
    /// Whether there is no damage at all.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.gaps.is_empty()
    }

    fn push(&mut self, cause: Error, from_seq: u64, to_seq: u64) {
        if self.gaps.len() < MOST_GAPS {
            self.gaps.push(Gap { from_seq, to_seq, cause });
        } else {
            self.more_gaps = self.more_gaps.saturating_add(1);
        }
    }
}

impl Snapshot {
    /// Reads all of the stream and checks it: file batches, block headers, batches, records. Calls `progress` after each
    /// batch, which may end it with an error. What lies behind the last batch of a file belongs to nothing and is not
    /// read.
    ///
    /// # Errors
    ///
    /// Those of `progress` and of [`crate::BlockFile::load`]. Damage is no error: it is in the report.
    pub fn verify(&self, mut progress: impl FnMut(Verified) -> Result<()>) -> Result<VerifyReport> {
        let parts = || (0..self.segments().len()).filter_map(|number| self.part(number));
        let total_bytes = parts().fold(0_u64, |sum, part| sum.saturating_add(part.limit));
        let (mut report, mut before) = (VerifyReport::default(), 0_u64);
        for part in parts() {
            let limit = part.limit;
            verify_file_batch(&part, &mut report)?;
            verify_batches(part, &mut report, |at| {
                progress(Verified { bytes: before.saturating_add(at), total_bytes })
            })?;
            before = before.saturating_add(limit);
        }
        progress(Verified { bytes: total_bytes, total_bytes })?;
        Ok(report)
    }
}

fn verify_batches(part: Part, report: &mut VerifyReport, mut progress: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let mut walk = Walk::from_start(part, Window::for_reading(CachePolicy::Drop));
    loop {
        match walk.next()? {
            Met::End => return Ok(()),
            Met::Damage(damage) => {
                report.push(damage.error, damage.seqs.start, damage.seqs.end);
                walk.go_on(damage.seqs.end, damage.resume);
            }
            Met::Batch(found) => {
                for block in walk.wrong_heads(&found) {
                    report.push(walk.head_damage(block), found.header.seq, found.header.seq);
                }
                walk.pass(&found);
                if found.header.count > 0 {
                    report.batches = report.batches.saturating_add(1);
                    report.records = report.records.saturating_add(u64::from(found.header.count));
                    report.bytes = report.bytes.saturating_add(walk.record_bytes(&found));
                }
            }
        }
        progress(walk.at)?;
    }
}

/// The two copies of the file batch, and the headers of the blocks that begin with them.
fn verify_file_batch(part: &Part, report: &mut VerifyReport) -> Result<()> {
    let segment = &part.segment;
    let (layout, id, seq) = (segment.layout(), segment.id(), segment.seq());
    let payload = segment.batch().payload();
    for (at, header) in [0, layout.second_copy()].into_iter().zip(segment.copies()) {
        let (mut head, mut bytes, mut body) = ([0; LEN], [0; HEADER_LEN], [0; PAYLOAD_LEN]);
        let begins = layout.block_of(at).1 == 0;
        let range = layout.file_range(&(at..at.saturating_add(1)));
        let mut buffers = vec![IoSliceMut::new(&mut bytes), IoSliceMut::new(&mut body)];
        if begins {
            buffers.insert(0, IoSliceMut::new(&mut head));
        }
        segment.read(range.start, &mut buffers, CachePolicy::Drop)?;
        if bytes != header.encode(id) || body != payload {
            report.push(
                segment.corrupt(at, "a copy of the file batch is not what was written").at_seqs(seq..seq),
                seq,
                seq,
            );
        }
        if begins && !is_head(&head, id, segment.position_of(at), seq) {
            let error = segment.corrupt(at, "the header of the block is not what was written");
            report.push(error.at_seqs(seq..seq), seq, seq);
        }
    }
    Ok(())
}

fn is_head(bytes: &[u8; LEN], id: StreamId, position: u64, seq: u64) -> bool {
    match BlockHeader::decode(bytes, id) {
        Decoded::Valid(head) => head.position == position && head.seq == seq && head.crossing == Crossing::None,
        _ => false,
    }
}
