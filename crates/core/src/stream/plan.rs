//! Which batches a commit becomes, and in which files: decided before anything is written, so that what cannot be done
//! as a whole is not begun.

use super::layout::{EMPTY_BATCH, Layout};
use super::long;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch::{self, Kind, Records};

/// How the records of a [`Pending`] belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingKind {
    /// Each by itself: a crash may keep some of them, from the first on.
    Records,
    /// All or none.
    Together,
}

/// Records that wait to be committed.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// How they belong together.
    pub kind: PendingKind,
    /// The records one behind the other, each a LEB128 length and its bytes.
    pub payload: &'a [u8],
    /// How many there are.
    pub count: u32,
}

/// One batch of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) kind: Kind,
    pub(super) payload: &'a [u8],
    pub(super) count: u32,
}

/// What is to be done, in order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Write(Part<'a>),
    NextFile,
}

impl<'a> Step<'a> {
    pub(super) fn part(&self) -> Option<Part<'a>> {
        match self {
            Step::Write(part) => Some(*part),
            Step::NextFile => None,
        }
    }
}

/// Reading one record reads the batch that it is in.
const MAX_BATCH: u64 = 256 << 10;

/// How much fits into an empty file of full size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of a payload.
    pub(super) payload: u64,
    /// Bytes of a record.
    pub(super) record: u64,
}

impl Limits {
    /// Whether no batch would be larger than can be. Looks at single records only if one of them may be too large.
    pub(super) fn check(self, kind: PendingKind, payload: &[u8]) -> Result<()> {
        let len = long(payload.len());
        if len <= self.payload {
            return Ok(());
        }
        if kind == PendingKind::Together {
            return Err(self.exceeded("a batch of records that belong together,", len));
        }
        let too_large = |record: &&[u8]| batch::record_len(long(record.len())) > self.payload;
        match Records::of(payload).map_while(|record| record).find(too_large) {
            Some(record) => Err(self.exceeded("a record", long(record.len()))),
            None => Ok(()),
        }
    }

    fn exceeded(self, what: &str, len: u64) -> Error {
        let message = format!("{what} of {len} bytes does not fit into a file: maxRecordBytes is {}", self.record);
        Error::new(ErrorKind::Capacity, message)
    }
}

/// Whether each is what it says, and no batch is larger than can be.
pub(super) fn check(batches: &[Pending<'_>], limits: Limits) -> Result<()> {
    for pending in batches {
        let mut count = 0_u32;
        for record in Records::of(pending.payload) {
            record.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "payload is not made of records"))?;
            count = count.saturating_add(1);
        }
        if count != pending.count {
            let message = format!("payload holds {count} records, not {}", pending.count);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        limits.check(pending.kind, pending.payload)?;
    }
    Ok(())
}

/// Where the next batch may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) layout: Layout,
    pub(super) at: u64,
}

impl Room {
    /// The largest payload that fits.
    fn payload(self) -> u64 {
        // Rule 10: the two last sectors are not for records.
        self.layout.watermark_sector().saturating_sub(self.at).saturating_sub(EMPTY_BATCH) & !7
    }

    fn take(&mut self, payload: u64) {
        self.at = self.at.saturating_add(batch::total_len(payload));
    }
}

/// Cuts the commit into batches. `next` says how much room there is in the file behind the current one, which it makes
/// if it is not there, large enough for a payload of so many bytes.
pub(super) fn steps<'a>(
    batches: &[Pending<'a>],
    mut room: Room,
    mut next: impl FnMut(u64) -> Result<Room>,
) -> Result<Vec<Step<'a>>> {
    let mut steps = Vec::new();
    for pending in batches {
        let mut rest = pending.payload;
        let mut count = pending.count;
        while count > 0 {
            let (payload, taken) = match pending.kind {
                PendingKind::Together => (rest, count),
                PendingKind::Records => front(rest, count, room.payload().min(MAX_BATCH)),
            };
            if long(payload.len()) > room.payload() {
                room = next(long(payload.len()))?;
                steps.push(Step::NextFile);
                continue;
            }
            room.take(long(payload.len()));
            let kind = match pending.kind {
                PendingKind::Together => Kind::Together,
                PendingKind::Records => Kind::Records,
            };
            steps.push(Step::Write(Part { kind, payload, count: taken }));
            rest = rest.get(payload.len()..).unwrap_or_default();
            count = count.saturating_sub(taken);
        }
    }
    Ok(steps)
}

/// The longest run of the `all` records of at most `limit` bytes, but one at least.
fn front(payload: &[u8], all: u32, limit: u64) -> (&[u8], u32) {
    if long(payload.len()) <= limit {
        return (payload, all);
    }
    let (mut len, mut count) = (0_u64, 0_u32);
    for record in Records::of(payload).flatten() {
        let longer = len.saturating_add(batch::record_len(long(record.len())));
        if count > 0 && longer > limit {
            break;
        }
        (len, count) = (longer, count.saturating_add(1));
    }
    (payload.get(..super::short(len)).unwrap_or(payload), count)
}
