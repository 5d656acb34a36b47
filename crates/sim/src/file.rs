//! The trait `IoFile`.

use std::io::{Error, IoSlice, IoSliceMut, Result};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::{DIRECT_ALIGNMENT, Durability, IoFile, MAX_BUFFERS, OpenOptions, Residency};

use crate::call::{Call, CallKind};
use crate::disk::ResidencyModel;
use crate::error::invalid;
use crate::faults::Effect;
use crate::io::SimIo;
use crate::names::NodeId;
use crate::pages::to_u64;
use crate::world::World;

/// An open regular file.
#[derive(Debug)]
pub(crate) struct SimFile {
    io: SimIo,
    handle: u64,
    node: NodeId,
    path: Arc<Path>,
    read_only: bool,
}

/// The largest offset that system calls take.
fn check_end(offset: u64, len: u64) -> Result<()> {
    let end = offset.checked_add(len).and_then(|end| i64::try_from(end).ok());
    end.map(|_| ()).ok_or_else(|| invalid("offset too large"))
}

fn gather(buffers: &[IoSlice<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(buffers.iter().map(|buffer| buffer.len()).sum());
    for buffer in buffers {
        bytes.extend_from_slice(buffer);
    }
    bytes
}

impl SimFile {
    pub(crate) fn new(io: SimIo, (handle, node): (u64, NodeId), path: &Path, options: OpenOptions) -> Self {
        Self { io, handle, node, path: Arc::from(path), read_only: options.read_only }
    }

    fn call<T>(
        &self,
        kind: CallKind,
        offset: u64,
        len: u64,
        act: impl FnOnce(&mut World, Option<&Effect>) -> Result<T>,
    ) -> Result<T> {
        self.io.call(Call::new(kind, Arc::clone(&self.path)).at(offset, len), act)
    }

    fn range_call<T>(
        &self,
        kind: CallKind,
        range: &Range<u64>,
        act: impl FnOnce(&mut World, Option<&Effect>) -> Result<T>,
    ) -> Result<T> {
        self.call(kind, range.start, range.end.saturating_sub(range.start), |world, effect| {
            if range.start > range.end {
                return Err(invalid("range ends before it starts"));
            }
            act(world, effect)
        })
    }

    fn check_writable(&self) -> Result<()> {
        if self.read_only { Err(Error::other("not open for writing")) } else { Ok(()) }
    }
}

impl IoFile for SimFile {
    fn size(&self) -> Result<u64> {
        self.call(CallKind::Size, 0, 0, |world, _| Ok(world.file(self.node)?.len))
    }

    fn read_at(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        let count = buffers.len().min(MAX_BUFFERS);
        let len = buffers[..count].iter().map(|buffer| to_u64(buffer.len())).sum();
        self.call(CallKind::Read, offset, len, |world, effect| {
            check_end(offset, len)?;
            world.read(self.node, &mut buffers[..count], offset, effect)
        })
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64, durability: Durability) -> Result<usize> {
        let bytes = gather(&buffers[..buffers.len().min(MAX_BUFFERS)]);
        let synced = durability == Durability::Synced;
        let kind = if synced { CallKind::WriteSynced } else { CallKind::Write };
        self.call(kind, offset, to_u64(bytes.len()), |world, effect| {
            self.check_writable()?;
            check_end(offset, to_u64(bytes.len()))?;
            world.write(self.node, offset, &bytes, effect, synced)
        })
    }

    /// What the cache holds of the range is not asked; written here as by the cache and then dropped from it, which leaves
    /// a power cut as many choices, and a failing sync more.
    fn write_direct(&self, bytes: &[u8], offset: u64, durability: Durability) -> Result<usize> {
        let synced = durability == Durability::Synced;
        let kind = if synced { CallKind::WriteDirectSynced } else { CallKind::WriteDirect };
        let end = offset.saturating_add(to_u64(bytes.len()));
        let misplaced = [offset, to_u64(bytes.len()), to_u64(bytes.as_ptr().addr())];
        if misplaced.into_iter().any(|place| place % to_u64(DIRECT_ALIGNMENT) != 0) {
            return Err(invalid("a direct write that is not aligned"));
        }
        self.call(kind, offset, to_u64(bytes.len()), |world, effect| {
            self.check_writable()?;
            check_end(offset, to_u64(bytes.len()))?;
            // Of several pieces a short one may be written again in part.
            if synced && world.file(self.node)?.is_dirty(&(offset..end)) {
                return Err(invalid("a direct write over what is unsynced in the cache"));
            }
            let written = world.write(self.node, offset, bytes, effect, synced)?;
            world.file_mut(self.node)?.0.evict(&(offset..end));
            Ok(written)
        })
    }

    fn start_writeback(&self, range: Range<u64>) -> Result<()> {
        self.range_call(CallKind::StartWriteback, &range, |world, effect| world.fail_sync(self.node, &range, effect))
    }

    fn wait_writeback(&self, range: Range<u64>) -> Result<()> {
        self.range_call(CallKind::WaitWriteback, &range, |world, effect| {
            world.fail_sync(self.node, &range, effect)?;
            world.file_mut(self.node)?.0.written_back(&range);
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<()> {
        self.call(CallKind::SyncData, 0, 0, |world, effect| world.sync_file(self.node, effect, false))
    }

    fn sync_all(&self) -> Result<()> {
        self.call(CallKind::SyncAll, 0, 0, |world, effect| world.sync_file(self.node, effect, true))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.call(CallKind::SetLen, 0, len, |world, _| {
            self.check_writable()?;
            check_end(0, len)?;
            let (file, mut journal) = world.file_mut(self.node)?;
            file.set_len(&mut journal, len);
            Ok(())
        })
    }

    fn reserve(&self, len: u64) -> Result<()> {
        self.call(CallKind::Reserve, 0, len, |world, _| {
            self.check_writable()?;
            check_end(0, len)?;
            world.reserve(self.node, len)
        })
    }

    fn allocated(&self) -> Result<Option<u64>> {
        self.call(CallKind::Allocated, 0, 0, |world, _| Ok(Some(world.file(self.node)?.allocated())))
    }

    fn zero_range(&self, range: Range<u64>) -> Result<()> {
        self.range_call(CallKind::ZeroRange, &range, |world, effect| {
            self.check_writable()?;
            world.zero_range(self.node, range.clone(), effect)
        })
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.call(CallKind::NextData, offset, 0, |world, _| Ok(world.file(self.node)?.next_data(offset)))
    }

    fn evict(&self, range: Range<u64>) -> Result<()> {
        self.range_call(CallKind::Evict, &range, |world, _| {
            world.file_mut(self.node)?.0.evict(&range);
            Ok(())
        })
    }

    fn residency(&self, range: Range<u64>) -> Result<Residency> {
        self.range_call(CallKind::Residency, &range, |world, _| {
            let resident = world.file(self.node)?.resident_bytes(&range);
            Ok(match world.config.residency {
                ResidencyModel::Counted => Residency::Bytes(resident),
                ResidencyModel::Unknown => Residency::Unknown,
                ResidencyModel::InMemory => Residency::InMemory,
            })
        })
    }

    fn advise_sequential(&self) -> Result<()> {
        self.call(CallKind::Advise, 0, 0, |_, _| Ok(()))
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.io.call(Call::new(CallKind::IsAt, Arc::from(path)), |world, _| world.is_at(self.node, path))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.io.close(self.handle);
    }
}
