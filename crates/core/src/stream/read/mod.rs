//! Reading a stream: what was durable, every byte of it checked.
//!
//! - `slot`: a file in the list, opened when somebody reads it; `segment`: the open file with its place in the stream
//! - `snapshot`: the list, up to an end; `extent`: what is left of it
//! - `window`: the piece of a file's data that is in memory
//! - `chain`: from batch to batch through one file, with every check; `track`: from file to file
//! - `resync`: on behind damage
//! - `forward`: how far a file that somebody else writes is durable
//! - `seek`: where to begin, by binary search over block headers
//! - `reader`, `records`, `search`, `verify`: what is done with it

mod chain;
mod extent;
mod forward;
mod reader;
mod records;
mod resync;
mod search;
mod seek;
mod segment;
mod slot;
mod snapshot;
mod track;
mod verify;
mod window;

pub(super) use forward::forward;
pub use reader::{Gap, OnGap, ReadOptions, Reader, Start};
pub use records::{Batch, Record, Run, RunBatch};
pub use search::Search;
pub use slot::Slot;
pub use snapshot::Snapshot;
pub(super) use snapshot::{Place, View};
pub use verify::{Verifier, VerifyReport};

use super::{layout, long as to_u64, short as to_usize};
