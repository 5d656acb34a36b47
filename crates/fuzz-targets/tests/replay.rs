//! The fuzz targets without a fuzzer: every input of the committed corpus, and as many made from those by a seed.
//!
//! `PSTREAM_FUZZ_CASES` says how many of the latter there are for each target, `PSTREAM_FUZZ_SEED` which ones. The input
//! that a target fails on is printed; `fuzz/corpus/<target>/` is where it belongs once the bug is gone.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    missing_docs,
    reason = "tests say what they expect by panicking"
)]

use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pstream_fuzz_targets::{TARGETS, Target};
use pstream_sim::Rng;

/// No input may take longer; those that there are take a few milliseconds.
const HANG: Duration = Duration::from_secs(20);

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("a target of this name")
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn run(target: Target, bytes: &[u8], what: &str) {
    let begin = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let hex = || {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes[..end].iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    assert!(outcome.is_ok(), "{} fails on {what}: {} bytes, {}", target.name, bytes.len(), hex());
    assert!(begin.elapsed() < HANG, "{} hangs on {what}: {} bytes, {}", target.name, bytes.len(), hex());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().expect("a number"))
}

/// One of the corpus with some bytes changed, or noise.
fn make(rng: &mut Rng, corpus: &[(PathBuf, Vec<u8>)], target: Target) -> Vec<u8> {
    let mut bytes = corpus[rng.below(corpus.len() as u64) as usize].1.clone();
    if rng.chance(1, 8) {
        bytes = vec![0; rng.below(target.max_len as u64 + 1) as usize];
        rng.fill(&mut bytes);
    }
    if rng.chance(1, 4) {
        // The beginning of one, the end of another.
        let other = &corpus[rng.below(corpus.len() as u64) as usize].1;
        bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
        bytes.extend_from_slice(&other[rng.below(other.len() as u64 + 1) as usize..]);
    }
    for _ in 0..rng.below(6) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(4) {
            0 if at < bytes.len() => bytes[at] = rng.next_u64() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, rng.next_u64() as u8),
        }
    }
    bytes.truncate(target.max_len);
    bytes
}

fn replay(name: &str, cases: u64) {
    let target = target(name);
    let corpus = corpus(name);
    assert!(corpus.len() >= 5, "{name}: {} inputs", corpus.len());
    let begin = Instant::now();
    for (path, bytes) in &corpus {
        assert!(bytes.len() <= target.max_len, "{} is too long", path.display());
        run(target, bytes, &path.display().to_string());
    }
    let cases = number("PSTREAM_FUZZ_CASES", cases);
    let seed = number("PSTREAM_FUZZ_SEED", 1);
    for case in 0..cases {
        let mut rng = Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(case));
        let bytes = make(&mut rng, &corpus, target);
        run(target, &bytes, &format!("case {case} of seed {seed}"));
    }
    println!("{name}: {} of the corpus, {cases} made from it, {:?}", corpus.len(), begin.elapsed());
}

/// `PSTREAM_FUZZ_INPUT=<target>:<hex>` runs one input alone, as the message of a failure shows it.
#[test]
fn one() {
    let Ok(input) = std::env::var("PSTREAM_FUZZ_INPUT") else { return };
    let (name, hex) = input.split_once(':').expect("<target>:<hex>");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    (target(name).run)(&bytes);
}

#[test]
fn headers() {
    replay("headers", 500_000);
}

#[test]
fn records() {
    replay("records", 500_000);
}

#[test]
fn names() {
    replay("names", 3000);
}

#[test]
fn files() {
    replay("files", 3000);
}

#[test]
fn mutations() {
    replay("mutations", 3000);
}
