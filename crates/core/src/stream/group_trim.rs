//! Trims, as the commit thread minds them: those asked for, one after the other, and what is to go by itself. The files are
//! released by a thread of their own.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::group::{Group, Shared};
use super::log::Log;
use super::retention::Goal;
use super::trim::{Trim, Trimmed};
use super::writer::now_ms;
use crate::error::{Error, ErrorKind, Result};

/// Trims that were asked for.
#[derive(Default)]
pub(super) struct Requests {
    /// The first one may be under way.
    all: VecDeque<TrimRequest>,
    /// One was asked for, or has come to its end.
    pub(super) news: bool,
}

impl Requests {
    /// Takes the first one, which is over. One that has failed at once wakes nobody when it is: the others must not wait for
    /// that.
    fn next(&mut self) -> Option<TrimRequest> {
        let request = self.all.pop_front();
        self.news |= !self.all.is_empty();
        request
    }
}

/// A trim that was asked for.
struct TrimRequest {
    before: u64,
    force: bool,
    done: Told,
}

/// Is told what came of a trim: the first record that is left.
type Told = Box<dyn FnOnce(Result<u64>) + Send>;

impl fmt::Debug for TrimRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrimRequest").field("before", &self.before).finish_non_exhaustive()
    }
}

impl Group {
    /// Asks for the release of all files that hold nothing but records in front of `before`: as far as the slowest cursor has
    /// come, or, with `force`, past it. `done` is called on the commit thread, which it must not block, with the first
    /// record that is left; or, if it is an error, after the release of any number of the files: `PSTREAM_CLOSED`,
    /// `PSTREAM_SYNC_FAILED`, `PSTREAM_IO`, `PSTREAM_CORRUPT` if no file can be read.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CLOSED`; `PSTREAM_IO` once the commit thread has died.
    pub fn trim(&self, before: u64, force: bool, done: impl FnOnce(Result<u64>) + Send + 'static) -> Result<()> {
        let mut queue = self.shared().queue();
        queue.check_open()?;
        queue.trims.all.push_back(TrimRequest { before, force, done: Box::new(done) });
        queue.trims.news = true;
        self.shared().wake.notify_one();
        Ok(())
    }
}

/// What could not go is tried again after this time, and each time after twice as long…
const RETRY: Duration = Duration::from_millis(500);
/// …up to this.
const MOST_RETRY: Duration = Duration::from_secs(60);
/// The wall clock may be set: it is looked at once in so long where something waits for it.
const LOOK: Duration = Duration::from_secs(60);

/// Minds the trims of a log.
pub(super) struct Trimmer {
    /// What came of those that were asked for: told when it can be seen in the statistics, too.
    outcomes: Vec<(Told, Result<u64>)>,
    thread: Option<JoinHandle<()>>,
    /// One is under way, and was asked for.
    running: Option<bool>,
    /// When to try again to let go of what was held back.
    retry: Option<Instant>,
    pause: Duration,
    /// The last one has failed.
    failed: bool,
    /// When a file may have become too old.
    aged: Option<Instant>,
}

/// Wakes the commit thread when a trim is over, also by a panic.
struct News(Arc<Shared>);

impl Drop for News {
    fn drop(&mut self) {
        self.0.queue().trims.news = true;
        self.0.wake.notify_one();
    }
}

impl Default for Trimmer {
    fn default() -> Self {
        // What is there may be too old already.
        let aged = Some(Instant::now());
        Self { outcomes: Vec::new(), thread: None, running: None, retry: None, pause: RETRY, failed: false, aged }
    }
}

