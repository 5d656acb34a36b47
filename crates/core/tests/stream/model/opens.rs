//! Opening and reading: what must be there then, and what kind of a state it was.

use pstream_core::ErrorKind;
use pstream_core::stream::{Level, Recovery};
use pstream_sim::{CallKind, Rng};

use super::choices;
use super::world::{Since, World};
use crate::harness::{DIR, open_with};
use crate::reader::Contents;

impl World {
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
    pub(super) fn kinds(&self) -> Vec<&'static str> {
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
    pub(super) fn kinds_of(
        &self,
        contents: &Contents,
        recovery: &Recovery,
        together: bool,
        kinds: &mut Vec<&'static str>,
    ) {
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

    pub(super) fn opened(&mut self, recovery: &Recovery, kinds: &mut Vec<&'static str>) -> Result<(), String> {
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

    pub(super) fn recover_in_place(&mut self) -> Result<(), String> {
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
    pub(super) fn read_by_engine(&mut self) -> Result<(), String> {
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
}
