//! Group commit: one thread a stream takes what waits, up to a bound, commits it as one, and tells a listener.
//!
//! While one commit is on its way to the disk the next one fills, so that throughput grows with the number of appends
//! in flight while the latency of one stays that of one synced write. A lone append waits for no timer, unless
//! [`GroupOptions::commit_delay`] asks for it. What is in order when it is handed over is in order on disk.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::group_thread;
use super::group_trim::Requests;
use super::handover::{Append, GroupOptions, Listener, Refused};
use super::log::Log;
use super::options::{Level, LogOptions};
use super::plan::Limits;
use super::read::{Snapshot, View};
use super::stats::{Footprint, Stats};
use super::writer::Mark;
use crate::error::{Error, ErrorKind, Result};

/// What an append costs beside its bytes, so that empty ones are bounded too.
pub(super) const OVERHEAD: u64 = 64;

/// A stream that is committed to by its own thread. Dropping it commits what waits and closes the stream.
pub struct Group {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<()>>>>,
    limits: Limits,
}

pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    /// Something to do for the commit thread.
    pub(super) wake: Condvar,
    /// The listener was told of more.
    told: Condvar,
    pub(super) options: GroupOptions,
    /// A commit takes no more when it has so many bytes.
    pub(super) most_commit: u64,
    shown: Mutex<Shown>,
}

/// As of the last commit.
struct Shown {
    view: View,
    /// A write or sync has failed since: the log must be recovered.
    uncertain: bool,
    stats: Stats,
    /// The first record that is left, as the last trim has found it.
    oldest: Option<u64>,
    /// When a reader last asked for what was appended.
    followed: Option<Instant>,
}

/// So long after that it is still thought to follow.
const FOLLOWED: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: Vec<Waiting>,
    /// Bytes of all that is waiting or being committed.
    pub(super) pending_bytes: u64,
    /// When the first of those waiting came.
    pub(super) since: Option<Instant>,
    pub(super) next_ticket: u64,
    /// The listener was told what became of all tickets below.
    pub(super) settled: u64,
    pub(super) closing: bool,
    /// Somebody waits for what is waiting, with a thread of his own.
    pub(super) hurried: bool,
    /// When closing: what is not begun by then is not committed any more.
    deadline: Option<Instant>,
    /// The commit thread has panicked.
    pub(super) dead: bool,
    pub(super) trims: Requests,
}

impl Queue {
    pub(super) fn check_open(&self) -> Result<()> {
        match (self.dead, self.closing) {
            (true, _) => Err(died()),
            (_, true) => Err(Error::new(ErrorKind::Closed, "stream is closed")),
            _ => Ok(()),
        }
    }

    /// What the next commit takes: everything, up to a bound.
    pub(super) fn take(&mut self, most: u64) -> Vec<Waiting> {
        let mut bytes = 0_u64;
        let before = |waiting: &Waiting| {
            let more = bytes.saturating_add(waiting.bytes());
            std::mem::replace(&mut bytes, more)
        };
        let count = self.waiting.iter().map(before).take_while(|before| *before < most).count();
        let rest = self.waiting.split_off(count);
        if rest.is_empty() {
            self.since = None;
            self.hurried = false;
        }
        std::mem::replace(&mut self.waiting, rest)
    }

