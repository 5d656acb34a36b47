//! Errors of the engine as plain data.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use napi_derive::napi;
use pstream_core::{BadName, Error, ErrorKind};

/// An error of the engine: `ts/errors.ts` makes an error object of it.
#[napi(object, object_from_js = false)]
#[derive(Debug, Default)]
pub struct Failure {
    /// The stable code.
    pub code: String,
    /// The text.
    pub message: String,
    /// The operating system's error number, as it is.
    pub errno: Option<i32>,
    /// What the operating system's error means, where there is no number.
    pub os_kind: Option<String>,
    /// The operation that the operating system refused.
    pub syscall: Option<String>,
    /// The file or folder.
    pub path: Option<String>,
    /// The block at which the call began.
    pub block: Option<i64>,
    /// The name of the file of a stream.
    pub file: Option<String>,
    /// The position in a stream.
    pub position: Option<i64>,
    /// The record.
    pub seq: Option<i64>,
    /// Of a damage: the first record that may be gone.
    pub from_seq: Option<i64>,
    /// Of a damage: the first record behind it.
    pub to_seq: Option<i64>,
    /// Of a record that was released: the oldest one that is left.
    pub oldest_seq: Option<i64>,
    /// Of a sequence: the index it is about.
    pub index: Option<u32>,
    /// Of a sequence: the first index.
    pub start: Option<u32>,
    /// Of a sequence: one past the last index.
    pub end: Option<u32>,
    /// Which part of a file's name does not parse.
    pub reason: Option<String>,
    /// Who holds the lock.
    pub holder: Option<Holder>,
}

/// Who holds a lock, as far as is known.
#[napi(object, object_from_js = false)]
#[derive(Debug, Default)]
pub struct Holder {
    /// Process id.
    pub pid: Option<u32>,
    /// Host name.
    pub host: Option<String>,
    /// Milliseconds since 1970.
    pub since: Option<i64>,
    /// Whether the process lives.
    pub alive: Option<bool>,
    /// What a symbolic link in the lock's place points to.
    pub note: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            errno: error.os().and_then(std::io::Error::raw_os_error),
            os_kind: error.os().map(|os| format!("{:?}", os.kind())),
            syscall: error.syscall().map(str::to_owned),
            path: error.path().map(|path| path.to_string_lossy().into_owned()),
            block: error.block().map(number),
            position: error.position().map(number),
            seq: error.seq().map(number),
            ..Self::default()
        };
        match error.kind() {
            ErrorKind::SequenceDuplicate(index)
            | ErrorKind::SequenceOutOfOrder(index)
            | ErrorKind::SequenceOutOfRange(index) => Self { index: Some(u32::from(*index)), ..failure },
            ErrorKind::SequenceTooLong(start, end) | ErrorKind::Limit(Some((start, end))) => {
                Self { start: Some(u32::from(*start)), end: Some(u32::from(*end)), ..failure }
            }
            ErrorKind::SequenceBadName(reason) => Self { reason: Some(reason_name(*reason).to_owned()), ..failure },
            ErrorKind::Corrupt(damage) => Self {
                file: error.path().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()),
                from_seq: damage.from_seq.map(number),
                to_seq: damage.to_seq.map(number),
                ..failure
            },
            ErrorKind::Trimmed(oldest) => Self { oldest_seq: Some(number(*oldest)), ..failure },
            ErrorKind::Locked(holder) => Self { holder: holder.as_ref().map(Holder::from), ..failure },
            _ => failure,
        }
    }
}

fn reason_name(reason: BadName) -> &'static str {
    match reason {
        BadName::Index => "bad-index",
        BadName::Shift => "bad-shift",
        BadName::MissingFields => "missing-fields",
        BadName::TooManyFields => "too-many-fields",
    }
}

impl From<&pstream_core::Holder> for Holder {
    fn from(holder: &pstream_core::Holder) -> Self {
        let pstream_core::Holder { pid, host, since, alive, note } = holder;
        Self { pid: *pid, host: host.clone(), since: since.map(milliseconds), alive: *alive, note: note.clone() }
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// A size or count for JavaScript; what is beyond 2^53 loses its last digits there.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A size or count from JavaScript. A negative one, which the TypeScript layer lets nobody give, becomes one that the
/// engine refuses.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// A fault of ours.
pub(crate) fn internal(message: &str) -> Error {
    Error::new(ErrorKind::Io, format!("internal error: {message}"))
}
