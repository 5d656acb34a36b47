//! Whether a file is in use, and what it says of itself: the two copies of its file batch (rule 4).

use std::io::IoSliceMut;

use super::layout::{Layout, SECTOR};
use super::{long, short};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::file::BlockFile;
use crate::format::batch::{self, BatchHeader, Kind};
use crate::format::block_header::{self, BlockHeader};
use crate::format::file_batch::{self, FileBatch, Stamp};
use crate::format::{Decoded, StreamId};

/// What a file in use says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) start: FileBatch,
    pub(super) stamp: Stamp,
    /// Which of the two copies are readable.
    pub(super) copies: [bool; 2],
}

impl Head {
    /// Of a file that has just entered use.
    pub(super) fn written(start: FileBatch, stamp: Stamp) -> Self {
        Self { start, stamp, copies: [true, true] }
    }

    /// The headers of both copies, from whichever is readable.
    pub(super) fn headers(&self, layout: Layout) -> [BatchHeader; 2] {
        self.start.headers(self.stamp, layout.second_copy())
    }

    /// Reads what the file begins with, before it is written to. `None`: it is not in use.
    ///
    /// # Errors
    ///
    /// `PSTREAM_UNSUPPORTED` if a later version has written any of it; those of reading.
    pub(super) fn read(file: &BlockFile, index: u16) -> Result<Option<Self>> {
        match Self::look(file, index)? {
            (_, Some(version)) => Err(unsupported(file, version)),
            (head, None) => Ok(head),
        }
    }

    /// The same for who only reads: what one copy says is believed, whatever became of the other.
    ///
    /// # Errors
    ///
    /// `PSTREAM_UNSUPPORTED` if a later version has written it; those of reading.
    pub(super) fn read_only(file: &BlockFile, index: u16) -> Result<Option<Self>> {
        match Self::look(file, index)? {
            (None, Some(version)) => Err(unsupported(file, version)),
            (head, _) => Ok(head),
        }
    }

    /// What it begins with, and the version of whatever there is of a later one.
    fn look(file: &BlockFile, index: u16) -> Result<(Option<Self>, Option<u8>)> {
        let layout = Layout::new(file.shape());
        if file.shape().block_count() < super::options::LEAST_BLOCKS_EVER {
            return Ok((None, None));
        }
        let mut newer = None;
        let mut bytes = vec![0; short(SECTOR.saturating_mul(2))];
        file.load_at(0, &mut [IoSliceMut::new(&mut bytes)])?;
        let mut found = [None, None];
        for (place, copy) in found.iter_mut().zip([0, layout.second_copy()]) {
            let range = layout.file_range(&(copy..copy.saturating_add(1)));
            // Of a block that begins here the header comes first.
            let (block, _) = layout.block_of(copy);
            let block_header = (layout.start_of(block) == copy).then(|| part(&bytes, range.start)).flatten();
            let header = part(&bytes, range.end.saturating_sub(1));
            newer = newer.or(later_version(block_header.as_ref(), header.as_ref()));
            *place = header.and_then(|header| decode(&bytes, &header, range.end.saturating_sub(1), copy, layout));
            *place = place.filter(|(start, _)| start.index == index);
        }
        if let [Some((one, _)), Some((other, _))] = &found
            && one.id != other.id
        {
            // No crash leaves this, but a write that went to the wrong place does: which of them is ours cannot be told
            // here, and by the wrong one everything in the file would look torn.
            let message = format!(
                "stream is damaged: the two copies of the file batch of '{}' are of different streams",
                file.path().display()
            );
            return Err(Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(file.path()).at_block(0));
        }
        Ok((Self::of(found), newer))
    }

    /// If both are readable and differ, the one that is further on is what counts.
    fn of([first, second]: [Option<(FileBatch, Stamp)>; 2]) -> Option<Self> {
        let copies = match (first, second) {
            (Some(one), Some(other)) if one == other => [true, true],
            (Some((one, _)), Some((other, _))) => [one.position >= other.position, one.position < other.position],
            _ => [first.is_some(), second.is_some()],
        };
        let (start, stamp) = if copies == [false, true] { second? } else { first? };
        Some(Self { start, stamp, copies })
    }
}

fn part<const N: usize>(bytes: &[u8], at: u64) -> Option<[u8; N]> {
    bytes.get(short(at)..)?.first_chunk().copied()
}

fn later_version(
    block_header: Option<&[u8; block_header::LEN]>,
    header: Option<&[u8; batch::HEADER_LEN]>,
) -> Option<u8> {
    // Version and magic are looked at before the id, so any will do.
    let any = StreamId::new(1)?;
    let of_block = block_header.and_then(|bytes| match BlockHeader::decode(bytes, any) {
        Decoded::Newer(version) => Some(version),
        _ => None,
    });
    of_block.or_else(|| match BatchHeader::decode(header?, any, 0) {
        Decoded::Newer(version) => Some(version),
        _ => None,
    })
}

/// What a later version has written is not for us.
pub(super) fn unsupported(file: &BlockFile, version: u8) -> Error {
    let message = format!("'{}' was written by a later version of pstream (format {version})", file.path().display());
    Error::new(ErrorKind::Unsupported, message).at_path(file.path())
}

/// The file batch whose header begins at `at`, and which says that it lies at offset `copy` of a file of this layout.
fn decode(
    bytes: &[u8],
    header: &[u8; batch::HEADER_LEN],
    at: u64,
    copy: u64,
    layout: Layout,
) -> Option<(FileBatch, Stamp)> {
    let from = short(at).checked_add(batch::HEADER_LEN)?;
    let payload = bytes.get(from..from.checked_add(file_batch::PAYLOAD_LEN)?)?;
    let id = FileBatch::stream_of(payload)?;
    let start = FileBatch::decode(payload, 0)?;
    let Decoded::Valid(found) = BatchHeader::decode(header, id, start.position.checked_add(copy)?) else { return None };
    let start = FileBatch { seq: found.seq, ..start };
    let stamp = Stamp { time_ms: found.time_ms, epoch: found.epoch };
    let [first, second] = start.headers(stamp, layout.second_copy());
    let expected = if copy == 0 { first } else { second };
    (found.kind == Kind::File && found == expected).then_some((start, stamp))
}

/// Whether a file that is not in use is what a file that was merely prepared is: zeros outside the two sectors that the
/// file batch would be in. In those there may be what a crash has left of one.
pub(super) fn is_merely_prepared(file: &BlockFile) -> Result<bool> {
    const PIECE: u64 = 1 << 20;
    let size = file.shape().size();
    let mut bytes = vec![0; short(PIECE.min(size))];
    // The second copy is in the second sector, whatever the block size.
    let mut at = SECTOR.saturating_mul(2);
    while let Some(run) = file.next_data(at)? {
        at = run.start;
        while at < run.end {
            let len = PIECE.min(run.end.saturating_sub(at));
            let piece = bytes.get_mut(..short(len)).unwrap_or_default();
            file.read_at(at, &mut [IoSliceMut::new(piece)])?;
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at = at.saturating_add(long(piece.len()).max(1));
        }
    }
    Ok(true)
}
