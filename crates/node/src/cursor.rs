//! Cursors. Each call that may wait for a disk is a job; those of one cursor are made one after the other.

use std::fmt;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Either};
use napi_derive::napi;
use pstream_core::Result;
use pstream_core::stream::Level;
use pstream_core::stream::cursor::{Cursor, Folder, Listed, check, resolve};
use pstream_core::stream::read::Start;

use crate::error::{Failure, count, number};
use crate::stream::NativeStream;
use crate::stream_held::{Held, Release};
use crate::stream_read::Readable;
use crate::stream_runs::Snapshots;
use crate::task::{Job, Outcome, guarded, job};

/// Where a cursor stands.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawStanding {
    /// Seq of the next record to be handled.
    pub position: i64,
    /// When that was committed, in milliseconds since 1970.
    pub committed_at: i64,
    /// One of its two slots could not be read.
    pub damaged: bool,
}

impl From<&Cursor> for RawStanding {
    fn from(cursor: &Cursor) -> Self {
        Self {
            position: number(cursor.position()),
            committed_at: number(cursor.committed_ms()),
            damaged: cursor.damaged(),
        }
    }
}

/// A cursor in a list.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawListedCursor {
    /// Its name.
    pub name: String,
    /// Where it stands, if anybody can tell.
    pub standing: Option<RawStanding>,
    /// Why nobody can.
    pub failure: Option<Failure>,
}

impl From<Listed> for RawListedCursor {
    fn from(Listed { name, state }: Listed) -> Self {
        match state {
            Ok(state) => {
                let (position, committed_at) = (number(state.slot.position), number(state.slot.time_ms));
                let standing = RawStanding { position, committed_at, damaged: state.damaged };
                Self { name, standing: Some(standing), failure: None }
            }
            Err(error) => Self { name, standing: None, failure: Some(Failure::from(&error)) },
        }
    }
}

/// A cursor in the hands of its consumer. Dropped by the garbage collector, it gives up its lock.
#[napi]
pub struct NativeCursor(Arc<Held<Cursor>>);

impl fmt::Debug for NativeCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeCursor").finish_non_exhaustive()
    }
}

/// Where the cursors are, and what can be read whenever it is asked for.
fn parts(stream: &Readable<'_>) -> (Result<Folder>, Snapshots) {
    match stream {
        Either::A(stream) => (stream.cursors(), stream.snapshots(Level::Durable)),
        Either::B(follower) => (follower.cursors(), follower.snapshots()),
    }
}

fn start_of(start: &str, at: i64) -> Start {
    match start {
        "seq" => Start::Seq(count(at)),
        "time" => Start::Time(count(at)),
        "end" => Start::End,
        _ => Start::Oldest,
    }
}

/// Opens the cursor, without waiting for who has it; makes it at that place if it is not there.
#[napi(
    ts_args_type = "stream: NativeStream | NativeFollower, name: string, start: 'oldest' | 'end' | 'seq' | 'time', at: number",
    ts_return_type = "Promise<NativeCursor | Failure>"
)]
pub fn open_cursor(stream: Readable<'_>, name: String, start: String, at: i64) -> AsyncTask<Job<NativeCursor>> {
    let (folder, snapshots) = parts(&stream);
    // Who follows somebody else's stream may not know all of it.
    let knows = matches!(stream, Either::A(_));
    job(move || {
        let id = snapshots()?.id();
        // As of when nobody trims any more.
        let cursor = folder?.open(&name, id, || resolve(&snapshots()?, start_of(&start, at)))?;
        if knows {
            check(&cursor, &snapshots()?)?;
        }
        Ok(NativeCursor(Arc::new(Held::alone(cursor))))
    })
}

/// The cursors of the stream, by name, whoever has them.
#[napi(ts_args_type = "stream: NativeStream | NativeFollower", ts_return_type = "Promise<RawListedCursor[] | Failure>")]
pub fn list_cursors(stream: Readable<'_>) -> AsyncTask<Job<Vec<RawListedCursor>>> {
    let (folder, snapshots) = parts(&stream);
    job(move || Ok(folder?.list(snapshots()?.id())?.into_iter().map(RawListedCursor::from).collect()))
}

/// Deletes a cursor, without waiting for who has it.
#[napi(ts_return_type = "Promise<Failure | undefined>")]
pub fn delete_cursor(stream: &NativeStream, name: String) -> AsyncTask<Job<()>> {
    let (folder, snapshots) = (stream.cursors(), stream.snapshots(Level::Durable));
    job(move || folder?.delete(&name, snapshots()?.id()))
}

/// Roughly how many bytes of the stream there are from a record on. Reads nothing.
#[napi(ts_args_type = "stream: NativeStream | NativeFollower, seq: number", ts_return_type = "number | Failure")]
pub fn bytes_from(stream: Readable<'_>, seq: i64) -> Outcome<i64> {
    guarded(|| {
        let snapshot = match stream {
            Either::A(stream) => stream.snapshot(Level::Durable),
            Either::B(follower) => follower.last_snapshot(),
        };
        Ok(number(snapshot?.bytes_from(count(seq))))
    })
}

#[napi]
impl NativeCursor {
    /// Where it stands. Waits for a call under way.
    #[napi(ts_return_type = "RawStanding | Failure")]
    pub fn standing(&self) -> Outcome<RawStanding> {
        guarded(|| self.0.with(|cursor| Ok(RawStanding::from(&*cursor))))
    }

    /// The record has been handled. `end`: everything below is durable.
    #[napi(ts_return_type = "Promise<RawStanding | Failure>")]
    pub fn commit(&self, seq: i64, end: i64) -> AsyncTask<Job<RawStanding>> {
        let held = Arc::clone(&self.0);
        job(move || held.with(|cursor| cursor.commit(count(seq), count(end)).map(|()| RawStanding::from(&*cursor))))
    }

    /// The same, on this thread.
    #[napi(ts_return_type = "RawStanding | Failure")]
    pub fn commit_sync(&self, seq: i64, end: i64) -> Outcome<RawStanding> {
        guarded(|| self.0.with(|cursor| cursor.commit(count(seq), count(end)).map(|()| RawStanding::from(&*cursor))))
    }

    /// Goes to that place.
    #[napi(
        ts_args_type = "stream: NativeStream | NativeFollower, start: 'oldest' | 'end' | 'seq' | 'time', at: number",
        ts_return_type = "Promise<RawStanding | Failure>"
    )]
    pub fn seek(&self, stream: Readable<'_>, start: String, at: i64) -> AsyncTask<Job<RawStanding>> {
        let (held, (_, snapshots)) = (Arc::clone(&self.0), parts(&stream));
        job(move || {
            held.with(|cursor| {
                cursor.seek(|| resolve(&snapshots()?, start_of(&start, at)))?;
                Ok(RawStanding::from(&*cursor))
            })
        })
    }

    /// Gives it up, when the call under way is done.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn close(&self) -> AsyncTask<Job<()>> {
        let held = Arc::clone(&self.0);
        job(move || {
            held.release();
            Ok(())
        })
    }

    /// The same, on this thread.
    #[napi]
    pub fn close_sync(&self) {
        self.0.release();
    }
}
