//! Crash states on the simulated disk. Programs are stopped at every IO call, and failed at every IO call, and for each
//! of these points many states that a power cut can leave behind are opened and compared with what was acknowledged.
//!
//! A failing test prints how to repeat it: the call that was hit, and the [`pstream_sim::Keep`] of the cut.

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

mod create;
mod direct;
mod errors;
mod harness;
mod killed;
mod lies;
mod locks;
mod raw;
mod rename;
mod repair;
mod sequence;
mod store;
