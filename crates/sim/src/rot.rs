//! What happens to bytes at rest. All of it is durable at once, and what is unsynced elsewhere in the file stays so.

use std::collections::BTreeSet;
use std::io::Result;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::content::Content;
use crate::disk::SimDisk;
use crate::pages::{
    PAGE, PAGE_LEN, SECTOR, SECTORS, clear_beyond, cut, pages_of, sector_of, sector_place, to_u64, to_usize,
    within_page, zero_page,
};

impl Content {
    /// Changes what is on the disk and drops it from the cache.
    fn rot(&mut self, range: Range<u64>, mut change: impl FnMut(&mut [u8])) {
        let range = range.start..range.end.min(self.disk_len);
        for piece in cut(range.clone(), PAGE) {
            let (page, part) = within_page(&piece);
            let data = Arc::make_mut(&mut self.disk).entry(page).or_insert_with(zero_page);
            change(&mut Arc::make_mut(data)[part]);
        }
        self.refresh(&range);
    }

    /// Lets the cache see the disk again, but for the sectors that it has yet to write there.
    fn refresh(&mut self, range: &Range<u64>) {
        let pages: BTreeSet<u64> = self.cache.range(pages_of(range)).map(|(page, _)| *page).collect();
        for page in pages {
            let on_disk = self.disk.get(&page).map_or_else(zero_page, Arc::clone);
            let Some(cached) = self.cache.get_mut(&page) else { continue };
            if !cached.is_dirty() {
                self.cache.remove(&page);
                continue;
            }
            for slot in (0..SECTORS).filter(|slot| cached.unsynced[*slot] == 0) {
                let (_, _, bytes) = sector_place(page * to_u64(SECTORS) + to_u64(slot));
                Arc::make_mut(&mut cached.data)[bytes.clone()].copy_from_slice(&on_disk[bytes]);
            }
        }
    }
}

impl SimDisk {
    fn with_file<T>(&self, path: &Path, act: impl FnOnce(&mut Content) -> T) -> Result<T> {
        let mut world = self.world();
        let node = world.file_at(path)?;
        Ok(act(world.file_mut(node)?.0))
    }

    /// Turns one bit on the disk over.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u32) -> Result<()> {
        self.with_file(path.as_ref(), |file| {
            file.rot(offset..offset + 1, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1_u8.rotate_left(bit)));
        })
    }

    /// Makes a range on the disk zero.
    pub fn zero_on_disk(&self, path: impl AsRef<Path>, range: Range<u64>) -> Result<()> {
        self.with_file(path.as_ref(), |file| file.rot(range, |bytes| bytes.fill(0)))
    }

    /// Makes a range on the disk noise, by the disk's seed.
    pub fn garble_on_disk(&self, path: impl AsRef<Path>, range: Range<u64>) -> Result<()> {
        let mut noise = crate::rng::Rng::new(self.world().rng.next_u64());
        self.with_file(path.as_ref(), |file| file.rot(range, |bytes| noise.fill(bytes)))
    }

    /// Puts bytes on the disk, within the file's length there.
    pub fn write_on_disk(&self, path: impl AsRef<Path>, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        self.with_file(path.as_ref(), |file| {
            file.rot(offset..offset + to_u64(bytes.len()), |part| {
                let (head, tail) = rest.split_at(part.len());
                part.copy_from_slice(head);
                rest = tail;
            });
        })
    }

    /// Gives the file another length on the disk, new bytes being zero. All of its cache is dropped, also what was
    /// unsynced.
    pub fn set_len_on_disk(&self, path: impl AsRef<Path>, len: u64) -> Result<()> {
        self.with_file(path.as_ref(), |file| {
            file.disk_len = len;
            clear_beyond(&mut file.disk, len);
            file.reset();
        })
    }

    /// Puts back what the sector that contains `offset` was `steps` durable writes ago, and says whether that is
    /// known: see [`SimDisk::set_history`].
    pub fn revert_sector(&self, path: impl AsRef<Path>, offset: u64, steps: usize) -> Result<bool> {
        self.with_file(path.as_ref(), |file| {
            let sector = offset / SECTOR;
            let past = file.history.as_ref().and_then(|history| history.get(&sector));
            let old = past.and_then(|past| past.iter().rev().nth(steps.checked_sub(1)?).cloned());
            let Some(old) = old else { return false };
            file.rot(sector * SECTOR..(sector + 1) * SECTOR, |bytes| bytes.copy_from_slice(&old[..bytes.len()]));
            true
        })
    }

    /// Pins what is cached of the file: evicting it has no effect, as with other readers, or on ZFS.
    pub fn pin_cache(&self, path: impl AsRef<Path>, pinned: bool) -> Result<()> {
        self.with_file(path.as_ref(), |file| file.pinned = pinned)
    }

    /// Drops what is clean from the cache of all files, pinned or not, as memory pressure may at any time.
    pub fn drop_caches(&self) {
        let mut world = self.world();
        let nodes: Vec<u64> = world.nodes.keys().copied().collect();
        for node in nodes {
            if let Ok((file, _)) = world.file_mut(node) {
                let pinned = std::mem::take(&mut file.pinned);
                file.evict(&(0..u64::MAX));
                file.pinned = pinned;
            }
        }
    }

    /// Creates a file with these bytes, or replaces all of one, durably, name and all: for tests that bring files from
    /// elsewhere.
    pub fn install(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let mut world = self.world();
        world.install(path.as_ref())?;
        drop(world);
        self.set_len_on_disk(path.as_ref(), 0)?;
        self.set_len_on_disk(path.as_ref(), to_u64(bytes.len()))?;
        self.write_on_disk(path, 0, bytes)
    }

    /// The sectors of the file on the disk, for tests that go through all of them.
    pub fn sectors_on_disk(&self, path: impl AsRef<Path>) -> Result<Vec<Vec<u8>>> {
        self.with_file(path.as_ref(), |file| {
            let sectors = (0..file.disk_len.div_ceil(SECTOR)).map(|sector| {
                let (page, _, bytes) = sector_place(sector);
                let len = to_usize((file.disk_len - sector * SECTOR).min(SECTOR));
                let data = file.disk.get(&page).map_or([0; PAGE_LEN], |data| **data);
                sector_of(&data, bytes)[..len].to_vec()
            });
            sectors.collect()
        })
    }
}
