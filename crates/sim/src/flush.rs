//! One file's way to the disk: syncs that work, syncs that fail, and power cuts.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::content::{Content, Meta};
use crate::pages::{
    PAGE_LEN, SECTOR, SECTORS, Sector, clear_beyond, pages_of, sector_of, sector_place, sectors_of, to_u64, zero_page,
};
use crate::rng::Rng;

/// An unsynced change of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// The newest version of a sector.
    Sector(u64),
    /// An overwritten version, by its place in [`Content::older`].
    Older(usize),
    Meta(Meta),
}

impl Content {
    /// All unsynced changes in the order they were made.
    pub(crate) fn changes(&self) -> Vec<(u64, Change)> {
        let mut changes: Vec<_> = self.meta.iter().map(|(order, meta)| (*order, Change::Meta(*meta))).collect();
        changes.extend(self.older.iter().enumerate().map(|(place, older)| (older.order, Change::Older(place))));
        for page in &self.dirty {
            let Some(cached) = self.cache.get(page) else { continue };
            for (slot, order) in cached.unsynced.iter().enumerate().filter(|(_, order)| **order != 0) {
                changes.push((*order, Change::Sector(page * to_u64(SECTORS) + to_u64(slot))));
            }
        }
        changes.sort_unstable_by_key(|(order, _)| *order);
        changes
    }

    /// Whether a power cut has nothing to choose and nothing to drop.
    pub(crate) fn is_settled(&self) -> bool {
        self.cache.is_empty()
            && self.meta.is_empty()
            && self.older.is_empty()
            && self.len == self.disk_len
            && self.reserved == self.disk_reserved
    }

    /// The pages whose sectors a power cut may find half rewritten; `fresh` also those that were never on the disk.
    pub(crate) fn rewritten_pages(&self, fresh: bool) -> Vec<u64> {
        let twice: HashSet<u64> = self.older.iter().map(|older| sector_place(older.sector).0).collect();
        let at_risk = |page: &u64| fresh || self.disk.contains_key(page) || twice.contains(page);
        self.dirty.iter().copied().filter(at_risk).collect()
    }

    /// Whether something of the range is unsynced.
    pub(crate) fn is_dirty(&self, range: &Range<u64>) -> bool {
        self.dirty.range(pages_of(range)).next().is_some()
    }

    fn put(&mut self, sector: u64, data: &Sector) {
        let (page, _, bytes) = sector_place(sector);
        let target = Arc::make_mut(Arc::make_mut(&mut self.disk).entry(page).or_insert_with(zero_page));
        if let Some(history) = &mut self.history {
            history.entry(sector).or_default().push(Arc::new(sector_of(target, bytes.clone())));
        }
        target[bytes].copy_from_slice(data);
    }

