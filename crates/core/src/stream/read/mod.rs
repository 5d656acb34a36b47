//! Reading a stream: what was durable, every byte of it checked.
//!
//! - `segment`: an open file with its place in the stream
//! - `snapshot`: all of them, up to a durable end
//! - `window`: the piece of a file's data that is in memory
//! - `chain`: from batch to batch, with every check
//! - `resync`: on behind damage
//! - `seek`: where to begin, by binary search over block headers
//! - `reader`, `records`, `search`, `verify`: what is done with it

mod chain;
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

use super::{layout, long as to_u64, short as to_usize};
