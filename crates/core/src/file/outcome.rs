//! What an error from a write or a sync means: one table for all of them.
//!
//! | error | meaning |
//! | --- | --- |
//! | `EINTR`, `EAGAIN` | nothing was done: call again, a bounded number of times |
//! | `EOPNOTSUPP`, `ENOSYS` | the file cannot do this: take the fallback, for good |
//! | `ENOSPC`, `EDQUOT` | no space; what the file holds must be read anew from the disk before it is trusted |
//! | everything else | a sync failure: what reached the disk is unknown, and the cache may lie about it |

use std::io::{Error, ErrorKind, Result};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Call again.
    Retry,
    /// Take the fallback.
    Unsupported,
    /// Tell the caller, and check the file.
    NoSpace,
    /// Never touch the file again through this handle.
    SyncFailed,
}

/// The table.
pub(super) fn outcome_of(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::WouldBlock => Outcome::Retry,
        ErrorKind::Unsupported => Outcome::Unsupported,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Outcome::NoSpace,
        _ => Outcome::SyncFailed,
    }
}

/// How often in a row a call that was interrupted is made again. A signal may come at any time, but not for ever.
const MAX_RETRIES: u32 = 1000;

/// Makes a call again while it is interrupted. Never used for a sync: after an interrupted one nothing is known either,
/// and Linux does not interrupt them.
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut retries = 0_u32;
    loop {
        match call() {
            Err(error) if outcome_of(&error) == Outcome::Retry && retries < MAX_RETRIES => {
                retries = retries.saturating_add(1);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let table = [
            (ErrorKind::Interrupted, Outcome::Retry),
            (ErrorKind::WouldBlock, Outcome::Retry),
            (ErrorKind::Unsupported, Outcome::Unsupported),
            (ErrorKind::StorageFull, Outcome::NoSpace),
            (ErrorKind::QuotaExceeded, Outcome::NoSpace),
            (ErrorKind::Other, Outcome::SyncFailed),
            (ErrorKind::PermissionDenied, Outcome::SyncFailed),
            (ErrorKind::InvalidInput, Outcome::SyncFailed),
            (ErrorKind::ReadOnlyFilesystem, Outcome::SyncFailed),
        ];
        for (kind, outcome) in table {
            assert_eq!(outcome_of(&kind.into()), outcome, "{kind:?}");
        }
    }

    #[test]
    fn an_interrupted_call_is_made_again_but_not_for_ever() {
        let mut calls = 0;
        let done = retry(|| {
            calls += 1;
            if calls < 5 { Err(ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(done.unwrap(), 5);
        let mut calls = 0;
        let done: Result<()> = retry(|| {
            calls += 1;
            Err(ErrorKind::WouldBlock.into())
        });
        assert_eq!((done.unwrap_err().kind(), calls), (ErrorKind::WouldBlock, 1001));
    }
}
