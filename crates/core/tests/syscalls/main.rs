//! The system calls that are made, in their order: what is durable is decided by these and by nothing else. And what
//! becomes of each of them that fails, on the real system, by the fault injection of `strace`.
//!
//! The calls are made by this very test binary, started again under `strace` to run the test `helper` in a role. Where
//! there is no `strace` the tests say so and are skipped.

#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod files;
mod kills;
mod roles;
mod sequences;
mod trace;

/// What the traced process does.
#[test]
fn helper() {
    if let Some((role, folder)) = common::role() {
        match role.as_str() {
            "append" => kills::append(&folder),
            "append whatever happens" => kills::append_whatever_happens(&folder),
            _ => roles::play(&role, &folder),
        }
    }
}
