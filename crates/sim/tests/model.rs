//! Random programs on one file against a naive model: what is read, and what any power cut may leave.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by panicking, in their helpers too"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{SECTOR, create, in_cache, machine, open, read, try_read, write, write_synced};
use pstream_core::io::{Io, IoFile, OpenOptions};
use pstream_sim::{Keep, Rng, SimDisk};

const LIMIT: usize = 6 * 4096;

/// Every version that a sector, and the length, had since it was last durable; the first is the durable one.
struct Model {
    bytes: Vec<u8>,
    sectors: Vec<Vec<Vec<u8>>>,
    lens: Vec<usize>,
    /// Where truncations cut, also those that are durable: the bytes behind may have been older than they.
    cuts: Vec<usize>,
}

impl Model {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            sectors: vec![vec![vec![0; SECTOR]]; LIMIT / SECTOR],
            lens: vec![0],
            cuts: Vec::new(),
        }
    }

    /// What a sector contains now, with zeros beyond the end of the file.
    fn sector(&self, sector: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.bytes.iter().copied().skip(sector * SECTOR).take(SECTOR).collect();
        bytes.resize(SECTOR, 0);
        bytes
    }

    fn changed(&mut self) {
        for sector in 0..self.sectors.len() {
            let now = self.sector(sector);
            if self.sectors[sector].last() != Some(&now) {
                self.sectors[sector].push(now);
            }
        }
        self.lens.push(self.bytes.len());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes.resize(self.bytes.len().max(at + bytes.len()), 0);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.changed();
    }

    fn resize(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.changed();
    }

    fn zero(&mut self, at: usize, len: usize) {
        let (start, end) = (at.min(self.bytes.len()), (at + len).min(self.bytes.len()));
        self.bytes[start..end].fill(0);
        self.changed();
    }

    fn synced(&mut self, range: std::ops::Range<usize>) {
        for sector in range.start / SECTOR..range.end.div_ceil(SECTOR).min(self.sectors.len()) {
            self.sectors[sector] = vec![self.sector(sector)];
        }
        // A length below what was just made durable is no longer possible.
        self.lens.retain(|len| *len >= range.end);
        self.lens.extend([range.end.min(self.bytes.len()), self.bytes.len()]);
    }

    /// Whether a power cut may leave these bytes.
    fn allows(&self, bytes: &[u8]) -> bool {
        // A kept truncation and a kept growth leave zeros where the bytes in between were dropped.
        let fits = |sector: usize, found: &[u8], version: &[u8]| {
            let cuts = self.cuts.iter().map(|len| len.saturating_sub(sector * SECTOR).min(found.len()));
            let cut_here = |cut: usize| found[..cut] == version[..cut] && found[cut..].iter().all(|byte| *byte == 0);
            cuts.chain([found.len()]).any(cut_here)
        };
        let (shortest, longest) = (self.lens.iter().min().unwrap(), self.lens.iter().max().unwrap());
        (*shortest..=*longest).contains(&bytes.len())
            && bytes
                .chunks(SECTOR)
                .enumerate()
                .all(|(sector, found)| self.sectors[sector].iter().any(|version| fits(sector, found, version)))
    }
}

fn number(rng: &mut Rng, below: usize) -> usize {
    usize::try_from(rng.below(below as u64)).unwrap()
}

/// Does one random operation on both.
fn step(rng: &mut Rng, file: &dyn IoFile, model: &mut Model) {
    let at = number(rng, LIMIT);
    let longest = if rng.chance(1, 4) { 9000 } else { 900 };
    let len = 1 + number(rng, longest.min(LIMIT - at));
    let data = vec![1 + u8::try_from(rng.below(255)).unwrap(); len];
    let range = at as u64..(at + len) as u64;
    match rng.below(20) {
        0..8 => {
            write(file, range.start, &data);
            model.put(at, &data);
        }
        8..11 => {
            write_synced(file, range.start, &data);
            model.put(at, &data);
            model.synced(at..at + len);
        }
        11 => {
            file.set_len(range.start).unwrap();
            model.resize(at);
            model.cuts.push(at);
        }
        12 => {
            file.reserve(range.end).unwrap();
            model.resize(model.bytes.len().max(at + len));
        }
        13 | 14 => {
            file.zero_range(range).unwrap();
            model.zero(at, len);
        }
        15 => {
            file.sync_data().unwrap();
            let written = model.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let lens = model.lens.clone();
            model.synced(0..LIMIT);
            model.lens = lens.into_iter().filter(|len| *len >= written).chain([written, model.bytes.len()]).collect();
        }
        16 => {
            file.sync_all().unwrap();
            model.synced(0..LIMIT);
            model.lens = vec![model.bytes.len()];
            model.cuts.clear();
        }
        17 => file.evict(range).unwrap(),
        18 => file.wait_writeback(range).unwrap(),
        _ => assert_eq!(try_read(file, range.start, len).unwrap(), model_read(model, at, len)),
    }
}

fn model_read(model: &Model, at: usize, len: usize) -> Vec<u8> {
    model.bytes.iter().copied().skip(at).take(len).collect()
}

