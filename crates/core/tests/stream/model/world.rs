//! A stream on a disk on which things go wrong, and what it was promised to hold.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use pstream_core::ErrorKind;
use pstream_core::io::Io;
use pstream_core::stream::{Goal, Level, Log, LogOptions, PendingKind};
use pstream_sim::{ResidencyModel, Rng, SectorModel, SimDisk};

use super::Op;
use super::choices;
use super::tally::Seen;
use crate::harness::{DIR, disk};
use crate::oracle::Oracle;
use crate::program::commit;
use crate::reader::names;

/// What has happened since the stream was last open as a whole.
#[derive(Clone, Copy, Default)]
pub struct Since {
    /// There is something to recover from.
    pub(super) crashed: bool,
    pub(super) killed: bool,
    /// Opens that were cut short one after the other.
    pub(super) opens_cut: u32,
    pub(super) full: bool,
    pub(super) lied: bool,
    pub(super) written: bool,
    pub(super) other_options: bool,
}

pub struct World {
    pub disk: SimDisk,
    pub options: LogOptions,
    pub garbles: bool,
    pub log: Option<Log>,
    pub oracle: Oracle,
    pub seen: Seen,
    /// So many of the records are behind a watermark or a seal: no rot in one sector may make them vanish silently.
    pub covered: u64,
    pub(super) since: Since,
    pub(super) pinned: bool,
    /// Index of the first file ever.
    pub(super) first_index: u16,
    pub(super) number: u64,
}

impl World {
    /// By the seed of the program; `verbose` keeps all calls for a failure to print.
    pub fn new(seed: u64, verbose: bool) -> Self {
        let rng = &mut Rng::new(seed ^ 0x5eed);
        let (options, model) = choices::options_of(rng);
        let disk = disk(seed);
        // The same bytes in every program after the same calls: states are counted by what the disk holds.
        disk.set_randomness(1);
        disk.set_sector_model(model);
        // What cannot be evicted is written again, which a disk that garbles what it rewrites does not forgive.
        let garbles = model == SectorModel::Garble;
        if seed.is_multiple_of(7) && !garbles {
            disk.set_residency(ResidencyModel::Unknown);
        }
        let mut first_index = 1;
        if seed.is_multiple_of(5) {
            first_index = 0xffff - (rng.below(2) as u16);
            crate::premade::install(&disk, &options, first_index);
        }
        Self {
            disk,
            options,
            garbles,
            log: None,
            oracle: Oracle::default(),
            seen: Seen::new(verbose),
            covered: 0,
            since: Since::default(),
            pinned: false,
            first_index,
            number: 0,
        }
    }

    pub(super) fn io(&self) -> Arc<dyn Io> {
        self.disk.io()
    }

    /// One call, and what it led to. `Err`: a broken promise.
    pub fn step(&mut self, op: Op) -> Result<(), String> {
        let rng = &mut Rng::new(op.seed);
        let fired = self.disk.faults_fired();
        let mut lies = false;
        if op.what.is_multiple_of(4) {
            let (fault, lying) = choices::fault(rng);
            self.disk.inject(fault);
            lies = lying;
        }
        let opening = self.log.is_none();
        // An open that is cut short is followed by another: crashes inside recovery, several levels deep.
        let stop = op.what.is_multiple_of(5) || (opening && op.what.is_multiple_of(3));
        if stop {
            self.disk.inject(choices::stop(rng, opening));
        }
        self.disk.record(true);
        self.act(op, rng)?;
        let fired = self.disk.faults_fired() > fired;
        self.since.lied |= lies && fired && !self.disk.is_stopped();
        self.note(op);
        // A failed sync may have lost what was written.
        self.oracle.cache_lost |= fired;
        if self.disk.is_stopped() {
            self.crash(rng, opening)?;
        }
        self.disk.clear_faults();
        if self.log.as_ref().is_some_and(Log::needs_recovery) {
            self.read_by_engine()?;
            if rng.chance(3, 4) {
                self.recover_in_place()?;
            }
        }
        if rng.chance(1, 8) {
            self.read_by_engine()?;
        }
        Ok(())
    }

    pub(super) fn note(&mut self, op: Op) {
        if !self.seen.verbose {
            return;
        }
        let state = match &self.log {
            None => "no log".to_owned(),
            Some(log) => format!("next seq {}, durable {:?}, {log:?}", log.next_seq(), log.durable()),
        };
        let oracle = (self.oracle.sure.len(), self.oracle.maybe.len(), self.oracle.cache_lost);
        self.seen.notes.push(format!("{op:?}: {state}; oracle {oracle:?}\n{}", self.disk.trace_text()));
    }

