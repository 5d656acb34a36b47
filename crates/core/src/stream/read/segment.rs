//! An open file with its place in the stream.

use std::fmt;
use std::io::IoSliceMut;

use super::layout::Layout;
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::file::{BlockFile, CachePolicy, Shape};
use crate::format::StreamId;
use crate::format::batch::BatchHeader;
use crate::format::file_batch::FileBatch;
use crate::stream::head::Head;

/// A file in use, open, with what its file batch says of it.
pub(in crate::stream) struct Segment {
    file: BlockFile,
    layout: Layout,
    head: Head,
    first_previous: u32,
    /// Another process may be writing it.
    shared: bool,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("file", &self.file).field("head", &self.head).finish_non_exhaustive()
    }
}

impl Segment {
    /// Of an open file; `known` is what it was found to begin with before.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if it is not in use, or of another shape than it says; `PSTREAM_UNSUPPORTED` for a later version
    /// of the format; those of [`BlockFile::load`].
    pub(super) fn new(file: BlockFile, index: u16, known: Option<Head>, shared: bool) -> Result<Self> {
        let head = match known {
            Some(head) => Some(head),
            None => Head::read_only(&file, index)?,
        };
        let Some(head) = head else {
            return Err(wrong(&file, "does not begin with what a file of the stream begins with"));
        };
        let (start, layout) = (&head.start, Layout::new(file.shape()));
        if Shape::new(start.block_count, start.block_shift).ok() != Some(file.shape()) {
            return Err(wrong(&file, "has another length than it was made with"));
        }
        if start.position.checked_add(layout.capacity()).is_none() {
            return Err(wrong(&file, "begins beyond the end of any stream"));
        }
        let [_, second] = head.headers(layout);
        let first_previous = second.checksum(start.id);
        Ok(Self { file, layout, head, first_previous, shared })
    }

    pub(in crate::stream) fn file(&self) -> &BlockFile {
        &self.file
    }

    /// Whether another process may be writing it.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Drops what the page cache holds of it, as far as that is possible: a hint.
    pub(super) fn evict(&self) {
        drop(self.file.evict(&(0..self.file.shape().size())));
    }

    /// Where its data lies.
    pub(in crate::stream) fn layout(&self) -> Layout {
        self.layout
    }

    pub(in crate::stream) fn head(&self) -> &Head {
        &self.head
    }

    /// What its file batch says.
    pub(in crate::stream) fn batch(&self) -> &FileBatch {
        &self.head.start
    }

    /// The stream it belongs to.
    pub(super) fn id(&self) -> StreamId {
        self.batch().id
    }

    /// Position at which it starts.
    pub(in crate::stream) fn start(&self) -> u64 {
        self.batch().position
    }

    /// Seq of its first record, or the next one's if it has none.
    pub(super) fn seq(&self) -> u64 {
        self.batch().seq
    }

    /// Headers of the two copies of its file batch.
    pub(super) fn copies(&self) -> [BatchHeader; 2] {
        self.head.headers(self.layout)
    }

    /// What the first batch behind the file batch names as its predecessor's checksum.
    pub(super) fn first_previous(&self) -> u32 {
        self.first_previous
    }

    /// Position of an offset of its data.
    pub(super) fn position_of(&self, at: u64) -> u64 {
        self.start().saturating_add(at)
    }

    /// Reads at a file offset.
    pub(in crate::stream) fn read(
        &self,
        offset: u64,
        buffers: &mut [IoSliceMut<'_>],
        cache: CachePolicy,
    ) -> Result<()> {
        match cache {
            CachePolicy::Drop => self.file.load_at(offset, buffers),
            CachePolicy::Keep => self.file.read_at(offset, buffers),
        }
    }

    /// The error that says that the data at offset `at` is damaged.
    pub(super) fn corrupt(&self, at: u64, what: &str) -> Error {
        let (block, _) = self.layout.block_of(at);
        let (path, position) = (self.file.path(), self.position_of(at));
        let message = format!("'{}' is damaged in block {block}, position {position}: {what}", path.display());
        Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(path).at_block(block).at_position(position)
    }

    /// The error that says that the whole file cannot be believed.
    pub(super) fn misplaced(&self, what: &str) -> Error {
        wrong(&self.file, what).at_position(self.start())
    }
}

fn wrong(file: &BlockFile, what: &str) -> Error {
    let message = format!("stream is damaged: '{}' {what}", file.path().display());
    Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(file.path()).at_block(0)
}