    /// Brings changes to the disk, in the order given.
    pub(crate) fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Sector(sector) => {
                    let (page, _, bytes) = sector_place(sector);
                    if let Some(data) = self.cache.get(&page).map(|cached| sector_of(&cached.data, bytes)) {
                        self.put(sector, &data);
                    }
                }
                Change::Older(place) => {
                    let (sector, data) = (self.older[place].sector, Arc::clone(&self.older[place].data));
                    self.put(sector, &data);
                }
                Change::Meta(Meta::Len(len)) => {
                    if len < self.disk_len {
                        clear_beyond(&mut self.disk, len);
                    }
                    self.disk_len = len;
                }
                Change::Meta(Meta::Reserve(to)) => self.disk_reserved = to,
            }
        }
    }

    /// The last unsynced truncation: its order and the new length.
    fn last_shrink(&self) -> Option<(u64, u64)> {
        let mut before = self.disk_len;
        let mut shrink = None;
        for (order, meta) in &self.meta {
            if let Meta::Len(len) = meta {
                if *len < before {
                    shrink = Some((*order, *len));
                }
                before = *len;
            }
        }
        shrink
    }

    /// Makes the length durable as far as it takes to read up to `end`. A truncation before that cannot be left out,
    /// or it would cut off later what this call has promised.
    fn sync_len(&mut self, end: u64) {
        if let Some((shrunk_at, shrunk_to)) = self.last_shrink() {
            let lens: Vec<_> = self.meta.iter().filter(|(_, meta)| matches!(meta, Meta::Len(_))).copied().collect();
            self.apply(lens.into_iter().map(|(_, meta)| Change::Meta(meta)));
            self.meta.retain(|(_, meta)| !matches!(meta, Meta::Len(_)));
            self.older.retain(|older| older.order > shrunk_at || (older.sector + 1) * SECTOR <= shrunk_to);
        } else {
            self.disk_len = self.disk_len.max(end);
            let durable = self.disk_len;
            self.meta.retain(|(_, meta)| !matches!(meta, Meta::Len(len) if *len <= durable));
        }
    }

    /// Makes the sectors that the range touches durable, and no others.
    fn sync_sectors(&mut self, range: &Range<u64>) {
        let sectors = sectors_of(range);
        let pages: Vec<u64> = self.dirty.range(pages_of(range)).copied().collect();
        for page in pages {
            let Some(cached) = self.cache.get(&page) else { continue };
            let all = (0..SECTORS)
                .all(|slot| cached.unsynced[slot] != 0 && sectors.contains(&(page * to_u64(SECTORS) + to_u64(slot))));
            if all && self.history.is_none() {
                let (hole, data) = (cached.hole, Arc::clone(&cached.data));
                let disk = Arc::make_mut(&mut self.disk);
                if hole {
                    disk.remove(&page)
                } else {
                    disk.insert(page, data)
                };
            } else {
                let first = page * to_u64(SECTORS);
                let unsynced: Vec<u64> = (0..SECTORS)
                    .filter(|slot| cached.unsynced[*slot] != 0)
                    .map(|slot| first + to_u64(slot))
                    .filter(|sector| sectors.contains(sector))
                    .collect();
                let hole = cached.hole && unsynced.len() == SECTORS;
                self.apply(unsynced.into_iter().map(Change::Sector));
                if hole {
                    Arc::make_mut(&mut self.disk).remove(&page);
                }
            }
        }
        self.mark_clean(range);
    }

    fn mark_clean(&mut self, range: &Range<u64>) {
        let sectors = sectors_of(range);
        let pages: Vec<u64> = self.dirty.range(pages_of(range)).copied().collect();
        for page in pages {
            let Some(cached) = self.cache.get_mut(&page) else { continue };
            for slot in 0..SECTORS {
                if sectors.contains(&(page * to_u64(SECTORS) + to_u64(slot))) {
                    cached.unsynced[slot] = 0;
                }
            }
            if !cached.is_dirty() {
                self.dirty.remove(&page);
            }
        }
        self.older.retain(|older| !sectors.contains(&older.sector));
    }

    /// What a synced write of this range promises.
    pub(crate) fn sync_range(&mut self, range: &Range<u64>) {
        self.sync_len(range.end);
        self.sync_sectors(range);
    }

    /// All bytes, and the length as far as bytes were written; a reservation stays unsynced.
    pub(crate) fn sync_data(&mut self) {
        self.sync_len(self.written_end);
        self.sync_sectors(&(0..u64::MAX));
        clear_beyond(&mut self.disk, self.disk_len);
    }

    pub(crate) fn sync_all(&mut self) {
        self.sync_data();
        let rest = std::mem::take(&mut self.meta);
        self.apply(rest.into_iter().map(|(_, meta)| Change::Meta(meta)));
    }

    /// The changes that a failing sync of this range covers: other than the bytes, all of them, since after an error
    /// nothing is known.
    pub(crate) fn covered(&self, range: &Range<u64>) -> Vec<(u64, Change)> {
        let sectors = sectors_of(range);
        let covers = |change: &Change| match change {
            Change::Sector(sector) => sectors.contains(sector),
            Change::Older(place) => sectors.contains(&self.older[*place].sector),
            Change::Meta(_) => true,
        };
        self.changes().into_iter().filter(|(_, change)| covers(change)).collect()
    }

    /// A sync that fails as Linux lets it: `reached` is on the disk, and everything covered is clean from now on.
    pub(crate) fn fail_sync(&mut self, range: &Range<u64>, reached: impl IntoIterator<Item = Change>) {
        self.apply(reached);
        clear_beyond(&mut self.disk, self.disk_len.max(self.len));
        self.meta.clear();
        self.mark_clean(range);
        self.written_end = self.written_end.min(self.disk_len);
    }

    /// Keeps the changes that `kept` has the order of, garbles pages, and forgets the cache.
    pub(crate) fn power_cut(&mut self, kept: &HashSet<u64>, garbled: &[u64], rng: &mut Rng) {
        let changes = self.changes();
        self.apply(changes.into_iter().filter(|(order, _)| kept.contains(order)).map(|(_, change)| change));
        for page in garbled {
            let mut noise = [0; PAGE_LEN];
            rng.fill(&mut noise);
            Arc::make_mut(&mut self.disk).insert(*page, Arc::new(noise));
        }
        clear_beyond(&mut self.disk, self.disk_len);
        self.reset();
    }

    /// The cache as it is after a boot: nothing in it, and all that is known is what the disk says.
    pub(crate) fn reset(&mut self) {
        self.cache.clear();
        self.dirty.clear();
        self.older.clear();
        self.meta.clear();
        self.len = self.disk_len;
        self.written_end = self.disk_len;
        self.reserved = self.disk_reserved;
    }
}
