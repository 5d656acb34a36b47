//! Looking at a sequence that does not open, and making it one that does: nothing is ever deleted, and nothing is done
//! that was not said before.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod inspecting;
mod property;
mod repairing;

use std::path::Path;

use pstream_core::sequence::{RepairOptions, RepairReport, SequenceReport};

pub(crate) fn inspect(root: &Path) -> SequenceReport {
    pstream_core::sequence::inspect(&*common::os(), root, "s").unwrap()
}

pub(crate) fn try_repair(root: &Path, apply: bool, close_gaps: bool) -> pstream_core::Result<RepairReport> {
    pstream_core::sequence::repair(&common::os(), root, "s", RepairOptions { apply, close_gaps })
}

pub(crate) fn repair(root: &Path, apply: bool, close_gaps: bool) -> RepairReport {
    try_repair(root, apply, close_gaps).unwrap()
}

/// Makes files of these names and lengths, each full of its own name, so that it is known again wherever it goes.
pub(crate) fn lay_out(root: &Path, files: &[(&str, usize)]) {
    for (name, len) in files {
        let content: Vec<u8> = format!("<{name}>").bytes().cycle().take(*len).collect();
        std::fs::write(root.join(name), content).unwrap();
    }
}

/// Whether the sequence opens and gives all its files.
pub(crate) fn opens(root: &Path) -> pstream_core::Result<Vec<u16>> {
    let sequence = common::try_sequence(root, "s")?;
    let indexes = common::indexes(&sequence)?;
    sequence.close()?;
    Ok(indexes)
}
