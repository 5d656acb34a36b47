//! A program of calls on a log, run with an oracle beside it.

use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::stream::{Level, Log, LogOptions, PendingKind, Recovery};
use pstream_core::{Error, ErrorKind};
use pstream_sim::SimDisk;

use crate::harness::{commit_as, open_with};
use crate::oracle::{Handed, Oracle};

/// One call.
#[derive(Clone, Debug)]
pub enum Step {
    Commit(PendingKind, Level, Vec<Vec<u8>>),
    Flush,
    Watermark,
    Prepare,
    Release,
    /// Closes and opens again.
    Reopen,
    /// Recovers in place, as behind a failure.
    Recover,
}

/// What a program has come to.
pub struct Run {
    pub oracle: Oracle,
    pub log: Option<Log>,
    /// What an open before the end found, for checks that need no power cut.
    pub recoveries: Vec<Recovery>,
    /// The error that ended it, if one did.
    pub error: Option<Error>,
}

/// Runs the steps up to the first error that is not the disk's being full.
pub fn run(disk: &SimDisk, options: &LogOptions, oracle: &Oracle, steps: &[Step]) -> Run {
    let io = &disk.io();
    let mut run = Run { oracle: oracle.clone(), log: None, recoveries: Vec::new(), error: None };
    match open_with(io, options) {
        Ok((log, recovery)) => {
            run.log = Some(log);
            run.recoveries.push(recovery);
        }
        Err(error) => run.error = Some(error),
    }
    for step in steps {
        if run.error.is_some() {
            break;
        }
        if let Err(error) = run.step(disk, io, options, step) {
            let good = run.log.as_ref().is_some_and(|log| !log.needs_recovery());
            let full = *error.kind() == ErrorKind::NoSpace && good;
            if !full {
                run.error = Some(error);
            }
        }
    }
    run
}

impl Run {
    fn step(&mut self, disk: &SimDisk, io: &Arc<dyn Io>, options: &LogOptions, step: &Step) -> Result<(), Error> {
        let log = self.log.as_mut().expect("an open log");
        match step {
            Step::Commit(kind, level, records) => {
                return commit(&mut self.oracle, log, *kind, *level, records);
            }
            Step::Flush => {
                log.flush()?;
                self.oracle.promote();
            }
            Step::Watermark => {
                log.watermark()?;
                self.oracle.promote();
            }
            Step::Prepare => {
                log.prepare_next()?;
            }
            Step::Release => {
                // It may be done when nobody learns of it.
                let files = log.snapshot(Level::Durable).unwrap().files().to_vec();
                let next = files.get(1).map(|file| file.start().map_or(u64::MAX, |start| start.seq));
                self.oracle.released = self.oracle.released.max(next.unwrap_or(0));
                log.release_first()?;
            }
            Step::Recover => {
                let recovery = log.recover_in_place()?;
                let failed = disk.faults_fired() > 0;
                (self.oracle.faulty, self.oracle.cache_lost) = (failed, self.oracle.cache_lost || failed);
                if !disk.is_stopped() {
                    self.oracle.check(disk, &recovery).unwrap_or_else(|error| panic!("in place: {error}"));
                }
                self.recoveries.push(recovery);
            }
            Step::Reopen => {
                log.close()?;
                self.oracle.promote();
                self.log = None;
                let (log, recovery) = open_with(io, options)?;
                self.log = Some(log);
                self.recoveries.push(recovery);
            }
        }
        Ok(())
    }
}

/// Commits, and tells the oracle what is known then.
pub fn commit(
    oracle: &mut Oracle,
    log: &mut Log,
    kind: PendingKind,
    level: Level,
    records: &[Vec<u8>],
) -> Result<(), Error> {
    let handed = Handed { kind, records: records.to_vec() };
    let next = log.next_seq();
    match commit_as(log, kind, records, level) {
        Ok(committed) => {
            assert_eq!(committed.seqs, next..next + records.len() as u64, "seqs are dense");
            oracle.acknowledged(handed, level == Level::Durable);
            oracle.durable(log.durable().seq);
            Ok(())
        }
        Err(error) => {
            // What was refused before anything was written is not there.
            if log.needs_recovery() {
                oracle.unknown(handed);
                oracle.durable(log.durable().seq);
            }
            Err(error)
        }
    }
}

/// Opens what a crash has left, compares it with the oracle, and goes on: appends, loses the power, opens again.
pub fn check_and_go_on(disk: &SimDisk, options: &LogOptions, oracle: &mut Oracle) -> Result<Recovery, String> {
    let (mut log, recovery) = open_with(&disk.io(), options).map_err(|error| format!("P2: does not open: {error}"))?;
    oracle.check(disk, &recovery)?;
    if recovery.postponed {
        return Err("postponed, though there is space".to_owned());
    }
    let more = vec![crate::harness::record(1_000_000 + oracle.next_seq(), 700)];
    commit(oracle, &mut log, PendingKind::Records, Level::Durable, &more).map_err(|error| error.to_string())?;
    // What it shows, and what was added, survives whatever happens next.
    drop(log);
    disk.power_cut(&pstream_sim::Keep::None);
    oracle.cache_lost = true;
    let (_log, again) = open_with(&disk.io(), options).map_err(|error| format!("P2: not again: {error}"))?;
    oracle.check(disk, &again)?;
    Ok(recovery)
}
