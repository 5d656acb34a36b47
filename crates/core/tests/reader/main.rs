//! Reading a stream. What is read was written by `oracle`, an encoder of its own made from `docs/format.md`, so that a
//! mistake that the product made on both sides would show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

mod damage;
mod document;
mod forged;
mod golden;
mod harness;
mod live;
mod oracle;
mod os;
mod reading;
mod searching;
mod wrap;
