//! The errors that only a simulated machine gives. To the engine all of them are opaque.

use std::fmt;
use std::io::{Error, ErrorKind};

#[derive(Debug)]
enum Halt {
    Stopped,
    Dead,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "simulated machine is stopped",
            Self::Dead => "simulated process is dead",
        })
    }
}

impl std::error::Error for Halt {}

/// Whether this error says that the machine was stopped by [`crate::Effect::Stop`] or its kin: the call never
/// returned to anybody, and the test's next step is a crash.
#[must_use]
pub fn is_stopped(error: &Error) -> bool {
    matches!(halt(error), Some(Halt::Stopped))
}

/// Whether this error says that the handle belongs to a process that a crash has ended.
#[must_use]
pub fn is_dead(error: &Error) -> bool {
    matches!(halt(error), Some(Halt::Dead))
}

fn halt(error: &Error) -> Option<&Halt> {
    error.get_ref()?.downcast_ref()
}

pub(crate) fn stopped() -> Error {
    Error::other(Halt::Stopped)
}

pub(crate) fn dead() -> Error {
    Error::other(Halt::Dead)
}

pub(crate) fn failure(kind: ErrorKind) -> Error {
    match kind {
        // The usual case stands for EIO and says so where it is printed.
        ErrorKind::Other => Error::other("simulated input/output error"),
        kind => Error::new(kind, "simulated failure"),
    }
}

pub(crate) fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}