    /// Whether it is too late for another commit.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

/// A commit takes no more when it has so many bytes. Of 1 MiB records, 8 in flight, with this bound and without: 1,780 and
/// 1,690 MB/s, and 3 and 7 ms at the 99th percentile: who is told of one half hands over more while the other is written.
const MOST_COMMIT_BYTES: u64 = 4 << 20;

pub(super) struct Waiting {
    pub(super) ticket: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Append(Append),
    Flush,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

impl Group {
    /// Starts the commit thread of an open log.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO` if there can be no thread, or the files' lengths cannot be looked up; `PSTREAM_CLOSED` if the log is
    /// closed.
    pub fn start(mut log: Log, options: GroupOptions, listener: Box<dyn Listener>) -> Result<Self> {
        let limits = log.options().limits()?;
        let stats = Stats { footprint: log.footprint()?, syncs: log.syncs(), ..Stats::default() };
        let shown = Shown { view: log.view()?, uncertain: false, stats, oldest: None, followed: None };
        let shown = Mutex::new(shown);
        let (wake, told) = (Condvar::new(), Condvar::new());
        let most_commit = most_commit(log.options());
        let shared = Arc::new(Shared { queue: Mutex::default(), wake, told, options, most_commit, shown });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("pstream-commit".to_owned())
            .spawn(move || group_thread::run(log, &theirs, &*listener))
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start the commit thread: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)), limits })
    }

    /// Hands records over; returns their ticket. Takes a mutex and a notification, and never waits for the disk.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] beyond [`GroupOptions::max_pending_bytes`]; [`Refused::Never`] with `PSTREAM_CAPACITY` for more
    /// than a file can hold, with `PSTREAM_CLOSED`, and with `PSTREAM_IO` once the commit thread has died.
    pub fn append(&self, append: Append) -> std::result::Result<u64, Refused> {
        let len = super::long(append.payload.bytes().len());
        // Here and not only when it is committed: with it would fail whatever is committed together with it.
        self.limits.check(append.kind, append.payload.bytes()).map_err(Refused::Never)?;
        let cost = len.saturating_add(OVERHEAD);
        let mut queue = self.shared.queue();
        queue.check_open().map_err(Refused::Never)?;
        let pending = queue.pending_bytes.saturating_add(cost);
        if queue.pending_bytes > 0 && pending > self.shared.options.max_pending_bytes {
            return Err(Refused::Full(append));
        }
        queue.pending_bytes = pending;
        Ok(self.push(&mut queue, What::Append(append)))
    }

    /// Asks for everything handed over so far to be durable; returns the ticket that says so.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CLOSED`; `PSTREAM_IO` once the commit thread has died.
    pub fn flush(&self) -> Result<u64> {
        let mut queue = self.shared.queue();
        queue.check_open()?;
        Ok(self.push(&mut queue, What::Flush))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn push(&self, queue: &mut Queue, what: What) -> u64 {
        let ticket = queue.next_ticket;
        queue.next_ticket = ticket.saturating_add(1);
        queue.since.get_or_insert_with(Instant::now);
        queue.waiting.push(Waiting { ticket, what });
        self.shared.wake.notify_one();
        ticket
    }

    /// Waits until the listener was told what became of the ticket, but not beyond `deadline`. Says whether it was. The
    /// commit waits for no more appends then: see [`GroupOptions::commit_delay`].
    pub fn wait(&self, ticket: u64, deadline: Option<Instant>) -> bool {
        let mut queue = self.shared.queue();
        queue.hurried |= queue.settled <= ticket;
        self.shared.wake.notify_one();
        while queue.settled <= ticket {
            let Some(deadline) = deadline else {
                queue = self.shared.told.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue = self.shared.told.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Bytes that wait or are being committed.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.shared.queue().pending_bytes
    }

    /// What can be read, as of the last commit: up to the durable end, or up to what is written, which a failed sync may
    /// take back. Also while the stream must be recovered. Takes a mutex, and never waits for the disk.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CLOSED`.
    pub fn snapshot(&self, level: Level) -> Result<Snapshot> {
        if self.shared.queue().closing {
            return Err(Error::new(ErrorKind::Closed, "stream is closed"));
        }
        Ok(self.shared.shown().view.at(level))
    }

    /// The same, for a reader that follows the stream as it grows: what is appended in the next second is left in the page
    /// cache for it.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CLOSED`.
    pub fn follow(&self, level: Level) -> Result<Snapshot> {
        self.shared.shown().followed = Some(Instant::now());
        self.snapshot(level)
    }

    /// The first seq that can be read, as far as it is known without looking, as of the last commit; also when it is
    /// closed. Where it is not: [`Snapshot::oldest_seq`].
    #[must_use]
    pub fn known_oldest_seq(&self) -> Option<u64> {
        let (files, oldest) = {
            let shown = self.shared.shown();
            (Arc::clone(&shown.view.files), shown.oldest)
        };
        // Those that are gone are on the list until the commit thread looks.
        let first = files.iter().find(|file| !file.is_released())?;
        first.start().map(|start| start.seq).max(oldest)
    }

    /// Everything in front of it is durable, as of the last commit; also when it is closed.
    #[must_use]
    pub fn durable(&self) -> Mark {
        self.shared.shown().view.durable
    }

    /// Everything in front of it is written, durable or not, as of the last commit; also when it is closed.
    #[must_use]
    pub fn written(&self) -> Mark {
        self.shared.shown().view.written
    }

    /// Changes when what was written and is not durable may be lost: a write or sync has failed, or the log was recovered
    /// behind that. Whoever has seen such a record, and waits until it is durable, finds out whether it is the same one still:
    /// its seq may have been given to another. Odd as long as nothing new can become durable.
    #[must_use]
    pub fn doubts(&self) -> u64 {
        let shown = self.shared.shown();
        shown.view.generation.saturating_mul(2).saturating_add(u64::from(shown.uncertain))
    }

    /// How often the writer has recovered, as of the last commit; also when it is closed. See [`Snapshot::generation`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.shown().view.generation
    }

    /// What the stream has done since it was opened, and what it takes: as of the last commit, also when it is closed.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.shown().stats
    }

    /// Begins to close the stream, without waiting for it: what waits is committed, but nothing that is not begun at
    /// `deadline`, when what is left is told to have failed and the stream is given up as by a crash. For whoever must
    /// come to an end: [`Group::close`] waits for at most the commit that is under way then.
    pub fn close_by(&self, deadline: Instant) {
        let mut queue = self.shared.queue();
        queue.closing = true;
        queue.deadline = Some(queue.deadline.map_or(deadline, |other| other.min(deadline)));
        self.shared.wake.notify_one();
    }

    /// Commits what waits, seals the stream and ends its thread; waits for all that. May be called again, from any
    /// thread.
    ///
    /// # Errors
    ///
    /// Those of closing a log.
    pub fn close(&self) -> Result<()> {
        self.shared.queue().closing = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(died()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever wants to know of errors has called `close`.
        drop(self.close());
    }
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change under this lock is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listener was told of all tickets below `settled`.
    pub(super) fn told(&self, settled: u64) {
        self.queue().settled = settled;
        self.told.notify_all();
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody reads what is appended.
    pub(super) fn is_followed(&self) -> bool {
        self.shown().followed.is_some_and(|last| last.elapsed() < FOLLOWED)
    }

    pub(super) fn footprint(&self) -> Footprint {
        self.shown().stats.footprint
    }

    pub(super) fn note_oldest(&self, seq: u64) {
        self.shown().oldest = Some(seq);
    }

    /// `None`: there is nothing newer to show.
    pub(super) fn publish(&self, view: Option<View>, uncertain: bool, stats: Stats) {
        let mut shown = self.shown();
        if let Some(view) = view {
            shown.view = view;
        }
        shown.uncertain = uncertain;
        shown.stats = stats;
    }
}

/// With a limit no more than half of what a file takes: so that there is room for it once other files are gone.
fn most_commit(options: &LogOptions) -> u64 {
    let half = options.retention.limit_bytes.map(|_| options.file_size / 2);
    half.map_or(MOST_COMMIT_BYTES, |half| half.min(MOST_COMMIT_BYTES))
}

pub(super) fn died() -> Error {
    Error::new(ErrorKind::Io, "internal error: the commit thread has died")
}
