//! What the disk is asked: every call on the three traits, numbered.

use std::path::Path;
use std::sync::Arc;

/// The kinds of calls. Those that do no IO (`identity`, `process_alive`, `now`, `sleep`) are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the method of its name; a write by its durability, and of notes by its file")]
pub enum CallKind {
    Open,
    Create,
    Rename,
    Remove,
    CreateDir,
    RemoveDir,
    ReadDir,
    SyncDir,
    Canonicalize,
    Metadata,
    ReadLink,
    OpenLock,
    TryLock,
    WriteNote,
    ReadNote,
    Size,
    Read,
    Write,
    WriteSynced,
    WriteDirect,
    WriteDirectSynced,
    StartWriteback,
    WaitWriteback,
    SyncData,
    SyncAll,
    SetLen,
    Reserve,
    Allocated,
    ZeroRange,
    NextData,
    Evict,
    Residency,
    Advise,
    IsAt,
}

/// One call, as a fault's predicate and the trace see it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counted from 1, over all processes, for the life of the disk.
    pub number: u64,
    /// Whose call it is.
    pub pid: u32,
    /// What is asked.
    pub kind: CallKind,
    /// The path given, or the one that the file was opened by. Of a rename, the old name.
    pub path: Arc<Path>,
    /// Where in the file, if that means anything to the call.
    pub offset: u64,
    /// How many bytes, if that means anything to the call. The new length for `SetLen` and `Reserve`.
    pub len: u64,
}

impl Call {
    pub(crate) fn new(kind: CallKind, path: Arc<Path>) -> Self {
        Self { number: 0, pid: 0, kind, path, offset: 0, len: 0 }
    }

    pub(crate) fn at(mut self, offset: u64, len: u64) -> Self {
        self.offset = offset;
        self.len = len;
        self
    }

    /// The last component of the path.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}
