//! Fixed programs, stopped at every call and failed at every call; and for each of these points states that a power cut
//! or a kill can leave, opened and compared with what was acknowledged.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use pstream_core::stream::{Level, LogOptions, PendingKind};
use pstream_sim::{CallKind, Effect, Fault, Keep, SectorModel, SimDisk};

use crate::harness::{aligned, direct, disk, options, record, rest, sized};
use crate::oracle::Oracle;
use crate::program::{Run, Step, check_and_go_on, run};

const RECORDS: PendingKind = PendingKind::Records;
const TOGETHER: PendingKind = PendingKind::Together;

fn commit(kind: PendingKind, level: Level, numbers: std::ops::Range<u64>, len: usize) -> Step {
    Step::Commit(kind, level, numbers.map(|number| record(number, len)).collect())
}

/// Appends of several sizes, records that belong together, a rollover, closing and opening.
fn program() -> Vec<Step> {
    vec![
        commit(RECORDS, Level::Durable, 0..1, 10),
        commit(RECORDS, Level::Durable, 1..2, 3000),
        commit(TOGETHER, Level::Durable, 2..6, 1500),
        Step::Reopen,
        commit(RECORDS, Level::Written, 6..8, 100),
        commit(TOGETHER, Level::Written, 8..12, 600),
        commit(RECORDS, Level::Durable, 12..13, 20),
        Step::Prepare,
        commit(RECORDS, Level::Durable, 13..14, 9000),
        commit(RECORDS, Level::Written, 14..16, 50),
        commit(TOGETHER, Level::Written, 16..19, 3000),
        Step::Flush,
        commit(RECORDS, Level::Durable, 19..32, 1500),
        Step::Release,
        Step::Watermark,
        commit(RECORDS, Level::Written, 32..34, 700),
        Step::Recover,
        commit(TOGETHER, Level::Durable, 34..37, 1500),
        Step::Reopen,
        commit(RECORDS, Level::Durable, 37..38, 1),
    ]
}

/// The cuts to look at: every subset while they are few, else the two extremes and a number of others.
fn cuts(disk: &SimDisk, others: u64, seed: u64) -> Vec<Keep> {
    let bits = disk.unsynced();
    if bits <= 3 {
        return (0..1_u64 << bits).map(Keep::Mask).collect();
    }
    let chosen = (0..others).map(|number| Keep::any(seed.wrapping_mul(1000).wrapping_add(number)));
    [Keep::None, Keep::All].into_iter().chain(chosen).collect()
}

struct Walk {
    options: LogOptions,
    steps: Vec<Step>,
    start: SimDisk,
    oracle: Oracle,
    others: u64,
    /// Calls that were stopped or failed.
    points: Cell<u64>,
    states: Cell<u64>,
    seen: RefCell<BTreeMap<&'static str, u64>>,
}

impl Walk {
    fn new(model: SectorModel, options: LogOptions, steps: Vec<Step>, others: u64) -> Self {
        let start = disk(17);
        start.set_sector_model(model);
        rest(&start);
        let (points, states, seen) = (Cell::new(0), Cell::new(0), RefCell::default());
        Self { options, steps, start, oracle: Oracle::default(), others, points, states, seen }
    }

    fn count(&self, what: &'static str) {
        *self.seen.borrow_mut().entry(what).or_default() += 1;
    }

    /// Every state that the point can leave.
    fn look(&self, disk: &SimDisk, run: &Run, seed: u64, what: &str) {
        self.points.set(self.points.get() + 1);
        for keep in cuts(disk, self.others, seed) {
            let after = disk.fork_after(&keep);
            self.open(&after, run, true, &format!("{what}, power cut keeping {keep:?}"));
        }
        let after = disk.fork();
        after.process_crash();
        self.open(&after, run, false, &format!("{what}, killed"));
        // Killed, opened, and then the power goes: what the open has shown must stay.
        let after = disk.fork();
        after.process_crash();
        after.clear_faults();
        after.inject(Fault::new(Effect::Stop).nth(40 + seed % 60));
        drop(crate::harness::open_with(&after.io(), &self.options));
        after.power_cut(&Keep::any(seed));
        self.open(&after, run, true, &format!("{what}, killed, opened in part, power cut"));
    }

