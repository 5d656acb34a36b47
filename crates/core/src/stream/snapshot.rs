//! What a reader needs to know of a stream that is being written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::Layout;
use super::writer::Mark;
use crate::file::Shape;
use crate::format::StreamId;
use crate::format::file_batch::FileBatch;

/// The files of a stream in use and how far it goes, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) id: StreamId,
    pub(super) files: Arc<[FileView]>,
    pub(super) durable: Mark,
    pub(super) written: Mark,
}

impl Snapshot {
    /// The stream.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Its files in order, without those that are merely prepared.
    #[must_use]
    pub fn files(&self) -> &[FileView] {
        &self.files
    }

    /// Everything in front of it is durable.
    #[must_use]
    pub fn durable(&self) -> Mark {
        self.durable
    }

    /// Everything in front of it is written.
    #[must_use]
    pub fn written(&self) -> Mark {
        self.written
    }
}

/// A file of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    pub(super) index: u16,
    pub(super) path: PathBuf,
    pub(super) block_shift: u32,
    pub(super) start: Option<FileBatch>,
}

impl FileView {
    /// Index in the sequence.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Binary logarithm of its block size.
    #[must_use]
    pub fn block_shift(&self) -> u32 {
        self.block_shift
    }

    /// What it says of itself. `None` for a file that an open had no need to look at: see
    /// [`super::read::Segment::open`].
    #[must_use]
    pub fn start(&self) -> Option<&FileBatch> {
        self.start.as_ref()
    }

    /// Where things lie in it, if [`FileView::start`] is known.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        let start = self.start?;
        Shape::new(start.block_count, start.block_shift).ok().map(Layout::new)
    }
}
