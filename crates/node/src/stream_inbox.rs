//! What became of hand-overs and trims, until the JavaScript thread fetches it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use pstream_core::Result;
use pstream_core::stream::{Background, Listener, Settled};

use crate::error::{Failure, number};
use crate::stream_background::RawBackground;

/// What became of hand-overs.
#[napi(object, object_from_js = false)]
#[derive(Debug, Default)]
pub struct RawSettled {
    /// One past the last ticket. It begins where the one before ended.
    pub end: i64,
    /// Seq of the first record; nothing if they failed.
    pub first_seq: i64,
    /// Why they failed.
    pub failure: Option<Failure>,
    /// Everything below this seq is durable; nothing if they failed.
    pub durable_seq: i64,
    /// How long the commit took, in milliseconds; nothing if it failed.
    pub took_ms: f64,
    /// Not of hand-overs, of which there are none then, but what was done on the side.
    pub background: Option<RawBackground>,
}

/// What came of a trim.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawTrimmed {
    /// As it was given.
    pub id: u32,
    /// The first record that is left.
    pub oldest_seq: i64,
    /// Why it has failed.
    pub failure: Option<Failure>,
}

/// Has the JavaScript thread fetch what there is.
pub(crate) type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// What has settled and was not fetched yet.
pub(crate) struct Inbox {
    settled: Mutex<Vec<RawSettled>>,
    trimmed: Mutex<Vec<RawTrimmed>>,
    wake: Wake,
}

impl Inbox {
    pub(crate) fn new(wake: Wake) -> Self {
        Self { settled: Mutex::default(), trimmed: Mutex::default(), wake }
    }

    pub(crate) fn take_settled(&self) -> Vec<RawSettled> {
        std::mem::take(&mut *locked(&self.settled))
    }

    pub(crate) fn take_trimmed(&self) -> Vec<RawTrimmed> {
        std::mem::take(&mut *locked(&self.trimmed))
    }

    fn push(&self, settled: RawSettled) {
        let is_first = {
            let mut all = locked(&self.settled);
            all.push(settled);
            all.len() == 1
        };
        // With others that were not fetched yet a call is under way. It fails only when the environment ends.
        if is_first {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// What came of a trim. Rare enough for a call each.
    pub(crate) fn trimmed(&self, id: u32, done: Result<u64>) {
        let trimmed = match done {
            Ok(oldest) => RawTrimmed { id, oldest_seq: number(oldest), failure: None },
            Err(error) => RawTrimmed { id, oldest_seq: 0, failure: Some(Failure::from(&error)) },
        };
        locked(&self.trimmed).push(trimmed);
        self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// What the commit thread tells.
pub(crate) struct Teller(pub(crate) Arc<Inbox>);

impl Listener for Teller {
    fn settled(&self, settled: Settled) {
        let settled = match settled {
            Settled::Committed { tickets, first_seq, durable_seq, took } => RawSettled {
                end: number(tickets.end),
                first_seq: number(first_seq),
                durable_seq: number(durable_seq),
                took_ms: took.as_secs_f64() * 1000.0,
                ..RawSettled::default()
            },
            Settled::Failed { tickets, error } => {
                RawSettled { end: number(tickets.end), failure: Some(Failure::from(&*error)), ..RawSettled::default() }
            }
        };
        self.0.push(settled);
    }

    fn background(&self, what: Background) {
        self.0.push(RawSettled { background: Some(what.into()), ..RawSettled::default() });
    }

    /// Nothing has settled: whoever waits for records looks how far they are durable.
    fn risen(&self, _durable_seq: u64) {
        self.0.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// Nothing panics while it holds one of them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
