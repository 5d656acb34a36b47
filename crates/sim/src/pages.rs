//! Pages and sectors: the arithmetic that everything else uses.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub(crate) const PAGE: u64 = 4096;
pub(crate) const SECTOR: u64 = 512;
pub(crate) const PAGE_LEN: usize = 4096;
pub(crate) const SECTOR_LEN: usize = 512;
pub(crate) const SECTORS: usize = PAGE_LEN / SECTOR_LEN;
pub(crate) const SECTORS_PER_PAGE: u64 = PAGE / SECTOR;

pub(crate) type Page = [u8; PAGE_LEN];
pub(crate) type Sector = [u8; SECTOR_LEN];

/// What lies on the disk. A page that is not there reads as zeros.
pub(crate) type PageMap = BTreeMap<u64, Arc<Page>>;

/// One page of zeros for all that need one.
pub(crate) fn zero_page() -> Arc<Page> {
    static ZERO: OnceLock<Arc<Page>> = OnceLock::new();
    Arc::clone(ZERO.get_or_init(|| Arc::new([0; PAGE_LEN])))
}

pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(crate) fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// `value` rounded up to whole pages.
pub(crate) fn page_up(value: u64) -> u64 {
    value.div_ceil(PAGE).saturating_mul(PAGE)
}

/// The pages that the range touches.
pub(crate) fn pages_of(range: &Range<u64>) -> Range<u64> {
    if range.start >= range.end { 0..0 } else { range.start / PAGE..range.end.div_ceil(PAGE) }
}

/// The sectors that the range touches.
pub(crate) fn sectors_of(range: &Range<u64>) -> Range<u64> {
    if range.start >= range.end { 0..0 } else { range.start / SECTOR..range.end.div_ceil(SECTOR) }
}

/// The range cut at multiples of `unit`.
pub(crate) fn cut(range: Range<u64>, unit: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let end = (at / unit + 1).saturating_mul(unit).min(range.end);
        let piece = at..end;
        at = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The page of a range that does not cross pages, and where in it the range lies.
pub(crate) fn within_page(piece: &Range<u64>) -> (u64, Range<usize>) {
    let page = piece.start / PAGE;
    let start = to_usize(piece.start % PAGE);
    (page, start..start + to_usize(piece.end - piece.start))
}

/// Where in its page a sector lies: the page, the number within it, the bytes.
pub(crate) fn sector_place(sector: u64) -> (u64, usize, Range<usize>) {
    let slot = to_usize(sector % SECTORS_PER_PAGE);
    (sector / SECTORS_PER_PAGE, slot, slot * SECTOR_LEN..(slot + 1) * SECTOR_LEN)
}

/// Copies one sector out of its page.
pub(crate) fn sector_of(page: &Page, bytes: Range<usize>) -> Sector {
    let mut sector = [0; SECTOR_LEN];
    sector.copy_from_slice(&page[bytes]);
    sector
}

/// Zeros everything on the disk from `len` on.
pub(crate) fn clear_beyond(disk: &mut Arc<PageMap>, len: u64) {
    let last_kept = len.div_ceil(PAGE);
    if disk.last_key_value().is_some_and(|(page, _)| *page >= last_kept) {
        Arc::make_mut(disk).split_off(&last_kept);
    }
    let tail = to_usize(len % PAGE);
    // Looked at first, so that a page shared with a fork is copied only if something changes.
    if tail != 0
        && disk.get(&(len / PAGE)).is_some_and(|page| page[tail..].iter().any(|byte| *byte != 0))
        && let Some(page) = Arc::make_mut(disk).get_mut(&(len / PAGE))
    {
        Arc::make_mut(page)[tail..].fill(0);
    }
}
