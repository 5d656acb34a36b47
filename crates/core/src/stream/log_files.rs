//! The files of a log: making the next one, and what they take on disk.

use super::active::Active;
use super::background::Duty;
use super::log::{Log, State};
use super::next_file::{NextFile, Preparing};
use super::roll;
use super::stats::Footprint;
use crate::error::Result;

impl Log {
    /// The making of the next file, to be run by another thread, so that no commit waits for it; `None` if the file is
    /// there, or being made already. A commit that needs it meanwhile waits for it, or makes it itself if nobody has
    /// begun; what is made is taken by [`Log::take_next`].
    ///
    /// # Errors
    ///
    /// Those of a log that is not ready for a commit.
    pub fn next_file(&mut self) -> Result<Option<NextFile>> {
        self.make_ready()?;
        let closed = self.closed();
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        if !active.prepared.is_empty() || active.preparing.is_some() {
            return Ok(None);
        }
        active.ahead(&self.options).ask().map(Some)
    }

    /// Takes the file of [`Log::next_file`] if it has been made; does not wait. Says whether there was one to take.
    ///
    /// # Errors
    ///
    /// Why it could not be made, if that is not for want of space or of an index, which the commit that needs the file
    /// will meet: see [`Log::needs_recovery`]. That is noted for [`Log::take_background`].
    pub fn take_next(&mut self) -> Result<bool> {
        let Some(active) = self.active.as_mut() else { return Ok(false) };
        if !active.preparing.as_ref().is_some_and(Preparing::is_done) {
            return Ok(false);
        }
        let before = active.prepared.len();
        let taken = active.ahead(&self.options).collect();
        let is_more = active.prepared.len() > before;
        if let Some(error) = self.settle_making(taken)? {
            self.notes.failed(Duty::NextFile, error);
        }
        Ok(is_more)
    }

    /// Makes the next file, if it is not there, on this thread. Says whether it did.
    ///
    /// # Errors
    ///
    /// `PSTREAM_NO_SPACE`, `PSTREAM_LIMIT`: nothing is lost. Others: see [`Log::needs_recovery`].
    pub fn prepare_next(&mut self) -> Result<bool> {
        self.make_ready()?;
        let closed = self.closed();
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        if !active.prepared.is_empty() {
            return Ok(false);
        }
        let made = active.ahead(&self.options).next(0).map(|_| true);
        self.settle_making(made)
    }

    /// Whether it is time to make the next file: the last one is half full, none is there or being made, and there may be
    /// one more.
    #[must_use]
    pub fn wants_next(&self) -> bool {
        let half = |active: &Active| active.writer.at >= active.writer.layout.capacity() / 2;
        let none = |active: &Active| active.prepared.is_empty() && active.preparing.is_none();
        let may = |active: &Active| active.may_grow(&self.options);
        self.state == State::Ready
            && self.active.as_ref().is_some_and(|active| none(active) && half(active) && may(active))
    }

    /// What the stream takes on disk. The first call asks the file system for the lengths of all files.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO`; `PSTREAM_CLOSED` as for [`Log::snapshot`].
    pub fn footprint(&mut self) -> Result<Footprint> {
        let closed = self.closed();
        let Some(active) = self.active.as_mut() else { return Err(closed) };
        active.footprint(&*self.io)
    }

    /// Keeps the page cache flat: to be called between commits, when nobody waits. A few MiB behind the end of the stream
    /// stay, for those who read what was just appended.
    pub fn tidy(&mut self) {
        if let Some(active) = self.active.as_mut() {
            active.writer.tidy(active.followed);
        }
    }

    /// Gives back what is only kept for the next large commit: some MiB, if there was one. To be called when the stream is
    /// idle; the next large commit takes it again, which costs a fraction of a millisecond.
    pub fn release_memory(&mut self) {
        if let Some(active) = self.active.as_mut() {
            active.staging.release();
        }
    }

    pub(super) fn settle_making<T>(&mut self, made: Result<T>) -> Result<T> {
        if let Err(error) = &made
            && !roll::is_harmless(error)
        {
            self.state = State::Uncertain;
        }
        made
    }
}
