//! Letting go of the first files, by another thread than that of the commits: an unlink and a sync of the folder for each
//! file, which take milliseconds.
//!
//! Files go in order, each durably before the next (rule 12), so that whatever ends a trim leaves a valid stream. The log
//! learns of those that are gone when it next looks; readers at once. What it does meanwhile touches other files: it writes
//! to the last one, and the making of the next one takes its turn with the releases at the state of the sequence.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cursor::{self, Guard};
use super::head::Head;
use super::read::{Slot, Snapshot};
use super::retention::Goal;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::sequence::FileSequence;

/// A trim, for whichever thread has the time: see [`super::Log::trim`]. Dropped instead of run it does nothing.
pub struct Trim(Arc<Shared>);

/// The log's side of a [`Trim`]. When it is dropped nothing is being released any more: a release under way is waited for,
/// and no other one begins.
pub(super) struct Trimming {
    shared: Arc<Shared>,
    /// Somebody has asked for it.
    pub(super) asked: bool,
}

/// What a trim has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// The first record that is left.
    pub oldest_seq: u64,
    /// Files that are gone.
    pub files: usize,
    /// More would go by bytes or age, were it not for a cursor.
    pub(super) held_back: bool,
    /// When the second file that is left was begun, in ms since 1970: no record of the first one is younger.
    pub(super) first_ended: Option<u64>,
}

pub(super) struct Work {
    pub(super) io: Arc<dyn Io>,
    pub(super) cursors: cursor::Folder,
    pub(super) sequence: Arc<FileSequence>,
    /// The files, of which the last one is in use.
    pub(super) files: Snapshot,
    pub(super) goal: Goal,
    /// What all files take on disk, those made ahead of time among them.
    pub(super) bytes: u64,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// No other release is to begin.
    stop: bool,
    /// Bytes of files that are gone, of which the log has not heard.
    bytes: u64,
}

enum Phase {
    Asked(Box<Work>),
    Running,
    Done(Result<Trimmed>),
    Over,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, len: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(len);
    }
}

/// Both sides of a trim.
pub(super) fn ask(work: Work) -> (Trim, Trimming) {
    let asked = work.goal.before.is_some();
    let state = Mutex::new(State { phase: Phase::Asked(Box::new(work)), stop: false, bytes: 0 });
    let shared = Arc::new(Shared { state, changed: Condvar::new() });
    (Trim(Arc::clone(&shared)), Trimming { shared, asked })
}

impl Trim {
    /// Releases the files, unless the log has no use for that any more. It learns of the outcome by itself.
    pub fn run(self) {
        let work = {
            let mut state = self.0.state();
            match std::mem::replace(&mut state.phase, Phase::Running) {
                Phase::Asked(work) => work,
                other => {
                    state.phase = other;
                    return;
                }
            }
        };
        let mut ending = Ending { shared: &self.0, done: None };
        let done = work.run(&self.0);
        // Before anybody learns of the outcome: a recovery in place closes the sequence then, lock and all.
        drop(work);
        ending.done = Some(done);
    }
}

/// Tells the log, also when a release has panicked: or it would wait for ever.
struct Ending<'a> {
    shared: &'a Shared,
    done: Option<Result<Trimmed>>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let died = || Err(Error::new(ErrorKind::Io, "internal error: a trim has died"));
        self.shared.state().phase = Phase::Done(self.done.take().unwrap_or_else(died));
        self.shared.changed.notify_all();
    }
}

impl Trimming {
    /// Whether it has come to an end.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.shared.state().phase, Phase::Done(_))
    }

    /// Bytes of files that are gone since the last call.
    pub(super) fn take_bytes(&self) -> u64 {
        std::mem::take(&mut self.shared.state().bytes)
    }

    /// The outcome, after the release under way; `None` if nobody has begun, and nobody will then.
    pub(super) fn end(&self) -> Option<Result<Trimmed>> {
        let running = |state: &mut State| matches!(state.phase, Phase::Running);
        let mut state = self.shared.state();
        state.stop = true;
        let mut state = self.shared.changed.wait_while(state, running).unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut state.phase, Phase::Over) {
            Phase::Done(done) => Some(done),
            Phase::Asked(_) | Phase::Running | Phase::Over => None,
        }
    }
}

impl Drop for Trimming {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// What is known of the files that are to go.
struct Count {
    /// The first file that stays.
    upto: usize,
    held_back: bool,
}

impl Work {
    /// With one look at the cursors so many files go at most: whoever makes a new one waits for them.
    const TOGETHER: usize = 4;
    /// How often, and with what pauses, to try to get a word in where cursors are being made.
    const ATTEMPTS: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(1);

