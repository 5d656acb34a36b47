//! One file as the cache shows it: reading, writing, zeroing, lengths, and what is resident.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::Arc;

use crate::pages::{
    PAGE, PAGE_LEN, Page, PageMap, SECTOR_LEN, SECTORS, Sector, cut, page_up, pages_of, sector_of, to_u64, to_usize,
    within_page, zero_page,
};

/// A page in the cache.
#[derive(Clone, Debug)]
pub(crate) struct CachePage {
    pub(crate) data: Arc<Page>,
    /// When each sector was last written, 0 for those that are clean.
    pub(crate) unsynced: [u64; SECTORS],
    /// Unsynced sectors that writeback was awaited for: the page may leave the cache, and the bytes are in the
    /// disk's own cache then, where a power cut still finds them.
    pub(crate) written_back: [bool; SECTORS],
    /// Reserved or sparse: zeros that nobody wrote.
    pub(crate) hole: bool,
    /// False once evicted while its bytes are only in the disk's own cache.
    pub(crate) resident: bool,
}

impl CachePage {
    pub(crate) fn is_dirty(&self) -> bool {
        self.unsynced.iter().any(|order| *order != 0)
    }
}

/// A version of a sector that was overwritten before any sync: writeback may have brought it to the disk.
#[derive(Clone, Debug)]
pub(crate) struct Older {
    pub(crate) order: u64,
    pub(crate) sector: u64,
    pub(crate) data: Arc<Sector>,
}

/// An unsynced change of something other than bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    Len(u64),
    Reserve(u64),
}

/// How writes are remembered.
#[derive(Debug)]
pub(crate) struct Journal<'a> {
    /// The number of the last change on the whole disk; every change gets the next one.
    pub(crate) order: &'a mut u64,
    /// Whether overwritten unsynced versions are kept.
    pub(crate) versions: bool,
}

impl Journal<'_> {
    fn next(&mut self) -> u64 {
        *self.order += 1;
        *self.order
    }
}

/// A file's bytes, in the cache and on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) cache: BTreeMap<u64, CachePage>,
    /// Pages with an unsynced sector.
    pub(crate) dirty: BTreeSet<u64>,
    /// Shared, so that a fork whose cache is lost in a power cut costs nothing.
    pub(crate) disk: Arc<PageMap>,
    pub(crate) len: u64,
    pub(crate) disk_len: u64,
    /// The end of what was ever written, as far as the length reaches: what `sync_data` must be able to read back.
    pub(crate) written_end: u64,
    /// Reserved from the start up to here, in whole pages.
    pub(crate) reserved: u64,
    pub(crate) disk_reserved: u64,
    pub(crate) older: Vec<Older>,
    pub(crate) meta: Vec<(u64, Meta)>,
    /// Former contents of sectors on the disk, oldest first, if the disk keeps them.
    pub(crate) history: Option<BTreeMap<u64, Vec<Arc<Sector>>>>,
    /// Somebody else holds the pages: eviction has no effect.
    pub(crate) pinned: bool,
}

impl Content {
    fn load(&mut self, page: u64) -> &mut CachePage {
        let on_disk = &self.disk;
        let entry = self.cache.entry(page).or_insert_with(|| {
            let data = on_disk.get(&page);
            CachePage {
                hole: data.is_none(),
                data: data.map_or_else(zero_page, Arc::clone),
                unsynced: [0; SECTORS],
                written_back: [false; SECTORS],
                resident: true,
            }
        });
        entry.resident = true;
        entry
    }

