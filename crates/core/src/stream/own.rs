//! Seals and watermarks: batches of no records that say up to where everything was durable, in sectors of their own, so
//! that rot in the sector of the last acknowledged record is not taken for a tear.

use super::Level;
use super::plan::Part;
use super::writer::Writer;
use crate::error::Result;
use crate::format::batch::Kind;
use crate::io::Io;

impl Writer {
    /// Writes a watermark, where there may be one; syncs what it speaks of first. Says whether it did.
    pub(super) fn watermark(&mut self, io: &dyn Io) -> Result<bool> {
        // Rule 10: the last sector is kept for the seal alone. As records end in front of this one, it is never passed.
        self.mark(io, Kind::Watermark, self.layout.watermark_sector())
    }

    /// Writes the seal of a clean close, unless there is one. Says whether it did.
    pub(super) fn seal(&mut self, io: &dyn Io) -> Result<bool> {
        self.mark(io, Kind::Seal, self.layout.seal_sector())
    }

    fn mark(&mut self, io: &dyn Io, kind: Kind, last: u64) -> Result<bool> {
        if self.unsynced {
            self.sync()?;
        }
        let at = self.layout.next_own(self.at);
        // Rule 10: one behind another would say nothing new, and in the long run fill the file.
        let said = self.last == Kind::Seal || self.last == kind;
        if said || at > last {
            return Ok(false);
        }
        self.tick(io);
        let mut frame = self.frame(at);
        self.push(&mut frame, &Part { kind, payload: &[], count: 0 })?;
        self.write(&frame, Level::Durable)?;
        Ok(true)
    }
}
