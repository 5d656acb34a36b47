//! Streams: copies.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use pstream_core::stream::{Backup, Level};
use pstream_core::{CreateOptions, OsIo, Result};

use crate::error::{internal, number};
use crate::stream_held::{Held, Release};
use crate::stream_read::{Readable, hold, now};
use crate::stream_runs::Snapshots;
use crate::task::{Job, Outcome, guarded, job};

/// How far a copy is.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawBackup {
    /// Bytes that were copied, and bytes of the copy that were checked.
    pub bytes: i64,
    /// What that comes to in the end.
    pub total_bytes: i64,
    /// It is whole, and durable.
    pub done: bool,
}

/// Begins to copy what is durable in the stream now. Looks at no file yet.
#[napi(
    ts_args_type = "stream: NativeStream | NativeFollower, directory: string, name: string",
    ts_return_type = "NativeBackup | Failure"
)]
pub fn backup_stream(stream: Readable<'_>, directory: String, name: String) -> Outcome<NativeBackup> {
    guarded(|| {
        let snapshots = now(&stream, Level::Durable)?;
        hold(&stream, Copying::Begins { snapshots, directory: directory.into(), name }).map(NativeBackup)
    })
}

/// A copy in the making. Given up before its end, it removes what there is of it.
#[napi]
pub struct NativeBackup(Arc<Held<Copying>>);

impl fmt::Debug for NativeBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeBackup").finish_non_exhaustive()
    }
}

enum Copying {
    Begins { snapshots: Snapshots, directory: PathBuf, name: String },
    GoesOn(Box<Backup>),
}

impl Copying {
    fn step(&mut self) -> Result<RawBackup> {
        if let Self::Begins { snapshots, directory, name } = self {
            let backup = snapshots()?.backup(Arc::new(OsIo), directory, name, CreateOptions::default())?;
            *self = Self::GoesOn(Box::new(backup));
        }
        let Self::GoesOn(backup) = self else { return Err(internal("the copy has not begun")) };
        let done = !backup.step()?;
        Ok(RawBackup { bytes: number(backup.bytes()), total_bytes: number(backup.total_bytes()), done })
    }
}

#[napi]
impl NativeBackup {
    /// Goes on by about 1 MiB.
    #[napi(ts_return_type = "Promise<RawBackup | Failure>")]
    pub fn step(&self) -> AsyncTask<Job<RawBackup>> {
        let held = Arc::clone(&self.0);
        job(move || held.with(Copying::step))
    }

    /// Gives up everything: nothing is left of a copy that is not whole.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn free(&self) -> AsyncTask<Job<()>> {
        let held = Arc::clone(&self.0);
        job(move || {
            held.release();
            Ok(())
        })
    }
}
