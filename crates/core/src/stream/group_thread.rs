//! What the commit thread does: waits, takes everything, commits it, tells; and in between what nobody waits for.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::group::{Append, Listener, Queue, Settled, Shared, Waiting, What};
use super::log::Log;
use super::options::Level;
use super::plan::Pending;
use crate::error::{Error, Result};

/// A stream that is idle for so long gets a watermark…
const IDLE: Duration = Duration::from_secs(1);
/// …at most one in so long.
const BETWEEN_WATERMARKS: Duration = Duration::from_secs(10);

/// Runs until the stream is closed.
pub(super) fn run(log: Log, shared: &Shared, listener: &dyn Listener) -> Result<()> {
    let now = Instant::now();
    let mut thread = Thread { log, shared, listener, unsynced: None, lost: None, used: now, marked: now };
    while let Some(work) = thread.wait() {
        thread.commit(work);
    }
    thread.log.close()
}

struct Thread<'a> {
    log: Log,
    shared: &'a Shared,
    listener: &'a dyn Listener,
    /// Since when there are records that are acknowledged as written and not durable yet.
    unsynced: Option<Instant>,
    /// Such records may be lost: the next flush says so.
    lost: Option<Arc<Error>>,
    /// When the last commit was.
    used: Instant,
    /// When the last watermark was.
    marked: Instant,
}

impl Thread<'_> {
    /// Waits for work and takes all of it; `None` when the stream is closing and nothing waits.
    fn wait(&mut self) -> Option<Vec<Waiting>> {
        // Tried once between two commits: on a full disk the next commit that needs the file tries again.
        let mut tried = false;
        loop {
            let mut queue = self.shared.queue();
            let (due, what) = self.next_due(&queue, tried);
            if queue.closing && queue.waiting.is_empty() {
                return None;
            }
            let now = Instant::now();
            match due {
                Some(due) if due > now => {
                    let left = due.saturating_duration_since(now);
                    drop(self.shared.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner));
                    continue;
                }
                None => {
                    drop(self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner));
                    continue;
                }
                Some(_) => {}
            }
            match what {
                Due::Commit => {
                    queue.since = None;
                    return Some(std::mem::take(&mut queue.waiting));
                }
                Due::Chore(chore) => {
                    drop(queue);
                    self.run_chore(chore);
                    tried |= chore == Chore::Prepare;
                }
            }
        }
    }

    /// When to do what, if nothing comes before.
    fn next_due(&self, queue: &Queue, tried: bool) -> (Option<Instant>, Due) {
        if let Some(since) = queue.since {
            let delay = if queue.closing { Duration::ZERO } else { self.shared.options.commit_delay };
            return (since.checked_add(delay), Due::Commit);
        }
        if !tried && self.log.wants_next() {
            return (Some(self.used), Due::Chore(Chore::Prepare));
        }
        if let Some(since) = self.unsynced {
            return (since.checked_add(self.shared.options.sync_interval), Due::Chore(Chore::Sync));
        }
        // Once: the mark is younger than the last use then.
        let marked = self.marked > self.used;
        let due = self.used.checked_add(IDLE).max(self.marked.checked_add(BETWEEN_WATERMARKS));
        (due.filter(|_| !marked), Due::Chore(Chore::Mark))
    }

    /// What nobody waits for: its failure is for the next commit to meet, or for the next flush to be told.
    fn run_chore(&mut self, chore: Chore) {
        match chore {
            Chore::Prepare => drop(self.log.prepare_next()),
            Chore::Mark => {
                drop(self.log.watermark());
                self.marked = Instant::now();
            }
            Chore::Sync => {
                self.unsynced = None;
                if let Err(error) = self.log.flush() {
                    self.lost = Some(Arc::new(error));
                }
                self.publish();
            }
        }
    }

    fn commit(&mut self, work: Vec<Waiting>) {
        let (Some(first), Some(last)) = (work.first(), work.last()) else { return };
        let tickets = first.ticket..last.ticket.saturating_add(1);
        let appends: Vec<&Append> = work.iter().filter_map(Waiting::append).collect();
        let bytes = appends.iter().map(|append| cost(append)).fold(0_u64, u64::saturating_add);
        let flushes = appends.len() < work.len();
        let durable = flushes || appends.iter().any(|append| append.level == Level::Durable);
        let outcome = self.try_commit(&appends, if durable { Level::Durable } else { Level::Written }, flushes);
        drop(work);
        self.used = Instant::now();
        self.publish();
        {
            let mut queue = self.shared.queue();
            queue.pending_bytes = queue.pending_bytes.saturating_sub(bytes);
        }
        self.listener.settled(match outcome {
            Ok(first_seq) => Settled::Committed { tickets, first_seq, durable_seq: self.log.durable().seq },
            Err(error) => Settled::Failed { tickets, error },
        });
    }

    fn try_commit(&mut self, appends: &[&Append], level: Level, flushes: bool) -> std::result::Result<u64, Arc<Error>> {
        if let Some(lost) = self.lost.take_if(|_| flushes) {
            return Err(lost);
        }
        // A failed write or sync sends the writer through recovery in place before the next commit (rule 9).
        if self.log.needs_recovery() {
            self.log.recover_in_place().map_err(Arc::new)?;
        }
        let had_unsynced = self.unsynced.is_some();
        let pending: Vec<Pending<'_>> = appends
            .iter()
            .map(|append| Pending { kind: append.kind, payload: append.payload.bytes(), count: append.count })
            .collect();
        let committed = if pending.is_empty() {
            self.log.flush().map(|_| self.log.next_seq())
        } else {
            self.log.commit(&pending, level).map(|committed| committed.seqs.start)
        };
        match committed {
            Ok(first_seq) => {
                self.unsynced = match level {
                    Level::Durable => None,
                    Level::Written => Some(self.unsynced.unwrap_or_else(Instant::now)),
                };
                Ok(first_seq)
            }
            Err(error) => {
                let error = Arc::new(error);
                if had_unsynced && self.log.needs_recovery() {
                    self.unsynced = None;
                    self.lost = Some(Arc::clone(&error)).filter(|_| !flushes);
                }
                Err(error)
            }
        }
    }

    fn publish(&self) {
        if let Ok(view) = self.log.view() {
            self.shared.publish(view);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chore {
    /// Make the next file.
    Prepare,
    /// Sync what is only written.
    Sync,
    /// Write a watermark.
    Mark,
}

enum Due {
    Commit,
    Chore(Chore),
}

impl Waiting {
    fn append(&self) -> Option<&Append> {
        match &self.what {
            What::Append(append) => Some(append),
            What::Flush => None,
        }
    }
}

/// What an append took of the bytes that may wait.
fn cost(append: &Append) -> u64 {
    super::long(append.payload.bytes().len()).saturating_add(super::group::OVERHEAD)
}
