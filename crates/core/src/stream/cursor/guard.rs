//! What keeps the making of cursors and trimming apart.

use std::io::ErrorKind as OsKind;
use std::path::Path;
use std::time::Duration;

use super::name::GUARD;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::lock_file::{Attempt, Lock, LockMode, attempt};

/// As long as it is held no cursor is made or moved back, and nobody else trims. To be held for a short time.
pub struct Guard(#[expect(dead_code, reason = "held until it is dropped")] Option<Lock>);

impl Guard {
    /// Where nobody can have a lock.
    pub(super) fn unlocked() -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// Tries to enter the guard of a folder that is there. `None`: somebody else is in it.
pub(super) fn enter(io: &dyn Io, folder: &Path) -> Result<Option<Guard>> {
    // A destroyed stream takes the file with it: again, until that is over.
    const MAX_OUTDATED: u32 = 1000;
    let path = folder.join(GUARD);
    for _ in 0..MAX_OUTDATED {
        match attempt(io, &path, LockMode::Required)? {
            Attempt::Held(lock) => return Ok(Some(Guard(Some(lock)))),
            Attempt::Taken => return Ok(None),
            Attempt::Outdated => {}
        }
    }
    Ok(None)
}

/// The same for who trims, who must get on where there is no space for the lock's file, or there are no locks: then a cursor
/// cannot be made either.
pub(super) fn enter_to_trim(io: &dyn Io, folder: &Path) -> Result<Option<Guard>> {
    match enter(io, folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Unsupported) => {
            Ok(Some(Guard::unlocked()))
        }
        done => done,
    }
}

/// Enters the guard, waiting for whoever is in it: a trim holds it for as long as the removal of a file takes.
pub(super) fn wait(io: &dyn Io, folder: &Path) -> Result<Guard> {
    const PAUSE: Duration = Duration::from_millis(1);
    const PATIENCE: u32 = 10_000;
    for _ in 0..PATIENCE {
        if let Some(guard) = enter(io, folder)? {
            return Ok(guard);
        }
        io.sleep(PAUSE);
    }
    let message = "cursors cannot be made or moved back: the stream is being trimmed";
    Err(Error::new(ErrorKind::Locked(None), message).at_path(&folder.join(GUARD)))
}

/// Makes the folder `path` in one that is there, if need be. Not durable.
pub(super) fn make(io: &dyn Io, path: &Path) -> Result<()> {
    match io.create_dir(path) {
        Err(error) if error.kind() != OsKind::AlreadyExists => Err(Error::io("mkdir", path, error)),
        _ => Ok(()),
    }
}
