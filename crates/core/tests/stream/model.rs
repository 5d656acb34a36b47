//! Random programs with faults, crashes and power cuts, against the oracle. A failure prints the seed of its program, and
//! `PSTREAM_MODEL_SEED` runs that one alone; it is shrunk by leaving calls out. `PSTREAM_MODEL_CASES` says how many
//! programs to run.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind as Kind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pstream_core::ErrorKind;
use pstream_core::stream::read::Start;
use pstream_core::stream::{Level, Log, LogOptions, PendingKind, Recovery};
use pstream_sim::{CallKind, Effect, Fault, Keep, ResidencyModel, Rng, SectorModel, SimDisk};

use crate::harness::{DIR, aligned, disk, open_with, record, sized};
use crate::oracle::Oracle;
use crate::program::commit;

/// One call of a random program, with the numbers that it draws its details from.
#[derive(Clone, Copy, Debug)]
struct Op {
    what: u64,
    seed: u64,
}

#[derive(Default)]
struct Stats {
    counts: BTreeMap<&'static str, u64>,
    states: HashSet<u64>,
    /// What the calls of the last program led to, for a failure to print.
    notes: Vec<String>,
}

impl Stats {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

struct World<'a> {
    disk: SimDisk,
    options: LogOptions,
    garbles: bool,
    log: Option<Log>,
    oracle: Oracle,
    number: u64,
    stats: &'a mut Stats,
}

fn options_of(rng: &mut Rng) -> (LogOptions, SectorModel) {
    let (first, full) = [(5, 5), (8, 8), (5, 20), (8, 32)][rng.below(4) as usize];
    let mut options = sized(first, full);
    if rng.chance(1, 3) {
        options.block_size = 16384;
        options.first_file_size = Some(4 * 16384);
        options.file_size = [4, 8][rng.below(2) as usize] * 16384;
    }
    match rng.below(5) {
        0 | 1 => (aligned(options), SectorModel::Garble),
        2 => (aligned(options), SectorModel::PowerSafe),
        _ => (options, SectorModel::PowerSafe),
    }
}

