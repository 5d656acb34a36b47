//! Where the stream ends, and the one way of writing there.

use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::Arc;

use super::frame::Frame;
use super::layout::{Layout, SECTOR};
use super::options::DirectWrites;
use crate::error::{Error, ErrorKind, Result};
use crate::file::Staging;
use crate::format::StreamId;
use crate::format::batch::{BatchHeader, Kind, total_len};
use crate::format::file_batch::FileBatch;
use crate::io::{Durability, Io, MAX_BUFFERS};
use crate::sequence::SequenceFile;

use super::Level;
use super::plan::Part;

/// A place between two batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// In bytes from the start of the stream.
    pub position: u64,
    /// Of the next record.
    pub seq: u64,
}

/// The file in use and the end of the stream in it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) file: Arc<SequenceFile>,
    pub(super) layout: Layout,
    /// What the file says of itself.
    pub(super) start: FileBatch,
    /// Offset behind the last batch, in the file's data.
    pub(super) at: u64,
    /// Of the next record.
    pub(super) seq: u64,
    /// Checksum of the last batch.
    pub(super) previous: u32,
    /// What kind of batch the last one is.
    pub(super) last: Kind,
    /// Everything in front of this is durable. Never padding: the end of a batch (rule 6).
    pub(super) durable: Mark,
    /// Something of the file was written and not synced since.
    pub(super) unsynced: bool,
    pub(super) epoch: u32,
    /// Of the last batch.
    pub(super) time_ms: u64,
    /// Syncs that have succeeded.
    pub(super) syncs: u64,
    /// Offset in the file up to which the page cache was emptied.
    pub(super) dropped: u64,
    /// What the last write past the page cache has left in a sector that is not full: the next one writes it again, with
    /// what follows, and need not read it for that.
    pub(super) edge: Option<Edge>,
}

/// The bytes of a sector in front of where the next batch goes.
#[derive(Debug)]
pub(super) struct Edge {
    /// Offset in the file behind them.
    end: u64,
    bytes: Vec<u8>,
}

/// So much behind the end stays in the page cache, for whoever reads what was just appended…
const TRAIL: u64 = 4 << 20;
/// …more of it while there are such readers: with 4 MiB, one that was busy for some milliseconds had half of what it read
/// from the disk, of a writer at full speed; with this, a twentieth…
const FOLLOWED_TRAIL: u64 = 16 << 20;
/// …and so much more before it is cut off again. In one go at the end of a file it took 20 ms.
const DROP_EVERY: u64 = 4 << 20;

