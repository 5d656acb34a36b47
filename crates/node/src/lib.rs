//! The binding of the engine for Node.js: converts arguments, calls `pstream-core`, converts results. It decides
//! nothing, and nobody but `ts/native.ts` loads it.
//!
//! - An outcome is data: what a function returns, or what its promise resolves to, is either the value or a
//!   [`error::Failure`]. The error object is built in TypeScript, where the caller's stack is.
//! - Whatever may wait for a disk runs on libuv's thread pool, as a [`task::Job`].
//! - No panic crosses into JavaScript: each entry point goes through [`task::guarded`] or runs as a job.
//! - A stream has a thread of its own, which ends before its environment does: see [`stream`].
//! - No memory of the user is touched, on no thread: see [`arena`].

#![allow(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    reason = "the callers are in JavaScript: nothing warns them, what they pass is a copy made for the call, and what
    they pass it in are options objects"
)]

use napi_derive::napi;

pub mod arena;
pub mod cursor;
pub mod error;
pub mod file;
pub mod follower;
pub mod sequence;
pub mod stream;
pub mod stream_background;
pub mod stream_backup;
pub mod stream_data;
mod stream_held;
pub mod stream_inbox;
pub mod stream_read;
pub mod stream_read_data;
mod stream_runs;
pub mod task;

/// The version of the package that this binary belongs to.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
