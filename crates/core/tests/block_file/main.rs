//! Block files on the real operating system: what each call promises, every message word for word, and that what is
//! refused changes nothing.

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

mod closed;
mod create;
mod load_store;
mod moments;
mod open;
mod raw;
mod refused;
