//! The one error type of the engine.
//!
//! An [`Error`] is data: a kind with a stable code, a message, and whatever is known of the place where it happened.
//! The binding carries it over as such, and the TypeScript layer builds the error object, so that each error is
//! declared here once and nowhere else. Codes and sequence messages are part of the API: callers match them.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Shorthand for results with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as something that a caller would handle differently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is outside its range, or arguments do not fit together. Nothing was touched.
    InvalidInput,
    /// What lies at the path is not what it should be: empty, of a wrong length, a folder, a symbolic link.
    InvalidFile,
    /// Something of that name is there already, and is left alone.
    AlreadyExists,
    /// There is nothing at the path.
    NotFound,
    /// A load reached past the end of the file.
    UnexpectedEof,
    /// A store made no progress.
    WriteZero,
    /// A store does not fit into the file. Nothing was written.
    Capacity,
    /// The disk, or the quota, is full. What was stored before is intact; the failed call may be tried again.
    NoSpace,
    /// A sync failed, now or earlier: the outcome of what was in flight is unknown. Reopen to go on.
    SyncFailed,
    /// Any other error of the operating system.
    Io,
    /// The options in a file's name do not parse.
    SequenceBadName(BadName),
    /// A file of the sequence is missing between two others.
    SequenceBroken,
    /// Two files have this index.
    SequenceDuplicate(u16),
    /// The file with this index is not the first of the sequence.
    SequenceOutOfOrder(u16),
    /// This index lies outside the sequence, or too far from the others to be compared with them.
    SequenceOutOfRange(u16),
    /// The files from the first index to (excluding) the second are more than a sequence can hold.
    SequenceTooLong(u16, u16),
    /// The file was not made by this sequence.
    SequenceUnrecognized,
    /// Somebody else has the sequence open; as far as is known, this one.
    Locked(Option<Holder>),
    /// The file or sequence has been closed.
    Closed,
    /// The file system or platform cannot do what was asked for, or a later version has written what is there.
    Unsupported,
    /// What was durable in a stream is damaged or gone.
    Corrupt(Damage),
    /// The record was released: this is the oldest one that is left.
    Trimmed(u64),
    /// Too much waits to be committed. Nothing was taken.
    Backpressure,
    /// The stream may not grow: it has reached the limit of bytes that it was opened with or, with the first index and one
    /// past the last, that of files. Nothing was written.
    Limit(Option<(u16, u16)>),
}

/// Which records of a stream a damage takes, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The first seq that may be gone.
    pub from_seq: Option<u64>,
    /// The first seq behind the damage.
    pub to_seq: Option<u64>,
}

/// Which part of `<index>-<shift>` does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// The index is not a hexadecimal number below 2^16.
    Index,
    /// The shift is not a decimal number.
    Shift,
    /// There is no shift.
    MissingFields,
    /// There is something behind the shift.
    TooManyFields,
}

/// What is known of the holder of a lock. For messages: nothing is ever decided by it, because process ids are reused
/// and mean nothing in another container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: Option<u32>,
    /// Host name.
    pub host: Option<String>,
    /// When the lock was taken.
    pub since: Option<SystemTime>,
    /// Whether a process of that id lives on this host; unknown for another host.
    pub alive: Option<bool>,
    /// The text that a symbolic link in the lock's place points to.
    pub note: Option<String>,
}

