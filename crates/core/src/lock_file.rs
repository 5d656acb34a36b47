//! A lock file, and the text beside it that tells others who holds the lock.
//!
//! It is a regular file with a lock of the operating system on it, which the kernel gives up when the process ends, however
//! it ends. Whether somebody holds it is decided by that lock alone; the text is for messages.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::error::{Error, ErrorKind, Holder, Result};
use crate::io::{FileKind, Io, IoLock};

/// What to do on a file system that has no locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    /// Fail with `PSTREAM_UNSUPPORTED`. Default.
    #[default]
    Required,
    /// Go on unlocked: the caller sees to it that nobody else opens the sequence.
    BestEffort,
}

/// An open lock file, locked or, where the file system has no locks, merely open.
pub(crate) type Lock = Box<dyn IoLock>;

/// What one attempt came to.
pub(crate) enum Attempt {
    Held(Lock),
    /// Somebody else has it.
    Taken,
    /// The file was removed by its holder between our opening and our locking of it.
    Outdated,
}

/// Permissions of a lock's file and of the text beside it.
pub(crate) const MODE: u32 = 0o600;
const MAX_NOTE: usize = 4096;

/// Tries to take the lock at `path`, once.
pub(crate) fn attempt(io: &dyn Io, path: &Path, mode: LockMode) -> Result<Attempt> {
    let lock = match io.open_lock(path, Some(MODE)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return not_a_file(io, path),
        Err(error) => return Err(Error::io("open", path, error)),
    };
    match lock.try_lock() {
        Ok(false) => Ok(Attempt::Taken),
        // A closing holder removes the file while it still holds the lock. We may have opened the file before and got
        // the lock after: of a file that nobody else will ever find. Measured: without this check, unlink and
        // re-create gave two holders.
        Ok(true) => match lock.is_at(path) {
            Ok(true) => Ok(Attempt::Held(lock)),
            Ok(false) => Ok(Attempt::Outdated),
            Err(error) => Err(Error::io("stat", path, error)),
        },
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => match mode {
            LockMode::BestEffort => Ok(Attempt::Held(lock)),
            LockMode::Required => {
                let message = format!("cannot lock '{}': {error}", path.display());
                Err(Error::new(ErrorKind::Unsupported, message).at_path(path))
            }
        },
        Err(error) => Err(Error::io("flock", path, error)),
    }
}

/// A symbolic link is a lock made by hand or by the crate; anything else does not belong there.
fn not_a_file(io: &dyn Io, path: &Path) -> Result<Attempt> {
    match io.metadata(path) {
        Ok(metadata) if metadata.kind == FileKind::Symlink => Ok(Attempt::Taken),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Attempt::Outdated),
        Err(error) => Err(Error::io("stat", path, error)),
        Ok(_) => {
            let message = format!("'{}' is not a regular file", path.display());
            Err(Error::new(ErrorKind::InvalidFile, message).at_path(path))
        }
    }
}

/// A lock of the operating system that is taken says that its holder lives, whatever the text says.
pub(crate) fn living(holder: Holder) -> Holder {
    if holder.note.is_some() { holder } else { Holder { alive: Some(true), ..holder } }
}

/// Writes the text that says who we are. Best effort, on a full disk too: nothing depends on it.
pub(crate) fn write_holder(io: &dyn Io, path: &Path) {
    let identity = io.identity();
    let since = io.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (host, boot) = (identity.host.unwrap_or_default(), identity.boot_id.unwrap_or_default());
    let text = format!("pid {}\nhost {host}\nboot {boot}\nsince {since}\n", identity.pid);
    drop(io.write_note(path, MODE, text.as_bytes()));
}

/// What the text says, and whether that process lives.
pub(crate) fn read_holder(io: &dyn Io, path: &Path) -> Option<Holder> {
    let text = String::from_utf8(io.read_note(path, MAX_NOTE).ok()?).ok()?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let pid = field("pid").and_then(|pid| pid.parse().ok());
    let since = field("since").and_then(|ms| ms.parse().ok());
    let since = since.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    let us = io.identity();
    let host = field("host");
    // A pid means something on its own machine, in its own boot.
    let here = host == us.host;
    let alive = match pid {
        Some(_) if here && field("boot") != us.boot_id => Some(false),
        Some(pid) if here => io.process_alive(pid),
        _ => None,
    };
    Some(Holder { pid, host, since, alive, note: None })
}
