//! The persistent stream: records over a sequence of block files.
//!
//! - `layout`: where positions of the stream lie in a file

pub mod layout;
