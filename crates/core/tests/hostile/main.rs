//! What a stream meets that no writer of it has made: strangers in its folder, files of other streams and other times,
//! later versions, records at the limit. Each is refused with a code, or of no consequence; nothing is changed.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod files;
mod full;
mod limits;
mod sim;
#[cfg(unix)]
mod strangers;
mod versions;