    pub(super) fn act(&mut self, op: Op, rng: &mut Rng) -> Result<(), String> {
        let Some(mut log) = self.log.take() else { return self.open(rng) };
        let outcome = match op.what / 60 % 16 {
            0..=5 => self.commit(&mut log, rng),
            6 => self.flush(&mut log),
            7 => log.watermark().map(|_| self.all_covered()),
            8 => log.prepare_next().map(|_| ()),
            9 if rng.chance(1, 2) => self.trim(&mut log, rng),
            9 => self.release(&mut log),
            10 => {
                self.seen.event("closed");
                let certain = !log.needs_recovery();
                if log.close().is_ok() && certain {
                    self.all_covered();
                }
                return Ok(());
            }
            11 => {
                drop(log);
                self.end(false, rng);
                return Ok(());
            }
            12 => {
                self.log = Some(log);
                return self.power_cut(rng);
            }
            13 => {
                self.disturb_cache(rng);
                Ok(())
            }
            14 => {
                // Nearly full, or with room again.
                let room = rng.chance(2, 3).then(|| self.disk.used() + rng.below(12) * 4096 * rng.below(4));
                self.disk.set_capacity(room);
                Ok(())
            }
            _ => {
                self.set_clock(rng);
                Ok(())
            }
        };
        if let Err(error) = &outcome {
            self.expected(error, log.needs_recovery())?;
        }
        self.log = Some(log);
        Ok(())
    }

    /// One commit, by lot.
    pub fn commit(&mut self, log: &mut Log, rng: &mut Rng) -> pstream_core::Result<()> {
        let level = if rng.chance(1, 3) { Level::Written } else { Level::Durable };
        let kind = if rng.chance(1, 3) { PendingKind::Together } else { PendingKind::Records };
        let records = choices::records(rng, &mut self.number);
        let behind_written = level == Level::Durable && !self.oracle.maybe.is_empty();
        commit(&mut self.oracle, log, kind, level, &records)?;
        if behind_written && !log.needs_recovery() {
            self.covered = self.oracle.next_seq();
        }
        Ok(())
    }

    pub fn flush(&mut self, log: &mut Log) -> pstream_core::Result<()> {
        let behind_written = !self.oracle.maybe.is_empty();
        log.flush()?;
        self.oracle.promote();
        if behind_written && !log.needs_recovery() {
            self.covered = self.oracle.next_seq();
        }
        Ok(())
    }

    pub fn all_covered(&mut self) {
        self.oracle.promote();
        self.covered = self.oracle.next_seq();
    }

    pub(super) fn release(&mut self, log: &mut Log) -> pstream_core::Result<()> {
        if !log.needs_recovery() {
            // It may be done when nobody learns of it.
            let next = crate::reader::read(&self.disk).ok().and_then(|contents| Some(contents.files.get(1)?.seq));
            self.oracle.released = self.oracle.released.max(next.unwrap_or_default());
        }
        log.release_first().map(|_| ())
    }

    /// All files in front of some record, at once.
    pub(super) fn trim(&mut self, log: &mut Log, rng: &mut Rng) -> pstream_core::Result<()> {
        let before = rng.below(self.oracle.next_seq() + 2);
        if !log.needs_recovery() {
            let starts = crate::reader::read(&self.disk).map(|contents| contents.files).unwrap_or_default();
            let start = starts.iter().map(|file| file.seq).take_while(|seq| *seq <= before).last();
            self.oracle.released = self.oracle.released.max(start.unwrap_or_default());
        }
        self.seen.event("trimmed");
        log.trim_now(Goal { before: Some(before), force: rng.chance(1, 2), ..Goal::default() }).map(|_| ())
    }

    /// The cache goes under memory pressure, or stays because somebody holds it (rule 2).
    pub(super) fn disturb_cache(&mut self, rng: &mut Rng) {
        self.disk.drop_caches();
        self.pinned = !self.garbles && rng.chance(1, 2);
        self.pin(self.pinned);
    }

    pub(super) fn pin(&mut self, pinned: bool) {
        self.pinned = pinned;
        for name in names(&self.disk) {
            self.disk.pin_cache(format!("{DIR}/{name}"), pinned).unwrap();
        }
    }

    /// The clock is set forward, or back.
    pub(super) fn set_clock(&mut self, rng: &mut Rng) {
        self.seen.event("clock set");
        let now = self.disk.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let by = Duration::from_secs(rng.below(3) * 600);
        self.disk.set_now(if rng.chance(1, 2) { now + by } else { now.saturating_sub(by) });
    }

    pub(super) fn expected(&mut self, error: &pstream_core::Error, uncertain: bool) -> Result<(), String> {
        match error.kind() {
            ErrorKind::SyncFailed | ErrorKind::Io | ErrorKind::NoSpace => {
                self.since.full |= *error.kind() == ErrorKind::NoSpace;
                self.seen.event(if uncertain { "needs recovery" } else { "refused" });
                Ok(())
            }
            // A record larger than the options allow.
            ErrorKind::Capacity => Ok(()),
            _ => Err(format!("unexpected: {error} ({error:?})")),
        }
    }
}
