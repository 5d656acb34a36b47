//! What is handed over to a commit thread, and what it tells of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::background::Background;
use super::options::Level;
use super::plan::PendingKind;
use crate::error::Error;

/// The bytes of an append: records one behind the other, each a LEB128 length and its bytes. They must not change until
/// they are dropped, which is when their commit has settled.
pub trait Payload: Send {
    /// The records.
    fn bytes(&self) -> &[u8];
}

impl Payload for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Records that are handed over to be committed.
pub struct Append {
    /// Whether a crash may keep some of them.
    pub kind: PendingKind,
    /// The records.
    pub payload: Box<dyn Payload>,
    /// How many there are.
    pub count: u32,
    /// When they are good.
    pub level: Level,
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append").field("kind", &self.kind).field("count", &self.count).finish_non_exhaustive()
    }
}

/// What became of a run of tickets: each hand-over, a flush among them, has the next one.
#[derive(Clone, Debug)]
pub enum Settled {
    /// All of them are as good as they asked for.
    Committed {
        /// The first ticket, and one past the last.
        tickets: std::ops::Range<u64>,
        /// Seq of the first record of the first ticket; the records follow each other in the order of the tickets.
        first_seq: u64,
        /// Everything below this seq is durable.
        durable_seq: u64,
        /// From when the commit began until it was as good as it had to be.
        took: Duration,
    },
    /// None of them is acknowledged: any of the records, from the first on, may be in the stream or not.
    Failed {
        /// The first ticket, and one past the last.
        tickets: std::ops::Range<u64>,
        /// Why.
        error: Arc<Error>,
    },
}

/// Who is told what becomes of hand-overs, on the commit thread, in the order of the tickets. Must not block.
pub trait Listener: Send {
    /// Called once for every commit, whatever its size.
    fn settled(&self, settled: Settled);

    /// Called for what was done on the side. Where it belongs to a commit, that is told of first.
    fn background(&self, what: Background) {
        drop(what);
    }

    /// Called when records have become durable by themselves, that were acknowledged as written before: everything below
    /// `durable_seq` is durable now. What a commit makes durable, [`Listener::settled`] tells.
    fn risen(&self, durable_seq: u64) {
        let _ = durable_seq;
    }
}

impl<F: Fn(Settled) + Send> Listener for F {
    fn settled(&self, settled: Settled) {
        self(settled);
    }
}

/// How commits are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// So many bytes may wait; a hand-over beyond is refused, unless nothing else waits. Default: 16 MiB.
    pub max_pending_bytes: u64,
    /// Wait this long for more before a commit. Default: zero.
    pub commit_delay: Duration,
    /// Records of [`Level::Written`] are durable after this time at the latest. Default: 1 s.
    pub sync_interval: Duration,
}

impl Default for GroupOptions {
    fn default() -> Self {
        let sync_interval = Duration::from_secs(1);
        Self { max_pending_bytes: 16 << 20, commit_delay: Duration::ZERO, sync_interval }
    }
}

/// Why a hand-over was not taken. Nothing of it was.
#[derive(Debug)]
pub enum Refused {
    /// Too much waits already.
    Full(Append),
    /// It can never be committed, or the stream is closed.
    Never(Error),
}
