//! The lock of a sequence: one opener at a time, among processes and within one.
//!
//! The Rust crate makes a symbolic link to its pid: stale after every crash, wrong when the pid is reused or in another
//! container. Here it is a regular file with a lock of the operating system on it, which the kernel gives up when the
//! process ends, however it ends. Whether somebody holds it is decided by that lock alone; the text in `holder` is for
//! messages.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::SequenceOptions;
use super::name::Place;
use crate::error::{Error, Holder, Result, sequence as errors};
use crate::io::{FileKind, Io, IoLock};
use crate::lock_file::{Attempt, Lock, LockMode, MODE, attempt, living, read_holder, write_holder};

/// A share of a lock, which is held until the last share is released or dropped.
#[derive(Clone)]
pub(crate) struct LockShare(Arc<HeldLock>);

/// A lock that is held until it is released or dropped.
struct HeldLock {
    io: Arc<dyn Io>,
    place: Place,
    /// `None` when it has been released.
    lock: Option<Lock>,
    /// Its file stays.
    keep: bool,
}

/// Takes the lock, trying for `options.lock_timeout` while somebody holds it: which also rides out one who only looks.
pub(super) fn acquire(io: &Arc<dyn Io>, place: &Place, options: SequenceOptions) -> Result<LockShare> {
    const FIRST_PAUSE: Duration = Duration::from_millis(1);
    const LONGEST_PAUSE: Duration = Duration::from_millis(20);
    // A file that is removed under us each time we have opened it means somebody who opens and closes in a loop.
    const MAX_OUTDATED: u32 = 1000;
    let (mode, timeout, keep) = (options.lock, options.lock_timeout, options.keep_lock_file);
    let (mut waited, mut pause, mut outdated) = (Duration::ZERO, FIRST_PAUSE, 0_u32);
    loop {
        match attempt(&**io, &place.lock(), mode)? {
            Attempt::Held(lock) => {
                drop(io.create_dir(&place.meta()));
                write_holder(&**io, &place.holder());
                let held = HeldLock { io: Arc::clone(io), place: place.clone(), lock: Some(lock), keep };
                return Ok(LockShare(Arc::new(held)));
            }
            Attempt::Outdated if outdated < MAX_OUTDATED => outdated = outdated.saturating_add(1),
            Attempt::Taken if waited < timeout => {
                let pause_now = pause.min(timeout.saturating_sub(waited));
                io.sleep(pause_now);
                waited = waited.saturating_add(pause_now);
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            Attempt::Taken | Attempt::Outdated => {
                let holder = describe_holder(&**io, place);
                return Err(errors::locked(Some(living(holder))).at_path(&place.lock()));
            }
        }
    }
}

impl LockShare {
    /// Gives the lock up, if this is the last share.
    pub(super) fn release(self) -> Result<()> {
        Arc::into_inner(self.0).map_or(Ok(()), |mut held| held.release())
    }

    /// Gives the lock up, if this is the last share, and leaves its file, as a crash would: no call but the closing of a
    /// descriptor.
    pub(super) fn abandon(self) {
        if let Some(mut held) = Arc::into_inner(self.0) {
            held.lock = None;
        }
    }
}

impl HeldLock {
    /// Removes the lock file, unless it is to stay, then gives the lock up: in this order, so that nobody can lock the file
    /// in between and have it removed under them.
    fn release(&mut self) -> Result<()> {
        let Some(lock) = self.lock.take() else { return Ok(()) };
        let path = self.place.lock();
        drop(self.io.remove_file(&self.place.holder()));
        if self.keep {
            return Ok(());
        }
        // Only if nothing else is in the folder.
        drop(self.io.remove_dir(&self.place.meta()));
        // Not ours any more if somebody has replaced it by hand.
        let ours = lock.is_at(&path).map_err(|error| Error::io("stat", &path, error))?;
        match if ours { self.io.remove_file(&path) } else { Ok(()) } {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("unlink", &path, error)),
            _ => Ok(()),
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Whoever wants to know of errors has called `release`.
        drop(self.release());
    }
}

/// Who holds the lock, without taking or creating anything; `None` if nobody does.
pub(super) fn look(io: &dyn Io, place: &Place) -> Result<Option<Holder>> {
    let path = place.lock();
    let holder = || Some(describe_holder(io, place));
    match io.metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("stat", &path, error)),
        Ok(metadata) if metadata.kind == FileKind::Symlink => return Ok(holder()),
        Ok(metadata) if metadata.kind != FileKind::File => return Ok(None),
        Ok(_) => {}
    }
    match io.open_lock(&path, None).and_then(|lock| lock.try_lock()) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(holder().map(living)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // A lock that may not be opened, or a file system without locks: the text is all there is.
        Err(_) => Ok(holder()),
    }
}

