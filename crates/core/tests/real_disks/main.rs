//! Streams on disks that are full or cannot be written to: real file systems, on loop devices of the test's own.
//!
//! Each test starts this very binary again, in a mount namespace of its own, so that nothing stays mounted whatever
//! happens. Where that is not allowed, or a tool is missing, the tests say so and are skipped.

#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod full;
mod large;
mod mounts;
mod read_only;

/// What the process in the namespace does.
#[test]
fn helper() {
    let Some((role, folder)) = common::role() else { return };
    match role.as_str() {
        "full" => full::play(&folder),
        "large" => large::play(&folder),
        "remounted" => read_only::remounted(&folder),
        "shut down" => read_only::shut_down(&folder),
        _ => panic!("no role {role}"),
    }
}
