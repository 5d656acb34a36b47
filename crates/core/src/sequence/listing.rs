//! The files of a sequence that somebody else may be changing: no lock, no write, and what is gone when it is looked for is
//! no error.

use std::path::{Path, PathBuf};

use super::index::Index;
use super::name::Place;
use super::resolve;
use super::scan::{Found, IndexSet, visit_files};
use crate::error::{Result, sequence as errors};
use crate::io::Io;

/// A file by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) index: u16,
    pub(crate) path: PathBuf,
    pub(crate) block_shift: u32,
}

/// Where the files of a sequence lie.
#[derive(Debug)]
pub(crate) struct Lister(Place);

impl Lister {
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for the name; `PSTREAM_NOT_FOUND` for the folder; `PSTREAM_INVALID_FILE` if it is none.
    pub(crate) fn new(io: &dyn Io, root: &Path, name: &str) -> Result<Self> {
        resolve(io, root, name).map(Self)
    }

    /// The folder, resolved.
    pub(crate) fn root(&self) -> &Path {
        self.0.root()
    }

    /// The folder for everything that is no data file.
    pub(crate) fn meta(&self) -> PathBuf {
        self.0.meta()
    }

    /// The files in order. Some may be missing: those that were released while they were listed, among them.
    ///
    /// # Errors
    ///
    /// As opening the sequence, for what lies in the folder; `PSTREAM_SEQUENCE_DUPLICATE`; `PSTREAM_IO`.
    pub(crate) fn list(&self, io: &dyn Io) -> Result<Vec<Listed>> {
        let (mut files, mut indexes) = (Vec::new(), IndexSet::default());
        visit_files(io, &self.0, &mut |found| match found {
            Found::Data(entry) => {
                indexes.insert(entry.index);
                let (index, path, block_shift) = (entry.index.get(), entry.path, entry.shift);
                files.push(Listed { index, path, block_shift });
                Ok(())
            }
            Found::Stranger(_, error) => Err(error),
        })?;
        let Some((start, last)) = indexes.span() else { return Ok(files) };
        if start.distance(last.next()).is_none() {
            return Err(errors::too_long(start.get(), last.next().get()).at_path(self.root()));
        }
        files.sort_by_key(|file| Index::from(file.index).steps_from(start));
        let twin = files.windows(2).find_map(|pair| match pair {
            [one, other] if one.index == other.index => Some(other),
            _ => None,
        });
        match twin {
            Some(twin) => Err(errors::duplicate(twin.index).at_path(&twin.path)),
            None => Ok(files),
        }
    }
}

/// Whether none is missing in between.
pub(crate) fn is_dense(files: &[Listed]) -> bool {
    files.windows(2).all(|pair| match pair {
        [one, next] => next.index == one.index.wrapping_add(1),
        _ => true,
    })
}