impl World<'_> {
    fn io(&self) -> std::sync::Arc<dyn pstream_core::io::Io> {
        self.disk.io()
    }

    fn records(&mut self, rng: &mut Rng) -> Vec<Vec<u8>> {
        let count = 1 + rng.below(3) * rng.below(5);
        let len = [0, 7, 100, 900, 3900, 4032, 7000][rng.below(7) as usize];
        let same = rng.chance(1, 6);
        let records = (0..count).map(|_| {
            if !same {
                self.number += 1;
            }
            // The same bytes again and again: what failed and what is tried again must not add up to a whole.
            record(if same { 7 } else { self.number }, len + rng.below(40) as usize)
        });
        records.collect()
    }

    fn fault(rng: &mut Rng) -> Fault {
        let keep = Keep::any(rng.next_u64());
        let effect = match rng.below(9) {
            0 => Effect::EIO,
            1 | 2 => Effect::FailSync { kind: Kind::Other, keep },
            3 => Effect::FailSync { kind: Kind::StorageFull, keep },
            4 => Effect::Torn(Kind::Other),
            5 => Effect::ENOSPC,
            6 => Effect::Torn(Kind::StorageFull),
            7 => Effect::ShortAnywhere,
            _ => Effect::EINTR,
        };
        let lies = matches!(effect, Effect::FailSync { .. });
        let fault = Fault::new(effect).nth(1 + rng.below(12));
        // A folder's sync that fails and then lies, in front of releases or new files, is beyond what the protocol
        // promises: a folder cannot be evicted, and journaling file systems stop at such an error.
        let fault = if lies { fault.when(|call| call.kind != CallKind::SyncDir) } else { fault };
        if rng.chance(1, 2) {
            fault.kind(CallKind::Write).kind(CallKind::WriteSynced).kind(CallKind::SyncData)
        } else {
            fault
        }
    }

    /// One call, and what it led to. `Err`: a broken promise.
    fn step(&mut self, op: Op) -> Result<(), String> {
        let rng = &mut Rng::new(op.seed);
        let fired = self.disk.faults_fired();
        if op.what.is_multiple_of(4) {
            self.disk.inject(Self::fault(rng));
        }
        let stop = op.what.is_multiple_of(5);
        if stop {
            let effect = [Effect::Stop, Effect::StopAfter, Effect::StopTorn][rng.below(3) as usize].clone();
            let fault = Fault::new(effect);
            let writes = rng.chance(1, 2);
            let zeroing = self.log.is_none() && rng.chance(1, 4);
            self.disk.inject(if zeroing {
                fault.nth(1 + rng.below(2)).kind(CallKind::ZeroRange).kind(CallKind::SyncAll)
            } else if writes {
                fault
                    .nth(1 + rng.below(6))
                    .kind(CallKind::Write)
                    .kind(CallKind::WriteSynced)
                    .kind(CallKind::SyncData)
                    .kind(CallKind::ZeroRange)
            } else {
                fault.nth(1 + rng.below(if self.log.is_none() { 60 } else { 12 }))
            });
        }
        self.disk.record(true);
        let opening = self.log.is_none();
        self.act(op, rng)?;
        let fired = self.disk.faults_fired() > fired;
        self.note(op);
        // A failed sync may have lost what was written.
        self.oracle.cache_lost |= fired;
        if self.disk.is_stopped() {
            self.crash(rng, opening);
        }
        self.disk.clear_faults();
        self.check_reader()?;
        if self.log.as_ref().is_some_and(Log::needs_recovery) && rng.chance(3, 4) {
            self.recover_in_place()?;
        }
        Ok(())
    }

    /// Whatever has happened: what a reader is given as durable is that, whether the log needs recovery or not.
    fn check_reader(&mut self) -> Result<(), String> {
        let Some(log) = &self.log else { return Ok(()) };
        // What is called durable must stay, whatever became of the call.
        self.oracle.durable(log.durable().seq);
        let snapshot = log.snapshot(Level::Durable).map_err(|error| error.to_string())?;
        let (records, gaps, error) = crate::reading::read_from(&snapshot, Start::Oldest, true);
        if error.is_some() || !gaps.is_empty() {
            return Err(format!("a reader met {error:?}, {gaps:?}"));
        }
        let oldest = snapshot.oldest_seq().map_err(|error| error.to_string())?;
        if records.iter().zip(oldest..).any(|((seq, _), expected)| *seq != expected) {
            return Err(format!("a reader was given other seqs than those from {oldest} on"));
        }
        if oldest + records.len() as u64 != snapshot.next_seq() || snapshot.next_seq() != log.durable().seq {
            return Err(format!("a reader was given {} records from {oldest} on, not {snapshot:?}", records.len()));
        }
        let wrong = records.iter().find(|(seq, data)| self.oracle.sure.get(*seq as usize) != Some(data));
        self.stats.count(if log.needs_recovery() { "read in doubt" } else { "read" });
        match wrong {
            Some((seq, _)) => Err(format!("a reader was given a wrong record {seq}")),
            None => Ok(()),
        }
    }

    fn note(&mut self, op: Op) {
        let state = match &self.log {
            None => "no log".to_owned(),
            Some(log) => format!("next seq {}, durable {:?}, {log:?}", log.next_seq(), log.durable()),
        };
        let oracle = (self.oracle.sure.len(), self.oracle.maybe.len(), self.oracle.cache_lost);
        let text = format!("{op:?}: {state}; oracle {oracle:?}\n{}", self.disk.trace_text());
        self.stats.notes.push(text);
    }

    fn act(&mut self, op: Op, rng: &mut Rng) -> Result<(), String> {
        let Some(mut log) = self.log.take() else { return self.open() };
        let level = if rng.chance(1, 3) { Level::Written } else { Level::Durable };
        let outcome = match op.what / 5 % 14 {
            0..=5 => {
                let kind = if rng.chance(1, 3) { PendingKind::Together } else { PendingKind::Records };
                let records = self.records(rng);
                commit(&mut self.oracle, &mut log, kind, level, &records)
            }
            6 => log.flush().map(|_| self.oracle.promote()),
            7 => log.watermark().map(|_| self.oracle.promote()),
            8 => log.prepare_next().map(|_| ()),
            9 => {
                let files = log.snapshot(Level::Durable).map(|snapshot| snapshot.files().to_vec()).unwrap_or_default();
                if let (Some(next), false) = (files.get(1), log.needs_recovery()) {
                    let start = next.start().map_or(self.oracle.next_seq(), |start| start.seq);
                    self.oracle.released = self.oracle.released.max(start);
                }
                log.release_first().map(|_| ())
            }
            10 => {
                self.stats.count("closed");
                let certain = !log.needs_recovery();
                if log.close().is_ok() && certain {
                    self.oracle.promote();
                }
                return Ok(());
            }
            11 => {
                self.stats.count("killed");
                self.disk.process_crash();
                return Ok(());
            }
            12 => {
                self.stats.count("power cut");
                drop(log);
                self.cut(rng);
                return Ok(());
            }
            _ => {
                // The cache goes under memory pressure, or stays because somebody holds it (rule 2).
                self.disk.drop_caches();
                let pinned = !self.garbles && rng.chance(1, 2);
                for name in crate::reader::names(&self.disk) {
                    self.disk.pin_cache(format!("{DIR}/{name}"), pinned).unwrap();
                }
                if pinned {
                    self.stats.count("pinned");
                }
                Ok(())
            }
        };
        if let Err(error) = &outcome {
            self.expected(error, log.needs_recovery())?;
        }
        self.log = Some(log);
        Ok(())
    }

    fn expected(&mut self, error: &pstream_core::Error, uncertain: bool) -> Result<(), String> {
        match error.kind() {
            ErrorKind::SyncFailed | ErrorKind::Io | ErrorKind::NoSpace => {
                self.stats.count(if uncertain { "needs recovery" } else { "refused" });
                Ok(())
            }
            // A record larger than the options allow.
            ErrorKind::Capacity => Ok(()),
            _ => Err(format!("unexpected: {error} ({error:?})")),
        }
    }

    fn open(&mut self) -> Result<(), String> {
        let state = self.fingerprint();
        self.stats.states.insert(state);
        let fired = self.disk.faults_fired();
        let opened = open_with(&self.io(), &self.options);
        self.oracle.faulty = self.disk.faults_fired() > fired;
        self.oracle.cache_lost |= self.oracle.faulty;
        match opened {
            Ok((log, recovery)) => {
                self.log = Some(log);
                self.opened(&recovery)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => Err(format!("P2: {error}")),
            Err(error) => {
                self.stats.count("open failed");
                self.expected(&error, true)
            }
        }
    }

    fn opened(&mut self, recovery: &Recovery) -> Result<(), String> {
        self.stats.count("opened");
        if self.disk.is_stopped() {
            return Ok(());
        }
        if recovery.torn.is_some() {
            self.stats.count("torn");
        }
        if recovery.postponed {
            self.stats.count("postponed");
        }
        self.oracle.check(&self.disk, recovery).map(|_| ())
    }

    fn recover_in_place(&mut self) -> Result<(), String> {
        let mut log = self.log.take().expect("a log");
        match log.recover_in_place() {
            Ok(recovery) => {
                self.stats.count("recovered in place");
                self.log = Some(log);
                self.opened(&recovery)
            }
            Err(error) => Err(format!("not recovered, though nothing is wrong: {error}")),
        }
    }

    /// The machine has stopped in the midst of a call.
    fn crash(&mut self, rng: &mut Rng, opening: bool) {
        let trace = self.disk.trace();
        let wrote = |offset: u64| {
            trace.iter().any(|call| call.kind == CallKind::Write && call.offset == offset && call.len == 4096)
        };
        if opening {
            self.stats.count("crash in recovery");
            if trace.last().is_some_and(|call| call.kind == CallKind::ZeroRange) {
                self.stats.count("crash at zeroing");
            }
        } else if wrote(0) {
            self.stats.count("crash in rollover");
        }
        if trace.iter().rev().any(|call| call.kind == CallKind::WriteSynced && matches!(call.len, 64 | 112)) {
            self.stats.count("crash at a watermark");
        }
        self.log = None;
        if rng.chance(1, 4) {
            self.disk.process_crash();
        } else {
            self.cut(rng);
        }
    }

    fn cut(&mut self, rng: &mut Rng) {
        self.log = None;
        self.disk.power_cut(&Keep::any(rng.next_u64()));
        self.oracle.cache_lost = true;
    }

    /// What is on the disk, as a number.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for name in self.disk.names(DIR).unwrap() {
            name.hash(&mut hasher);
            let id = pstream_core::format::StreamId::new(1).unwrap();
            if let Ok(bytes) = self.disk.cached_bytes(format!("{DIR}/{name}"), 0..u64::MAX) {
                id.checksum(&bytes).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

fn program(seed: u64) -> Vec<Op> {
    let rng = &mut Rng::new(seed);
    let len = 4 + rng.below(24);
    (0..len).map(|_| Op { what: rng.next_u64() >> 8, seed: rng.next_u64() }).collect()
}

fn run(seed: u64, ops: &[Op], stats: &mut Stats) -> Result<(), String> {
    stats.notes.clear();
    let (options, model) = options_of(&mut Rng::new(seed ^ 0x5eed));
    let disk = disk(seed);
    disk.set_sector_model(model);
    // What cannot be evicted is written again, which a disk that garbles what it rewrites does not forgive.
    let garbles = model == SectorModel::Garble;
    if seed.is_multiple_of(7) && !garbles {
        disk.set_residency(ResidencyModel::Unknown);
    }
    let mut world = World { disk, options, garbles, log: None, oracle: Oracle::default(), number: 0, stats };
    for (number, op) in ops.iter().enumerate() {
        world.step(*op).map_err(|error| format!("call {number}: {error}"))?;
    }
    // Whatever was broken on the way, the end must open.
    world.disk.clear_faults();
    world.log = None;
    world.disk.process_crash();
    world.open()?;
    if world.log.is_none() { Err("does not open at the end".to_owned()) } else { Ok(()) }
}

fn outcome(seed: u64, ops: &[Op], stats: &mut Stats) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| run(seed, ops, stats))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
    })
}

