//! The cursors of a stream: making, listing and deleting them, and what retention has to know.

use std::fmt;
use std::io::ErrorKind as OsKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::guard::{self, Guard};
use super::held::{Cursor, Lease};
use super::name::Place;
use super::slots::{self, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::format::StreamId;
use crate::format::cursor_slot::CursorSlot;
use crate::io::{FileKind, Io};

/// The folder `<name>.meta/cursors` of a stream. Needs neither the stream's lock nor its writer: whoever may write in this
/// folder can have cursors.
#[derive(Clone)]
pub struct Folder {
    io: Arc<dyn Io>,
    root: PathBuf,
    meta: PathBuf,
    path: PathBuf,
}

/// A cursor as [`Folder::list`] found it.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it stands; or `PSTREAM_CORRUPT`, `PSTREAM_UNSUPPORTED` if nobody can tell.
    pub state: Result<State>,
}

/// Where a cursor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its newest slot.
    pub slot: CursorSlot,
    /// The other slot cannot be read: it may have been the newer one, by one commit.
    pub damaged: bool,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Folder {
    /// Of the stream `name` in `directory`. Looks at nothing.
    #[must_use]
    pub fn new(io: Arc<dyn Io>, directory: &Path, name: &str) -> Self {
        let meta = directory.join(format!("{name}.meta"));
        let path = meta.join("cursors");
        Self { io, root: directory.to_owned(), meta, path }
    }

    /// For who trims: keeps others from making a cursor, from moving one back, and from trimming, until the guard is dropped.
    /// `None` if somebody is at it: try again later. Hold it for as short a time as can be, and for each file anew.
    ///
    /// On a disk without space for the lock's file there is nothing that excludes a cursor that is made the moment after
    /// there is space again; it would begin at a record that is gone, and be told so by `PSTREAM_TRIMMED`.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO`.
    pub fn exclude(&self) -> Result<Option<Guard>> {
        match guard::make(&*self.io, &self.meta).and_then(|()| guard::make(&*self.io, &self.path)) {
            Err(error) if *error.kind() != ErrorKind::NoSpace => Err(error),
            // Where the folder could not be made, neither can the file in it.
            Err(_) => Ok(Some(Guard::unlocked())),
            Ok(()) => guard::enter_to_trim(&*self.io, &self.path),
        }
    }

    /// The lowest seq that a cursor needs, or may need after a power cut: the older of each one's two slots, as the newer one
    /// may not be durable yet. `None`: there is no cursor. Of a cursor that cannot be read nobody knows what it needs: 0.
    /// One of another stream counts for nothing.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO`: nothing may be trimmed.
    pub fn floor(&self, _guard: &Guard, id: StreamId) -> Result<Option<u64>> {
        let mut floor = None;
        for place in self.places()? {
            let needs = match slots::look(&*self.io, &place, id)? {
                Some(Seen::Ours(standing)) => standing.floor,
                Some(Seen::Lost(_)) => 0,
                Some(Seen::Foreign) | None => continue,
            };
            floor = Some(floor.map_or(needs, |floor: u64| floor.min(needs)));
        }
        Ok(floor)
    }

    /// The cursors of the stream, by name, whoever uses them.
    ///
    /// # Errors
    ///
    /// `PSTREAM_IO`.
    pub fn list(&self, id: StreamId) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for place in self.places()? {
            let state = match slots::look(&*self.io, &place, id)? {
                Some(Seen::Ours(standing)) => Ok(State { slot: standing.newest, damaged: standing.damaged }),
                Some(Seen::Lost(error)) => Err(error),
                Some(Seen::Foreign) | None => continue,
            };
            listed.push(Listed { name: place.name().to_owned(), state });
        }
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    /// Opens the cursor `name`, for one consumer: this one, until it is dropped. One that is not there is made, durable when
    /// this returns, at the position that `start` gives; nothing is trimmed meanwhile.
    ///
    /// After a crash of its last consumer it stands where that one's last commit has put it; a commit that was under way may
    /// count or not.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for a name that is not 1 to 100 of `A-Z a-z 0-9 . _ -`, or begins with a dot;
    /// `PSTREAM_LOCKED` if somebody has it; `PSTREAM_CORRUPT` if neither of its two slots can be read: delete it, and make it
    /// anew where the work is to begin; `PSTREAM_UNSUPPORTED` for one of a later version, and on a file system without locks;
    /// `PSTREAM_NO_SPACE` if it has to be made; `PSTREAM_SYNC_FAILED`, `PSTREAM_IO`; those of `start`.
    pub fn open(&self, name: &str, id: StreamId, start: impl FnOnce() -> Result<u64>) -> Result<Cursor> {
        let place = Place::new(&self.path, name)?;
        guard::make(&*self.io, &self.meta)?;
        guard::make(&*self.io, &self.path)?;
        let lease = Lease::take(&self.io, &place)?;
        match slots::look(&*self.io, &place, id)? {
            Some(Seen::Ours(_)) => {}
            Some(Seen::Lost(error)) => return Err(error),
            left_over => {
                if left_over.is_some() {
                    let path = place.slots();
                    self.io.remove_file(&path).map_err(|error| Error::io("unlink", &path, error))?;
                }
                let _guard = guard::wait(&*self.io, &self.path)?;
                let first = CursorSlot { position: start()?, counter: 0, time_ms: slots::now_ms(&*self.io) };
                slots::create(&*self.io, &place, &first, id)?;
            }
        }
        // Who made it, or one of the folders above, may have come to an end before this.
        for folder in [&self.root, &self.meta, &self.path] {
            self.sync(folder)?;
        }
        Cursor::new(lease, self.clone(), id)
    }

    /// Deletes the cursor `name`, durably. Retention keeps nothing for it any more.
    ///
    /// # Errors
    ///
    /// `PSTREAM_NOT_FOUND`; `PSTREAM_LOCKED` if somebody has it; `PSTREAM_INVALID_INPUT` for the name; `PSTREAM_SYNC_FAILED`,
    /// `PSTREAM_IO`: call it again.
    pub fn delete(&self, name: &str, id: StreamId) -> Result<()> {
        let place = Place::new(&self.path, name)?;
        if !self.is_there(&place, id)? {
            return Err(self.not_found(&place));
        }
        let lease = Lease::take(&self.io, &place)?;
        if !self.is_there(&place, id)? {
            lease.remove();
            return Err(self.not_found(&place));
        }
        let path = place.slots();
        self.io.remove_file(&path).map_err(|error| Error::io("unlink", &path, error))?;
        self.sync(&self.path)?;
        lease.remove();
        Ok(())
    }

    pub(super) fn guard(&self) -> Result<Guard> {
        guard::wait(&*self.io, &self.path)
    }

    pub(super) fn io(&self) -> &Arc<dyn Io> {
        &self.io
    }

    fn is_there(&self, place: &Place, id: StreamId) -> Result<bool> {
        Ok(matches!(slots::look(&*self.io, place, id)?, Some(Seen::Ours(_) | Seen::Lost(_))))
    }

    /// Once that is durable: who deleted it may have come to an end before, and a power cut would bring it back.
    fn not_found(&self, place: &Place) -> Error {
        match self.io.sync_dir(&self.path) {
            Err(error) if error.kind() != OsKind::NotFound => Error::sync("fsync", &self.path, error),
            _ => Error::new(ErrorKind::NotFound, format!("there is no cursor '{}'", place.name()))
                .at_path(&place.slots()),
        }
    }

    fn sync(&self, folder: &Path) -> Result<()> {
        self.io.sync_dir(folder).map_err(|error| Error::sync("fsync", folder, error))
    }

    fn places(&self) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        let listed = self.io.read_dir(&self.path, &mut |entry| {
            if entry.kind == FileKind::File {
                places.extend(entry.name.to_str().and_then(|name| Place::of_entry(&self.path, name)));
            }
            Ok(())
        });
        match listed {
            Err(error) if error.kind() == OsKind::NotFound => Ok(Vec::new()),
            done => done.map(|()| places).map_err(|error| Error::io("scandir", &self.path, error)),
        }
    }
}
