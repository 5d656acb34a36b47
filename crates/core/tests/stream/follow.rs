//! Readers in another process, beside a writer that commits, crashes, fails and recovers: what they were shown is there
//! whatever happens next, and never changes.

use std::collections::BTreeMap;
use std::path::Path;

use pstream_core::stream::read::ReadOptions;
use pstream_core::stream::{FollowOptions, Follower, Level, Log, LogOptions, PendingKind};
use pstream_core::{ErrorKind, Result};
use pstream_sim::{CallKind, Effect, Fault, Keep, Rng, SimDisk};

use crate::harness::{DIR, NAME, aligned, commit_as, disk, open_with, record, sized};

pub const READER: u32 = 2;
pub const MARK: &str = "/d/s.meta/mark";

/// Opens the stream for reading, as another process.
pub fn follow(disk: &SimDisk) -> Result<Follower> {
    Follower::open(disk.as_process(READER).io(), Path::new(DIR), FollowOptions::new(NAME))
}

/// All that a refresh shows, by seq.
pub fn shown(follower: &Follower) -> Result<BTreeMap<u64, Vec<u8>>> {
    let snapshot = follower.refresh()?;
    let mut reader = snapshot.read(ReadOptions::default())?;
    let mut all = BTreeMap::new();
    while let Some(batch) = reader.next_batch()? {
        all.extend(batch.records().map(|(seq, data)| (seq, data.to_vec())));
    }
    if let Some((first, _)) = all.first_key_value() {
        assert_eq!(snapshot.next_seq(), first + all.len() as u64, "dense up to the end");
        assert_eq!(*first, follower.oldest_seq());
    }
    Ok(all)
}

/// What there is after a power cut that drops all that is not synced.
pub fn left(disk: &SimDisk, options: &LogOptions) -> Left {
    let cut = disk.fork_after(&Keep::None);
    let (log, _) = open_with(&cut.io(), options).unwrap_or_else(|error| panic!("after a power cut: {error}"));
    let snapshot = log.snapshot(Level::Durable).unwrap();
    let mut reader = snapshot.read(ReadOptions::default()).unwrap();
    let mut records = BTreeMap::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        records.extend(batch.records().map(|(seq, data)| (seq, data.to_vec())));
    }
    Left { oldest: snapshot.oldest_seq().unwrap(), records }
}

/// Those in front of the oldest one were released.
pub struct Left {
    pub oldest: u64,
    pub records: BTreeMap<u64, Vec<u8>>,
}

/// Nothing that was shown is missing or other than it was, but for what was released.
pub fn check_kept(shown: &BTreeMap<u64, Vec<u8>>, left: &Left) {
    for (seq, data) in shown.range(left.oldest..) {
        assert_eq!(left.records.get(seq), Some(data), "record {seq} was shown");
    }
}

struct World {
    disk: SimDisk,
    options: LogOptions,
    log: Option<Log>,
    follower: Option<Follower>,
    /// Everything that any reader was ever shown.
    shown: BTreeMap<u64, Vec<u8>>,
    /// How far this reader has come.
    end: u64,
    /// No mark can be read, or believed.
    blind: bool,
    number: u64,
    released: u64,
    looks: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let disk = disk(seed);
        let options = [sized(5, 5), sized(8, 8), aligned(sized(8, 8)), sized(5, 20)][rng.below(4) as usize].clone();
        if rng.chance(1, 5) {
            crate::premade::install(&disk, &options, 0xffff);
        }
        let (shown, blind) = (BTreeMap::new(), rng.chance(1, 3));
        let world =
            Self { disk, options, log: None, follower: None, shown, end: 0, blind, number: 0, released: 0, looks: 0 };
        world.mend();
        world
    }

    /// No faults but the reader's blindness.
    fn mend(&self) {
        self.disk.clear_faults();
        if self.blind {
            self.disk.inject(Fault::new(Effect::EIO).kind(CallKind::ReadNote).path(MARK).every());
        }
    }

    fn open(&mut self) {
        self.log = Some(open_with(&self.disk.io(), &self.options).unwrap().0);
    }

    fn step(&mut self, rng: &mut Rng) {
        if self.log.is_none() && rng.chance(2, 3) {
            self.open();
        }
        let what = rng.below(24);
        if std::env::var("PSTREAM_FOLLOW_SEED").is_ok() {
            println!("{what}: durable {:?}, end {}", self.log.as_ref().map(Log::durable), self.end);
        }
        match what {
            0..=8 => self.commit(rng),
            9 => drop(self.log.as_mut().map(Log::flush)),
            10 => drop(self.log.as_mut().map(Log::watermark)),
            11 => drop(self.log.as_mut().map(Log::prepare_next)),
            12 => self.release(),
            13 => drop(self.log.take().map(|mut log| log.close())),
            // Killed.
            // Killed.
            14 => {
                self.log = None;
                self.disk.process_crash();
            }
            15 | 16 => {
                let effect = if rng.chance(1, 2) { Effect::FAIL_SYNC } else { Effect::Torn(std::io::ErrorKind::Other) };
                // A folder's sync that fails and then lies is beyond what is promised.
                self.disk.inject(
                    Fault::new(effect)
                        .nth(1 + rng.below(3))
                        .when(|call| call.pid != READER && call.kind != CallKind::SyncDir),
                );
                self.commit(rng);
                self.mend();
            }
            // The mark cannot be written, for a while or from now on.
            17 => self.disk.inject(Fault::new(Effect::ENOSPC).kind(CallKind::Write).path(MARK).times(1 + rng.below(3))),
            18 => drop(self.disk.io().write_note(Path::new(MARK), 0o600, b"PSM\x01 rubbish")),
            19 => {
                self.log = None;
                self.disk.power_cut(&Keep::any(rng.next_u64()));
                (self.follower, self.end) = (None, 0);
                self.mend();
            }
            _ => self.look(),
        }
        if let Some(log) = self.log.as_mut().filter(|log| log.needs_recovery()) {
            self.disk.clear_faults();
            log.recover_in_place().unwrap();
            self.mend();
        }
    }

    fn commit(&mut self, rng: &mut Rng) {
        let Some(log) = &mut self.log else { return };
        let kind = if rng.chance(1, 3) { PendingKind::Together } else { PendingKind::Records };
        let level = if rng.chance(1, 3) { Level::Written } else { Level::Durable };
        let records: Vec<_> = (0..=rng.below(4))
            .map(|_| {
                self.number += 1;
                record(self.number, [0, 30, 700, 2000][rng.below(4) as usize])
            })
            .collect();
        drop(commit_as(log, kind, &records, level));
    }

    fn release(&mut self) {
        let Some(log) = &mut self.log else { return };
        drop(log.release_first());
        self.released = log.snapshot(Level::Durable).unwrap().oldest_seq().unwrap();
    }

    fn look(&mut self) {
        if self.follower.is_none() {
            match follow(&self.disk) {
                Ok(follower) => self.follower = Some(follower),
                Err(error) => {
                    assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
                    assert!(self.log.is_none(), "a writer has it open: {error}");
                    return;
                }
            }
        }
        let Some(follower) = &self.follower else { return };
        let now = shown(follower).unwrap_or_else(|error| panic!("{error}"));
        let end = follower.snapshot().next_seq();
        assert!(end >= self.end, "never backwards: {end} behind {}", self.end);
        self.end = end;
        if let Some(log) = &self.log {
            assert!(end <= log.durable().seq, "{end}, but {} is durable", log.durable().seq);
        }
        for (seq, data) in &now {
            assert!(self.shown.get(seq).is_none_or(|before| before == data), "record {seq} has changed");
        }
        self.shown.extend(now);
        check_kept(&self.shown, &left(&self.disk, &self.options));
        self.looks += 1;
    }
}

