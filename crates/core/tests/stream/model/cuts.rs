//! Crashes, power cuts, and what else they could have left.

use pstream_core::stream::{Level, PendingKind};
use pstream_sim::{CallKind, Keep, Rng};

use super::choices;
use super::world::World;
use crate::harness::record;
use crate::program::commit;

impl World {
    /// The machine has stopped in the midst of a call.
    pub(super) fn crash(&mut self, rng: &mut Rng, opening: bool) -> Result<(), String> {
        let trace = self.disk.trace();
        let wrote = |offset: u64| {
            trace.iter().any(|call| call.kind == CallKind::Write && call.offset == offset && call.len == 4096)
        };
        if opening {
            self.since.opens_cut += 1;
            if trace.last().is_some_and(|call| call.kind == CallKind::ZeroRange) {
                self.seen.event("crash at zeroing");
            }
        } else if wrote(0) {
            self.seen.event("crash in rollover");
        }
        if trace.iter().rev().any(|call| call.kind == CallKind::WriteSynced && matches!(call.len, 64 | 112)) {
            self.seen.event("crash at a watermark");
        }
        if rng.chance(1, 4) {
            self.end(false, rng);
            return Ok(());
        }
        self.power_cut(rng)
    }

    /// The power goes. What else it could have left is looked at on copies of the machine.
    pub(super) fn power_cut(&mut self, rng: &mut Rng) -> Result<(), String> {
        self.disk.clear_faults();
        for _ in 0..super::BRANCHES {
            let mut other = self.branch();
            let done = other.go_on(rng);
            self.seen = other.seen;
            done.map_err(|error| format!("another cut: {error}"))?;
        }
        self.end(true, rng);
        Ok(())
    }

    pub(super) fn branch(&mut self) -> Self {
        Self {
            disk: self.disk.fork(),
            options: self.options.clone(),
            log: None,
            oracle: self.oracle.clone(),
            seen: std::mem::take(&mut self.seen),
            ..*self
        }
    }

    /// Another cut: opens, sometimes after opens that are cut short themselves, appends, and sometimes loses the power
    /// again.
    pub(super) fn go_on(&mut self, rng: &mut Rng) -> Result<(), String> {
        self.end(true, rng);
        while rng.chance(2, 5) {
            self.disk.inject(choices::stop(rng, true));
            self.open(rng)?;
            if !self.disk.is_stopped() {
                return Ok(());
            }
            self.disk.clear_faults();
            self.since.opens_cut += 1;
            self.end(rng.chance(3, 4), rng);
        }
        self.open(rng)?;
        let Some(mut log) = self.log.take() else { return Ok(()) };
        if rng.chance(3, 4) {
            return Ok(());
        }
        let more = vec![record(1_000_000, 700)];
        if let Err(error) = commit(&mut self.oracle, &mut log, PendingKind::Records, Level::Durable, &more) {
            self.expected(&error, log.needs_recovery())?;
        }
        drop(log);
        self.end(true, rng);
        self.open(rng)
    }

    /// The end of the process, or of the machine.
    pub fn end(&mut self, machine: bool, rng: &mut Rng) {
        self.log = None;
        self.since.crashed = true;
        if machine {
            self.seen.event("power cut");
            self.disk.power_cut(&Keep::any(rng.next_u64()));
            self.oracle.cache_lost = true;
        } else {
            self.since.killed = true;
            self.disk.process_crash();
        }
    }

    /// Whatever was broken on the way, the end must open.
    pub fn mend(&mut self) {
        self.disk.clear_faults();
        self.disk.set_capacity(None);
        self.log = None;
        self.since.crashed = true;
        self.disk.process_crash();
    }
}
