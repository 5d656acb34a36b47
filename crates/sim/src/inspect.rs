//! What oracles look at. None of it counts as a call or changes the cache.

use std::io::Result;
use std::ops::Range;
use std::path::Path;

use crate::content::Content;
use crate::disk::SimDisk;
use crate::names::Tree;
use crate::pages::to_u64;
use crate::world::{Node, World};

impl World {
    fn names_in(&self, tree: &Tree, dir: &Path) -> Result<Vec<String>> {
        let node = self.resolve_in(tree, dir, true)?.existing()?;
        let names = tree.get(&node).ok_or(std::io::ErrorKind::NotADirectory)?;
        Ok(names.keys().map(|name| name.to_string_lossy().into_owned()).collect())
    }
}

/// Quick, and the same on every machine.
#[derive(Default)]
struct Hash(u64);

impl Hash {
    fn word(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(to_u64(bytes.len()));
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Pages of zeros count for nothing: whether they were ever written makes no other bytes.
    fn page(&mut self, number: u64, page: &[u8]) {
        if page.iter().any(|byte| *byte != 0) {
            self.word(number);
            self.bytes(page);
        }
    }

    fn content(&mut self, content: &Content) {
        self.word(content.disk_len);
        for (number, page) in content.disk.iter() {
            self.page(*number, &**page);
        }
        self.word(content.len);
        for (number, page) in &content.cache {
            if content.disk.get(number).is_none_or(|disk| **disk != *page.data) {
                self.page(*number, &*page.data);
            }
        }
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

    /// A hash of what the files of a folder hold whose names `of` chooses, with those names: on the disk, and what a
    /// running process sees where that is something else.
    pub fn fingerprint(&self, dir: impl AsRef<Path>, of: impl Fn(&str) -> bool) -> Result<u64> {
        let world = self.world();
        let mut hash = Hash::default();
        for tree in [&world.names.durable, &world.names.cached] {
            let node = world.resolve_in(tree, dir.as_ref(), true)?.existing()?;
            let names = tree.get(&node).ok_or(std::io::ErrorKind::NotADirectory)?;
            for (name, node) in names {
                let name = name.to_string_lossy();
                hash.bytes(name.as_bytes());
                match world.nodes.get(node) {
                    Some(Node::File(content)) if of(&name) => hash.content(content),
                    _ => {}
                }
            }
            hash.word(u64::MAX);
        }
        Ok(hash.0)
    }

    /// How many handles are open, of files and locks, over all processes: to find leaks.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.world().handles.len()
    }
}
