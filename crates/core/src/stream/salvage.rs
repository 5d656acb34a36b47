//! Going on behind damage: in a new file, at the highest position and seq that anything proves. The damaged files stay as
//! they are.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::head::{Head, is_merely_prepared};
use super::image::Image;
use super::layout::Layout;
use super::options::{LEAST_BLOCKS_EVER, LogOptions, MOST_FILE_SIZE};
use super::read::Slot;
use super::recover::{
    Around, Current, Recovered, examine, is_evicted, know, leftovers, open_sequence, resume, slot, slots,
};
use super::report::{Gap, Previous, Recovery};
use super::roll;
use super::tail::Chain;
use super::writer::{Mark, now_ms};
use crate::error::{Error, ErrorKind, Result};
use crate::file::BlockFile;
use crate::format::block_header::{BlockHeader, Crossing};
use crate::format::file_batch::{FileBatch, Stamp};
use crate::format::{Decoded, StreamId};
use crate::io::Io;
use crate::sequence::{FileSequence, LockShare, Retrieve, SequenceFile};

/// What damaged files prove.
#[derive(Clone, Copy, Debug)]
struct Proof {
    id: StreamId,
    /// The highest position and seq.
    end: Mark,
    /// Checksum of the batch that is furthest on, and its position.
    last: (u64, u32),
    epoch: u32,
    time_ms: u64,
}

impl Proof {
    fn with(self, other: Option<Self>) -> Self {
        let Some(other) = other.filter(|other| other.id == self.id) else { return self };
        let end = Mark { position: self.end.position.max(other.end.position), seq: self.end.seq.max(other.end.seq) };
        let (epoch, time_ms) = (self.epoch.max(other.epoch), self.time_ms.max(other.time_ms));
        Self { id: self.id, end, last: self.last.max(other.last), epoch, time_ms }
    }
}

/// What was found on the way down.
#[derive(Default)]
struct Found {
    /// Behind all damage, ready to be used.
    prepared: VecDeque<SequenceFile>,
    damaged: bool,
    proof: Option<Proof>,
    gaps: Vec<Gap>,
}

