//! What the fuzzers do with the bytes they make up: each target is a function of bytes that panics if a promise is
//! broken. They run under libFuzzer (`fuzz/`, with a nightly compiler) and as tests (`tests/replay.rs`, with any).
//!
//! - `headers`, `records`: the decoders
//! - `names`: a folder of files with these names
//! - `files`: a stream whose files hold these bytes
//! - `mutations`: a stream that a real writer has made, damaged or forged in these ways
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic, and sizes are small"
)]

mod decoders;
mod files;
mod forge;
mod input;
mod mutations;
mod names;
mod oracle;

/// A target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called, in `fuzz/fuzz_targets/` and `fuzz/corpus/` too.
    pub name: &'static str,
    /// Panics if a promise is broken.
    pub run: fn(&[u8]),
    /// The longest input worth trying, in bytes.
    pub max_len: usize,
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "headers", run: decoders::headers, max_len: 256 },
    Target { name: "records", run: decoders::records, max_len: 512 },
    Target { name: "names", run: names::run, max_len: 512 },
    Target { name: "files", run: files::run, max_len: 48 << 10 },
    Target { name: "mutations", run: mutations::run, max_len: 256 },
];

/// Runs the target of this name.
///
/// # Panics
///
/// If a promise is broken, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(bytes);
}