    /// Reads up to `limit` bytes and returns how many there were.
    pub(crate) fn read(&mut self, buffers: &mut [IoSliceMut<'_>], offset: u64, limit: usize) -> usize {
        let mut left = to_usize(self.len.saturating_sub(offset)).min(limit);
        let mut at = offset;
        for buffer in buffers {
            let count = buffer.len().min(left);
            self.read_into(&mut buffer[..count], at);
            at += to_u64(count);
            left -= count;
        }
        to_usize(at - offset)
    }

    fn read_into(&mut self, bytes: &mut [u8], offset: u64) {
        let mut done = 0;
        for piece in cut(offset..offset + to_u64(bytes.len()), PAGE) {
            let (page, part) = within_page(&piece);
            let next = done + part.len();
            bytes[done..next].copy_from_slice(&self.load(page).data[part]);
            done = next;
        }
    }

    /// What a read would return, leaving the cache as it is.
    pub(crate) fn peek(&self, range: Range<u64>, on_disk: bool) -> Vec<u8> {
        let len = if on_disk { self.disk_len } else { self.len };
        let range = range.start.min(len)..range.end.min(len);
        let mut bytes = Vec::with_capacity(to_usize(range.end.saturating_sub(range.start)));
        for piece in cut(range, PAGE) {
            let (page, part) = within_page(&piece);
            let cached = if on_disk { None } else { self.cache.get(&page).map(|cached| &cached.data) };
            match cached.or_else(|| self.disk.get(&page)) {
                Some(data) => bytes.extend_from_slice(&data[part]),
                None => bytes.resize(bytes.len() + part.len(), 0),
            }
        }
        bytes
    }

    /// Writes to the cache. The new length comes before the bytes, so that it may survive without them.
    pub(crate) fn write(&mut self, journal: &mut Journal<'_>, offset: u64, bytes: &[u8]) {
        let end = offset + to_u64(bytes.len());
        if bytes.is_empty() {
            return;
        }
        self.grow(journal, end);
        self.written_end = self.written_end.max(end);
        let mut rest = bytes;
        for piece in cut(offset..end, PAGE) {
            let (page, part) = within_page(&piece);
            let (head, tail) = rest.split_at(part.len());
            self.overwrite(journal, page, part, head);
            rest = tail;
        }
    }

    /// Puts `bytes` into `part` of a page and marks the sectors it touches as unsynced.
    fn overwrite(&mut self, journal: &mut Journal<'_>, page: u64, part: Range<usize>, bytes: &[u8]) {
        let mut older = Vec::new();
        let cached = self.load(page);
        for slot in part.start / SECTOR_LEN..part.end.div_ceil(SECTOR_LEN) {
            if cached.unsynced[slot] != 0 && journal.versions {
                let data = Arc::new(sector_of(&cached.data, slot * SECTOR_LEN..(slot + 1) * SECTOR_LEN));
                let sector = page * to_u64(SECTORS) + to_u64(slot);
                older.push(Older { order: cached.unsynced[slot], sector, data });
            }
            cached.unsynced[slot] = journal.next();
            cached.written_back[slot] = false;
        }
        match <&Page>::try_from(bytes) {
            Ok(whole) => cached.data = Arc::new(*whole),
            Err(_) => Arc::make_mut(&mut cached.data)[part].copy_from_slice(bytes),
        }
        cached.hole = false;
        self.dirty.insert(page);
        self.older.append(&mut older);
    }

    fn grow(&mut self, journal: &mut Journal<'_>, len: u64) {
        if len > self.len {
            self.len = len;
            self.meta.push((journal.next(), Meta::Len(len)));
        }
    }

    /// Zeros what is not zero anyway. A page that is zeroed as a whole becomes a hole again if its space stays
    /// reserved, or if it is to be given up (`free`).
    pub(crate) fn zero(&mut self, journal: &mut Journal<'_>, range: Range<u64>, free: bool) {
        let pages = pages_of(&range);
        let filled = |(page, cached): (&u64, &CachePage)| (!cached.hole).then_some(*page);
        let mut touched: BTreeSet<u64> = self.cache.range(pages.clone()).filter_map(filled).collect();
        let hidden = |page: &u64| self.cache.get(page).is_some_and(|cached| cached.hole);
        touched.extend(self.disk.range(pages).map(|(page, _)| *page).filter(|page| !hidden(page)));
        for page in touched {
            let (start, end) = (range.start.max(page * PAGE), range.end.min((page + 1) * PAGE));
            let (_, part) = within_page(&(start..end));
            let whole = part.len() == PAGE_LEN;
            self.overwrite(journal, page, part.clone(), &zero_page()[part]);
            let hole = whole && (free || (page + 1) * PAGE <= self.reserved);
            self.load(page).hole = hole;
        }
    }

    pub(crate) fn set_len(&mut self, journal: &mut Journal<'_>, len: u64) {
        if len >= self.len {
            self.grow(journal, len);
            return;
        }
        // Zeroed up to the page's end, which is where the old length's own tail already is zero.
        self.zero(journal, len..page_up(self.len), true);
        self.len = len;
        self.written_end = self.written_end.min(len);
        self.meta.push((journal.next(), Meta::Len(len)));
        if self.reserved > page_up(len) {
            self.reserved = page_up(len);
            self.meta.push((journal.next(), Meta::Reserve(self.reserved)));
        }
    }

    pub(crate) fn reserve(&mut self, journal: &mut Journal<'_>, len: u64) {
        if page_up(len) > self.reserved {
            self.reserved = page_up(len);
            self.meta.push((journal.next(), Meta::Reserve(self.reserved)));
        }
        self.grow(journal, len);
    }

    fn is_data(&self, page: u64) -> bool {
        self.cache.get(&page).map_or_else(|| self.disk.contains_key(&page), |cached| !cached.hole)
    }

    /// Whether writing to the page takes no new space.
    pub(crate) fn has_space(&self, page: u64) -> bool {
        (page + 1) * PAGE <= self.reserved || self.is_data(page)
    }

    /// What the pages in the range that hold data take.
    pub(crate) fn data_bytes(&self, range: Range<u64>) -> u64 {
        let pages = pages_of(&range);
        let cached = self.cache.range(pages.clone()).filter(|(_, cached)| !cached.hole).count();
        let on_disk = self.disk.range(pages).filter(|(page, _)| !self.cache.contains_key(page)).count();
        to_u64(cached + on_disk) * PAGE
    }

    pub(crate) fn allocated(&self) -> u64 {
        self.reserved + self.data_bytes(self.reserved..u64::MAX)
    }

    pub(crate) fn next_data(&self, offset: u64) -> Option<Range<u64>> {
        let from = offset / PAGE;
        let cached = self.cache.range(from..).find(|(_, cached)| !cached.hole).map(|(page, _)| *page);
        let on_disk = self.disk.range(from..).map(|(page, _)| *page).find(|page| self.is_data(*page));
        let first = [cached, on_disk].into_iter().flatten().min()?;
        let end =
            (first..page_up(self.len) / PAGE).find(|page| !self.is_data(*page)).unwrap_or(self.len.div_ceil(PAGE));
        let run = offset.max(first * PAGE)..self.len.min(end * PAGE);
        (run.start < run.end).then_some(run)
    }

    /// Drops clean pages that lie in the range as a whole; the file's last page counts as whole at its end.
    pub(crate) fn evict(&mut self, range: &Range<u64>) {
        if self.pinned {
            return;
        }
        let first = range.start.div_ceil(PAGE);
        let last = if range.end >= self.len { u64::MAX } else { range.end / PAGE };
        if first >= last {
            return;
        }
        let mut gone = Vec::new();
        for (page, cached) in self.cache.range_mut(first..last) {
            if !cached.is_dirty() {
                gone.push(*page);
            } else if (0..SECTORS).all(|slot| cached.unsynced[slot] == 0 || cached.written_back[slot]) {
                cached.resident = false;
            }
        }
        for page in gone {
            self.cache.remove(&page);
        }
    }

    pub(crate) fn resident_bytes(&self, range: &Range<u64>) -> u64 {
        let range = range.start..range.end.min(self.len);
        let resident = self.cache.range(pages_of(&range)).filter(|(_, cached)| cached.resident).count();
        to_u64(resident) * PAGE
    }

    pub(crate) fn written_back(&mut self, range: &Range<u64>) {
        let pages: Vec<u64> = self.dirty.range(pages_of(range)).copied().collect();
        for page in pages {
            self.load(page).written_back = [true; SECTORS];
        }
    }
}
