//! Sequences on the real operating system: growing at the end, shrinking at the start, names and their errors word for
//! word, and what lies in the folder that is none of ours.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod alloc;
mod names;
mod open;
mod release;
mod retrieve;
mod threads;
