//! Work on libuv's thread pool, and the one place where a panic is caught.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{AsyncTask, Either, Env, ToNapiValue, TypeName};
use napi::{Result as NapiResult, Task};
use pstream_core::Result;

use crate::arena::Lease;
use crate::error::Failure;

/// A value, or why there is none.
pub type Outcome<T> = Either<T, Failure>;

type Work<T> = Box<dyn FnOnce(&mut [u8]) -> Result<T> + Send>;

/// One call of the engine, to be made on the thread pool.
pub struct Job<T> {
    /// `None` once it has run.
    work: Option<Work<T>>,
    /// Apart from the work, which is dropped on the pool's thread: a lease belongs to the JavaScript thread.
    memory: Option<Lease>,
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("memory", &self.memory).finish_non_exhaustive()
    }
}

/// A job that needs no memory of JavaScript.
pub(crate) fn job<T>(work: impl FnOnce() -> Result<T> + Send + 'static) -> AsyncTask<Job<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
{
    AsyncTask::new(Job { work: Some(Box::new(|_| work())), memory: None })
}

/// A job on leased memory.
pub(crate) fn job_on<T>(memory: Lease, work: impl FnOnce(&mut [u8]) -> Result<T> + Send + 'static) -> AsyncTask<Job<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
{
    AsyncTask::new(Job { work: Some(Box::new(work)), memory: Some(memory) })
}

impl<T: ToNapiValue + TypeName + Send + 'static> Task for Job<T> {
    type Output = Outcome<T>;
    type JsValue = Outcome<T>;

    /// Never an error: a failure is a value like any other.
    fn compute(&mut self) -> NapiResult<Outcome<T>> {
        let (work, memory) = (self.work.take(), self.memory.as_mut());
        Ok(guarded(|| match work {
            Some(work) => work(memory.map(Lease::bytes).unwrap_or_default()),
            None => Err(crate::error::internal("a job was run twice")),
        }))
    }

    fn resolve(&mut self, _env: Env, outcome: Outcome<T>) -> NapiResult<Outcome<T>> {
        Ok(outcome)
    }
}

/// Makes a call of the engine, and data of its error or panic.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Outcome<T> {
    // What a panic may leave half done is the engine's to mind: its locks are taken over poisoned or not.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Either::A(value),
        Ok(Err(error)) => Either::B(Failure::from(&error)),
        Err(panic) => Either::B(Failure::from(&crate::error::internal(&message_of(&*panic)))),
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
