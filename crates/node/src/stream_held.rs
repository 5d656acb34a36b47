//! What is open on a stream beside the writer, so that closing the stream ends it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pstream_core::{Error, ErrorKind, Result};

/// Something of which one call is made at a time, until it is given up. Boxed: who keeps account of it holds the place that
/// it was in, also when it is gone.
#[derive(Debug)]
pub(crate) struct Held<T>(Mutex<Option<Box<T>>>);

impl<T> Held<T> {
    fn lock(&self) -> MutexGuard<'_, Option<Box<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, unless it was given up.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        self.lock().as_deref_mut().map_or_else(|| Err(closed()), call)
    }
}

/// What can be given up, whatever it is.
pub(crate) trait Release: Send + Sync {
    /// Waits for the call under way. May be called again.
    fn release(&self);
}

impl<T: Send> Release for Held<T> {
    fn release(&self) {
        drop(self.lock().take());
    }
}

/// All that is held of a stream.
#[derive(Default)]
pub(crate) struct Holders(Mutex<State>);

#[derive(Default)]
struct State {
    held: Vec<Weak<dyn Release>>,
    /// With so many it is time to forget those that are gone.
    full: usize,
    closed: bool,
}

impl Holders {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps account of something new.
    pub(crate) fn hold<T: Send + 'static>(&self, what: T) -> Result<Arc<Held<T>>> {
        let held = Arc::new(Held(Mutex::new(Some(Box::new(what)))));
        let mut state = self.lock();
        if state.closed {
            return Err(closed());
        }
        if state.held.len() >= state.full {
            state.held.retain(|held| held.strong_count() > 0);
            state.full = state.held.len().saturating_mul(2).max(16);
        }
        let release: Weak<dyn Release> = Arc::<Held<T>>::downgrade(&held);
        state.held.push(release);
        Ok(held)
    }

    /// Gives up everything, now and from now on.
    pub(crate) fn close(&self) {
        let held = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.held)
        };
        for held in held.iter().filter_map(Weak::upgrade) {
            held.release();
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "stream is closed")
}
