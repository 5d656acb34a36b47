//! The engine of pstream: crash-safe block files and sequences of them.

pub mod error;
pub mod io;
mod sys;

pub use error::{Error, ErrorKind, Result};
