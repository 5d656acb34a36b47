//! Streams: reading.
//!
//! What reads is driven from JavaScript, by one job after the other: a reader gives a run of records a call, a search one
//! record to compare, a verification a step. Each job fills memory that JavaScript has made for it, as far as it goes;
//! nothing of it is touched when the job is done. A thread is occupied by a job under way alone.

use std::fmt;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Either};
use napi_derive::napi;
use pstream_core::Result;
use pstream_core::stream::Level;
use pstream_core::stream::read::{Record, Search, Verifier};

use crate::arena::Lease;
use crate::error::{count, internal, number};
use crate::follower::NativeFollower;
use crate::stream::NativeStream;
use crate::stream_held::{Held, Release};
use crate::stream_read_data::{RawReadOptions, RawRecord, RawRun, RawVerification, RawVerified};
use crate::stream_runs::{Runs, Snapshots};
use crate::task::{Job, Outcome, guarded, job, job_on};

/// A stream that can be read, whoever writes it.
pub(crate) type Readable<'a> = Either<&'a NativeStream, &'a NativeFollower>;

/// What can be read now; of a stream that somebody else writes, when it is asked for.
pub(crate) fn now(stream: &Readable<'_>, level: Level) -> Result<Snapshots> {
    Ok(match stream {
        Either::A(stream) => {
            let snapshot = stream.snapshot(level)?;
            Box::new(move || Ok(snapshot.clone()))
        }
        Either::B(follower) => follower.snapshots(),
    })
}

pub(crate) fn hold<T: Send + 'static>(stream: &Readable<'_>, what: T) -> Result<Arc<Held<T>>> {
    match stream {
        Either::A(stream) => stream.hold(what),
        Either::B(follower) => follower.hold(what),
    }
}

/// Begins to read what is in the stream now. Looks at no file yet.
#[napi(
    ts_args_type = "stream: NativeStream | NativeFollower, options: RawReadOptions",
    ts_return_type = "NativeReader | Failure"
)]
pub fn read_stream(stream: Readable<'_>, options: RawReadOptions) -> Outcome<NativeReader> {
    guarded(|| {
        let level = options.level();
        let later = match stream {
            Either::A(stream) => stream.snapshots(level),
            Either::B(follower) => follower.snapshots(),
        };
        let runs = Runs::new(now(&stream, level)?, Some(later).filter(|_| options.live), &options);
        hold(&stream, runs).map(NativeReader)
    })
}

/// A read. Dropped by the garbage collector, it closes its file.
#[napi]
pub struct NativeReader(Arc<Held<Runs>>);

impl fmt::Debug for NativeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeReader").finish_non_exhaustive()
    }
}

#[napi]
impl NativeReader {
    /// Fills `memory` with the next records: see [`crate::stream_runs`].
    #[napi(ts_args_type = "memory: ArrayBuffer", ts_return_type = "Promise<RawRun | Failure>")]
    pub fn next(&self, memory: Lease) -> AsyncTask<Job<RawRun>> {
        let held = Arc::clone(&self.0);
        job_on(memory, move |memory| held.with(|runs| runs.next(memory)))
    }

    /// Gives up memory and file; the next run will begin with the record `seq`.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn rest(&self, seq: i64) -> AsyncTask<Job<()>> {
        let held = Arc::clone(&self.0);
        job(move || {
            held.with(|runs| {
                runs.rest(count(seq));
                Ok(())
            })
        })
    }

    /// Gives up everything.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn free(&self) -> AsyncTask<Job<()>> {
        free(&self.0)
    }
}

/// Fills `memory` with the record, if there is one and it fits.
#[napi(
    ts_args_type = "stream: NativeStream | NativeFollower, seq: number, memory: ArrayBuffer",
    ts_return_type = "Promise<RawRecord | Failure | null>"
)]
pub fn get_record(stream: Readable<'_>, seq: i64, memory: Lease) -> AsyncTask<Job<Option<RawRecord>>> {
    let now = now(&stream, Level::Durable);
    job_on(memory, move |memory| fill(now?()?.get(count(seq))?, memory))
}

fn fill(record: Option<Record>, memory: &mut [u8]) -> Result<Option<RawRecord>> {
    let Some(Record { seq, time_ms, data }) = record else { return Ok(None) };
    if let Some(memory) = memory.get_mut(..data.len()) {
        memory.copy_from_slice(&data);
    }
    let length = i64::try_from(data.len()).map_err(|_| internal("a record is too long"))?;
    Ok(Some(RawRecord { seq: number(seq), time: number(time_ms), length }))
}

