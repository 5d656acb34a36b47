//! What oracles look at. None of it counts as a call or changes the cache.

use std::io::Result;
use std::ops::Range;
use std::path::Path;

use crate::disk::SimDisk;
use crate::names::Tree;
use crate::world::World;

impl World {
    fn names_in(&self, tree: &Tree, dir: &Path) -> Result<Vec<String>> {
        let node = self.resolve_in(tree, dir, true)?.existing()?;
        let names = tree.get(&node).ok_or(std::io::ErrorKind::NotADirectory)?;
        Ok(names.keys().map(|name| name.to_string_lossy().into_owned()).collect())
    }
}

impl SimDisk {
    /// The names in a folder as a running process sees them, sorted.
    pub fn names(&self, dir: impl AsRef<Path>) -> Result<Vec<String>> {
        let world = self.world();
        world.names_in(&world.names.cached, dir.as_ref())
    }

    /// The names that are sure to be in a folder after a power cut, sorted.
    pub fn durable_names(&self, dir: impl AsRef<Path>) -> Result<Vec<String>> {
        let world = self.world();
        world.names_in(&world.names.durable, dir.as_ref())
    }

    /// What a running process reads from the file, as far as the range lies in it.
    pub fn cached_bytes(&self, path: impl AsRef<Path>, range: Range<u64>) -> Result<Vec<u8>> {
        let world = self.world();
        Ok(world.file(world.file_at(path.as_ref())?)?.peek(range, false))
    }

    /// What is on the disk of the file that has this name now, as far as the range lies in it.
    pub fn disk_bytes(&self, path: impl AsRef<Path>, range: Range<u64>) -> Result<Vec<u8>> {
        let world = self.world();
        Ok(world.file(world.file_at(path.as_ref())?)?.peek(range, true))
    }

    /// The file's length as a running process sees it.
    pub fn cached_len(&self, path: impl AsRef<Path>) -> Result<u64> {
        let world = self.world();
        Ok(world.file(world.file_at(path.as_ref())?)?.len)
    }

    /// The file's length on the disk.
    pub fn disk_len(&self, path: impl AsRef<Path>) -> Result<u64> {
        let world = self.world();
        Ok(world.file(world.file_at(path.as_ref())?)?.disk_len)
    }

    /// How many handles are open, of files and locks, over all processes: to find leaks.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.world().handles.len()
    }
}
