//! A seeded, faulty disk in memory for pstream's tests. Never part of what ships.
//!
//! [`SimDisk`] is a machine with one file system. Its [`SimDisk::io`] is the [`pstream_core::io::Io`] that the engine
//! runs on. What the disk does behind that seam:
//!
//! * **Cache and disk are two things.** Writes go to a page cache of 4 KiB pages; what no sync has covered is kept
//!   as *unsynced changes*: 512-byte sectors (every version of them that was written since, because writeback may
//!   have happened at any time), lengths, reservations and name operations, each in the order it was made.
//! * **A power cut** ([`SimDisk::power_cut`]) keeps any subset of the unsynced changes ([`Keep`]) and drops the rest,
//!   the cache, all handles and all locks. [`SimDisk::fork`] copies a machine cheaply, so that many cuts of one moment
//!   can be looked at. [`SimDisk::process_crash`] is `kill -9`: cache and names stay.
//! * **Faults** ([`Fault`]) hit a call by number, by kind, by path or by chance: errors with or without an effect,
//!   short counts, a full disk, a stop, a sync that does nothing, a sync that fails and then lies as Linux does.
//! * **Rot** (`flip_bit`, `zero_on_disk`, `revert_sector`, …) changes what lies on the disk at rest.
//!
//! Nothing is random but by the seed given to [`SimDisk::new`] and those in [`Keep`] values: the same calls give the
//! same outcome, as long as one thread makes them.
//!
//! # How kind the disk is
//!
//! Never kinder than the contracts in [`pstream_core::io`]: a synced write makes its own sectors and the length up to
//! its end durable, nothing else; `sync_data` leaves a reservation, and a length beyond what was written, unsynced;
//! writeback promises nothing; syncing a file says nothing of its name, and syncing a folder nothing of that folder's
//! own name. Where the contracts promise atomicity the disk keeps it: a sector is old or new as a whole (but see
//! [`SectorModel`]), and after a rename a file has exactly one of its two names.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "test support over fixed-size pages: an overflow or a bad index is a bug that should stop the test"
)]

mod call;
mod content;
mod crash;
mod disk;
mod error;
mod faults;
mod file;
mod flush;
mod inspect;
mod io;
mod locks;
mod names;
mod ops;
mod pages;
mod resolve;
mod rng;
mod rot;
mod trace;
mod transfer;
mod world;

pub use call::{Call, CallKind};
pub use crash::{Keep, Unsynced};
pub use disk::{ResidencyModel, SectorModel, SimDisk};
pub use error::{is_dead, is_stopped};
pub use faults::{Effect, Fault};
pub use rng::Rng;
pub use trace::TraceEntry;

/// The unit in which a power cut keeps or drops unsynced bytes.
pub const SECTOR: u64 = pages::SECTOR;

/// The unit of the page cache, of [`SectorModel::Garble`] and of space accounting.
pub const PAGE: u64 = pages::PAGE;
