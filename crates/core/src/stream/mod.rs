//! The persistent stream: records over a sequence of block files.
//!
//! - `layout`: where positions of the stream lie in a file
//! - `segment`: an open file with its place in the stream
//! - `snapshot`: all of them, up to a durable end
//! - `window`: the piece of a file's data that is in memory
//! - `chain`: from batch to batch, with every check
//! - `resync`: on behind damage
//! - `seek`: where to begin, by binary search over block headers
//! - `reader`, `records`, `search`, `verify`: what is done with it

mod chain;
pub mod layout;
mod reader;
mod records;
mod resync;
mod search;
mod seek;
mod segment;
mod snapshot;
mod verify;
mod window;

pub use reader::{Gap, OnGap, ReadOptions, Reader, Start};
pub use records::{Batch, Record, Run, RunBatch};
pub use segment::{Handle, Segment};
pub use snapshot::Snapshot;
pub use verify::{Verified, VerifyReport};

/// A length in memory as one on disk.
fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length on disk as one in memory. Where it does not fit, no memory of that size can be had either.
fn to_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
