//! What the commit thread does: waits, takes what there is, commits it, tells; and in between what nobody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::background::{Background, Duty};
use super::group::{Queue, Shared, Waiting, What, died};
use super::group_trim::{self, Trimmer};
use super::handover::{Append, Listener, Settled};
use super::log::Log;
use super::options::Level;
use super::plan::Pending;
use super::stats::{Histogram, Stats};
use crate::error::{Error, ErrorKind, Result};

/// A stream that is idle for so long gets a watermark…
const IDLE: Duration = Duration::from_secs(1);
/// …at most one in so long.
const BETWEEN_WATERMARKS: Duration = Duration::from_secs(10);

/// Runs until the stream is closed. Whatever happens, each ticket is settled then.
pub(super) fn run(log: Log, shared: &Arc<Shared>, listener: &dyn Listener) -> Result<()> {
    // What a panic leaves half done goes with the log; the locks are taken over poisoned or not.
    catch_unwind(AssertUnwindSafe(|| work(log, shared, listener))).unwrap_or_else(|_| {
        shared.queue().dead = true;
        group_trim::refuse_all(shared, died().kind(), &died().to_string());
        fail_all(shared, listener, died());
        Err(died())
    })
}

/// Tells of all that was handed over and has not settled. Nothing more is taken by then.
fn fail_all(shared: &Shared, listener: &dyn Listener, error: Error) {
    let (waiting, tickets) = {
        let mut queue = shared.queue();
        queue.pending_bytes = 0;
        (std::mem::take(&mut queue.waiting), queue.settled..queue.next_ticket)
    };
    drop(waiting);
    let end = tickets.end;
    if !tickets.is_empty() {
        // It may be the listener that has panicked.
        let tell = || listener.settled(Settled::Failed { tickets, error: Arc::new(error) });
        drop(catch_unwind(AssertUnwindSafe(tell)));
    }
    shared.told(end);
}

fn work(log: Log, shared: &Arc<Shared>, listener: &dyn Listener) -> Result<()> {
    let mut thread = Thread::new(log, shared, listener);
    while let Some(work) = thread.wait() {
        thread.commit(work);
    }
    group_trim::refuse_all(shared, &ErrorKind::Closed, "stream is closed");
    if shared.queue().is_late() {
        let message = "stream is closed: there was no time left to commit this";
        fail_all(shared, listener, Error::new(ErrorKind::Closed, message));
        thread.log.abandon();
        return Ok(());
    }
    let closed = thread.log.close();
    thread.publish();
    // Nobody has asked for a flush since: this is the last one to be told.
    closed.and(thread.lost.take().map_or(Ok(()), |lost| Err(owned(lost))))
}

/// The error itself, or one that says the same if somebody else has it too.
fn owned(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| Error::new(error.kind().clone(), error.to_string()))
}

/// The thread that makes the next file. Joined when the stream is closed or given up, which is in the order of the fields
/// behind the log.
#[derive(Default)]
struct Preparer(Option<JoinHandle<()>>);

impl Drop for Preparer {
    fn drop(&mut self) {
        // A panic of it is the log's to know.
        drop(self.0.take().map(JoinHandle::join));
    }
}

struct Thread<'a> {
    log: Log,
    preparer: Preparer,
    trimmer: Trimmer,
    shared: &'a Arc<Shared>,
    listener: &'a dyn Listener,
    /// Since when there are records that are acknowledged as written and not durable yet.
    unsynced: Option<Instant>,
    /// Such records may be lost: the next flush says so.
    lost: Option<Arc<Error>>,
    /// When the last commit was.
    used: Instant,
    /// When the last watermark was.
    marked: Instant,
    commits: u64,
    latency: Histogram,
}

impl<'a> Thread<'a> {
    fn new(log: Log, shared: &'a Arc<Shared>, listener: &'a dyn Listener) -> Self {
        let now = Instant::now();
        let (preparer, trimmer, latency) = (Preparer::default(), Trimmer::default(), Histogram::default());
        let (unsynced, lost) = (None, None);
        Self { log, preparer, trimmer, shared, listener, unsynced, lost, used: now, marked: now, commits: 0, latency }
    }

    /// Waits for work and takes it; `None` when the stream is closing, and nothing waits or it is too late.
    fn wait(&mut self) -> Option<Vec<Waiting>> {
        loop {
            // Without the queue, on which everybody waits who hands something over.
            let trim = self.trimmer.due(&mut self.log);
            let mut queue = self.shared.queue();
            let (due, what) = self.next_due(&queue, trim);
            if queue.closing && (queue.waiting.is_empty() || queue.is_late()) {
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
                Due::Commit => return Some(queue.take(self.shared.most_commit)),
                Due::Chore(chore) => {
                    drop(queue);
                    self.run_chore(chore);
                }
            }
        }
    }

    /// When to do what, if nothing comes before.
    fn next_due(&self, queue: &Queue, trim: Option<Instant>) -> (Option<Instant>, Due) {
        if let Some(since) = queue.since {
            let delay = if queue.closing || queue.hurried { Duration::ZERO } else { self.shared.options.commit_delay };
            let due = since.checked_add(delay);
            if !queue.trims.news || due.is_some_and(|due| due <= Instant::now()) {
                return (due, Due::Commit);
            }
        }
        if queue.trims.news {
            return (Some(self.used), Due::Chore(Chore::Trim));
        }
        let (due, what) = self.next_chore();
        match trim {
            Some(trim) if due.is_none_or(|due| trim < due) => (Some(trim), Due::Chore(Chore::Trim)),
            _ => (due, what),
        }
    }

