//! An open file with its place in the stream.

use std::fmt;
use std::io::IoSliceMut;
use std::sync::Arc;

use super::layout::Layout;
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::file::{BlockFile, CachePolicy, Shape};
use crate::format::batch::{BatchHeader, HEADER_LEN};
use crate::format::file_batch::{FileBatch, PAYLOAD_LEN, Stamp};
use crate::format::{Decoded, StreamId};
use crate::sequence::SequenceFile;

/// A file that is read, whoever owns it beside us.
#[derive(Clone, Debug)]
pub enum Handle {
    /// Of a sequence that we have open.
    Sequence(Arc<SequenceFile>),
    /// Opened by its path: another process writes the sequence, or nobody.
    File(Arc<BlockFile>),
}

impl From<Arc<SequenceFile>> for Handle {
    fn from(file: Arc<SequenceFile>) -> Self {
        Self::Sequence(file)
    }
}

impl From<Arc<BlockFile>> for Handle {
    fn from(file: Arc<BlockFile>) -> Self {
        Self::File(file)
    }
}

impl Handle {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &BlockFile {
        match self {
            Self::Sequence(file) => file,
            Self::File(file) => file,
        }
    }
}

/// A file in use, with what its file batch says of it.
#[derive(Clone)]
pub struct Segment {
    handle: Handle,
    layout: Layout,
    batch: FileBatch,
    stamp: Stamp,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("file", self.file()).field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Segment {
    /// Of a file whose file batch is known: it was just written, or read at open.
    #[must_use]
    pub fn new(handle: impl Into<Handle>, batch: FileBatch, stamp: Stamp) -> Self {
        let handle = handle.into();
        let layout = Layout::new(handle.file().shape());
        Self { handle, layout, batch, stamp }
    }

    /// Reads the file batch, from whichever copy is readable. `None` if neither is: the file is not in use.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if the file batch is of another index or shape than the file, or its copies differ;
    /// `PSTREAM_UNSUPPORTED` for a later version of the format; those of [`BlockFile::load`].
    pub fn open(handle: impl Into<Handle>, index: u16) -> Result<Option<Self>> {
        let handle = handle.into();
        let layout = Layout::new(handle.file().shape());
        if layout.capacity() < layout.first_batch() {
            return Ok(None);
        }
        let first = read_copy(handle.file(), layout, 0, 0)?;
        let second = read_copy(handle.file(), layout, 1, layout.second_copy())?;
        let (batch, stamp) = match (first, second) {
            (Decoded::Valid(first), Decoded::Valid(second)) if first != second => {
                let path = handle.file().path();
                let message = format!("the two copies of the file batch of '{}' contradict each other", path.display());
                return Err(Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(path).at_block(0));
            }
            (Decoded::Valid(found), _) | (_, Decoded::Valid(found)) => found,
            (Decoded::Newer(version), _) | (_, Decoded::Newer(version)) => {
                let path = handle.file().path();
                let message =
                    format!("'{}' has version {version} of the stream format, which is newer", path.display());
                return Err(Error::new(ErrorKind::Unsupported, message).at_path(path));
            }
            (Decoded::Invalid, Decoded::Invalid) => return Ok(None),
        };
        check_place(handle.file(), &batch, index)?;
        Ok(Some(Self { handle, layout, batch, stamp }))
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &BlockFile {
        self.handle.file()
    }

    /// The file, shared.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where its data lies.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What its file batch says.
    #[must_use]
    pub fn batch(&self) -> &FileBatch {
        &self.batch
    }

    /// When and by whom it was taken into use.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The stream it belongs to.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.batch.id
    }

    /// Index in the sequence.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.batch.index
    }

    /// Position at which it starts.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.batch.position
    }

    /// Seq of its first record, or the next one's if it has none.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.batch.seq
    }

    /// Headers of the two copies of its file batch.
    pub(super) fn copies(&self) -> [BatchHeader; 2] {
        self.batch.headers(self.stamp, self.layout.second_copy())
    }

    /// What the first batch behind the file batch names as its predecessor's checksum.
    #[must_use]
    pub fn first_previous(&self) -> u32 {
        let [_, second] = self.copies();
        second.checksum(self.id())
    }

    /// Position of an offset of its data.
    pub(super) fn position_of(&self, at: u64) -> u64 {
        self.start().saturating_add(at)
    }

    /// Reads at a file offset.
    pub(super) fn read(&self, offset: u64, buffers: &mut [IoSliceMut<'_>], cache: CachePolicy) -> Result<()> {
        match cache {
            CachePolicy::Drop => self.file().load_at(offset, buffers),
            CachePolicy::Keep => self.file().read_at(offset, buffers),
        }
    }

    /// The error that says that the data at offset `at` is damaged.
    pub(super) fn corrupt(&self, at: u64, what: &str) -> Error {
        let (block, _) = self.layout.block_of(at);
        let (path, position) = (self.file().path(), self.position_of(at));
        let message = format!("'{}' is damaged in block {block}, position {position}: {what}", path.display());
        Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(path).at_block(block).at_position(position)
    }
}

fn read_copy(file: &BlockFile, layout: Layout, copy: usize, at: u64) -> Result<Decoded<(FileBatch, Stamp)>> {
    let (mut head, mut payload) = ([0; HEADER_LEN], [0; PAYLOAD_LEN]);
    // Both copies lie at the start of a sector, so within one block.
    let offset = layout.file_offset(at);
    file.load_at(offset, &mut [IoSliceMut::new(&mut head), IoSliceMut::new(&mut payload)])?;
    let claimed = FileBatch::stream_of(&payload).zip(FileBatch::decode(&payload, 0));
    let Some((id, batch)) = claimed else { return Ok(Decoded::Invalid) };
    let Some(position) = batch.position.checked_add(at) else { return Ok(Decoded::Invalid) };
    let header = match BatchHeader::decode(&head, id, position) {
        Decoded::Valid(header) => header,
        Decoded::Newer(version) => return Ok(Decoded::Newer(version)),
        Decoded::Invalid => return Ok(Decoded::Invalid),
    };
    let batch = FileBatch { seq: header.seq, ..batch };
    let stamp = Stamp { time_ms: header.time_ms, epoch: header.epoch };
    let expected = batch.headers(stamp, layout.second_copy());
    let ours = expected.get(copy) == Some(&header);
    Ok(if ours { Decoded::Valid((batch, stamp)) } else { Decoded::Invalid })
}

fn check_place(file: &BlockFile, batch: &FileBatch, index: u16) -> Result<()> {
    let shape = Shape::new(batch.block_count, batch.block_shift).ok();
    if batch.index == index && shape == Some(file.shape()) {
        return Ok(());
    }
    let message = format!(
        "'{}' says of itself that it is file {:#06x} of {} blocks of 2^{} bytes",
        file.path().display(),
        batch.index,
        batch.block_count,
        batch.block_shift
    );
    Err(Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(file.path()).at_position(batch.position))
}
