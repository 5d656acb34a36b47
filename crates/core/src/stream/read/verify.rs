//! Reading and checking everything.

use std::fmt;
use std::io::IoSliceMut;

use super::chain::{Damage, Met, walk_at};
use super::reader::Gap;
use super::snapshot::{Part, Snapshot};
use super::track::Track;
use crate::error::{Error, Result};
use crate::file::CachePolicy;
use crate::format::batch::HEADER_LEN;
use crate::format::block_header::{BlockHeader, Crossing, LEN};
use crate::format::file_batch::PAYLOAD_LEN;
use crate::format::{Decoded, StreamId};

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
/// What a step goes through.
const STEP: u64 = 1 << 20;

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

/// Reads all of a stream and checks it, step by step: file batches, block headers, batches, records. What lies behind the
/// last batch of a file belongs to nothing and is not read.
pub struct Verifier {
    track: Track,
    /// The beginning of the file is to be looked at.
    unchecked: bool,
    done: bool,
    start: u64,
    end: u64,
    report: VerifyReport,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Begins to read all of the stream and to check it.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if no file can be read at all; those of [`crate::BlockFile::load`].
    pub fn verify(&self) -> Result<Verifier> {
        let (place, lost) = self.first()?;
        let (number, start) = (place.number, place.segment.start());
        let (part, next) = self.part(place)?;
        let segment = &part.segment;
        let (at, seq, previous) = (segment.layout().first_batch(), segment.seq(), segment.first_previous());
        let walk = walk_at(part, at, seq, Some(previous), CachePolicy::Drop, false);
        let track = Track::new(self.clone(), number, walk, next, lost);
        Ok(Verifier {
            track,
            unchecked: true,
            done: false,
            start,
            end: self.end().max(start),
            report: VerifyReport::default(),
        })
    }
}

impl Verifier {
    /// Goes on by about 1 MiB; by more where a batch is larger, or where damage must be searched for what lies behind it.
    /// False when all is done.
    ///
    /// # Errors
    ///
    /// Those of [`crate::BlockFile::load`], `PSTREAM_TRIMMED`, and `PSTREAM_SYNC_FAILED` as in
    /// [`Reader::next_batch`](super::Reader::next_batch); it may be called again. Damage is no error: it is in the report.
    pub fn step(&mut self) -> Result<bool> {
        let upto = self.bytes().saturating_add(STEP);
        while self.bytes() < upto {
            if self.unchecked {
                verify_file_batch(&self.track.walk.part, &mut self.report)?;
                self.unchecked = false;
            }
            match self.track.next()? {
                Met::File => self.unchecked = true,
                Met::End => {
                    self.done = true;
                    return Ok(false);
                }
                Met::Damage(Damage { error, seqs, resume, whole_files }) => {
                    self.report.push(error, seqs.start, seqs.end);
                    self.track.go_on(seqs.end, resume, whole_files);
                }
                Met::Batch(found) => {
                    let walk = &mut self.track.walk;
                    for block in walk.wrong_heads(&found) {
                        self.report.push(walk.head_damage(block), found.header.seq, found.header.seq);
                    }
                    walk.pass(&found);
                    if found.header.count > 0 {
                        let report = &mut self.report;
                        report.batches = report.batches.saturating_add(1);
                        report.records = report.records.saturating_add(u64::from(found.header.count));
                        report.bytes = report.bytes.saturating_add(walk.record_bytes(&found));
                    }
                }
            }
        }
        Ok(true)
    }

    /// Bytes of the stream that were checked so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        if self.done { self.total_bytes() } else { self.track.position().saturating_sub(self.start) }
    }

    /// Bytes of the stream.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> &VerifyReport {
        &self.report
    }

    /// What was found, when all is done.
    #[must_use]
    pub fn into_report(self) -> VerifyReport {
        self.report
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
