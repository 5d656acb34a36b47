//! The engine of pstream: crash-safe block files and sequences of them.
//!
//! Layers, arrows one way: [`sequence`] uses [`file`], [`file`] does its IO through the traits in [`io`], and their
//! implementation by the operating system is the only user of `sys`, which is the only place with unsafe code and
//! OS switches.

pub mod error;
pub mod file;
pub mod format;
pub mod io;
mod lock_file;
pub mod sequence;
pub mod stream;
mod sys;

pub use error::{BadName, Damage, Error, ErrorKind, Holder, Result};
pub use file::{BlockFile, CachePolicy, CreateOptions, Evicted, FileOptions, Reserve, Shape};
pub use io::os::OsIo;
pub use io::{Durability, Residency, SyncLevel};
pub use sequence::{FileSequence, LockMode, SequenceFile, SequenceOptions};