impl ErrorKind {
    /// Every code that [`ErrorKind::code`] can return, in the order of the documentation's table.
    pub const CODES: [&'static str; 24] = [
        "PSTREAM_INVALID_INPUT",
        "PSTREAM_INVALID_FILE",
        "PSTREAM_ALREADY_EXISTS",
        "PSTREAM_NOT_FOUND",
        "PSTREAM_UNEXPECTED_EOF",
        "PSTREAM_WRITE_ZERO",
        "PSTREAM_CAPACITY",
        "PSTREAM_NO_SPACE",
        "PSTREAM_SYNC_FAILED",
        "PSTREAM_IO",
        "PSTREAM_SEQUENCE_BAD_NAME",
        "PSTREAM_SEQUENCE_BROKEN",
        "PSTREAM_SEQUENCE_DUPLICATE",
        "PSTREAM_SEQUENCE_OUT_OF_ORDER",
        "PSTREAM_SEQUENCE_OUT_OF_RANGE",
        "PSTREAM_SEQUENCE_TOO_LONG",
        "PSTREAM_SEQUENCE_UNRECOGNIZED",
        "PSTREAM_LOCKED",
        "PSTREAM_CLOSED",
        "PSTREAM_UNSUPPORTED",
        "PSTREAM_CORRUPT",
        "PSTREAM_TRIMMED",
        "PSTREAM_BACKPRESSURE",
        "PSTREAM_LIMIT",
    ];

    /// The stable code, the same in Rust, in TypeScript and in the documentation.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidInput => "PSTREAM_INVALID_INPUT",
            Self::InvalidFile => "PSTREAM_INVALID_FILE",
            Self::AlreadyExists => "PSTREAM_ALREADY_EXISTS",
            Self::NotFound => "PSTREAM_NOT_FOUND",
            Self::UnexpectedEof => "PSTREAM_UNEXPECTED_EOF",
            Self::WriteZero => "PSTREAM_WRITE_ZERO",
            Self::Capacity => "PSTREAM_CAPACITY",
            Self::NoSpace => "PSTREAM_NO_SPACE",
            Self::SyncFailed => "PSTREAM_SYNC_FAILED",
            Self::Io => "PSTREAM_IO",
            Self::SequenceBadName(_) => "PSTREAM_SEQUENCE_BAD_NAME",
            Self::SequenceBroken => "PSTREAM_SEQUENCE_BROKEN",
            Self::SequenceDuplicate(_) => "PSTREAM_SEQUENCE_DUPLICATE",
            Self::SequenceOutOfOrder(_) => "PSTREAM_SEQUENCE_OUT_OF_ORDER",
            Self::SequenceOutOfRange(_) => "PSTREAM_SEQUENCE_OUT_OF_RANGE",
            Self::SequenceTooLong(..) => "PSTREAM_SEQUENCE_TOO_LONG",
            Self::SequenceUnrecognized => "PSTREAM_SEQUENCE_UNRECOGNIZED",
            Self::Locked(_) => "PSTREAM_LOCKED",
            Self::Closed => "PSTREAM_CLOSED",
            Self::Unsupported => "PSTREAM_UNSUPPORTED",
            Self::Corrupt(_) => "PSTREAM_CORRUPT",
            Self::Trimmed(_) => "PSTREAM_TRIMMED",
            Self::Backpressure => "PSTREAM_BACKPRESSURE",
            Self::Limit(_) => "PSTREAM_LIMIT",
        }
    }
}

/// An error of the engine. Small (one pointer), because it travels in every result.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    path: Option<PathBuf>,
    block: Option<u64>,
    position: Option<u64>,
    seq: Option<u64>,
    syscall: Option<&'static str>,
    source: Option<io::Error>,
}

