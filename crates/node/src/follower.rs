//! Streams that are open for reading alone. What they show is looked up on the thread pool, by whatever reads; the JavaScript
//! thread is told what was seen last.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use pstream_core::stream::cursor::Folder;
use pstream_core::stream::read::Snapshot;
use pstream_core::stream::{FollowOptions, Follower, Mode, Stats};
use pstream_core::{CachePolicy, Error, ErrorKind, OsIo, Result};

use crate::error::{internal, number};
use crate::stream_data::RawStats;
use crate::stream_held::{Held, Holders};
use crate::stream_runs::Snapshots;
use crate::task::{Job, Outcome, guarded, job};

/// What does not change as long as it is open.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct FollowerInfo {
    /// The folder, resolved.
    pub directory: String,
    /// The largest record, by the file that the stream ended in.
    pub max_record_bytes: i64,
    /// The file that its writer changes whenever there is more.
    pub mark: String,
}

#[derive(Default)]
struct Shared {
    follower: Mutex<State>,
    /// What reads it.
    holders: Holders,
}

#[derive(Default)]
enum State {
    #[default]
    New,
    Open(Arc<Follower>),
    /// What getters say of it from then on.
    Closed(Option<Arc<Follower>>),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<Arc<Follower>> {
        match &*self.state() {
            State::Open(follower) => Ok(Arc::clone(follower)),
            State::Closed(_) => Err(Error::new(ErrorKind::Closed, "stream is closed")),
            State::New => Err(internal("the stream is not open")),
        }
    }

    /// Also when it is closed.
    fn last(&self) -> Result<Arc<Follower>> {
        match &*self.state() {
            State::Open(follower) | State::Closed(Some(follower)) => Ok(Arc::clone(follower)),
            State::Closed(None) | State::New => Err(internal("the stream is not open")),
        }
    }

    fn close(&self) {
        let mut state = self.state();
        *state = match std::mem::take(&mut *state) {
            State::Open(follower) => State::Closed(Some(follower)),
            State::Closed(last) => State::Closed(last),
            State::New => State::Closed(None),
        };
        drop(state);
        self.holders.close();
    }
}

/// A stream, open for reading alone.
#[napi]
pub struct NativeFollower(Arc<Shared>);

impl fmt::Debug for NativeFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeFollower").finish_non_exhaustive()
    }
}

impl Default for NativeFollower {
    fn default() -> Self {
        Self::new()
    }
}

impl NativeFollower {
    /// What can be read whenever it is asked for, as long as it is open. Looks at the disk.
    pub(crate) fn snapshots(&self) -> Snapshots {
        let shared = Arc::downgrade(&self.0);
        Box::new(move || {
            let closed = || Error::new(ErrorKind::Closed, "stream is closed");
            shared.upgrade().ok_or_else(closed)?.open()?.refresh()
        })
    }

    /// As of the last look.
    pub(crate) fn last_snapshot(&self) -> Result<Snapshot> {
        Ok(self.0.open()?.snapshot())
    }

    /// Its cursors.
    pub(crate) fn cursors(&self) -> Result<Folder> {
        Ok(self.0.open()?.cursors())
    }

    /// Keeps account of what reads it.
    pub(crate) fn hold<T: Send + 'static>(&self, what: T) -> Result<Arc<Held<T>>> {
        self.0.holders.hold(what)
    }
}

#[napi]
impl NativeFollower {
    /// Not open yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Opens it. After a failure it may be called again.
    #[napi(ts_return_type = "Promise<FollowerInfo | Failure>")]
    pub fn open(
        &self,
        directory: String,
        name: String,
        salvage: bool,
        keep_cache: bool,
    ) -> AsyncTask<Job<FollowerInfo>> {
        let shared = Arc::clone(&self.0);
        job(move || {
            let recovery = if salvage { Mode::Salvage } else { Mode::Strict };
            let cache = if keep_cache { CachePolicy::Keep } else { CachePolicy::Drop };
            let options = FollowOptions { name, recovery, cache };
            let follower = Follower::open(Arc::new(OsIo), Path::new(&directory), options)?;
            let info = FollowerInfo {
                directory: follower.directory().to_string_lossy().into_owned(),
                max_record_bytes: number(follower.max_record_bytes()),
                mark: follower.mark_path().to_string_lossy().into_owned(),
            };
            *shared.state() = State::Open(Arc::new(follower));
            Ok(info)
        })
    }

    /// Looks how far it can be read by now.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn refresh(&self) -> AsyncTask<Job<()>> {
        let shared = Arc::clone(&self.0);
        job(move || shared.open()?.refresh().map(drop))
    }

    /// Everything below this seq is durable, as of the last look.
    #[napi(ts_return_type = "number | Failure")]
    pub fn durable_seq(&self) -> Outcome<i64> {
        guarded(|| Ok(number(self.0.last()?.snapshot().next_seq())))
    }

    /// The first record, as of the last look.
    #[napi(ts_return_type = "number | Failure")]
    pub fn oldest_seq(&self) -> Outcome<i64> {
        guarded(|| Ok(number(self.0.last()?.oldest_seq())))
    }

    /// What it takes on disk, as of the last look.
    #[napi(ts_return_type = "RawStats | Failure")]
    pub fn stats(&self) -> Outcome<RawStats> {
        guarded(|| Ok(Stats { footprint: self.0.last()?.footprint(), ..Stats::default() }.into()))
    }

    /// Gives up all files that it reads.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn close(&self) -> AsyncTask<Job<()>> {
        let shared = Arc::clone(&self.0);
        job(move || {
            shared.close();
            Ok(())
        })
    }
}