/// Begins a search in what is in the stream now. Looks at no file yet.
#[napi(ts_args_type = "stream: NativeStream | NativeFollower", ts_return_type = "NativeSearch | Failure")]
pub fn search_stream(stream: Readable<'_>) -> Outcome<NativeSearch> {
    guarded(|| hold(&stream, Searching::Begins(now(&stream, Level::Durable)?)).map(NativeSearch))
}

/// A search, turned inside out: JavaScript compares.
#[napi]
pub struct NativeSearch(Arc<Held<Searching>>);

enum Searching {
    Begins(Snapshots),
    GoesOn(Box<Search>),
}

impl Searching {
    fn search(&mut self) -> Result<&mut Search> {
        if let Self::Begins(now) = self {
            *self = Self::GoesOn(Box::new(now()?.search()));
        }
        match self {
            Self::GoesOn(search) => Ok(search),
            Self::Begins(_) => Err(internal("the search has not begun")),
        }
    }
}

impl fmt::Debug for NativeSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeSearch").finish_non_exhaustive()
    }
}

#[napi]
impl NativeSearch {
    /// Fills `memory` with the record to be compared, if it fits: the same one until there is an answer. Null when it is
    /// found.
    #[napi(ts_args_type = "memory: ArrayBuffer", ts_return_type = "Promise<RawRecord | Failure | null>")]
    pub fn next(&self, memory: Lease) -> AsyncTask<Job<Option<RawRecord>>> {
        let held = Arc::clone(&self.0);
        job_on(memory, move |memory| fill(held.with(|searching| searching.search()?.next())?, memory))
    }

    /// Whether the record comes before what is looked for. Reads nothing.
    #[napi(ts_return_type = "Failure | undefined")]
    pub fn answer(&self, before: bool) -> Outcome<()> {
        guarded(|| {
            self.0.with(|searching| {
                searching.search()?.answer(before);
                Ok(())
            })
        })
    }

    /// What was found.
    #[napi(ts_return_type = "number | Failure")]
    pub fn seq(&self) -> Outcome<i64> {
        guarded(|| self.0.with(|searching| Ok(number(searching.search()?.seq()))))
    }

    /// Gives up everything.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn free(&self) -> AsyncTask<Job<()>> {
        free(&self.0)
    }
}

/// Begins to verify what is in the stream now. Looks at no file yet.
#[napi(ts_args_type = "stream: NativeStream | NativeFollower", ts_return_type = "NativeVerifier | Failure")]
pub fn verify_stream(stream: Readable<'_>) -> Outcome<NativeVerifier> {
    guarded(|| hold(&stream, Verification::Begins(now(&stream, Level::Durable)?)).map(NativeVerifier))
}

/// A verification.
#[napi]
pub struct NativeVerifier(Arc<Held<Verification>>);

impl fmt::Debug for NativeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeVerifier").finish_non_exhaustive()
    }
}

enum Verification {
    Begins(Snapshots),
    GoesOn(Box<Verifier>),
}

impl Verification {
    fn step(&mut self) -> Result<RawVerification> {
        if let Self::Begins(now) = self {
            *self = Self::GoesOn(Box::new(now()?.verify()?));
        }
        let Self::GoesOn(verifier) = self else { return Err(internal("the verification has not begun")) };
        let goes_on = verifier.step()?;
        let (bytes, total_bytes) = (number(verifier.bytes()), number(verifier.total_bytes()));
        let report = (!goes_on).then(|| RawVerified::from(verifier.report()));
        Ok(RawVerification { bytes, total_bytes, report })
    }
}

#[napi]
impl NativeVerifier {
    /// Goes on by about 1 MiB.
    #[napi(ts_return_type = "Promise<RawVerification | Failure>")]
    pub fn step(&self) -> AsyncTask<Job<RawVerification>> {
        let held = Arc::clone(&self.0);
        job(move || held.with(Verification::step))
    }

    /// Gives up everything.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn free(&self) -> AsyncTask<Job<()>> {
        free(&self.0)
    }
}

fn free<T: Send + 'static>(held: &Arc<Held<T>>) -> AsyncTask<Job<()>> {
    let held = Arc::clone(held);
    job(move || {
        held.release();
        Ok(())
    })
}
