//! The log engine of a stream on the simulated disk: the fourteen rules of its protocol, every call stopped and failed,
//! every bit of a small stream, and random programs against an oracle.
//!
//! A failing test prints how to repeat it: the call that was hit and the cut, or the seed of the program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::struct_excessive_bools,
    missing_docs,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

mod backups;
mod basics;
mod between;
mod boundaries;
mod bytes;
mod crashes;
mod cursor_crashes;
mod cursors;
mod destroy;
mod direct;
mod engine;
mod folders;
mod follow;
mod follow_marks;
mod harness;
#[allow(dead_code, reason = "the others hook the real system")]
#[path = "../common/hooked.rs"]
mod hooked;
mod later_rules;
mod limits;
mod live;
mod model;
mod next_file;
mod oracle;
mod premade;
mod program;
mod reader;
mod reading;
mod reading_far;
mod rot;
mod rules;
mod salvage;
mod space;
mod trims;
