//! What the benchmarks compare with, as a child process: one request a line on stdin, one answer a line on stdout, both
//! JSON.
//!
//! - `plain`: bare system calls, the limit that the others are measured against
//! - `rust`: the engine of pstream, without Node
//! - `crate`: the Rust crate `pstream`
//!
//! The same requests create, verify and remove the files of every contender, also of those that live in the Node
//! process: whoever writes a file, it was made and is checked by the same code.

#![allow(clippy::arithmetic_side_effects, reason = "offsets within files that the bench sizes itself")]

#[cfg(target_os = "linux")]
mod contenders;
#[cfg(target_os = "linux")]
mod content;
#[cfg(target_os = "linux")]
mod plain;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod stream;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    session::serve(std::io::stdin().lock(), std::io::stdout().lock())
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::io::Result<()> {
    Err(std::io::Error::other("the baseline consists of Linux's system calls and runs on Linux only"))
}