    fn open(&self, after: &SimDisk, run: &Run, cut: bool, what: &str) {
        after.clear_faults();
        let mut oracle = run.oracle.clone();
        oracle.cache_lost |= cut;
        self.states.set(self.states.get() + 1);
        match check_and_go_on(after, &self.options, &mut oracle) {
            Ok(recovery) => {
                if recovery.torn.is_some() {
                    self.count("torn");
                }
                if !recovery.leftovers.is_empty() {
                    self.count("prepared");
                }
            }
            Err(error) => panic!("{what}: {error}\n{:?}", run.error),
        }
    }

    fn stop_everywhere(&self) {
        for effect in [Effect::Stop, Effect::StopAfter, Effect::StopTorn] {
            for nth in 1.. {
                let disk = self.start.fork();
                disk.inject(Fault::new(effect.clone()).nth(nth));
                let run = run(&disk, &self.options, &self.oracle, &self.steps);
                let stopped = disk.is_stopped();
                if stopped || effect == Effect::Stop {
                    self.look(&disk, &run, nth, &format!("{effect:?} at call {nth}"));
                }
                if !stopped {
                    assert!(run.error.is_none(), "the program itself fails: {:?}", run.error);
                    break;
                }
            }
        }
    }

    fn fail_everywhere(&self, effects: &[Effect]) {
        for effect in effects {
            for nth in 1.. {
                let disk = self.start.fork();
                disk.inject(failing(effect, nth));
                let mut run = run(&disk, &self.options, &self.oracle, &self.steps);
                if disk.faults_fired() == 0 {
                    break;
                }
                let failed_sync = matches!(effect, Effect::FailSync { .. });
                run.oracle.cache_lost |= failed_sync;
                let what = format!("{effect:?} at call {nth}");
                if run.log.as_ref().is_some_and(pstream_core::stream::Log::needs_recovery) {
                    self.recover_in_place(&mut run, &disk, &what);
                }
                self.look(&disk, &run, nth, &what);
            }
        }
    }

    /// A call fails, and the machine stops at every call of the recovery in place that follows.
    fn stop_recoveries(&self, effects: &[Effect]) {
        for effect in effects {
            for nth in 1.. {
                let broken = || {
                    let disk = self.start.fork();
                    disk.inject(failing(effect, nth));
                    let mut run = run(&disk, &self.options, &self.oracle, &self.steps);
                    run.oracle.cache_lost = true;
                    (disk, run)
                };
                let (disk, run) = broken();
                if disk.faults_fired() == 0 {
                    break;
                }
                if !run.log.as_ref().is_some_and(pstream_core::stream::Log::needs_recovery) {
                    continue;
                }
                for call in 1.. {
                    let (disk, mut run) = broken();
                    disk.clear_faults();
                    let stop = [Effect::Stop, Effect::StopAfter][call as usize % 2].clone();
                    disk.inject(Fault::new(stop).nth(call));
                    let recovered = run.log.as_mut().unwrap().recover_in_place();
                    if !disk.is_stopped() {
                        let what = format!("{effect:?} at call {nth}, in place");
                        let recovery = recovered.unwrap_or_else(|error| panic!("{what}: {error}"));
                        run.oracle.check(&disk, &recovery).unwrap_or_else(|error| panic!("{what}: {error}"));
                        break;
                    }
                    let what = format!("{effect:?} at call {nth}, stopped at call {call} of the recovery in place");
                    self.look(&disk, &run, call, &what);
                }
            }
        }
    }

    fn print(&self, what: &str) -> BTreeMap<&'static str, u64> {
        let seen = self.seen.borrow().clone();
        let commits = if self.options.aligned { "aligned" } else { "packed" };
        println!("{commits}, {what}: {} calls, {} states, {seen:?}", self.points.get(), self.states.get());
        seen
    }

    /// Rule 9: the same process goes on, and the power is cut only then.
    fn recover_in_place(&self, run: &mut Run, disk: &SimDisk, what: &str) {
        self.count("in place");
        let log = run.log.as_mut().unwrap();
        let recovery = log.recover_in_place().unwrap_or_else(|error| panic!("{what}, in place: {error}"));
        run.oracle.check(disk, &recovery).unwrap_or_else(|error| panic!("{what}, in place: {error}"));
        let more = vec![record(500_000, 900)];
        crate::program::commit(&mut run.oracle, log, RECORDS, Level::Written, &more).unwrap();
    }
}