impl Error {
    /// An error of `kind` that says `message`.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            block: None,
            position: None,
            seq: None,
            syscall: None,
            source: None,
        }))
    }

    /// The operating system's `source`, met in `syscall` on `path`; its kind follows from the errno.
    #[must_use]
    pub fn io(syscall: &'static str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Io,
        };
        let message = format!("cannot {syscall} '{}': {source}", path.display());
        Self::new(kind, message).caused_by(syscall, source).at_path(path)
    }

    /// The operating system's `source`, met while making something durable: whatever its errno, the outcome of what
    /// was in flight is unknown, because the kernel marks pages clean after a failed writeback
    /// (<https://wiki.postgresql.org/wiki/Fsync_Errors>).
    #[must_use]
    pub fn sync(syscall: &'static str, path: &Path, source: io::Error) -> Self {
        let message = format!("cannot make '{}' durable ({syscall}): {source}", path.display());
        Self::new(ErrorKind::SyncFailed, message).caused_by(syscall, source).at_path(path)
    }

    /// The same error with the path it is about.
    #[must_use]
    pub fn at_path(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    /// The same error with the block at which the failed call began.
    #[must_use]
    pub fn at_block(mut self, block: u64) -> Self {
        self.0.block = Some(block);
        self
    }

    /// The same error with the position in the stream that it is about.
    #[must_use]
    pub fn at_position(mut self, position: u64) -> Self {
        self.0.position = Some(position);
        self
    }

    /// The same error with the seqs of the records that it affects, if it is about damage.
    #[must_use]
    pub fn at_seqs(mut self, seqs: std::ops::Range<u64>) -> Self {
        if let ErrorKind::Corrupt(damage) = &mut self.0.kind {
            *damage = Damage { from_seq: Some(seqs.start), to_seq: Some(seqs.end) };
        }
        self
    }

    /// The seqs of the records that damage affects, where both ends are known; empty if it hurts none.
    #[must_use]
    pub fn seqs(&self) -> Option<std::ops::Range<u64>> {
        match self.0.kind {
            ErrorKind::Corrupt(Damage { from_seq: Some(from), to_seq: Some(to) }) => Some(from..to),
            _ => None,
        }
    }

    /// The same error with the record that it is about.
    #[must_use]
    pub fn at_seq(mut self, seq: u64) -> Self {
        self.0.seq = Some(seq);
        self
    }

    fn caused_by(mut self, syscall: &'static str, source: io::Error) -> Self {
        self.0.syscall = Some(syscall);
        self.0.source = Some(source);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Shorthand for `self.kind().code()`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The file or folder the error is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The block at which the failed load or store began.
    #[must_use]
    pub fn block(&self) -> Option<u64> {
        self.0.block
    }

    /// The position in the stream.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.0.position
    }

    /// The record.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    /// The operation that the operating system refused, named like the system call.
    #[must_use]
    pub fn syscall(&self) -> Option<&'static str> {
        self.0.syscall
    }

    /// The operating system's own error.
    #[must_use]
    pub fn os(&self) -> Option<&io::Error> {
        self.0.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source),
            None => None,
        }
    }
}

/// The errors of a sequence, with the messages that callers of the Rust crate `pstream` match word for word.
pub(crate) mod sequence {
    use super::{BadName, Error, ErrorKind};

    pub(crate) fn bad_name(reason: BadName, options: &str) -> Error {
        let what = match reason {
            BadName::Index => "bad index",
            BadName::Shift => "bad shift",
            BadName::MissingFields => "fields missing",
            BadName::TooManyFields => "too many fields",
        };
        Error::new(ErrorKind::SequenceBadName(reason), format!("filesequence: {what}: '{options}'"))
    }

    pub(crate) fn broken() -> Error {
        Error::new(ErrorKind::SequenceBroken, "filesequence: indexes are not monotonically increasing")
    }

    pub(crate) fn duplicate(index: u16) -> Error {
        Error::new(ErrorKind::SequenceDuplicate(index), format!("filesequence: duplicate index {index:#06x}"))
    }

    pub(crate) fn out_of_order(index: u16) -> Error {
        Error::new(ErrorKind::SequenceOutOfOrder(index), format!("filesequence: index {index:#06x} out of order"))
    }

    pub(crate) fn out_of_range(index: u16) -> Error {
        Error::new(ErrorKind::SequenceOutOfRange(index), format!("filesequence: index {index:#06x} out of range"))
    }

    pub(crate) fn too_long(start: u16, end: u16) -> Error {
        let message = format!("filesequence: {start:#06x}..{end:#06x} is too long");
        Error::new(ErrorKind::SequenceTooLong(start, end), message)
    }

    pub(crate) fn unrecognized() -> Error {
        Error::new(ErrorKind::SequenceUnrecognized, "filesequence: file does not belong to this sequence")
    }

    pub(crate) fn locked(holder: Option<super::Holder>) -> Error {
        Error::new(ErrorKind::Locked(holder), "filesequence: lock file is held by another instance")
    }
}