impl Drop for Trimmer {
    fn drop(&mut self) {
        // The log, which is gone by now, has told it to end. A panic of it is the log's to know.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Trimmer {
    /// Takes note of what is gone, and begins what is due. Says whether readers are to know of something, which is to be
    /// shown before [`Self::tell`].
    pub(super) fn mind(&mut self, log: &mut Log, shared: &Arc<Shared>) -> bool {
        let asked = {
            let mut queue = shared.queue();
            queue.trims.news = false;
            queue.trims.all.front().map(|request| (request.before, request.force))
        };
        let news = self.running.is_some();
        if let Some(was_asked) = self.running {
            match log.take_trimmed() {
                Some(done) => {
                    self.running = None;
                    self.settle(done, was_asked, log, shared);
                    return self.mind(log, shared) || news;
                }
                // It was ended early, by a recovery or for a commit that needed room: once more.
                None if !log.is_trimming() => self.running = None,
                None => return news,
            }
        }
        let now = Instant::now();
        let by_age = self.aged.is_some_and(|due| due <= now);
        let by_itself = log.due_to_go(by_age).filter(|goal| self.may_try(goal, now));
        if asked.is_some() || by_itself.is_some() {
            let mut goal = by_itself.unwrap_or_default();
            if let Some((before, force)) = asked {
                (goal.before, goal.force) = (Some(before), force);
            }
            self.begin(goal, log, shared);
        } else if by_age {
            self.aged = None;
        }
        news
    }

    /// What was held back waits for its time; what must go whatever a cursor says does not.
    fn may_try(&self, goal: &Goal, now: Instant) -> bool {
        (goal.limit.is_some() && !self.failed) || self.retry.is_none_or(|retry| retry <= now)
    }

    fn begin(&mut self, goal: Goal, log: &mut Log, shared: &Arc<Shared>) {
        let asked = goal.before.is_some();
        let begun = ready(log).and_then(|()| log.trim(goal)).and_then(|trim| match trim {
            Some(trim) => self.spawn(trim, shared),
            None => Ok(()),
        });
        match begun {
            Ok(()) => self.running = Some(asked),
            Err(error) => self.settle(Err(error), asked, log, shared),
        }
    }

    fn spawn(&mut self, trim: Trim, shared: &Arc<Shared>) -> Result<()> {
        // The one before has come to its end.
        drop(self.thread.take().map(JoinHandle::join));
        let news = News(Arc::clone(shared));
        let run = move || {
            let _news = news;
            trim.run();
        };
        let spawned = std::thread::Builder::new().name("pstream-trim".to_owned()).spawn(run);
        let failed = |error| Error::new(ErrorKind::Io, format!("cannot start a thread for a trim: {error}"));
        self.thread = Some(spawned.map_err(failed)?);
        Ok(())
    }

    fn settle(&mut self, done: Result<Trimmed>, was_asked: bool, log: &mut Log, shared: &Arc<Shared>) {
        let now = Instant::now();
        self.failed = done.is_err();
        let held_back = done.as_ref().map_or(true, |done| done.held_back);
        if held_back {
            self.retry = now.checked_add(self.pause);
            self.pause = self.pause.saturating_mul(2).min(MOST_RETRY);
        } else {
            (self.retry, self.pause) = (None, RETRY);
        }
        if let Ok(done) = &done {
            shared.note_oldest(done.oldest_seq);
            self.aged = aged(done, log).and_then(|left| now.checked_add(left));
        } else if self.aged.is_some() {
            self.aged = self.retry;
        }
        // A cursor was being made: it is tried again, the next time that somebody looks.
        let busy = done.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Locked(_)));
        if was_asked && busy {
            shared.queue().trims.news = true;
            return;
        }
        let request = was_asked.then(|| shared.queue().trims.next()).flatten();
        if let Some(request) = request {
            self.outcomes.push((request.done, done.map(|done| done.oldest_seq)));
        }
    }

    /// Tells those who have asked what came of it.
    pub(super) fn tell(&mut self) {
        for (told, outcome) in self.outcomes.drain(..) {
            told(outcome);
        }
    }

    /// When to look again if nothing happens before.
    pub(super) fn due(&self, log: &mut Log) -> Option<Instant> {
        if self.running.is_some() {
            return None;
        }
        let retry = self.retry.filter(|_| log.due_to_go(false).is_some());
        [self.aged, retry].into_iter().flatten().min()
    }

    /// A commit has begun a file: the one before it will be too old some day.
    pub(super) fn committed(&mut self, log: &Log) {
        if self.aged.is_none() && log.options().retention.max_age.is_some() && log.has_files_to_release() {
            self.aged = Some(Instant::now());
        }
    }
}

/// How long until the first file is too old, as far as can be told now.
fn aged(done: &Trimmed, log: &Log) -> Option<Duration> {
    let age = log.options().retention.max_age?;
    let gone = Duration::from_millis(now_ms(&*log.io).saturating_sub(done.first_ended?));
    // Not at once again where it cannot go.
    let least = if done.held_back { RETRY } else { Duration::from_millis(1) };
    Some(age.saturating_sub(gone).clamp(least, LOOK))
}

/// A failed write or sync sends the log through recovery in place first (rule 9).
fn ready(log: &mut Log) -> Result<()> {
    if log.needs_recovery() { log.recover_in_place().map(drop) } else { Ok(()) }
}

/// Tells whoever has asked for a trim that there will be none.
pub(super) fn refuse_all(shared: &Shared, kind: &ErrorKind, message: &str) {
    let requests = std::mem::take(&mut shared.queue().trims.all);
    for request in requests {
        (request.done)(Err(Error::new(kind.clone(), message.to_owned())));
    }
}