/// Leaves out what is not needed for the failure.
fn shrink(seed: u64, mut ops: Vec<Op>) -> Vec<Op> {
    let mut at = 0;
    while at < ops.len() {
        let mut fewer = ops.clone();
        fewer.remove(at);
        if outcome(seed, &fewer, &mut Stats::default()).is_err() {
            ops = fewer;
        } else {
            at += 1;
        }
    }
    ops
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn random_programs_keep_every_promise() {
    let cases = number("PSTREAM_MODEL_CASES").unwrap_or(28_000);
    let seeds = number("PSTREAM_MODEL_SEED").map_or(1..=cases, |seed| seed..=seed);
    let mut total = Stats::default();
    for seed in seeds {
        let ops = program(seed);
        if let Err(error) = outcome(seed, &ops, &mut total) {
            let least = shrink(seed, ops);
            let mut stats = Stats::default();
            let again = outcome(seed, &least, &mut stats);
            panic!("{}\nseed {seed}: {error}\nshrunk to {} calls: {again:?}", stats.notes.join("\n"), least.len());
        }
    }
    println!("{} states, {:?}", total.states.len(), total.counts);
    if number("PSTREAM_MODEL_SEED").is_some() {
        return;
    }
    let least = [
        ("crash in rollover", 400),
        ("crash in recovery", 1000),
        ("crash at zeroing", 50),
        ("crash at a watermark", 400),
        ("torn", 500),
        ("recovered in place", 500),
        ("pinned", 500),
        ("read", 10_000),
        ("read in doubt", 500),
        ("postponed", 50),
        ("power cut", 1000),
    ];
    for (what, times) in least {
        let seen = total.counts.get(what).copied().unwrap_or(0);
        assert!(seen >= times * cases / 10_000, "{what}: only {seen}");
    }
    assert!(total.states.len() as u64 > cases, "{} distinct states", total.states.len());
}
