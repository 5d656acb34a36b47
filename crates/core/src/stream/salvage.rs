//! Going on behind damage: in a new file, at the highest position and seq that anything proves. The damaged files stay as
//! they are.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::head::{Head, is_zero_behind};
use super::image::Image;
use super::layout::Layout;
use super::options::{LEAST_BLOCKS_EVER, LogOptions, MOST_FILE_SIZE};
use super::read::Slot;
use super::recover::{
    Around, Current, Recovered, examine, is_evicted, know, leftovers, oldest, open_sequence, resume, slot, slots,
};
use super::report::{Gap, Previous, Recovery};
use super::roll;
use super::tail::Chain;
use super::writer::{Mark, now_ms};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{BlockFile, Shape};
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
            // Of an impossible length: no block file, but what is in it counts.
            Err(error) if *error.kind() == ErrorKind::InvalidFile => {
                found.damage(error.path(), None, None);
                let cut = slots.iter().find(|slot| Some(slot.path()) == error.path());
                found.prove(cut.map_or(Ok(None), |slot| prove_cut(&**io, slot.path(), slot.block_shift()))?);
                continue;
            }
            Err(error) => return Err(error),
        };
        let certain = is_evicted(&file)?;
        let head = match Head::read(&file, file.index()) {
            Ok(Some(head)) => head,
            Ok(None) => {
                found.without_head(file)?;
                continue;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => {
                found.beheaded(&file)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        match examine(&file, &head) {
            Ok(_) if !found.damaged => match oldest(&mut files, &head) {
                Ok(oldest_seq) => {
                    // The damage is further in front: the end of the stream is whole.
                    let Found { prepared, gaps, .. } = found;
                    let start_seq = head.start.seq;
                    let current = Current { file, head, certain };
                    let mut opened = resume(io, options, sequence, current, Around { oldest_seq, slots, prepared })?;
                    opened.report.gaps = further_in_front(gaps, why.path(), start_seq);
                    return Ok(opened);
                }
                // Of another stream than the first one: which does not belong here cannot be told, so neither is written to.
                Err(error) => found.damage(error.path(), None, None),
            },
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

    /// A file that was merely prepared, or one whose beginning is gone. The two sectors of a file batch may hold records,
    /// too: where something is damaged, what is in them is not taken for the rest of a file that never entered use.
    fn without_head(&mut self, file: SequenceFile) -> Result<()> {
        if file.shape().block_count() >= LEAST_BLOCKS_EVER && is_zero_behind(&file, 0)? {
            // In front of damage it is of no use: what comes next has to have a higher index.
            if !self.damaged {
                self.prepared.push_front(file);
            }
            return Ok(());
        }
        self.beheaded(&file)
    }

    /// A file that says nothing of itself, or something that cannot be.
    fn beheaded(&mut self, file: &BlockFile) -> Result<()> {
        self.damage(Some(file.path()), None, None);
        self.prove(prove(file, None)?);
        Ok(())
    }

    fn prove(&mut self, proof: Option<Proof>) {
        self.proof = match (proof, self.proof) {
            (Some(proof), other) => Some(proof.with(other)),
            (None, other) => other,
        };
    }
}

/// What a file proves of the stream, whatever of it is readable.
fn prove(file: &BlockFile, head: Option<&Head>) -> Result<Option<Proof>> {
    if file.shape().size() > MOST_FILE_SIZE {
        return Ok(None);
    }
    let image = Image::read(file, Layout::new(file.shape()))?;
    Ok(prove_by(&image, file.shape().block_count(), head))
}

/// What a file proves whose length is none of a block file, the rest of its last block being zeros.
fn prove_cut(io: &dyn Io, path: &Path, block_shift: u32) -> Result<Option<Proof>> {
    let read = |error| Error::io("read", path, error);
    if io.metadata(path).map_err(read)?.len > MOST_FILE_SIZE {
        return Ok(None);
    }
    let bytes = io.read_note(path, super::short(MOST_FILE_SIZE)).map_err(read)?;
    let block_count = super::long(bytes.len()).div_ceil(1 << block_shift);
    if block_count == 0 {
        return Ok(None);
    }
    let image = Image::of_bytes(&bytes, Shape::new(block_count, block_shift)?);
    Ok(prove_by(&image, block_count, None))
}

fn prove_by(image: &Image, block_count: u64, head: Option<&Head>) -> Option<Proof> {
    if let Some(head) = head {
        let begin = Proof {
            id: head.start.id,
            end: Mark { position: head.start.position, seq: head.start.seq },
            last: (head.start.position, 0),
            epoch: head.stamp.epoch,
            time_ms: head.stamp.time_ms,
        };
        return Some(prove_from(image, block_count, begin));
    }
    // Where the file starts, as its blocks say: most of them, for some may be in a wrong place, or another stream's.
    let mut says: Vec<((StreamId, u64), usize)> = Vec::new();
    for block in 0..block_count {
        let Some((id, header)) = stray_block(image, block) else { continue };
        let Some(base) = header.position.checked_sub(image.layout().start_of(block)) else { continue };
        if let Some((_, times)) = says.iter_mut().find(|(said, _)| *said == (id, base)) {
            *times = times.saturating_add(1);
        } else if says.len() < MOST_STARTS {
            says.push(((id, base), 1));
        }
    }
    says.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let proofs = says.into_iter().map(|((id, base), _)| {
        let begin = Proof { id, end: Mark { position: base, seq: 0 }, last: (base, 0), epoch: 0, time_ms: 0 };
        prove_from(image, block_count, begin)
    });
    proofs.reduce(|one, other| one.with(Some(other)))
}

/// So many opinions of where a file starts are looked into: each takes a search through all of it.
const MOST_STARTS: usize = 16;

/// What a file proves that starts where `begin` says.
fn prove_from(image: &Image, block_count: u64, begin: Proof) -> Proof {
    let layout = image.layout();
    let chain = Chain { image, id: begin.id, base: begin.end.position };
    let mut proof = begin;
    // Its own file batch, of which a copy may be gone, is in front of whatever comes next.
    proof.end.position = proof.end.position.saturating_add(layout.first_batch());
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
        let last = (header.position, header.checksum(proof.id));
        proof = proof.with(Some(Proof { end, last, epoch: header.epoch, time_ms: header.time_ms, id: proof.id }));
    }
    proof
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