    fn next_chore(&self) -> (Option<Instant>, Due) {
        // Of a file that was half full when it was opened; a commit that makes it so asks for the next one itself.
        if self.log.wants_next() {
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
            Chore::Prepare => self.prepare(),
            Chore::Trim => self.mind_trims(),
            Chore::Mark => {
                if let Err(error) = self.log.watermark() {
                    self.tell_of(Duty::Watermark, Arc::new(error));
                }
                self.log.release_memory();
                self.marked = Instant::now();
            }
            Chore::Sync => {
                self.unsynced = None;
                let flushed = self.log.flush();
                self.publish();
                if let Err(error) = flushed {
                    let error = Arc::new(error);
                    self.lost = Some(Arc::clone(&error));
                    self.tell_of(Duty::Sync, error);
                }
                // Behind what was published: who is told of it looks. Also when nothing has risen: who waits for it learns why.
                self.listener.risen(self.log.durable().seq);
            }
        }
        self.tell_background();
    }

    fn tell_of(&self, duty: Duty, error: Arc<Error>) {
        self.listener.background(Background::Failed { duty, error });
    }

    /// Tells of what the log has done on the side.
    fn tell_background(&mut self) {
        for what in self.log.take_background() {
            self.listener.background(what);
        }
    }

    /// Has the first files released, while commits go on.
    fn mind_trims(&mut self) {
        if self.trimmer.mind(&mut self.log, self.shared) {
            self.publish();
        }
        self.trimmer.tell();
    }

    /// Has the next file made, while commits go on.
    fn prepare(&mut self) {
        // The one before has come to its end: its file was taken.
        drop(std::mem::take(&mut self.preparer));
        let Ok(Some(next)) = self.log.next_file() else { return };
        let builder = std::thread::Builder::new().name("pstream-prepare".to_owned());
        // Without a thread the commit that needs the file makes it.
        match builder.spawn(move || next.run()) {
            Ok(thread) => self.preparer = Preparer(Some(thread)),
            Err(error) => {
                let message = format!("cannot start the thread that makes the next file: {error}");
                self.tell_of(Duty::NextFile, Arc::new(Error::new(ErrorKind::Io, message)));
            }
        }
    }

    fn commit(&mut self, work: Vec<Waiting>) {
        let begin = Instant::now();
        let (Some(first), Some(last)) = (work.first(), work.last()) else { return };
        let tickets = first.ticket..last.ticket.saturating_add(1);
        let appends: Vec<&Append> = work.iter().filter_map(Waiting::append).collect();
        let bytes = appends.iter().map(|append| cost(append)).fold(0_u64, u64::saturating_add);
        let flushes = appends.len() < work.len();
        let durable = flushes || appends.iter().any(|append| append.level == Level::Durable);
        let outcome = self.try_commit(&appends, if durable { Level::Durable } else { Level::Written }, flushes);
        drop(work);
        self.used = Instant::now();
        if outcome.is_ok() && bytes > 0 {
            self.commits = self.commits.saturating_add(1);
            self.latency.record(self.used.saturating_duration_since(begin));
        }
        self.publish();
        {
            let mut queue = self.shared.queue();
            queue.pending_bytes = queue.pending_bytes.saturating_sub(bytes);
        }
        let end = tickets.end;
        self.listener.settled(match outcome {
            Ok(first_seq) => {
                let took = self.used.saturating_duration_since(begin);
                Settled::Committed { tickets, first_seq, durable_seq: self.log.durable().seq, took }
            }
            Err(error) => Settled::Failed { tickets, error },
        });
        self.shared.told(end);
        self.tell_background();
        // Here and not only when nothing waits: under load that is never.
        self.trimmer.committed(&self.log);
        self.mind_trims();
        if self.log.wants_next() {
            self.prepare();
        }
        self.log.tidy();
    }

    fn try_commit(&mut self, appends: &[&Append], level: Level, flushes: bool) -> std::result::Result<u64, Arc<Error>> {
        if let Some(lost) = self.lost.take_if(|_| flushes) {
            return Err(lost);
        }
        // What was wrong with the making of a file is known before the commit rather than in its midst.
        if let Err(error) = self.log.take_next() {
            self.tell_of(Duty::NextFile, Arc::new(error));
        }
        // A failed write or sync sends the writer through recovery in place before the next commit (rule 9).
        if self.log.needs_recovery() {
            self.log.recover_in_place().map_err(Arc::new)?;
        }
        self.log.set_followed(self.shared.is_followed());
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
                    if !flushes {
                        self.lost = Some(Arc::clone(&error));
                        self.tell_of(Duty::Sync, Arc::clone(&error));
                    }
                }
                Err(error)
            }
        }
    }

    fn publish(&mut self) {
        let footprint = self.log.footprint().unwrap_or_else(|_| self.shared.footprint());
        let (commits, syncs, latency) = (self.commits, self.log.syncs(), self.latency.latency());
        // While a recovery in place has failed there is nothing newer to show.
        self.shared.publish(
            self.log.view().ok(),
            self.log.needs_recovery(),
            Stats { commits, syncs, footprint, latency },
        );
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chore {
    /// Make the next file.
    Prepare,
    /// Look after trims.
    Trim,
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

    pub(super) fn bytes(&self) -> u64 {
        self.append().map_or(0, |append| super::long(append.payload.bytes().len()))
    }
}

/// What an append took of the bytes that may wait.
fn cost(append: &Append) -> u64 {
    super::long(append.payload.bytes().len()).saturating_add(super::group::OVERHEAD)
}