/// The `nth` call that can fail so. A folder's sync that lies is beyond what is promised: see `boundaries.rs`.
fn failing(effect: &Effect, nth: u64) -> Fault {
    let fault = Fault::new(effect.clone()).nth(nth);
    let lies = matches!(effect, Effect::FailSync { .. });
    if lies { fault.when(|call| call.kind != CallKind::SyncDir) } else { fault }
}

fn settings() -> [(SectorModel, LogOptions); 4] {
    [
        (SectorModel::PowerSafe, options()),
        (SectorModel::Garble, aligned(sized(8, 16))),
        (SectorModel::PowerSafe, direct(options())),
        (SectorModel::Garble, aligned(direct(sized(8, 16)))),
    ]
}

/// Some subsets of what a failing sync covers reach the disk.
fn failures() -> Vec<Effect> {
    let other = std::io::ErrorKind::Other;
    vec![
        Effect::EIO,
        Effect::FAIL_SYNC,
        Effect::FailSync { kind: other, keep: Keep::Random(3) },
        Effect::FailSync { kind: other, keep: Keep::First(1) },
        Effect::FailSync { kind: std::io::ErrorKind::StorageFull, keep: Keep::Random(5) },
        Effect::Torn(other),
        Effect::Torn(std::io::ErrorKind::StorageFull),
        Effect::ENOSPC,
        Effect::EINTR,
        Effect::Short(1),
        Effect::ShortAnywhere,
    ]
}

#[test]
fn stopped_at_every_call() {
    for (model, options) in settings() {
        let walk = Walk::new(model, options, program(), 3);
        walk.stop_everywhere();
        let seen = walk.print("stopped");
        assert!(walk.states.get() > 3000, "{}", walk.states.get());
        assert!(seen.get("torn") > Some(&20) && seen.get("prepared") > Some(&20), "{seen:?}");
    }
}

#[test]
fn failed_at_every_call() {
    for (model, options) in settings() {
        let walk = Walk::new(model, options, program(), 2);
        walk.fail_everywhere(&failures());
        let seen = walk.print("failed");
        assert!(walk.states.get() > 6000, "{}", walk.states.get());
        assert!(seen.get("in place") > Some(&50), "{seen:?}");
    }
}

#[test]
fn stopped_at_every_call_of_a_recovery_in_place() {
    for (model, options) in settings() {
        let walk = Walk::new(model, options, program(), 1);
        walk.stop_recoveries(&[Effect::FAIL_SYNC, Effect::Torn(std::io::ErrorKind::Other)]);
        walk.print("stopped in a recovery in place");
        assert!(walk.points.get() > 1000, "{}", walk.points.get());
    }
}

/// An open that has much to do, stopped and failed at each of its calls: a torn tail, a lost copy of the file batch.
#[test]
fn crashes_inside_recovery() {
    for (model, options) in settings() {
        let mut walk = Walk::new(model, options, vec![], 4);
        let steps = [
            commit(RECORDS, Level::Durable, 0..2, 500),
            Step::Prepare,
            commit(RECORDS, Level::Written, 2..4, 3000),
            commit(TOGETHER, Level::Written, 4..6, 3000),
        ];
        let done = run(&walk.start, &walk.options, &walk.oracle, &steps);
        // The header of the second batch is lost, what is behind it is there: torn.
        drop(done.log);
        walk.oracle = done.oracle;
        walk.start.power_cut(&Keep::Holes(7, 5));
        walk.oracle.cache_lost = true;
        let path = crate::harness::path(1);
        // The first copy of the file batch is gone.
        walk.start.zero_on_disk(&path, 0..4096).unwrap();
        walk.stop_everywhere();
        walk.fail_everywhere(&failures());
        let seen = walk.print("in recovery");
        assert!(walk.states.get() > 1000, "{}", walk.states.get());
        assert!(seen.get("torn") > Some(&50), "{seen:?}");
    }
}
