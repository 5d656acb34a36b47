//! The mark of a writer: see [`crate::format::mark`]. It is written behind a sync that has returned, so it never says too
//! much; and as nothing but readers in other processes depends on it, whatever goes wrong with it is nobody's error.

use std::io::{ErrorKind as OsKind, IoSlice};
use std::path::{Path, PathBuf};

use super::writer::Mark as Place;
use crate::format::mark::{BootId, LEN, Mark};
use crate::format::{Decoded, StreamId};
use crate::io::{Durability, Io, IoFile, OpenOptions};

/// Name of the file in the folder `<name>.meta`.
const FILE: &str = "mark";
/// After a failure so many marks are passed over: on a full disk each commit would try in vain.
const PAUSE: u32 = 64;

/// Where the mark of a stream lies.
pub(super) fn path_in(meta: &Path) -> PathBuf {
    meta.join(FILE)
}

/// The mark as its writer has it: open, for one plain write after each commit.
pub(super) struct Marker {
    path: PathBuf,
    mode: u32,
    id: StreamId,
    epoch: u32,
    /// Where nobody knows the boot, no mark would be believed.
    boot: Option<BootId>,
    file: Option<Box<dyn IoFile>>,
    /// What it says.
    noted: Option<Place>,
    pause: u32,
}

impl Marker {
    /// Of a stream that was just opened. Nothing is written yet.
    pub(super) fn new(io: &dyn Io, meta: &Path, mode: u32, (id, epoch): (StreamId, u32)) -> Self {
        let boot = io.identity().boot_id.and_then(|text| BootId::new(&text));
        Self { path: path_in(meta), mode, id, epoch, boot, file: None, noted: None, pause: 0 }
    }

    /// Notes that everything in front of `durable`, in the file `index`, is durable, unless it says so already.
    ///
    /// A failure leaves an older mark, which is merely late since `durable` only grows, or one whose checksum is wrong.
    pub(super) fn note(&mut self, io: &dyn Io, index: u16, durable: Place) {
        let Some(boot) = self.boot else { return };
        if self.noted == Some(durable) {
            return;
        }
        if self.pause > 0 {
            self.pause = self.pause.saturating_sub(1);
            return;
        }
        let Place { position, seq } = durable;
        let bytes = Mark { id: self.id, position, seq, epoch: self.epoch, index, boot }.encode();
        if self.write(io, &bytes).is_ok() {
            self.noted = Some(durable);
        } else {
            (self.file, self.pause) = (None, PAUSE);
        }
    }

    fn write(&mut self, io: &dyn Io, bytes: &[u8; LEN]) -> std::io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open(io, &self.path, self.mode)?,
        };
        let written = match file.write_at(&[IoSlice::new(bytes)], 0, Durability::Cached) {
            Err(error) if matches!(error.kind(), OsKind::Interrupted | OsKind::WouldBlock) => {
                file.write_at(&[IoSlice::new(bytes)], 0, Durability::Cached)
            }
            done => done,
        }?;
        self.file = Some(file);
        if written == LEN { Ok(()) } else { Err(OsKind::WriteZero.into()) }
    }
}

/// The file is neither made nor removed but with its stream: who watches it may go on watching.
fn open(io: &dyn Io, path: &Path, mode: u32) -> std::io::Result<Box<dyn IoFile>> {
    match io.open(path, OpenOptions::default()) {
        Err(error) if error.kind() == OsKind::NotFound => io.create(path, mode, OpenOptions::default()),
        done => done,
    }
}

/// The mark in the folder `meta`, if it is one of this boot. Nothing keeps a read of it from meeting a write, so a wrong
/// checksum is looked at again.
pub(super) fn read(io: &dyn Io, meta: &Path, boot: Option<BootId>) -> Option<Mark> {
    const ATTEMPTS: u32 = 3;
    let (boot, path) = (boot?, path_in(meta));
    for _ in 0..ATTEMPTS {
        let bytes = io.read_note(&path, LEN).ok()?;
        match Mark::decode(bytes.first_chunk()?) {
            Decoded::Valid(mark) => return Some(mark).filter(|mark| mark.boot == boot),
            Decoded::Newer(_) => return None,
            Decoded::Invalid => {}
        }
    }
    None
}
