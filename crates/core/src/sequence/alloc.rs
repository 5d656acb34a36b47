//! Growing at the end.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::index::{Index, Window};
use super::name::Place;
use super::{FileSequence, SequenceFile};
use crate::error::{Error, Result, sequence as errors};
use crate::file::{Shape, Unnamed, build};

impl FileSequence {
    /// Makes the file at the end, of the sequence's shape or with another block count. The file and its name are
    /// durable when this returns; after a crash during the call it is there, whole, or it is not.
    ///
    /// # Errors
    ///
    /// `PSTREAM_SEQUENCE_TOO_LONG` with 16,383 files, until one is released; `PSTREAM_ALREADY_EXISTS` if a foreign file
    /// has the next index; `PSTREAM_INVALID_INPUT` for the block count; `PSTREAM_NO_SPACE`; `PSTREAM_SYNC_FAILED`: if
    /// it is the folder that could not be synced, the sequence must be opened anew; `PSTREAM_CLOSED`.
    pub fn alloc(&self, block_count: Option<u64>) -> Result<SequenceFile> {
        let shape = match block_count {
            Some(block_count) => Shape::new(block_count, self.shape.block_shift())?,
            None => self.shape,
        };
        let _building = self.building();
        drop(self.usable_state()?);
        let (place, window) = (&self.identity.place, self.window());
        let after = window.end.next();
        if window.start.distance(after).is_none() {
            return Err(errors::too_long(window.start.get(), window.end.get()).at_path(place.root()));
        }
        self.check_index_is_free(window.end)?;
        // Takes its time, in which files may be released: the start of the window moves, its end is ours.
        let path = place.file(window.end, shape.block_shift());
        let file = self.build(place, &path, shape)?;
        let mut state = self.usable_state()?;
        let file = file.name(&*self.io, &path)?;
        self.sync_names(&mut state)?;
        // Only now: the file exists durably.
        self.window.store(Window { end: after, ..self.window() }.pack(), Ordering::Release);
        drop(state);
        Ok(SequenceFile { file, index: window.end, identity: Arc::clone(&self.identity) })
    }

    fn build(&self, place: &Place, path: &Path, shape: Shape) -> Result<Unnamed> {
        match self.io.create_dir(&place.meta()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("mkdir", &place.meta(), error));
            }
            _ => {}
        }
        let temporary = place.alloc_temporary();
        // Left by an alloc that a crash interrupted. Nobody else builds under this name: we hold the lock. It is
        // removed, not written over: if the crash kept its new name too, this one is a second name of a file in use.
        match self.io.remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("unlink", &temporary, error));
            }
            _ => {}
        }
        build(&*self.io, path, &mut std::iter::once(temporary), shape, self.options.create)
    }

    /// A file of the same index and another shift would be a duplicate. Looks at the usual spelling alone: whoever
    /// names files by hand meets the duplicate in [`FileSequence::retrieve`].
    fn check_index_is_free(&self, index: Index) -> Result<()> {
        for shift in Shape::MIN_SHIFT..=Shape::MAX_SHIFT {
            let path = self.identity.place.file(index, shift);
            match self.io.metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("stat", &path, error)),
                Ok(_) => return Err(Error::io("create", &path, ErrorKind::AlreadyExists.into())),
            }
        }
        Ok(())
    }
}