/// Wall clock in ms since 1970.
pub(super) fn now_ms(io: &dyn Io) -> u64 {
    let since = io.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Writer {
    pub(super) fn id(&self) -> StreamId {
        self.start.id
    }

    /// The end of the stream.
    pub(super) fn end(&self) -> Mark {
        Mark { position: self.start.position.saturating_add(self.at), seq: self.seq }
    }

    /// Notes the time; it never decreases.
    pub(super) fn tick(&mut self, io: &dyn Io) {
        self.time_ms = self.time_ms.max(now_ms(io));
    }

    /// An empty frame at offset `at`.
    pub(super) fn frame<'a>(&self, at: u64) -> Frame<'a> {
        Frame::new(self.id(), self.layout, self.start.position, at)
    }

    /// Adds a batch to the frame, and moves the end of the stream behind it.
    pub(super) fn push<'a>(&mut self, frame: &mut Frame<'a>, part: &Part<'a>) -> Result<()> {
        let payload_len = u32::try_from(part.payload.len())
            .map_err(|_| Error::new(ErrorKind::Capacity, "a batch takes at most 4 GiB"))?;
        let header = BatchHeader {
            position: self.start.position.saturating_add(frame.at()),
            seq: self.seq,
            // What a sync that has returned covered, and no more (rule 3).
            durable_upto: self.durable.position,
            time_ms: self.time_ms,
            count: part.count,
            payload_len,
            payload_checksum: self.id().checksum(part.payload),
            epoch: self.epoch,
            previous: self.previous,
            kind: part.kind,
        };
        frame.push(&header, part.payload);
        self.at = frame.at();
        self.seq = header.next_seq();
        self.previous = header.checksum(self.id());
        self.last = part.kind;
        Ok(())
    }

    /// Writes the frame. After an error any part of it may be there.
    pub(super) fn write(&mut self, frame: &Frame<'_>, level: Level) -> Result<()> {
        let durability = match level {
            // A synced write covers its own range only (rule 3), and is one only if one call can take it.
            Level::Durable if !self.unsynced && frame.len() <= MAX_BUFFERS => Durability::Synced,
            Level::Durable | Level::Written => Durability::Cached,
        };
        self.edge = None;
        self.file.write_at(frame.offset(), &frame.slices(), durability)?;
        match (level, durability) {
            (Level::Durable, Durability::Synced) => {
                self.syncs = self.syncs.saturating_add(1);
                self.durable = self.end();
                Ok(())
            }
            (Level::Durable, Durability::Cached) => self.sync(),
            (Level::Written, _) => {
                self.unsynced = true;
                Ok(())
            }
        }
    }

    /// Whether a durable commit of these bytes of the file goes past the page cache.
    pub(super) fn bypasses_cache(&self, extent: &Range<u64>, direct: DirectWrites) -> bool {
        let len = extent.end.saturating_sub(extent.start);
        // What is written and not synced is in the cache, and it takes a sync of the file for it.
        !self.unsynced && len >= direct.from && self.file.bypasses_cache()
    }

    /// Writes the batches past the page cache, durably, from offset `at` on. After an error any part of them may be there.
    pub(super) fn write_direct(&mut self, parts: &[Part<'_>], at: u64, staging: &mut Staging) -> Result<()> {
        let file = Arc::clone(&self.file);
        let mut frame = self.frame(at);
        let extent = self.extent(parts, at);
        let edge = self.take_edge(extent.start)?;
        let start = extent.start.saturating_sub(super::long(edge.len()));
        let bytes = file.write_direct(staging, (start, super::short(extent.end.saturating_sub(start))), |stage| {
            stage.put(&edge);
            for part in parts {
                // The checksum of one batch is made while the bytes of those in front of it go to the disk.
                self.push(&mut frame, part)?;
                frame.drain(|bytes| stage.put(bytes));
            }
            Ok(stage.edge().to_vec())
        })?;
        self.edge = Some(Edge { end: extent.end, bytes });
        self.syncs = self.syncs.saturating_add(1);
        self.durable = self.end();
        Ok(())
    }

    /// Where in the file these batches come to lie, with what is between them.
    pub(super) fn extent(&self, parts: &[Part<'_>], at: u64) -> Range<u64> {
        let len = parts.iter().map(|part| total_len(super::long(part.payload.len()))).fold(0, u64::saturating_add);
        self.layout.file_range(&(at..at.saturating_add(len)))
    }

    /// What lies in front of offset `end` of the file, back to the start of the sector.
    fn take_edge(&mut self, end: u64) -> Result<Vec<u8>> {
        let len = super::short(end.checked_rem(SECTOR).unwrap_or(0));
        if let Some(edge) = self.edge.take_if(|edge| edge.end == end) {
            return Ok(edge.bytes);
        }
        let mut bytes = vec![0; len];
        if bytes.is_empty() {
            return Ok(bytes);
        }
        // Ours, and durable: the page cache has it as the disk does.
        self.file.read_at(end.saturating_sub(super::long(len)), &mut [IoSliceMut::new(&mut bytes)])?;
        Ok(bytes)
    }

    /// Makes everything in the file durable.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.sync()?;
        self.syncs = self.syncs.saturating_add(1);
        self.unsynced = false;
        self.durable = self.end();
        Ok(())
    }

    /// Keeps the page cache flat: drops what is durable and not among the last few MiB.
    pub(super) fn tidy(&mut self, followed: bool) {
        let trail = if followed { FOLLOWED_TRAIL } else { TRAIL };
        let at = self.durable.position.saturating_sub(self.start.position);
        let upto = self.layout.file_range(&(0..at)).end.saturating_sub(trail);
        if upto >= self.dropped.saturating_add(DROP_EVERY) {
            self.file.drop_in_front_of(upto);
            self.dropped = upto;
        }
    }
}
