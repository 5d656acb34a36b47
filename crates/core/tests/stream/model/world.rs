//! A stream on a disk on which things go wrong, and what it was promised to hold.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use pstream_core::ErrorKind;
use pstream_core::io::Io;
use pstream_core::stream::{Level, Log, LogOptions, PendingKind, Recovery};
use pstream_sim::{CallKind, Keep, ResidencyModel, Rng, SectorModel, SimDisk};

use super::Op;
use super::choices;
use super::tally::Seen;
use crate::harness::{DIR, disk, open_with, record};
use crate::oracle::Oracle;
use crate::program::commit;
use crate::reader::{Contents, names};

/// What has happened since the stream was last open as a whole.
#[derive(Clone, Copy, Default)]
pub struct Since {
    /// There is something to recover from.
    crashed: bool,
    killed: bool,
    /// Opens that were cut short one after the other.
    opens_cut: u32,
    full: bool,
    lied: bool,
    written: bool,
    other_options: bool,
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
    since: Since,
    pinned: bool,
    /// Index of the first file ever.
    first_index: u16,
    number: u64,
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

    fn io(&self) -> Arc<dyn Io> {
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

    fn note(&mut self, op: Op) {
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

    fn act(&mut self, op: Op, rng: &mut Rng) -> Result<(), String> {
        let Some(mut log) = self.log.take() else { return self.open(rng) };
        let outcome = match op.what / 60 % 16 {
            0..=5 => self.commit(&mut log, rng),
            6 => self.flush(&mut log),
            7 => log.watermark().map(|_| self.all_covered()),
            8 => log.prepare_next().map(|_| ()),
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

    fn release(&mut self, log: &mut Log) -> pstream_core::Result<()> {
        if !log.needs_recovery() {
            // It may be done when nobody learns of it.
            let next = crate::reader::read(&self.disk).ok().and_then(|contents| Some(contents.files.get(1)?.seq));
            self.oracle.released = self.oracle.released.max(next.unwrap_or_default());
        }
        log.release_first().map(|_| ())
    }

    /// The cache goes under memory pressure, or stays because somebody holds it (rule 2).
    fn disturb_cache(&mut self, rng: &mut Rng) {
        self.disk.drop_caches();
        self.pinned = !self.garbles && rng.chance(1, 2);
        self.pin(self.pinned);
    }

    fn pin(&mut self, pinned: bool) {
        self.pinned = pinned;
        for name in names(&self.disk) {
            self.disk.pin_cache(format!("{DIR}/{name}"), pinned).unwrap();
        }
    }

    /// The clock is set forward, or back.
    fn set_clock(&mut self, rng: &mut Rng) {
        self.seen.event("clock set");
        let now = self.disk.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let by = Duration::from_secs(rng.below(3) * 600);
        self.disk.set_now(if rng.chance(1, 2) { now + by } else { now.saturating_sub(by) });
    }

    fn expected(&mut self, error: &pstream_core::Error, uncertain: bool) -> Result<(), String> {
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

    pub fn open(&mut self, rng: &mut Rng) -> Result<(), String> {
        if rng.chance(1, 6) {
            self.options = choices::other_options(&self.options, self.garbles, rng);
            self.since.other_options = true;
        }
        self.since.written |= self.oracle.written > 0;
        let state = self.since.crashed.then(|| {
            let of_stream = |name: &str| crate::reader::index_of(name).is_some();
            self.disk.fingerprint(DIR, of_stream).unwrap()
        });
        let mut kinds = self.kinds();
        let fired = self.disk.faults_fired();
        let opened = open_with(&self.io(), &self.options);
        self.oracle.faulty = self.disk.faults_fired() > fired;
        self.oracle.cache_lost |= self.oracle.faulty;
        let done = match opened {
            Ok((log, recovery)) => {
                self.log = Some(log);
                self.opened(&recovery, &mut kinds)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => Err(format!("P2: {error}")),
            Err(error) => {
                self.seen.event("open failed");
                self.expected(&error, true)
            }
        };
        if let Some(state) = state {
            self.seen.states.push((state, kinds));
        }
        done
    }

    /// What is known of a state before it is opened.
    fn kinds(&self) -> Vec<&'static str> {
        let since = &self.since;
        let kinds = [
            (since.killed, "killed"),
            (since.opens_cut >= 1, "crash in recovery"),
            (since.opens_cut >= 2, "crash in recovery, twice in a row"),
            (since.opens_cut >= 3, "crash in recovery, three times in a row"),
            (since.full, "disk full"),
            (since.lied, "sync failed, then lied"),
            (since.written, "level written"),
            (since.other_options, "opened with other options"),
            (self.pinned, "cache that stays"),
            (self.garbles, "aligned on a garbling disk"),
        ];
        kinds.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect()
    }

    /// What is known of it afterwards.
    fn kinds_of(&self, contents: &Contents, recovery: &Recovery, together: bool, kinds: &mut Vec<&'static str>) {
        let index = |at: Option<&pstream_core::format::file_batch::FileBatch>| at.map_or(0, |file| file.index);
        let (first, last) = (index(contents.files.first()), index(contents.files.last()));
        let trace = self.disk.trace();
        let marked = trace.iter().any(|call| call.kind == CallKind::WriteSynced && matches!(call.len, 64 | 112));
        let watermarks = contents.count(pstream_core::format::batch::Kind::Watermark);
        let torn = recovery.torn.is_some() && !recovery.postponed;
        let also = [
            (last != self.first_index, "rollover"),
            (last < self.first_index, "index wrapped"),
            (first != self.first_index, "trimmed"),
            (watermarks > usize::from(marked), "watermark"),
            (torn, "torn tail zeroed"),
            (torn && together, "appendMany torn"),
        ];
        kinds.extend(also.into_iter().filter_map(|(is, kind)| is.then_some(kind)));
    }

    fn opened(&mut self, recovery: &Recovery, kinds: &mut Vec<&'static str>) -> Result<(), String> {
        self.seen.event("opened");
        if self.disk.is_stopped() {
            return Ok(());
        }
        if recovery.postponed {
            self.seen.event("postponed");
        }
        if !recovery.gaps.is_empty() {
            return Err(format!("P2: salvaged, though nothing was damaged: {:?}", recovery.gaps));
        }
        let together = self.oracle.ends_in_together(recovery.next_seq);
        let contents = self.oracle.check(&self.disk, recovery)?;
        self.kinds_of(&contents, recovery, together, kinds);
        if !recovery.postponed {
            crate::rot::zeros_behind(&self.disk, &contents, self.pinned)?;
        }
        // Rule 13: a watermark follows.
        self.covered = if recovery.postponed { self.covered.min(recovery.next_seq) } else { recovery.next_seq };
        self.since = Since::default();
        Ok(())
    }

    fn recover_in_place(&mut self) -> Result<(), String> {
        let mut log = self.log.take().expect("a log");
        match log.recover_in_place() {
            Ok(recovery) => {
                self.seen.event("recovered in place");
                self.log = Some(log);
                self.opened(&recovery, &mut Vec::new())
            }
            Err(error) => Err(format!("not recovered, though nothing is wrong: {error}")),
        }
    }

    /// The engine's reader gives the records that are durable, or written, all of them and no others. While the log needs
    /// recovery, what was durable stays readable, and what is called durable must stay.
    fn read_by_engine(&mut self) -> Result<(), String> {
        let Some(log) = &self.log else { return Ok(()) };
        self.oracle.durable(log.durable().seq);
        let written = (!log.needs_recovery()).then(|| (Level::Written, log.next_seq()));
        for (level, end) in std::iter::once((Level::Durable, log.durable().seq)).chain(written) {
            let given = crate::engine::read(log, level).map_err(|error| format!("reading: {error}"))?;
            if !given.gaps.is_empty() {
                return Err(format!("a reader met damage: {:?}", given.gaps));
            }
            let start = given.records.first().map_or(end, |(seq, _)| *seq);
            if start > self.oracle.released.max(self.oracle.sure.len() as u64)
                || start + given.records.len() as u64 != end
            {
                return Err(format!(
                    "a reader was given {} records from {start} on, not up to {end}",
                    given.records.len()
                ));
            }
            let maybe = self.oracle.maybe.iter().flat_map(|handed| &handed.records);
            let expected = self.oracle.sure.iter().chain(maybe).skip(start as usize);
            if !expected.zip(&given.records).all(|(one, (_, other))| one == other) {
                return Err("a reader was given a wrong record".to_owned());
            }
        }
        self.seen.event(if written.is_some() { "read by the engine" } else { "read in doubt" });
        Ok(())
    }

    /// The machine has stopped in the midst of a call.
    fn crash(&mut self, rng: &mut Rng, opening: bool) -> Result<(), String> {
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
    fn power_cut(&mut self, rng: &mut Rng) -> Result<(), String> {
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

    fn branch(&mut self) -> Self {
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
    fn go_on(&mut self, rng: &mut Rng) -> Result<(), String> {
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
