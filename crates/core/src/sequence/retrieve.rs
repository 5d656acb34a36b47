//! Reading back what is there.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::scan::{self, Entry};
use super::{FileSequence, Identity, SequenceFile, SequenceOptions};
use crate::error::{Result, sequence as errors};
use crate::file::BlockFile;
use crate::io::Io;

impl FileSequence {
    /// All files in order. The whole sequence is checked before this returns; each file is opened when its turn comes.
    ///
    /// # Errors
    ///
    /// `PSTREAM_SEQUENCE_DUPLICATE`, `PSTREAM_SEQUENCE_OUT_OF_RANGE`, `PSTREAM_SEQUENCE_BROKEN` for a gap,
    /// `PSTREAM_SEQUENCE_BAD_NAME`, `PSTREAM_INVALID_FILE`, `PSTREAM_CLOSED`; and for each file those of
    /// [`BlockFile::open`], `PSTREAM_NOT_FOUND` among them if it was released in the meantime.
    pub fn retrieve(&self) -> Result<Retrieve> {
        let state = self.usable_state()?;
        let entries = scan::files_in(&*self.io, &self.identity.place, self.window())?;
        drop(state);
        let (io, identity) = (Arc::clone(&self.io), Arc::clone(&self.identity));
        Ok(Retrieve { io, identity, options: self.options, entries: entries.into_iter() })
    }
}

impl FileSequence {
    /// As [`FileSequence::retrieve`], but whatever is there, gaps and impossible lengths among it. Not two files with one
    /// index: whichever of them a stream went on in, the next open could take the other one.
    pub(crate) fn retrieve_what_is_there(&self) -> Result<Retrieve> {
        let state = self.usable_state()?;
        let start = self.window().start;
        let mut entries = Vec::new();
        scan::visit_files(&*self.io, &self.identity.place, &mut |found| match found {
            scan::Found::Data(entry) => {
                entries.push(entry);
                Ok(())
            }
            scan::Found::Stranger(_, error) => Err(error),
        })?;
        drop(state);
        entries.sort_by_key(|entry| entry.index.steps_from(start));
        let twin = entries.windows(2).find_map(|pair| match pair {
            [one, other] if one.index == other.index => Some(one),
            _ => None,
        });
        if let Some(twin) = twin {
            return Err(errors::duplicate(twin.index.get()).at_path(&twin.path));
        }
        let (io, identity) = (Arc::clone(&self.io), Arc::clone(&self.identity));
        Ok(Retrieve { io, identity, options: self.options, entries: entries.into_iter() })
    }
}

/// The files of a sequence, opened one after the other.
pub struct Retrieve {
    io: Arc<dyn Io>,
    identity: Arc<Identity>,
    options: SequenceOptions,
    entries: std::vec::IntoIter<Entry>,
}

impl Retrieve {
    /// Index, path and block shift of the files that are left, in order, without opening any.
    #[must_use]
    pub fn left(&self) -> impl DoubleEndedIterator<Item = (u16, &Path, u32)> {
        self.entries.as_slice().iter().map(|Entry { index, shift, path }| (index.get(), path.as_path(), *shift))
    }

    fn open(&self, Entry { index, shift, path }: Entry) -> Result<SequenceFile> {
        let file = BlockFile::open(&*self.io, &path, shift, self.options.create.file)?;
        Ok(SequenceFile { file, index, identity: Arc::clone(&self.identity) })
    }
}

impl Iterator for Retrieve {
    type Item = Result<SequenceFile>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some(self.open(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

/// From the last file to the first.
impl DoubleEndedIterator for Retrieve {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next_back()?;
        Some(self.open(entry))
    }
}

impl fmt::Debug for Retrieve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrieve").field("left", &self.entries.len()).finish_non_exhaustive()
    }
}
