//! What the calls on files do to the world.

use std::io::{IoSliceMut, Result};
use std::ops::Range;

use crate::crash::Bit;
use crate::error::failure;
use crate::faults::Effect;
use crate::names::NodeId;
use crate::pages::{SECTOR, cut, page_up, to_u64, to_usize};
use crate::world::World;

impl World {
    /// How many bytes of `len` a short call takes.
    pub(crate) fn shorten(&mut self, len: usize, effect: Option<&Effect>) -> usize {
        match effect {
            Some(Effect::Short(count)) => len.min(*count),
            Some(Effect::ShortAnywhere) if len > 1 => 1 + to_usize(self.rng.below(to_u64(len - 1))),
            _ => len,
        }
    }

    pub(crate) fn read(
        &mut self,
        node: NodeId,
        buffers: &mut [IoSliceMut<'_>],
        at: u64,
        effect: Option<&Effect>,
    ) -> Result<usize> {
        let len = self.file(node)?.len;
        let room = buffers.iter().map(|buffer| buffer.len()).sum::<usize>().min(to_usize(len.saturating_sub(at)));
        let limit = self.shorten(room, effect);
        let (file, _) = self.file_mut(node)?;
        Ok(file.read(buffers, at, limit))
    }

    pub(crate) fn write(
        &mut self,
        node: NodeId,
        at: u64,
        bytes: &[u8],
        effect: Option<&Effect>,
        synced: bool,
    ) -> Result<usize> {
        let wanted = self.shorten(bytes.len(), effect);
        let count = to_usize(self.room(node, at, to_u64(wanted))?);
        let bytes = &bytes[..count];
        let range = at..at + to_u64(count);
        match effect {
            Some(Effect::Torn(kind)) => {
                self.write_some(node, at, bytes)?;
                return Err(failure(*kind));
            }
            Some(Effect::StopTorn) => {
                let part = to_usize(self.rng.below(to_u64(count)));
                let (file, mut journal) = self.file_mut(node)?;
                file.write(&mut journal, at, &bytes[..part]);
                return Ok(part);
            }
            _ => {}
        }
        let (file, mut journal) = self.file_mut(node)?;
        file.write(&mut journal, at, bytes);
        match effect {
            Some(Effect::FailSync { .. }) => self.fail_sync(node, &range, effect)?,
            Some(Effect::LoseSync) => {}
            _ if synced && count > 0 => file.sync_range(&range),
            _ => {}
        }
        Ok(count)
    }

    /// Writes each sector of the range or leaves it.
    fn write_some(&mut self, node: NodeId, at: u64, bytes: &[u8]) -> Result<()> {
        for piece in cut(at..at + to_u64(bytes.len()), SECTOR) {
            if self.rng.chance(1, 2) {
                let part = to_usize(piece.start - at)..to_usize(piece.end - at);
                let (file, mut journal) = self.file_mut(node)?;
                file.write(&mut journal, piece.start, &bytes[part]);
            }
        }
        Ok(())
    }

    /// Fails if the effect says so, with what a failing sync of the range leaves behind.
    pub(crate) fn fail_sync(&mut self, node: NodeId, range: &Range<u64>, effect: Option<&Effect>) -> Result<()> {
        let Some(Effect::FailSync { kind, keep }) = effect else { return Ok(()) };
        let (file, _) = self.file_mut(node)?;
        let covered = file.covered(range);
        let chosen = keep.choose(&vec![Bit { group: node, garble: false }; covered.len()]);
        let reached: Vec<_> =
            covered.into_iter().zip(chosen).filter(|(_, kept)| *kept).map(|((_, change), _)| change).collect();
        file.fail_sync(range, reached);
        Err(failure(*kind))
    }

    pub(crate) fn sync_file(&mut self, node: NodeId, effect: Option<&Effect>, all: bool) -> Result<()> {
        self.fail_sync(node, &(0..u64::MAX), effect)?;
        let (file, _) = self.file_mut(node)?;
        match (effect, all) {
            (Some(Effect::LoseSync), _) => {}
            (_, true) => file.sync_all(),
            (_, false) => file.sync_data(),
        }
        Ok(())
    }

    pub(crate) fn reserve(&mut self, node: NodeId, len: u64) -> Result<()> {
        let file = self.file(node)?;
        if page_up(len) > file.reserved {
            self.check_room(page_up(len) - file.reserved - file.data_bytes(file.reserved..page_up(len)))?;
        }
        let (file, mut journal) = self.file_mut(node)?;
        file.reserve(&mut journal, len);
        Ok(())
    }

    pub(crate) fn zero_range(&mut self, node: NodeId, range: Range<u64>, effect: Option<&Effect>) -> Result<()> {
        let range = range.start..range.end.min(self.file(node)?.len);
        let Some(Effect::Torn(kind)) = effect else {
            let (file, mut journal) = self.file_mut(node)?;
            file.zero(&mut journal, range, false);
            return Ok(());
        };
        for piece in cut(range, SECTOR) {
            if self.rng.chance(1, 2) {
                let (file, mut journal) = self.file_mut(node)?;
                file.zero(&mut journal, piece, false);
            }
        }
        Err(failure(*kind))
    }
}
