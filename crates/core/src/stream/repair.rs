//! What an open writes, when it is clear that nothing is damaged: the end of the stream made certain, what is torn cut
//! off, a missing copy of the file batch, a watermark.

use std::io::IoSlice;
use std::path::Path;

use super::head::Head;
use super::image::Image;
use super::options::LogOptions;
use super::report::Torn;
use super::tail::{Chain, Tail};
use super::torn::{self, Label};
use super::writer::{Writer, now_ms};
use crate::error::Result;
use crate::format::Decoded;
use crate::io::{Durability, Io, MAX_BUFFERS};

/// What all of it needs to know.
pub(super) struct Repair<'a> {
    pub(super) io: &'a dyn Io,
    /// The folder `<name>.meta`.
    pub(super) meta: &'a Path,
    pub(super) options: &'a LogOptions,
    pub(super) head: &'a Head,
    pub(super) image: &'a Image,
    pub(super) tail: &'a Tail,
    /// What was read is what the disk has.
    pub(super) certain: bool,
}

impl Repair<'_> {
    /// What there is behind the end of the stream.
    pub(super) fn torn(&self, writer: &Writer) -> Option<Torn> {
        let end = self.image.end_of_content(self.tail.at)?;
        let range = self.image.layout().file_range(&(self.tail.at..end));
        Some(Torn {
            file: writer.file.path().to_owned(),
            block: self.image.layout().block_of(self.tail.at).0,
            position: writer.end().position,
            bytes: range.end.saturating_sub(range.start),
            saved_as: None,
        })
    }

    /// Rule 2, where the page cache could not be emptied: it may show what the disk has lost. Everything that no batch
    /// proves durable is written again, with the same bytes. On a disk that may garble a sector that it rewrites, a power
    /// cut in the midst of this can cost the last commit, aligned or not: there is no other way to be certain.
    pub(super) fn make_certain(&self, writer: &Writer) -> Result<()> {
        if self.certain {
            return Ok(());
        }
        let layout = self.image.layout();
        let durable = self.tail.durable_upto.saturating_sub(self.head.start.position);
        let mut from = match durable {
            // Not even the file batch.
            durable if durable < layout.first_batch() => 0,
            // No acknowledged sector is written again; but what lies right behind that batch, from an open whose commits
            // were packed, is in the same one.
            durable if self.options.aligned && !self.continues_at(durable) => layout.next_own(durable),
            durable => durable,
        };
        while from < self.tail.at {
            // In pieces of so many blocks that one call takes them.
            let blocks = super::long(MAX_BUFFERS / 4);
            let end = layout.start_of(layout.block_of(from).0.saturating_add(blocks)).min(self.tail.at);
            let pieces = self.image.pieces(&(from..end));
            let slices: Vec<IoSlice<'_>> = pieces.into_iter().map(IoSlice::new).collect();
            writer.file.write_at(layout.file_range(&(from..end)).start, &slices, Durability::Cached)?;
            from = end;
        }
        writer.file.sync()
    }

    /// Whether a batch begins right at `at`, not in the next sector of its own.
    fn continues_at(&self, at: u64) -> bool {
        matches!(Chain::new(self.image, self.head).header_at(at), Decoded::Valid(_))
    }

    /// Rule 11: what is torn is saved, and then made zeros. A higher epoch alone would not keep it from coming back.
    pub(super) fn cut_off(&self, writer: &Writer, torn: Option<&mut Torn>) -> Result<()> {
        let layout = self.image.layout();
        // No acknowledged sector is written again.
        let from = if self.options.aligned { layout.next_own(self.tail.at) } else { self.tail.at };
        if let Some(torn) = torn {
            let end = self.image.end_of_content(self.tail.at).unwrap_or(self.tail.at);
            let pieces = self.image.pieces(&(self.tail.at..end));
            let label = Label { time_ms: now_ms(self.io), index: writer.file.index(), position: writer.end().position };
            torn.saved_as = Some(torn::save(self.io, self.meta, &self.options.sequence, label, &pieces)?);
        }
        // The header of a block that begins right there is in the range, too.
        let range = layout.file_range(&(from..layout.capacity()));
        let needed = !self.certain || self.image.end_of_content(from).is_some();
        if needed && !range.is_empty() {
            writer.file.zero(range)?;
            writer.file.sync()?;
        }
        Ok(())
    }

    /// Rule 4: a copy of the file batch that is not readable is written again, the other one is left alone.
    pub(super) fn restore_copies(&self, writer: &Writer) -> Result<()> {
        let layout = self.image.layout();
        let places = self.head.headers(layout).into_iter().zip([0, layout.second_copy()]);
        let payload = self.head.start.payload();
        for ((header, at), readable) in places.zip(self.head.copies) {
            if readable {
                continue;
            }
            let mut frame = writer.frame(at);
            // Records may lie in the same sector, behind the second copy.
            frame.push(&header, &payload);
            writer.file.write_at(frame.offset(), &frame.slices(), Durability::Cached)?;
            writer.file.sync()?;
        }
        Ok(())
    }
}
