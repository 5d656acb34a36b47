//! The next file, made ahead of time: by another thread, so that no commit waits for the making of a file (reserving,
//! syncing, naming it, and the sync of the folder).
//!
//! Nothing of the protocol depends on when that happens or whether it does: a file that was merely prepared proves
//! nothing (rule 4), and its index is the sequence's next one, so that it is used, or found by an open, in its place.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::sequence::{FileSequence, SequenceFile};

/// The making of a file, for whichever thread has the time: see [`super::Log::next_file`]. Dropped instead of run it has
/// not been made, and the commit that needs the file makes it.
pub struct NextFile(Arc<Slot>);

/// The log's side of a [`NextFile`]. When it is dropped the file is not being made any more: what was not begun never is,
/// what was begun is waited for.
pub(super) struct Preparing(Arc<Slot>);

struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    /// Nobody has begun with it.
    Asked {
        sequence: Arc<FileSequence>,
        blocks: u64,
    },
    Running,
    Done(Result<SequenceFile>),
    /// Taken by the log, which wants no more of it.
    Over,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both sides of the making of a file of so many blocks.
pub(super) fn ask(sequence: &Arc<FileSequence>, blocks: u64) -> (NextFile, Preparing) {
    let state = Mutex::new(State::Asked { sequence: Arc::clone(sequence), blocks });
    let slot = Arc::new(Slot { state, changed: Condvar::new() });
    (NextFile(Arc::clone(&slot)), Preparing(slot))
}

impl NextFile {
    /// Makes the file, unless the log has come before. It learns of the outcome by itself.
    pub fn run(self) {
        let asked = {
            let mut state = self.0.state();
            match std::mem::replace(&mut *state, State::Running) {
                State::Asked { sequence, blocks } => (sequence, blocks),
                other => {
                    *state = other;
                    return;
                }
            }
        };
        let mut ending = Ending { slot: &self.0, made: None };
        let (sequence, blocks) = asked;
        let made = sequence.alloc(Some(blocks));
        // Before anybody learns of the outcome: a recovery in place closes the sequence then, lock and all.
        drop(sequence);
        ending.made = Some(made);
    }
}

/// Tells the log, also when the making has panicked: or it would wait for ever.
struct Ending<'a> {
    slot: &'a Slot,
    made: Option<Result<SequenceFile>>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let died = || Err(Error::new(ErrorKind::Io, "internal error: the making of a file has died"));
        *self.slot.state() = State::Done(self.made.take().unwrap_or_else(died));
        self.slot.changed.notify_all();
    }
}

impl Preparing {
    /// Whether it has come to an end.
    pub(super) fn is_done(&self) -> bool {
        matches!(*self.0.state(), State::Done(_))
    }

    /// The file, waited for if it is being made. `None` if nobody has begun, and nobody will then.
    pub(super) fn finish(self) -> Option<Result<SequenceFile>> {
        self.end()
    }

    fn end(&self) -> Option<Result<SequenceFile>> {
        let running = |state: &mut State| matches!(state, State::Running);
        let mut state = self.0.changed.wait_while(self.0.state(), running).unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Over) {
            State::Done(made) => Some(made),
            State::Asked { .. } | State::Running | State::Over => None,
        }
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        drop(self.end());
    }
}

impl fmt::Debug for NextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextFile").finish_non_exhaustive()
    }
}

impl fmt::Debug for Preparing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparing").finish_non_exhaustive()
    }
}
