//! The two slots of a cursor's file: reading them, and making the file.

use std::io::ErrorKind as OsKind;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::name::Place;
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::file::{BlockFile, CachePolicy, CreateOptions, Reserve, Shape, build};
use crate::format::cursor_slot::{CursorSlot, LEN};
use crate::format::{Decoded, StreamId};
use crate::io::Io;

/// A slot has a block of its own, and so a sector of its own: to write the one puts nothing of the other at risk.
pub(super) const SHIFT: u32 = 12;
const BLOCK: usize = 1 << SHIFT;
const SLOTS: u64 = 2;
/// A read that fails, or meets a write that is under way, is made again so often.
const ATTEMPTS: u32 = 3;

/// What the file of a cursor says.
#[derive(Debug)]
pub(super) enum Seen {
    Ours(Standing),
    /// The file is one of another stream's: left over, and good for nothing.
    Foreign,
    /// It is of this stream, as far as can be told, and cannot be read.
    Lost(Error),
}

/// What can be read of the slots of a cursor: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) newest: CursorSlot,
    /// Number of the newest slot.
    pub(super) at: u64,
    /// What a power cut may bring back: the lower position of the two.
    pub(super) floor: u64,
    /// The other slot cannot be read.
    pub(super) damaged: bool,
}

/// Looks at a cursor that somebody else may be writing. `None`: it is not there.
pub(super) fn look(io: &dyn Io, place: &Place, id: StreamId) -> Result<Option<Seen>> {
    const PAUSE: Duration = Duration::from_millis(1);
    let path = place.slots();
    let mut seen = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            io.sleep(PAUSE);
        }
        seen = match BlockFile::open_behind_writer(io, &path, SHIFT, CachePolicy::Keep) {
            Ok(file) => Some(read(&file, id)),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => return Ok(None),
                ErrorKind::InvalidFile => Some(Seen::Lost(lost(&path, &error.to_string()))),
                _ => return Err(error),
            },
        };
        match seen {
            // Perhaps just half written.
            Some(Seen::Ours(Standing { damaged: true, .. }) | Seen::Lost(_)) => {}
            _ => break,
        }
    }
    Ok(seen)
}

/// Reads both slots.
pub(super) fn read(file: &BlockFile, id: StreamId) -> Seen {
    let slots = [load(file, 0), load(file, 1)];
    let mut ours = Vec::new();
    let mut foreign = false;
    for (at, slot) in (0_u64..).zip(slots) {
        match slot {
            Decoded::Valid((stream, slot)) if stream == id => ours.push((at, slot)),
            Decoded::Valid(_) => foreign = true,
            Decoded::Newer(version) => return Seen::Lost(newer(file.path(), version)),
            Decoded::Invalid => {}
        }
    }
    let newest = ours.iter().max_by_key(|(_, slot)| slot.counter).copied();
    let floor = ours.iter().map(|(_, slot)| slot.position).min();
    match newest.zip(floor) {
        Some(((at, newest), floor)) => Seen::Ours(Standing { newest, at, floor, damaged: ours.len() < 2 }),
        // Both slots are of one stream, always: the file is made with them.
        None if foreign => Seen::Foreign,
        None => Seen::Lost(lost(file.path(), "neither of its two slots can be read")),
    }
}

/// What cannot be read, again and again, is as good as damaged.
fn load(file: &BlockFile, at: u64) -> Decoded<(StreamId, CursorSlot)> {
    let mut bytes = [0; LEN];
    let read = (0..ATTEMPTS).any(|_| file.load_bytes(at, &mut bytes).is_ok());
    if read { CursorSlot::decode(&bytes) } else { Decoded::Invalid }
}

/// Writes a slot, durable when this returns. After an error the slot may hold anything, and the other one is what it was.
pub(super) fn write(file: &BlockFile, at: u64, slot: &CursorSlot, id: StreamId) -> Result<()> {
    file.store_bytes(at, &block(slot, id))
}

/// Makes the file of a cursor, whole before it has its name, which is durable only when the caller has synced the folder.
/// Both slots say the same, so that one of them may be damaged from the first moment on.
pub(super) fn create(io: &dyn Io, place: &Place, first: &CursorSlot, id: StreamId) -> Result<()> {
    let (path, temporary) = (place.slots(), place.temporary());
    // Left by a crash. Nobody else makes this cursor: we hold its lock.
    match io.remove_file(&temporary) {
        Err(error) if error.kind() != OsKind::NotFound => return Err(Error::io("unlink", &temporary, error)),
        _ => {}
    }
    let options = CreateOptions { reserve: Reserve::BestEffort, ..CreateOptions::default() };
    let file = build(io, &path, &mut std::iter::once(temporary), Shape::new(SLOTS, SHIFT)?, options)?;
    let second = CursorSlot { counter: first.counter.saturating_add(1), ..*first };
    let mut bytes = block(first, id).to_vec();
    bytes.extend(block(&second, id));
    file.store(io, &bytes)?;
    file.name(io, &path).map(drop)
}

fn block(slot: &CursorSlot, id: StreamId) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(slot.encode(id)) {
        *to = from;
    }
    block
}

/// Wall clock in ms since 1970.
pub(super) fn now_ms(io: &dyn Io) -> u64 {
    let since = io.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn lost(path: &Path, why: &str) -> Error {
    let message = format!("cursor '{}' is damaged: {why}", path.display());
    Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(path)
}

fn newer(path: &Path, version: u8) -> Error {
    let message =
        format!("cursor '{}' is of version {version} of the format, which is later than this one", path.display());
    Error::new(ErrorKind::Unsupported, message).at_path(path)
}
