//! What damage does: nothing, or it is found. How that is told from a wrong answer.

use std::collections::BTreeMap;
use std::ops::Range;

use pstream_core::ErrorKind;
use pstream_core::stream::{Log, LogOptions, Mode};
use pstream_sim::SimDisk;

use crate::harness::{aligned, commit, commit_as, disk, open_with, record, rest, sized};
use crate::reader::{Contents, read};
use crate::rot::{Place, proven};
use pstream_core::stream::{Level, PendingKind};

/// A small stream of two files.
pub struct Small {
    pub options: LogOptions,
    pub sealed: bool,
    pub disk: SimDisk,
    /// How the disk was in between.
    pub before: Vec<SimDisk>,
    pub whole: Contents,
    pub records: Vec<Vec<u8>>,
}

/// The four kinds: packed or aligned commits, closed or crashed.
pub fn kinds() -> [(bool, bool); 4] {
    [(false, false), (false, true), (true, false), (true, true)]
}

impl Small {
    /// `id`: another number, another stream.
    pub fn new((is_aligned, sealed): (bool, bool), id: u64) -> Self {
        let disk = disk(31);
        disk.set_randomness(id);
        let options = if is_aligned { aligned(sized(8, 8)) } else { sized(4, 8) };
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        let mut before = Vec::new();
        let mut records = Vec::new();
        let lens: [&[usize]; 7] = [&[10], &[200], &[700], &[3000, 900], &[40], &[1, 0, 30], &[150]];
        for lens in lens {
            let all: Vec<Vec<u8>> = lens.iter().zip(records.len() as u64..).map(|(len, n)| record(n, *len)).collect();
            if all.len() > 1 {
                commit_as(&mut log, PendingKind::Together, &all, Level::Durable).unwrap();
            } else {
                commit(&mut log, &all);
            }
            records.extend(all);
            let copy = disk.fork();
            rest(&copy);
            before.push(copy);
        }
        if sealed {
            log.close().unwrap();
        }
        drop(log);
        rest(&disk);
        let whole = read(&disk).unwrap();
        assert_eq!(whole.files.len(), 2);
        Self { options, sealed, disk, before, whole, records }
    }

    pub fn name(&self) -> String {
        let commits = if self.options.aligned { "aligned" } else { "packed" };
        format!("{commits}, {}", if self.sealed { "sealed" } else { "crashed" })
    }
}

/// What became of a damaged stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// An open for writing says so, and touches nothing.
    Refused,
    /// An open passes it by, and whoever reads it is told.
    MetByReaders,
    /// Nothing is missing.
    Harmless,
    /// Looks torn: what `docs/recovery.md` names undecidable.
    Undecidable,
}

pub type Counts = BTreeMap<Outcome, u64>;

/// Opens what is damaged in those places in every way there is, and checks each answer.
pub fn check(small: &Small, damaged: &SimDisk, places: &[Place], what: &str) -> Outcome {
    let what = format!("{}: {what}", small.name());
    let covered = covered(small, places);
    let state = |disk: &SimDisk| disk.fingerprint("/d", |name| crate::reader::index_of(name).is_some()).unwrap();
    let before = state(damaged);
    let calls = damaged.call_count();
    let strict = damaged.fork();
    let opened = open_with(&strict.io(), &small.options);
    assert!(strict.call_count() - calls < 2000, "{what}: {} calls", strict.call_count() - calls);
    match opened {
        Ok((mut log, recovery)) => {
            let end = small.records.len() as u64;
            assert!((covered..=end).contains(&recovery.next_seq), "{what}: trimmed from {} on", recovery.next_seq);
            let met = all_right(small, &log, &what);
            commit(&mut log, &[record(77, 50)]);
            match recovery.next_seq {
                seq if seq < end => Outcome::Undecidable,
                _ if met => Outcome::MetByReaders,
                _ => Outcome::Harmless,
            }
        }
        Err(error) => {
            let known = matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Unsupported);
            assert!(known, "{what}: {error:?}");
            strict.settle();
            assert_eq!(state(&strict), before, "{what}: evidence was written to");
            if matches!(error.kind(), ErrorKind::Corrupt(_)) {
                salvage(small, damaged, covered, places, &what);
            }
            Outcome::Refused
        }
    }
}

/// Seqs in front of this one must not vanish without a word.
fn covered(small: &Small, places: &[Place]) -> u64 {
    // The seal is in a sector of its own: no other damage reaches it, and damage to it reaches nothing else.
    let one_sector = places.len() < 2 && places.iter().all(|place| place.range.end - place.range.start <= 4096);
    let sealed = small.sealed && one_sector;
    if sealed { small.records.len() as u64 } else { proven(&small.whole, places) }
}

/// Every record that is given is right. Whether a reader was told of damage.
fn all_right(small: &Small, log: &Log, what: &str) -> bool {
    match crate::engine::read(log, Level::Durable) {
        Ok(given) => {
            for (seq, data) in &given.records {
                assert!(small.records.get(*seq as usize) == Some(data), "{what}: wrong record {seq}");
            }
            let end = log.durable().seq;
            let lost: u64 = given.gaps.iter().map(|gap: &Range<u64>| gap.end.min(end) - gap.start.min(end)).sum();
            assert!(given.records.len() as u64 + lost >= end, "{what}: a gap was not told of: {:?}", given.gaps);
            !given.gaps.is_empty()
        }
        Err(error) => {
            let known = matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::InvalidFile | ErrorKind::Unsupported);
            assert!(known, "{what}, reading: {error:?}");
            true
        }
    }
}

fn salvage(small: &Small, damaged: &SimDisk, covered: u64, places: &[Place], what: &str) {
    let disk = damaged.fork();
    let options = LogOptions { recovery: Mode::Salvage, ..small.options.clone() };
    let files = crate::rot::files(&disk);
    match open_with(&disk.io(), &options) {
        Ok((mut log, recovery)) => {
            assert!(recovery.next_seq >= covered, "{what}: salvaged at {} of {covered}", recovery.next_seq);
            // What a salvaged stream looks like to a reader is the salvage's own matter: nothing wrong, though.
            if let Ok(given) = crate::engine::read(&log, Level::Durable) {
                for (seq, data) in &given.records {
                    assert!(small.records.get(*seq as usize) == Some(data), "{what}: wrong record {seq} salvaged");
                }
            }
            commit(&mut log, &[record(78, 50)]);
            drop(log);
            rest(&disk);
            let after = crate::rot::files(&disk);
            let kept =
                |(name, bytes): &&(String, Vec<u8>)| after.iter().any(|file| file.0 == *name && file.1 == *bytes);
            // A last file that is whole is where the stream goes on.
            let may_grow =
                files.last().map(|(name, _)| name).filter(|name| !places.iter().any(|place| place.name == **name));
            let used = files.iter().filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0));
            assert!(used.filter(|(name, _)| Some(name) != may_grow).all(|file| kept(&file)), "{what}: written to");
        }
        Err(error) => {
            let known = matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Unsupported);
            assert!(known, "{what}, salvaged: {error:?}");
        }
    }
}