/// Removes a lock that no living process can release. Says who held it; `None` if there was no lock.
pub(super) fn break_lock(io: &dyn Io, place: &Place, force: bool) -> Result<Option<Holder>> {
    let path = place.lock();
    if kind_of(io, &path)?.is_none() {
        return Ok(None);
    }
    let _alone = Breaker::enter(io, place)?;
    let Some(kind) = kind_of(io, &path)? else { return Ok(None) };
    let holder = describe_holder(io, place);
    // Kept until the file is gone, so that nobody takes in between what we then remove.
    let mut held = None;
    if kind == FileKind::Symlink {
        if holder.alive == Some(true) && !force {
            return Err(errors::locked(Some(holder)).at_path(&path));
        }
    } else {
        match attempt(io, &path, LockMode::BestEffort)? {
            Attempt::Held(lock) => held = Some(lock),
            Attempt::Taken | Attempt::Outdated => return Err(errors::locked(Some(living(holder))).at_path(&path)),
        }
    }
    io.remove_file(&path).map_err(|error| Error::io("unlink", &path, error))?;
    drop(held);
    io.sync_dir(place.root()).map_err(|error| Error::sync("fsync", place.root(), error))?;
    Ok(Some(holder))
}

fn kind_of(io: &dyn Io, path: &Path) -> Result<Option<FileKind>> {
    match io.metadata(path) {
        Ok(metadata) => Ok(Some(metadata.kind)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("stat", path, error)),
    }
}

/// Only one at a time may break a lock. A symbolic link cannot itself be locked: of two who see the same stale one, the
/// faster could remove it and open the sequence, and the slower would then remove the lock that it made.
struct Breaker<'a> {
    io: &'a dyn Io,
    place: &'a Place,
    made_folder: bool,
    lock: Option<Box<dyn IoLock>>,
}

impl<'a> Breaker<'a> {
    fn enter(io: &'a dyn Io, place: &'a Place) -> Result<Self> {
        let path = place.breaker();
        let made_folder = match io.create_dir(&place.meta()) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(Error::io("mkdir", &place.meta(), error)),
        };
        let lock = io.open_lock(&path, Some(MODE)).map_err(|error| Error::io("open", &path, error))?;
        let alone = match lock.try_lock() {
            Ok(true) => lock.is_at(&path).map_err(|error| Error::io("stat", &path, error))?,
            Ok(false) => false,
            // Where there are no locks the caller sees to it, as for the lock itself.
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => true,
            Err(error) => return Err(Error::io("flock", &path, error)),
        };
        if alone {
            return Ok(Self { io, place, made_folder, lock: Some(lock) });
        }
        Err(errors::locked(Some(describe_holder(io, place))).at_path(&place.lock()))
    }
}

impl Drop for Breaker<'_> {
    fn drop(&mut self) {
        drop(self.io.remove_file(&self.place.breaker()));
        // Where the name of a removed file stays until it is closed, its folder would not be empty.
        drop(self.lock.take());
        if self.made_folder {
            drop(self.io.remove_dir(&self.place.meta()));
        }
    }
}

/// Whatever can be said of the holder.
fn describe_holder(io: &dyn Io, place: &Place) -> Holder {
    match io.read_link(&place.lock()) {
        Ok(target) => {
            let note = target.to_string_lossy().into_owned();
            let pid = note.parse().ok();
            Holder { pid, alive: pid.and_then(|pid| io.process_alive(pid)), note: Some(note), ..Holder::default() }
        }
        Err(_) => read_holder(io, &place.holder()).unwrap_or_default(),
    }
}
