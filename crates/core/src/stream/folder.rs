//! The folder of a stream that is begun: as durable as what will be in it.

use std::io::ErrorKind as OsKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::io::Io;

/// Makes the folder `path`, and those above it that are not there. Each is durable before the next one is made, so that
/// no power cut takes back a folder with acknowledged records in it.
///
/// # Errors
///
/// `PSTREAM_NO_SPACE`, `PSTREAM_SYNC_FAILED`, `PSTREAM_IO`.
pub fn make_folder(io: &dyn Io, path: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = path;
    while let Err(error) = io.canonicalize(at) {
        let parent = at.parent().filter(|_| error.kind() == OsKind::NotFound);
        let Some(parent) = parent else { return Err(Error::io("realpath", at, error)) };
        missing.push((parent, at));
        at = parent;
    }
    // The maker of the last one that is there may have come to an end before this. It is not for us to complain about:
    // most folders were made by somebody else long ago, and the one above may not be ours to open.
    drop(io.canonicalize(at).map(|path| path.parent().map(|parent| io.sync_dir(parent))));
    for (parent, folder) in missing.into_iter().rev() {
        match io.create_dir(folder) {
            // Somebody else was faster, or it ends in `..`.
            Err(error) if error.kind() != OsKind::AlreadyExists => return Err(Error::io("mkdir", folder, error)),
            _ => io.sync_dir(parent).map_err(|error| Error::sync("fsync", parent, error))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::os::OsIo;

    #[test]
    fn makes_what_is_missing_and_leaves_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/c");
        for _ in 0..2 {
            make_folder(&OsIo, &path).unwrap();
            assert!(path.is_dir());
        }
        make_folder(&OsIo, &root.path().join("d/../e/")).unwrap();
        assert!(root.path().join("e").is_dir());
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let error = make_folder(&OsIo, &file.join("below")).unwrap_err();
        assert_eq!(error.path(), Some(file.join("below").as_path()));
    }
}
