//! Shrinking at the start.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::index::{Index, Window};
use super::{FileSequence, SequenceFile, State};
use crate::error::{Error, Result, sequence as errors};

impl FileSequence {
    /// Removes the first file, which is then closed. Durable when this returns; a crash during the call may leave the
    /// file, and nothing else. A file of an earlier instance of the same sequence is accepted.
    ///
    /// # Errors
    ///
    /// With the file left open and in place: `PSTREAM_SEQUENCE_UNRECOGNIZED` for a file of another sequence, or one
    /// whose place has been taken by another; `PSTREAM_SEQUENCE_OUT_OF_ORDER` if it is not the first;
    /// `PSTREAM_SEQUENCE_OUT_OF_RANGE` if it has been released already; `PSTREAM_IO`; `PSTREAM_CLOSED`.
    /// `PSTREAM_SYNC_FAILED`: it may come back after a crash, and the sequence must be opened anew.
    pub fn release(&self, file: &SequenceFile) -> Result<()> {
        let mut state = self.usable_state()?;
        let window = self.window();
        self.check_release(file, window)?;
        self.io.remove_file(file.path()).map_err(|error| Error::io("unlink", file.path(), error))?;
        self.begin_at(&mut state, window.start.next())?;
        file.close();
        Ok(())
    }

    /// One release is durable before the next begins: otherwise a crash could keep an older file and lose a newer one, a gap
    /// where none was made.
    fn begin_at(&self, state: &mut State, start: Index) -> Result<()> {
        self.sync_names(state)?;
        self.window.store(Window { start, ..self.window() }.pack(), Ordering::Release);
        Ok(())
    }

    /// The same for whoever knows its files by their names: removes the file `index` at `path`, which is not opened.
    /// `next` is the index of the file behind it: the one that follows, but where files are missing. One that is gone
    /// already was released by somebody else's hand.
    ///
    /// # Errors
    ///
    /// As [`FileSequence::release`]; after one that is not `PSTREAM_SYNC_FAILED` it may be called again.
    pub(crate) fn release_named(&self, index: u16, path: &Path, next: u16) -> Result<()> {
        let mut state = self.usable_state()?;
        let window = self.window();
        let (index, next) = (Index::from(index), Index::from(next));
        if index != window.start || !window.contains(index) || !window.contains(next) {
            return Err(errors::out_of_order(index.get()).at_path(path));
        }
        match self.io.remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("unlink", path, error)),
            _ => {}
        }
        self.begin_at(&mut state, next)
    }

    fn check_release(&self, file: &SequenceFile, window: Window) -> Result<()> {
        let index = file.index;
        if file.identity.place != self.identity.place {
            return Err(errors::unrecognized().at_path(file.path()));
        }
        if index != window.start && window.contains(index) {
            return Err(errors::out_of_order(index.get()).at_path(file.path()));
        }
        if !window.contains(index) {
            return Err(errors::out_of_range(index.get()).at_path(file.path()));
        }
        // The name may have passed to another file: one that a later instance made while this handle was kept, or that
        // somebody put there by hand. What cannot be asked any more, closed or poisoned, is ours if we made it.
        let replaced = match file.is_at_its_path() {
            Ok(there) => !there && self.io.metadata(file.path()).is_ok(),
            Err(_) if file.identity.instance == self.identity.instance => false,
            Err(error) => return Err(error),
        };
        if replaced { Err(errors::unrecognized().at_path(file.path())) } else { Ok(()) }
    }
}
