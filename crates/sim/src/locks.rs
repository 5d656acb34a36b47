//! The trait `IoLock`.

use std::io::Result;
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::IoLock;

use crate::call::{Call, CallKind};
use crate::io::SimIo;
use crate::names::NodeId;

/// An open lock file. The lock belongs to the handle, so that it conflicts within a process too.
#[derive(Debug)]
pub(crate) struct SimLock {
    io: SimIo,
    handle: u64,
    node: NodeId,
    path: Arc<Path>,
}

impl SimLock {
    pub(crate) fn new(io: SimIo, (handle, node): (u64, NodeId), path: &Path) -> Self {
        Self { io, handle, node, path: Arc::from(path) }
    }
}

impl IoLock for SimLock {
    fn try_lock(&self) -> Result<bool> {
        self.io.call(Call::new(CallKind::TryLock, Arc::clone(&self.path)), |world, _| {
            Ok(*world.locks.entry(self.node).or_insert(self.handle) == self.handle)
        })
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.io.call(Call::new(CallKind::IsAt, Arc::from(path)), |world, _| world.is_at(self.node, path))
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.io.close(self.handle);
    }
}
