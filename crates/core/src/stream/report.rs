//! What an open has found.

use std::path::PathBuf;

/// How the stream was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// There was none.
    New,
    /// It was closed.
    Closed,
    /// Its writer, or the machine, came to an end before it was closed.
    Crashed,
}

/// What an open has found, and done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How the stream was left.
    pub previous: Previous,
    /// The first record; `None` if the beginning of the file that holds it cannot be read.
    pub oldest_seq: Option<u64>,
    /// Seq of the record to be appended next.
    pub next_seq: u64,
    /// What was cut off behind the last whole batch. It was never acknowledged.
    pub torn: Option<Torn>,
    /// What is damaged and was gone past, with [`super::Mode::Salvage`].
    pub gaps: Vec<Gap>,
    /// There is no space for what has to be written before the stream can grow: it can be read, and commits answer
    /// `PSTREAM_NO_SPACE` until there is.
    pub postponed: bool,
    /// What the writer before has left and nobody misses, by names within the folder: files that were made ahead of time
    /// and are not in use, and a half-made one, which the making of the next file removes.
    pub leftovers: Vec<String>,
}

/// A torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file it was in.
    pub file: PathBuf,
    /// The block in which it began.
    pub block: u64,
    /// The position in the stream at which it began.
    pub position: u64,
    /// How many bytes it took, as far as they were not zeros.
    pub bytes: u64,
    /// Where a copy of them is; `None` if that is postponed.
    pub saved_as: Option<PathBuf>,
}

/// Damage that was gone past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The damaged file, if it is there.
    pub file: Option<PathBuf>,
    /// The position at which the stream breaks off, as far as that is known.
    pub position: Option<u64>,
    /// The first seq that may be gone.
    pub from_seq: Option<u64>,
    /// The first seq behind the gap.
    pub to_seq: u64,
}