fn check_cuts(disk: &SimDisk, model: &Model, seed: u64, context: &str) {
    assert_eq!(in_cache(&disk.fork_after(&Keep::All), "/f"), model.bytes, "{context}");
    for cut in 0..6 {
        let keep = if cut == 0 { Keep::None } else { Keep::any(seed * 100 + cut) };
        let after = disk.fork_after(&keep);
        let bytes = in_cache(&after, "/f");
        assert!(model.allows(&bytes), "{context}: {keep:?} of {:#?}", disk.unsynced_changes());
        // What the disk knows and what is read agree, also through a handle.
        let file = open(&*after.io(), "/f");
        assert_eq!(read(&*file, 0, LIMIT), bytes, "{context}");
        file.set_len(LIMIT as u64).unwrap();
        let grown = read(&*file, 0, LIMIT);
        assert!(grown[bytes.len()..].iter().all(|byte| *byte == 0), "{context}: stale bytes behind the end");
    }
}

#[test]
fn random_programs() {
    for seed in 0..150 {
        let (disk, io) = machine();
        let mut rng = Rng::new(seed);
        let file = create(&*io, "/f");
        io.sync_dir(Path::new("/")).unwrap();
        let mut model = Model::new();
        disk.set_history(seed % 3 == 0);
        for round in 0..60 {
            step(&mut rng, &*file, &mut model);
            let context = format!("seed {seed}, round {round}");
            assert_eq!(in_cache(&disk, "/f"), model.bytes, "{context}");
            if round % 4 == 0 {
                check_cuts(&disk, &model, seed * 1000 + round, &context);
            }
        }
    }
}

/// A model of names would be a copy of the simulator; these are the promises that any outcome keeps.
#[test]
fn random_names() {
    for seed in 0..300 {
        let (disk, io) = machine();
        let mut rng = Rng::new(seed);
        for dir in ["/a", "/b"] {
            io.create_dir(Path::new(dir)).unwrap();
        }
        io.sync_dir(Path::new("/")).unwrap();
        let spot = |rng: &mut Rng| format!("/{}/{}", ["a", "b"][number(rng, 2)], number(rng, 3));
        // Files that are sure to have some name.
        let mut sure = BTreeSet::new();
        for round in 0..30_u8 {
            let (from, to) = (spot(&mut rng), spot(&mut rng));
            match rng.below(6) {
                0 | 1 => drop(create_marked(&*io, &from, round)),
                2 | 3 => drop(io.rename_new(Path::new(&from), Path::new(&to))),
                4 => {
                    sure.retain(|mark| disk.cached_bytes(&from, 0..1).ok() != Some(vec![*mark]));
                    drop(io.remove_file(Path::new(&from)));
                }
                _ => {
                    let dir = &from[..2];
                    io.sync_dir(Path::new(dir)).unwrap();
                    sure.extend(marks(&disk, dir));
                }
            }
            check_names(&disk, &sure, seed * 100 + u64::from(round));
        }
    }
}

/// Creates a file whose content tells it from all others.
fn create_marked(io: &dyn Io, path: &str, mark: u8) -> std::io::Result<()> {
    let file = io.create(Path::new(path), 0, OpenOptions::default())?;
    write(&*file, 0, &[mark]);
    file.sync_all()
}

fn marks(disk: &SimDisk, dir: &str) -> Vec<u8> {
    let names = disk.names(dir).unwrap();
    names.iter().map(|name| disk.cached_bytes(format!("{dir}/{name}"), 0..1).unwrap()[0]).collect()
}

fn all_names(disk: &SimDisk) -> [Vec<String>; 2] {
    ["/a", "/b"].map(|dir| disk.names(dir).unwrap())
}

fn check_names(disk: &SimDisk, sure: &BTreeSet<u8>, seed: u64) {
    assert_eq!(all_names(&disk.fork_after(&Keep::All)), all_names(disk), "seed {seed}");
    let durable = ["/a", "/b"].map(|dir| disk.durable_names(dir).unwrap());
    assert_eq!(all_names(&disk.fork_after(&Keep::None)), durable, "seed {seed}");
    for cut in 0..5 {
        let after = disk.fork_after(&Keep::Random(seed * 10 + cut));
        let found = [marks(&after, "/a"), marks(&after, "/b")].concat();
        let set: BTreeSet<u8> = found.iter().copied().collect();
        assert_eq!(set.len(), found.len(), "seed {seed}: a file has two names");
        assert!(set.is_superset(sure), "seed {seed}: a file has no name");
    }
    // Syncing a folder makes its names durable, whatever becomes of the other one.
    let fork = disk.fork();
    fork.io().sync_dir(Path::new("/a")).unwrap();
    let after = marks(&fork.fork_after(&Keep::Random(seed)), "/a");
    assert!(marks(disk, "/a").iter().all(|mark| after.contains(mark)), "seed {seed}");
    // With both synced nothing is left to chance.
    fork.io().sync_dir(Path::new("/b")).unwrap();
    assert_eq!((fork.unsynced(), all_names(&fork.fork_after(&Keep::None))), (0, all_names(disk)), "seed {seed}");
}