/// Opens a stream that is damaged as `why` says, which is the answer if nothing proves how to go on.
pub(super) fn open(
    io: &Arc<dyn Io>,
    directory: &Path,
    options: &LogOptions,
    lock: Option<&LockShare>,
    why: Error,
) -> Result<Recovered> {
    let sequence = open_sequence(io, directory, options, lock)?;
    let mut files = sequence.retrieve_what_is_there()?;
    let slots = slots(io, options, &files);
    let mut found = Found::default();
    found.gaps.extend(missing(&slots));
    while let Some(file) = files.next_back() {
        let file = match file {
            Ok(file) => file,
            // Of an impossible length: nothing in it can be told.
            Err(error) if *error.kind() == ErrorKind::InvalidFile => {
                found.damage(error.path(), None, None);
                continue;
            }
            Err(error) => return Err(error),
        };
        let certain = is_evicted(&file)?;
        let Some(head) = Head::read(&file, file.index())? else {
            found.without_head(file)?;
            continue;
        };
        match examine(&file, &head) {
            Ok(_) if !found.damaged => {
                // The damage is further in front: the end of the stream is whole.
                let Found { prepared, gaps, .. } = found;
                let start_seq = head.start.seq;
                let current = Current { file, head, certain };
                let mut opened = resume(io, options, sequence, current, Around { files, slots, prepared })?;
                opened.report.gaps = further_in_front(gaps, why.path(), start_seq);
                return Ok(opened);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {
                found.damage(Some(file.path()), error.position(), error.seq());
            }
            Err(error) => return Err(error),
        }
        found.proof = prove(&file, Some(&head))?.map(|proof| proof.with(found.proof));
        return go_on(io, options, sequence, found, (files, slots), why);
    }
    go_on(io, options, sequence, found, (files, slots), why)
}

/// Files that are missing between others.
fn missing(slots: &[Arc<Slot>]) -> Vec<Gap> {
    let apart = |pair: &[Arc<Slot>]| match pair {
        [one, next] => next.index() != one.index().wrapping_add(1),
        _ => false,
    };
    let gap = |_: &[Arc<Slot>]| Gap { file: None, position: None, from_seq: None, to_seq: 0 };
    slots.windows(2).filter(|pair| apart(pair)).map(gap).collect()
}

/// The gaps in front of a file that is whole and starts with this seq. `damaged` is what kept a strict open from it.
fn further_in_front(mut gaps: Vec<Gap>, damaged: Option<&Path>, start_seq: u64) -> Vec<Gap> {
    if gaps.is_empty() {
        gaps.push(Gap { file: damaged.map(Path::to_owned), position: None, from_seq: None, to_seq: 0 });
    }
    for gap in &mut gaps {
        gap.to_seq = start_seq;
    }
    gaps
}

impl Found {
    fn damage(&mut self, path: Option<&Path>, position: Option<u64>, from_seq: Option<u64>) {
        self.damaged = true;
        self.gaps.push(Gap { file: path.map(Path::to_owned), position, from_seq, to_seq: 0 });
    }

    /// A file that was merely prepared, or one whose beginning is gone.
    fn without_head(&mut self, file: SequenceFile) -> Result<()> {
        if file.shape().block_count() >= LEAST_BLOCKS_EVER && is_merely_prepared(&file)? {
            // In front of damage it is of no use: what comes next has to have a higher index.
            if !self.damaged {
                self.prepared.push_front(file);
            }
            return Ok(());
        }
        self.damage(Some(file.path()), None, None);
        let proof = prove(&file, None)?;
        self.proof = match (proof, self.proof) {
            (Some(proof), other) => Some(proof.with(other)),
            (None, other) => other,
        };
        Ok(())
    }
}

/// What a file proves of the stream, whatever of it is readable.
fn prove(file: &BlockFile, head: Option<&Head>) -> Result<Option<Proof>> {
    if file.shape().size() > MOST_FILE_SIZE {
        return Ok(None);
    }
    let layout = Layout::new(file.shape());
    let image = Image::read(file, layout)?;
    let block_count = file.shape().block_count();
    let blocks = || (0..block_count).filter_map(|block| Some((block, stray_block(&image, block)?)));
    // Where the file starts: as it says, or as any block of it says.
    let known = head.map(|head| (head.start.id, head.start.position)).or_else(|| {
        let (block, (id, header)) = blocks().next()?;
        Some((id, header.position.checked_sub(layout.start_of(block))?))
    });
    let Some((id, base)) = known else { return Ok(None) };
    let chain = Chain { image: &image, id, base };
    let stamp = head.map(|head| head.stamp);
    let mut proof = Proof {
        id,
        end: Mark { position: base, seq: head.map_or(0, |head| head.start.seq) },
        last: (base, 0),
        epoch: stamp.map_or(0, |stamp| stamp.epoch),
        time_ms: stamp.map_or(0, |stamp| stamp.time_ms),
    };
    for block in 0..block_count {
        let Decoded::Valid(header) = chain.block(block) else { continue };
        let reaches = match header.crossing {
            Crossing::None => 0,
            Crossing::EndsAt(offset) => u64::from(offset),
            Crossing::Fills => layout.block_data(),
        };
        let end = Mark { position: header.position.saturating_add(reaches), seq: header.seq };
        proof = proof.with(Some(Proof { end, epoch: header.epoch, time_ms: header.time_ms, ..proof }));
    }
    for header in chain.headers_behind(0) {
        let position = header.position.saturating_add(header.total_len()).max(header.durable_upto);
        let end = Mark { position, seq: header.next_seq() };
        let last = (header.position, header.checksum(id));
        proof = proof.with(Some(Proof { end, last, epoch: header.epoch, time_ms: header.time_ms, id }));
    }
    Ok(Some(proof))
}

/// The header of a block of whatever stream: the id is in it.
fn stray_block(image: &Image, block: u64) -> Option<(StreamId, BlockHeader)> {
    let bytes = image.block_header(block)?;
    let id = StreamId::new(u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?))?;
    match BlockHeader::decode(bytes, id) {
        Decoded::Valid(header) => Some((id, header)),
        Decoded::Invalid | Decoded::Newer(_) => None,
    }
}

fn go_on(
    io: &Arc<dyn Io>,
    options: &LogOptions,
    sequence: FileSequence,
    found: Found,
    (mut files, mut slots): (Retrieve, Vec<Arc<Slot>>),
    why: Error,
) -> Result<Recovered> {
    let Found { mut prepared, proof, mut gaps, .. } = found;
    let Some(proof) = proof else { return Err(why) };
    let next = match prepared.pop_front() {
        Some(next) => next,
        None => sequence.alloc(Some(options.blocks_of(options.file_size)))?,
    };
    let start = FileBatch {
        id: proof.id,
        index: next.index(),
        block_shift: next.shape().block_shift(),
        block_count: next.shape().block_count(),
        position: proof.end.position,
        seq: proof.end.seq,
        before: proof.last.1,
    };
    slots.truncate(slots.len().saturating_sub(prepared.len()));
    if slots.last().is_none_or(|last| last.index() != start.index) {
        slots.push(slot(io, options, (next.index(), next.path(), start.block_shift)));
    }
    let stamp = Stamp { time_ms: proof.time_ms.max(now_ms(&**io)), epoch: proof.epoch.saturating_add(1) };
    let writer = roll::enter(next, start, stamp)?;
    know(&slots, Head::written(start, stamp));
    for gap in &mut gaps {
        gap.to_seq = start.seq;
        gap.from_seq = gap.from_seq.map(|from| from.min(start.seq));
    }
    let oldest_seq = files.next().and_then(|file| {
        let file = file.ok()?;
        Some(Head::read(&file, file.index()).ok()??.start.seq)
    });
    let report = Recovery {
        previous: Previous::Crashed,
        oldest_seq,
        next_seq: start.seq,
        torn: None,
        gaps,
        postponed: false,
        leftovers: leftovers(&**io, &sequence, &prepared),
    };
    Ok(Recovered { sequence, writer, prepared, files: slots, report })
}
