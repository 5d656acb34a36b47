//! The files that an open log writes to, and what it has written.

use std::collections::VecDeque;
use std::sync::Arc;

use super::mark::Marker;
use super::next_file::Preparing;
use super::options::{Level, LogOptions};
use super::plan::{self, Part, Pending, Step};
use super::read::Slot;
use super::recover;
use super::roll::{self, Ahead};
use super::stats::Footprint;
use super::trim::Trimming;
use super::writer::{Mark, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::file::Staging;
use crate::io::Io;
use crate::sequence::{FileSequence, SequenceFile};

/// What an open log consists of.
pub(super) struct Active {
    /// The file behind those prepared, if it is being made. In front of the sequence: dropped first, it waits for that.
    pub(super) preparing: Option<Preparing>,
    /// The first files are being released. Likewise.
    pub(super) trimming: Option<Trimming>,
    pub(super) sequence: Arc<FileSequence>,
    pub(super) writer: Writer,
    /// Files that are there and not in use yet.
    pub(super) prepared: VecDeque<SequenceFile>,
    pub(super) files: Arc<[Arc<Slot>]>,
    /// Somebody reads what is appended: it is left in the page cache.
    pub(super) followed: bool,
    /// For commits that go past the page cache.
    pub(super) staging: Staging,
    /// What was written: with a failed write the writer's own end counts for nothing.
    pub(super) written: Mark,
    /// Bytes of the files in use, once somebody has asked for them.
    pub(super) bytes: Option<u64>,
    pub(super) marker: Marker,
}

impl Active {
    pub(super) fn ahead<'a>(&'a mut self, options: &'a LogOptions) -> Ahead<'a> {
        let current = self.writer.file.shape().size();
        let (used, alone) = (self.bytes.unwrap_or(0), self.files.len() <= 1);
        let (prepared, preparing) = (&mut self.prepared, &mut self.preparing);
        Ahead { sequence: &self.sequence, options, prepared, preparing, current, used, alone, planned: 0 }
    }

    /// Tells readers in other processes what is durable by now.
    pub(super) fn note(&mut self, io: &dyn Io) {
        self.marker.note(io, self.writer.file.index(), self.writer.durable);
    }

    /// Cuts the commit into batches, and makes the files that it takes.
    pub(super) fn plan<'a>(&mut self, batches: &[Pending<'a>], options: &LogOptions) -> Result<Vec<Step<'a>>> {
        let room = roll::room(self.writer.layout, self.writer.at, options.aligned);
        let mut ahead = self.ahead(options);
        plan::steps(batches, room, |need| ahead.next(need))
    }

    pub(super) fn write(
        &mut self,
        io: &Arc<dyn Io>,
        steps: &[Step<'_>],
        level: Level,
        options: &LogOptions,
    ) -> Result<()> {
        self.writer.tick(&**io);
        let mut runs = steps.split(|step| matches!(step, Step::NextFile)).peekable();
        let mut first = true;
        while let Some(run) = runs.next() {
            if !std::mem::take(&mut first) {
                self.roll(io, options)?;
            }
            let parts: Vec<Part<'_>> = run.iter().filter_map(Step::part).collect();
            if parts.is_empty() {
                continue;
            }
            let at = roll::room(self.writer.layout, self.writer.at, options.aligned).at;
            let direct = !self.followed
                && level == Level::Durable
                && self.writer.bypasses_cache(&self.writer.extent(&parts, at), options.direct);
            if direct {
                self.writer.write_direct(&parts, at, &mut self.staging)?;
                continue;
            }
            let mut frame = self.writer.frame(at);
            for part in &parts {
                self.writer.push(&mut frame, part)?;
            }
            // What another file follows is synced before that enters use.
            let level = if runs.peek().is_some() { Level::Written } else { level };
            self.writer.write(&frame, level)?;
        }
        Ok(())
    }

    fn roll(&mut self, io: &Arc<dyn Io>, options: &LogOptions) -> Result<()> {
        let Some(next) = self.prepared.pop_front() else {
            return Err(Error::new(ErrorKind::Io, "internal error: no file was planned for"));
        };
        let slot = recover::slot(io, options, (next.index(), next.path(), next.shape().block_shift()));
        let size = next.shape().size();
        slot.know(self.writer.roll(next)?);
        self.bytes = self.bytes.map(|bytes| bytes.saturating_add(size));
        self.files = self.files.iter().cloned().chain([slot]).collect();
        Ok(())
    }

    pub(super) fn footprint(&mut self, io: &dyn Io) -> Result<Footprint> {
        let len = |file: &Slot| {
            let metadata = io.metadata(file.path()).map_err(|error| Error::io("stat", file.path(), error))?;
            Ok(metadata.len)
        };
        let look = || self.files.iter().try_fold(0_u64, |sum, file| len(file).map(|len| sum.saturating_add(len)));
        let bytes = self.bytes.map_or_else(look, Ok)?;
        self.bytes = Some(bytes);
        let prepared = self.prepared.iter().map(|file| file.shape().size()).fold(0, u64::saturating_add);
        let (size, layout) = (self.writer.file.shape().size(), self.writer.layout);
        let rest = size.saturating_sub(layout.file_range(&(0..self.writer.at)).end);
        Ok(Footprint {
            files: super::long(self.files.len()),
            on_disk: bytes.saturating_add(prepared),
            used: bytes.saturating_sub(rest),
        })
    }

    /// Whether a file may be made beside those that are there.
    pub(super) fn may_grow(&self, options: &LogOptions) -> bool {
        let Some(bytes) = self.bytes else { return options.retention.limit_bytes.is_none() };
        let current = self.writer.file.shape().size();
        let Ok(size) = roll::size_behind(self.prepared.back().map_or(current, |file| file.shape().size()), 0, options)
        else {
            return true;
        };
        let prepared = self.prepared.iter().map(|file| file.shape().size()).fold(0, u64::saturating_add);
        let alone = self.files.len() <= 1 && self.prepared.is_empty();
        roll::check_limit(options, bytes.saturating_add(prepared), size, alone).is_ok()
    }

    /// Bytes of the next file, as far as it is to be made yet.
    pub(super) fn next_size(&self, options: &LogOptions) -> u64 {
        if !self.prepared.is_empty() {
            return 0;
        }
        roll::size_behind(self.writer.file.shape().size(), 0, options).unwrap_or(0)
    }
}