fn run(seed: u64) -> u64 {
    let mut world = World::new(seed);
    world.open();
    let rng = &mut Rng::new(seed ^ 0xf0_110);
    for _ in 0..10 + rng.below(40) {
        world.step(rng);
    }
    world.mend();
    // In the end everything that is durable can be read.
    if world.log.is_none() {
        world.open();
    }
    world.look();
    let log = world.log.as_mut().unwrap();
    if !world.blind {
        commit_as(log, PendingKind::Records, &[record(0, 10)], Level::Durable).unwrap();
        // A mark that could not be written is tried again in a while.
        for _ in 0..70 {
            log.commit(&[], Level::Durable).unwrap();
        }
        assert_eq!(world.follower.as_ref().unwrap().refresh().unwrap().next_seq(), log.durable().seq);
    }
    log.close().unwrap();
    world.log = None;
    // What a seal speaks of.
    let follower = follow(&world.disk).unwrap();
    let all = shown(&follower).unwrap();
    assert_eq!(all, left(&world.disk, &world.options).records);
    world.looks
}

/// Over random programs with kills, power cuts, failed syncs, torn writes, marks that fail or are rubbish, next files, releases and
/// indexes that wrap. `PSTREAM_FOLLOW_SEED` runs one alone, `PSTREAM_FOLLOW_CASES` says how many to run.
#[test]
fn what_was_shown_stays() {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PSTREAM_FOLLOW_SEED") {
        run(seed);
        return;
    }
    let cases = number("PSTREAM_FOLLOW_CASES").unwrap_or(1500);
    let mut looks = 0;
    for seed in 0..cases {
        let done = std::panic::catch_unwind(|| run(seed));
        match done {
            Ok(more) => looks += more,
            Err(panic) => {
                println!("PSTREAM_FOLLOW_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(looks > cases * 3, "{looks} looks");
}

/// A reader makes no call that could change anything.
#[test]
fn a_reader_only_reads() {
    let disk = disk(4);
    let (mut log, _) = open_with(&disk.io(), &sized(5, 5)).unwrap();
    crate::harness::commit_each(&mut log, 0..20, 900);
    disk.record(true);
    let follower = follow(&disk).unwrap();
    assert_eq!(shown(&follower).unwrap().len(), 20);
    crate::harness::commit_each(&mut log, 20..40, 900);
    assert_eq!(shown(&follower).unwrap().len(), 40);
    let harmless = |kind: CallKind| {
        use CallKind as Kind;
        matches!(
            kind,
            Kind::Open | Kind::ReadDir | Kind::Canonicalize | Kind::Metadata | Kind::ReadNote | Kind::Size | Kind::Read
        ) || matches!(kind, Kind::NextData | Kind::Evict | Kind::Residency | Kind::Advise | Kind::Allocated)
    };
    let calls: Vec<_> = disk.trace().into_iter().filter(|call| call.pid == READER).collect();
    assert!(calls.len() > 50);
    for call in calls {
        assert!(harmless(call.kind), "{:?}", call.kind);
    }
    // Its handles are closed with it.
    drop(log);
    drop(follower);
    assert_eq!(disk.open_handles(), 0);
}
