//! The persistent stream: records over a sequence of block files.
//!
//! - `layout`: where positions of the stream lie in a file
//! - `options`: what can be chosen, and its limits
//! - `log`, `log_files`, `active`: the writer: commits, flushes, closing; its files
//! - `group`, `group_thread`, `handover`: group commit, by a thread of its own; `group_trim`: trims, as it minds them
//! - `plan`, `frame`: which batches a commit becomes, and the bytes of them that go out in one write
//! - `writer`: where the stream ends, and the one way of writing there
//! - `roll`: the next file; `next_file`: the making of it by another thread
//! - `retention`: what goes by itself, and how large a stream may grow; `trim`, `log_trim`: the first files go, by another
//!   thread
//! - `folder`: the folder of a stream that is begun
//! - `destroy`: the end of it
//! - `own`: seals and watermarks, in sectors of their own
//! - `recover`: opening, step by step; with `head` (is a file in use), `image` (a file in memory), `tail` (where the
//!   stream ends), `evidence` (whether it ended there), `torn` (what is cut off), `repair` (the writes of all that),
//!   `salvage` (going on behind damage)
//! - `read`: the reader
//! - `cursor`: durable positions of consumers
//! - `follow`, `follow_files`: reading what another process writes; `mark`: what that tells of its end, `contents`: where the
//!   end is without it
//! - `backup`: a copy, as a stream of its own
//! - `stats`: what it has done, and what it takes
//! - `background`: what was done on the side, for whoever watches
//! - `report`: what an open has found
//!
//! The protocol, and its fourteen rules that comments refer to by number, are in `docs/recovery.md`.

mod active;
mod background;
mod backup;
mod contents;
pub mod cursor;
mod destroy;
mod evidence;
mod folder;
mod follow;
mod follow_files;
mod frame;
mod group;
mod group_thread;
mod group_trim;
mod handover;
mod head;
mod image;
pub mod layout;
mod log;
mod log_files;
mod log_trim;
mod mark;
mod next_file;
mod options;
mod own;
mod plan;
pub mod read;
mod recover;
mod repair;
mod report;
mod retention;
mod roll;
mod salvage;
mod stats;
mod tail;
mod torn;
mod trim;
mod writer;

pub use background::{Background, Duty};
pub use backup::Backup;
pub use destroy::destroy;
pub use folder::make_folder;
pub use follow::{FollowOptions, Follower};
pub use group::Group;
pub use handover::{Append, GroupOptions, Listener, Payload, Refused, Settled};
pub use log::{Committed, Log};
pub use next_file::NextFile;
pub use options::{DirectWrites, Level, LogOptions, Mode, Network};
pub use plan::{Pending, PendingKind};
pub use report::{Gap, Previous, Recovery, Torn};
pub use retention::{Goal, Retention, WhenLimited};
pub use stats::{Footprint, Latency, Stats};
pub use trim::{Trim, Trimmed};
pub use writer::Mark;

/// A length in memory as one on disk.
fn long(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length on disk as one in memory; what is beyond memory is beyond any slice too.
fn short(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