    fn run(&self, shared: &Shared) -> Result<Trimmed> {
        let (mut at, mut bytes) = (0_usize, self.bytes);
        loop {
            let (_guard, floor) = self.floor()?;
            let count = self.count(at, bytes, floor)?;
            let files = self.files.files().iter().skip(at).zip(self.files.files().iter().skip(at.saturating_add(1)));
            let some = count.upto.saturating_sub(at).min(Self::TOGETHER);
            let mut stopped = false;
            for (file, next) in files.take(some) {
                stopped = shared.state().stop;
                if stopped {
                    break;
                }
                let len = self.release(file, next, at)?;
                bytes = bytes.saturating_sub(len);
                shared.note(len);
                at = at.saturating_add(1);
            }
            if stopped || count.upto <= at {
                return self.outcome(at, count.held_back);
            }
        }
    }

    /// Releases file number `at`; returns how many bytes it took.
    fn release(&self, file: &Slot, next: &Slot, at: usize) -> Result<u64> {
        // Before anybody asks for the first seq that is left. Damage is met by who reads it.
        drop(self.files.head(at.saturating_add(1)));
        let len = file.len()?;
        self.sequence.release_named(file.index(), file.path(), next.index())?;
        file.release();
        Ok(len)
    }

    fn outcome(&self, at: usize, held_back: bool) -> Result<Trimmed> {
        let second = at.saturating_add(1);
        let first_ended = if second < self.files.files().len() {
            // Of a second file that cannot be read: that of the first one, which is looked at again soon.
            let head = self.files.head(second)?;
            head.map_or_else(|| self.files.head(at), |head| Ok(Some(head)))?.map(|head| head.stamp.time_ms)
        } else {
            None
        };
        Ok(Trimmed { oldest_seq: self.files.oldest_seq()?, files: at, held_back, first_ended })
    }

    /// What is to go now that `at` files are gone.
    fn count(&self, at: usize, bytes: u64, floor: Option<u64>) -> Result<Count> {
        let goal = &self.goal;
        let last = self.files.files().len().saturating_sub(1);
        let by = |upto: Option<Result<usize>>| upto.transpose().map(Option::unwrap_or_default);
        let kept = floor.map_or(Ok(last), |floor| self.in_front_of(floor))?;
        let asked = by(goal.before.map(|before| self.in_front_of(before)))?;
        let aged = by(goal.older_than.map(|time| self.last_where(|head| head.stamp.time_ms <= time)))?;
        let due = aged.max(by(goal.bytes.map(|most| self.beyond(at, bytes, most)))?);
        let limited = by(goal.limit.map(|most| self.beyond(at, bytes, most)))?.max(goal.files);
        let asked = if goal.force { asked } else { asked.min(kept) };
        let retained = if goal.past_cursors { due } else { due.min(kept) };
        let upto = asked.max(retained).max(limited).min(last);
        Ok(Count { upto, held_back: due.min(last) > upto })
    }

    /// The file with the record `seq`: those in front of it hold earlier ones alone.
    fn in_front_of(&self, seq: u64) -> Result<usize> {
        self.last_where(|head| head.start.seq <= seq)
    }

    /// Number of the last file that is as `wanted`, if those that are come first; the first one if none is. Reads a number
    /// of files that grows with the logarithm of theirs.
    fn last_where(&self, wanted: impl Fn(&Head) -> bool) -> Result<usize> {
        let (place, _) = self.files.place_where(&wanted)?;
        Ok(if wanted(place.segment.head()) { place.number } else { 0 })
    }

    /// The file in front of which the others must go for all to take no more than `most` bytes.
    fn beyond(&self, at: usize, mut bytes: u64, most: u64) -> Result<usize> {
        let mut upto = at;
        for file in self.files.files().iter().skip(at) {
            if bytes <= most {
                break;
            }
            bytes = bytes.saturating_sub(file.len()?);
            upto = upto.saturating_add(1);
        }
        Ok(upto)
    }

    /// Keeps new cursors away, and looks at what those that are there need. Whoever has no regard for them needs neither.
    fn floor(&self) -> Result<(Option<Guard>, Option<u64>)> {
        let Goal { before, force, bytes, older_than, past_cursors, .. } = self.goal;
        let regard = (before.is_some() && !force) || ((bytes.is_some() || older_than.is_some()) && !past_cursors);
        if !regard {
            return Ok((None, None));
        }
        for _ in 0..Self::ATTEMPTS {
            if let Some(guard) = self.cursors.exclude()? {
                let floor = self.cursors.floor(&guard, self.files.id())?;
                return Ok((Some(guard), floor));
            }
            self.io.sleep(Self::PAUSE);
        }
        Err(Error::new(ErrorKind::Locked(None), "a cursor is being made"))
    }
}

impl fmt::Debug for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trim").finish_non_exhaustive()
    }
}

impl fmt::Debug for Trimming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trimming").finish_non_exhaustive()
    }
}
