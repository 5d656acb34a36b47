//! One opener at a time: within a process, among processes, after a kill, under contention, and beside the locks that
//! are made by hand or by the Rust crate.
//!
//! Other processes are this very test binary, started again to run the test `helper` in a role.

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

#[cfg(unix)]
mod by_hand;
mod holders;
mod races;

use std::fs;
use std::path::Path;
use std::time::Duration;

use pstream_core::{Error, ErrorKind, FileSequence, Holder, SequenceOptions};

pub(crate) const HELD: &str = "filesequence: lock file is held by another instance";

/// Opens the sequence `s`, waiting so long for its lock.
pub(crate) fn open_within(root: &Path, timeout: Duration) -> pstream_core::Result<FileSequence> {
    let options = SequenceOptions { lock_timeout: timeout, ..common::sequence_options() };
    FileSequence::open(common::os(), root, "s", common::shape(2, 12), options)
}

/// Who holds the lock, by an error that must be of the right kind, words and place.
#[track_caller]
pub(crate) fn holder_in(error: &Error) -> Holder {
    assert_eq!((error.code(), error.to_string().as_str()), ("PSTREAM_LOCKED", HELD));
    assert!(error.path().unwrap().ends_with("s.lock"));
    match error.kind() {
        ErrorKind::Locked(holder) => holder.clone().expect("something is known of the holder"),
        kind => panic!("{kind:?}"),
    }
}

/// What other processes do.
#[test]
fn helper() {
    let Some((role, folder)) = common::role() else { return };
    match role.as_str() {
        // Holds the lock until told to let go, or killed.
        "hold" => {
            let sequence = common::sequence(&folder.join("root"), "s");
            fs::write(folder.join("held"), "").unwrap();
            common::await_file(&folder.join("release"));
            sequence.close().unwrap();
        }
        // Ends without closing anything.
        "exit" => {
            let sequence = common::sequence(&folder.join("root"), "s");
            sequence.alloc(None).unwrap();
            std::mem::forget(sequence);
            std::process::exit(0);
        }
        "hammer" => races::hammer(&folder),
        role => panic!("no such role: {role}"),
    }
}
