//! Where in a stream a cursor is to go, and how far it is behind.

use super::held::Cursor;
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::stream::read::{ReadOptions, Snapshot, Start};

/// The seq at which a cursor begins that is made or moved to `to`. To be called while nobody trims: what is released is looked
/// up, whoever has released it.
///
/// # Errors
///
/// `PSTREAM_TRIMMED` for a seq that was released; `PSTREAM_INVALID_INPUT` for one beyond the durable end of the stream;
/// `PSTREAM_CORRUPT` and `PSTREAM_IO` if nothing can be read.
pub fn resolve(snapshot: &Snapshot, to: Start) -> Result<u64> {
    let (oldest, end) = (snapshot.oldest_left()?, snapshot.next_seq());
    match to {
        Start::Oldest => Ok(oldest),
        Start::End => Ok(end),
        Start::Time(_) => first_of(snapshot, to).map(|found| found.unwrap_or(end).max(oldest)),
        Start::Seq(seq) if seq > end => {
            let message = format!("a cursor cannot go to {seq}: the stream ends in front of {end}");
            Err(Error::new(ErrorKind::InvalidInput, message).at_seq(seq))
        }
        Start::Seq(seq) if seq < oldest => {
            let message = format!("record {seq} was released; the oldest one left is {oldest}");
            Err(Error::new(ErrorKind::Trimmed(oldest), message))
        }
        Start::Seq(seq) => Ok(seq),
    }
}

/// For who knows where the stream ends: that a cursor is not ahead of it. Nothing that was durable vanishes, so the cursor is of
/// a later state of the stream than this one, and would pass over what is appended next.
///
/// # Errors
///
/// `PSTREAM_CORRUPT`.
pub fn check(cursor: &Cursor, snapshot: &Snapshot) -> Result<()> {
    let (position, end) = (cursor.position(), snapshot.next_seq());
    if position <= end {
        return Ok(());
    }
    let name = cursor.name();
    let message = format!("cursor '{name}' is at {position}, and the stream ends in front of {end}: records were lost");
    Err(Error::new(ErrorKind::Corrupt(Damage { from_seq: Some(end), to_seq: Some(position) }), message)
        .at_path(cursor.path()))
}

/// The first record from there on, wherever damage is: a cursor goes to what comes behind it.
fn first_of(snapshot: &Snapshot, from: Start) -> Result<Option<u64>> {
    let options = ReadOptions { from, on_gap: Some(Box::new(drop)), ..ReadOptions::default() };
    let mut reader = snapshot.read(options)?;
    Ok(reader.next_batch()?.and_then(|batch| batch.records().next().map(|(seq, _)| seq)))
}
