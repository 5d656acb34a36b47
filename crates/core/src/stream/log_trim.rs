//! Letting go of the first files of a log, and making room where it may not grow.

use std::sync::Arc;

use super::cursor;
use super::log::{Log, State};
use super::options::Level;
use super::retention::{Goal, Retention, WhenLimited};
use super::trim::{self, Trim, Trimmed, Trimming, Work};
use super::writer::now_ms;
use crate::error::{Error, ErrorKind, Result};

impl Log {
    /// The release of the first files, to be run by another thread, so that no commit waits for it; `None` if there is one
    /// already. What is gone is taken note of by [`Log::take_trimmed`]. A recovery in place and a close end it early.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CLOSED`; `PSTREAM_SYNC_FAILED` for a log that must be recovered first; `PSTREAM_IO`. On a full disk there
    /// is none.
    pub fn trim(&mut self, goal: Goal) -> Result<Option<Trim>> {
        // What was postponed for want of space concerns the last file alone.
        if self.state != State::Postponed {
            self.make_ready()?;
        }
        let closed = self.closed();
        let files = self.view()?.at(Level::Durable);
        let bytes = self.footprint()?.on_disk;
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        if active.trimming.is_some() {
            return Ok(None);
        }
        let (io, sequence) = (Arc::clone(&self.io), Arc::clone(&active.sequence));
        let cursors = cursor::Folder::new(Arc::clone(&io), sequence.root(), sequence.name());
        let (trim, trimming) = trim::ask(Work { io, cursors, sequence, files, goal, bytes });
        active.trimming = Some(trimming);
        Ok(Some(trim))
    }

    /// Whether there is a file beside the one in use.
    pub(super) fn has_files_to_release(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.files.len() > 1)
    }

    /// Whether a trim is under way, or done and not taken note of.
    #[must_use]
    pub fn is_trimming(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.trimming.is_some())
    }

    /// Takes note of the files that are gone; does not wait. The outcome of the trim, if it has come to an end.
    pub fn take_trimmed(&mut self) -> Option<Result<Trimmed>> {
        let active = self.active.as_mut()?;
        let Some(trimming) = active.trimming.take_if(|trimming| trimming.is_done()) else {
            self.take_note();
            return None;
        };
        let done = trimming.end();
        self.account(&trimming);
        done.map(|done| self.settle_release(done))
    }

    /// Trims on this thread, ending another trim.
    ///
    /// # Errors
    ///
    /// Those of [`Log::trim`], and of the releases: `PSTREAM_SYNC_FAILED`, see [`Log::needs_recovery`]; `PSTREAM_IO`;
    /// `PSTREAM_CORRUPT` if no file can be read. What was released before it stays released.
    pub fn trim_now(&mut self, goal: Goal) -> Result<Trimmed> {
        // What became of that one is nobody's business here.
        drop(self.end_trim());
        if let Some(trim) = self.trim(goal)? {
            trim.run();
        }
        self.take_trimmed().unwrap_or_else(|| Err(Error::new(ErrorKind::Io, "internal error: a trim was not run")))
    }

    /// Ends the trim under way behind its current release.
    fn end_trim(&mut self) -> Result<()> {
        let Some(trimming) = self.active.as_mut().and_then(|active| active.trimming.take()) else { return Ok(()) };
        let done = trimming.end();
        self.account(&trimming);
        done.map_or(Ok(()), |done| self.settle_release(done).map(drop))
    }

    /// Releases the first file, durably; says whether there was one that is not the last. Each release is durable before
    /// the next begins (rule 12), and its file is never used again (rule 14).
    ///
    /// # Errors
    ///
    /// As [`Log::trim_now`].
    pub fn release_first(&mut self) -> Result<bool> {
        Ok(self.trim_now(Goal { files: 1, ..Goal::default() })?.files > 0)
    }

    /// A release that has failed has changed nothing, but where the sync of the folder did.
    fn settle_release<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.as_ref().is_err_and(|error| *error.kind() == ErrorKind::SyncFailed) {
            self.state = State::Uncertain;
        }
        done
    }

    /// Releases a file, after the plan of a commit has failed for want of room, if that may be. Says whether it did.
    pub(super) fn make_room(&mut self, error: &Error) -> Result<bool> {
        let ErrorKind::Limit(window) = error.kind() else { return Ok(false) };
        let Retention { max_bytes, when_limited, keep_for_cursors, .. } = self.options.retention;
        let by_force = when_limited == WhenLimited::Trim;
        let by_bytes = max_bytes.is_some() && window.is_none();
        if !by_force && !by_bytes {
            // What a trim under way has released makes room as well.
            return Ok(self.take_note());
        }
        let before = self.footprint()?.on_disk;
        drop(self.end_trim());
        let on_disk = self.footprint()?.on_disk;
        if on_disk < before {
            return Ok(true);
        }
        // A file less, whatever is asked for.
        let bytes = by_bytes.then(|| on_disk.saturating_sub(1));
        let (past_cursors, files) = (!keep_for_cursors, usize::from(by_force));
        match self.trim_now(Goal { bytes, past_cursors, files, ..Goal::default() }) {
            // A cursor is being made: it may need what would go.
            Err(error) if matches!(error.kind(), ErrorKind::Locked(_)) => Ok(false),
            done => Ok(done?.files > 0),
        }
    }

    /// Takes the files that are gone from the list. Says whether there were any.
    fn take_note(&mut self) -> bool {
        let Some(trimming) = self.active.as_mut().and_then(|active| active.trimming.take()) else { return false };
        let any = self.account(&trimming);
        if let Some(active) = self.active.as_mut() {
            active.trimming = Some(trimming);
        }
        any
    }

    fn account(&mut self, trimming: &Trimming) -> bool {
        let Some(active) = self.active.as_mut() else { return false };
        let gone = trimming.take_bytes();
        active.bytes = active.bytes.map(|bytes| bytes.saturating_sub(gone));
        let files = active.files.iter().filter(|file| file.is_released()).count();
        if files == 0 {
            return false;
        }
        active.files = active.files.iter().filter(|file| !file.is_released()).cloned().collect();
        let oldest = active.files.first().and_then(|first| first.start()).map(|start| start.seq);
        self.notes.trimmed(oldest, u64::try_from(files).unwrap_or(u64::MAX), trimming.asked);
        true
    }

    /// What is to go by now for the options; `None`: nothing. `by_age`: the time has come to look.
    pub(super) fn due_to_go(&mut self, by_age: bool) -> Option<Goal> {
        let Retention { max_bytes, max_age, keep_for_cursors, limit_bytes, when_limited } = self.options.retention;
        let none = max_bytes.is_none() && max_age.is_none() && limit_bytes.is_none();
        if none || !self.has_files_to_release() {
            return None;
        }
        let on_disk = self.footprint().ok()?.on_disk;
        let next = self.active.as_mut().map_or(0, |active| active.next_size(&self.options));
        let room = limit_bytes.map(|limit| limit.saturating_sub(next));
        let bytes = max_bytes.map(|max| max.min(room.unwrap_or(max))).filter(|most| on_disk > *most);
        let limit = room.filter(|most| when_limited == WhenLimited::Trim && on_disk > *most);
        let millis = |age: std::time::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let older_than = max_age.filter(|_| by_age).and_then(|age| now_ms(&*self.io).checked_sub(millis(age)));
        let goal = Goal { bytes, older_than, past_cursors: !keep_for_cursors, limit, ..Goal::default() };
        (bytes.is_some() || limit.is_some() || older_than.is_some()).then_some(goal)
    }
}
