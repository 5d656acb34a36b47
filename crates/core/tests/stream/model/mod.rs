//! Random programs with faults, crashes and power cuts, against the oracle. A failure prints the seed of its program, and
//! `PSTREAM_MODEL_SEED` runs that one alone; it is shrunk by leaving calls out. `PSTREAM_MODEL_CASES` says how many
//! programs to run, `PSTREAM_MODEL_FROM` from which seed on, `PSTREAM_MODEL_STATES` how many distinct crash states to go
//! on to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pstream_sim::Rng;

use tally::{Seen, Tally};
use world::World;

mod choices;
mod cuts;
mod opens;
mod rot;
mod tally;
mod world;

/// So many other power cuts are looked at wherever the power is cut.
const BRANCHES: u32 = 3;
/// What is demanded of a run of all programs, whatever it is called by.
const STATES: u64 = 100_000;
const CASES: u64 = 40_000;

/// One call of a random program, with the numbers that it draws its details from.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    what: u64,
    seed: u64,
}

fn program(seed: u64) -> Vec<Op> {
    let rng = &mut Rng::new(seed);
    let len = 4 + rng.below(24);
    (0..len).map(|_| Op { what: rng.next_u64() >> 8, seed: rng.next_u64() }).collect()
}

fn run(world: &mut World, seed: u64, ops: &[Op]) -> Result<(), String> {
    for (number, op) in ops.iter().enumerate() {
        world.step(*op).map_err(|error| format!("call {number}: {error}"))?;
    }
    let rng = &mut Rng::new(seed ^ 0xe4d);
    world.mend();
    if seed.is_multiple_of(2) {
        return world.rot(rng).map_err(|error| format!("rot: {error}"));
    }
    world.open(rng)?;
    if world.log.is_none() { Err("does not open at the end".to_owned()) } else { Ok(()) }
}

fn outcome(seed: u64, ops: &[Op], verbose: bool) -> (Seen, Result<(), String>) {
    let mut world = World::new(seed, verbose);
    let done = catch_unwind(AssertUnwindSafe(|| run(&mut world, seed, ops))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
    });
    (std::mem::take(&mut world.seen), done)
}

/// Leaves out what is not needed for the failure.
fn shrink(seed: u64, mut ops: Vec<Op>) -> Vec<Op> {
    let mut at = 0;
    while at < ops.len() {
        let mut fewer = ops.clone();
        fewer.remove(at);
        if outcome(seed, &fewer, false).1.is_err() {
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

/// Fails with the least program that fails.
fn fail(seed: u64, error: &str, programs: u64) -> ! {
    let least = shrink(seed, program(seed));
    let (met, again) = outcome(seed, &least, true);
    panic!(
        "{}\nseed {seed}: {error}\nshrunk to {} calls: {again:?}\nfailed after {programs} programs",
        met.notes.join("\n"),
        least.len()
    );
}

/// Which programs to run, shared by all threads.
struct Campaign {
    next: AtomicU64,
    last: u64,
    /// Ends when there are so many distinct states, if that is asked for.
    states: u64,
    done: AtomicU64,
    tally: Mutex<Tally>,
    failed: Mutex<Option<(u64, String)>>,
    began: Instant,
}

impl Campaign {
    fn work(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed > self.last || self.failed.lock().unwrap().is_some() {
                return;
            }
            let (met, done) = outcome(seed, &program(seed), false);
            if let Err(error) = done {
                let mut failed = self.failed.lock().unwrap();
                if failed.as_ref().is_none_or(|(other, _)| seed < *other) {
                    *failed = Some((seed, error));
                }
                return;
            }
            let programs = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            let mut tally = self.tally.lock().unwrap();
            tally.add(met);
            let states = tally.states();
            drop(tally);
            if programs.is_multiple_of(100_000) {
                let seconds = self.began.elapsed().as_secs();
                println!("{programs} programs, seeds up to {seed}, {states} distinct states, {seconds} s");
            }
            if states >= self.states {
                self.next.store(u64::MAX / 2, Ordering::Relaxed);
                return;
            }
        }
    }
}

#[test]
fn random_programs_keep_every_promise() {
    let only = number("PSTREAM_MODEL_SEED");
    let wanted = number("PSTREAM_MODEL_STATES");
    let cases = number("PSTREAM_MODEL_CASES").unwrap_or(if wanted.is_some() { u64::MAX / 4 } else { CASES });
    let from = number("PSTREAM_MODEL_FROM").unwrap_or(1);
    let (first, last) = only.map_or((from, from.saturating_add(cases - 1)), |seed| (seed, seed));
    let campaign = Campaign {
        next: AtomicU64::new(first),
        last,
        states: wanted.unwrap_or(u64::MAX),
        done: AtomicU64::new(0),
        tally: Mutex::default(),
        failed: Mutex::default(),
        began: Instant::now(),
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| campaign.work());
        }
    });
    let programs = campaign.done.load(Ordering::Relaxed);
    let failed = campaign.failed.into_inner().unwrap();
    if let Some((seed, error)) = failed {
        fail(seed, &error, programs);
    }
    let tally = campaign.tally.into_inner().unwrap();
    tally.print(programs, campaign.began.elapsed().as_secs_f64());
    if only.is_some() {
        return;
    }
    tally.demand(programs);
    let demanded = wanted.unwrap_or(STATES * cases.min(CASES) / CASES);
    assert!(tally.states() >= demanded, "{} distinct crash states of {demanded}", tally.states());
}
