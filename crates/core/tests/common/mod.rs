//! What the integration tests share.

#![allow(dead_code, reason = "every test binary uses its own part of this")]

pub mod hooked;
pub mod probe;
pub mod streams;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pstream_core::io::Io;
use pstream_core::{
    BlockFile, CreateOptions, Error, ErrorKind, FileOptions, FileSequence, OsIo, Reserve, Result, SequenceOptions,
    Shape,
};
use tempfile::TempDir;

/// The operating system, as the sequences take it.
pub fn os() -> Arc<dyn Io> {
    Arc::new(OsIo)
}

/// A folder that goes away with the test.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub fn shape(block_count: u64, block_shift: u32) -> Shape {
    Shape::new(block_count, block_shift).expect("a valid shape")
}

/// The default options, for tests that are not about space: where none can be reserved they go on without.
pub fn create_options() -> CreateOptions {
    let reserve = if probe::can_reserve() { Reserve::Required } else { Reserve::BestEffort };
    CreateOptions { reserve, ..CreateOptions::default() }
}

/// The same for sequences.
pub fn sequence_options() -> SequenceOptions {
    SequenceOptions { create: create_options(), ..SequenceOptions::default() }
}

pub fn create(path: &Path, block_count: u64, block_shift: u32) -> BlockFile {
    BlockFile::create(&OsIo, path, shape(block_count, block_shift), create_options()).expect("create")
}

pub fn try_open(path: &Path, block_shift: u32) -> Result<BlockFile> {
    BlockFile::open(&OsIo, path, block_shift, FileOptions::default())
}

pub fn open(path: &Path, block_shift: u32) -> BlockFile {
    try_open(path, block_shift).expect("open")
}

/// A sequence whose files have two blocks of 4 KiB.
pub fn try_sequence(root: &Path, name: &str) -> Result<FileSequence> {
    FileSequence::open(os(), root, name, shape(2, 12), sequence_options())
}

pub fn sequence(root: &Path, name: &str) -> FileSequence {
    try_sequence(root, name).expect("open the sequence")
}

/// The indexes that a retrieve gives, in its order; every file is opened.
pub fn indexes(sequence: &FileSequence) -> Result<Vec<u16>> {
    sequence.retrieve()?.map(|file| Ok(file?.index())).collect()
}

/// Bytes that differ at every place and for every seed, so that nothing can be in another's place unnoticed.
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The error of a call that must fail.
#[track_caller]
pub fn failure<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("the call should have failed"),
        Err(error) => error,
    }
}

/// That the call failed in this very way.
#[track_caller]
pub fn assert_fails<T>(result: Result<T>, kind: &ErrorKind, message: &str) {
    let error = failure(result);
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

/// That the call failed with this code, whatever it says.
#[track_caller]
pub fn assert_code<T>(result: Result<T>, code: &str) {
    let error = failure(result);
    assert_eq!(error.code(), code, "{error}");
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("list the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every regular file below a folder with its content, sorted by path.
pub fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("list the folder") {
            let entry = entry.expect("entry");
            let kind = entry.file_type().expect("type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push((entry.path(), fs::read(entry.path()).expect("read")));
            }
        }
    }
    files.sort();
    files
}

/// A file of this length, of which no byte takes space.
pub fn sparse(path: &Path, len: u64) {
    File::create_new(path).expect("create").set_len(len).expect("set the length");
}

/// Tells a re-executed test binary what it is to do.
pub const ROLE: &str = "PSTREAM_TEST_ROLE";
/// The folder in which it is to do it.
pub const FOLDER: &str = "PSTREAM_TEST_FOLDER";

/// What the environment asks this process to do, if it is a helper.
pub fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, std::env::var_os(FOLDER)?.into()))
}

/// This very test binary, to run its test `helper` alone, in a role.
pub fn helper(role: &str, folder: &Path) -> Command {
    let mut words = this_binary().into_iter();
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    as_helper(&mut command, role, folder);
    command
}

/// What starts this very test binary: itself, or the emulator that runs it.
pub fn this_binary() -> Vec<OsString> {
    let emulator = emulator().unwrap_or_default();
    let binary = std::env::current_exe().expect("the test binary");
    emulator.split_whitespace().map(OsString::from).chain([binary.into()]).collect()
}

/// What cargo runs the tests of another processor with, which we have to do for our helpers as well.
pub fn emulator() -> Option<String> {
    let ours = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_", std::env::consts::ARCH.to_uppercase());
    let runner =
        |(name, value): (String, String)| (name.starts_with(&ours) && name.ends_with("_RUNNER")).then_some(value);
    if cfg!(target_os = "linux") { std::env::vars().find_map(runner) } else { None }
}

/// The same for a command that starts the test binary itself.
pub fn as_helper(command: &mut Command, role: &str, folder: &Path) {
    command.args(["helper", "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role).env(FOLDER, folder);
    command.stdin(Stdio::null());
}

/// Waits for a file that another process makes.
#[track_caller]
pub fn await_file(path: &Path) {
    let begin = Instant::now();
    while !path.exists() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{} did not appear", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A child that is killed and reaped when the test is over, however it ends.
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
