//! Keeping the page cache flat.
//!
//! After every few MiB that went through a file, what it has in the page cache is dropped. A drop names everything in
//! front of the current position, not just the range that was touched: pages come in large folios, a folio that
//! straddles the end of a range survives its drop (measured: 37 to 88 % stay when only the range read is dropped), and
//! the next drop, which covers it whole, takes it. What lies behind a sequential reader is its readahead, and is left.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::io::IoFile;

/// What stays in the page cache after a load or store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachePolicy {
    /// A few MiB, however much is read or written. Default.
    #[default]
    Drop,
    /// Whatever the operating system likes.
    Keep,
}

/// So many bytes may go through a file between two drops.
const BUDGET: u64 = 4 << 20;

#[derive(Debug)]
pub(super) struct CacheKeeper {
    policy: CachePolicy,
    /// Bytes since the last drop.
    touched: AtomicU64,
    /// Where the last range ended.
    position: AtomicU64,
    /// Since the last drop some range did not begin where the one before it ended.
    scattered: AtomicBool,
}

impl CacheKeeper {
    pub(super) fn new(policy: CachePolicy) -> Self {
        let (touched, position, scattered) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self { policy, touched, position, scattered }
    }

    pub(super) fn policy(&self) -> CachePolicy {
        self.policy
    }

    /// To be called when `range` of a file of `size` bytes has been read, or written and synced.
    pub(super) fn touched(&self, file: &dyn IoFile, range: &Range<u64>, size: u64) {
        if self.policy == CachePolicy::Keep {
            return;
        }
        // Relaxed throughout: when threads race, a drop comes a little early, late, or wide, and nobody depends on it.
        if self.position.swap(range.end, Ordering::Relaxed) != range.start {
            self.scattered.store(true, Ordering::Relaxed);
        }
        let len = range.end.saturating_sub(range.start);
        if self.touched.fetch_add(len, Ordering::Relaxed).saturating_add(len) < BUDGET {
            return;
        }
        self.touched.store(0, Ordering::Relaxed);
        let end = if self.scattered.swap(false, Ordering::Relaxed) { size } else { range.end };
        // A hint: where it fails the cache is less flat, and nothing else is worse.
        drop(file.evict(0..end));
    }

    /// To be called when nothing in front of `end` is needed any more.
    pub(super) fn done_with(&self, file: &dyn IoFile, end: u64) {
        if self.policy == CachePolicy::Drop {
            drop(file.evict(0..end));
        }
    }

    /// To be called when `file` of `size` bytes is closed: what has not been enough for a drop so far would stay, and
    /// many small files make much of it.
    pub(super) fn finished(&self, file: &dyn IoFile, size: u64) {
        if self.touched.swap(0, Ordering::Relaxed) > 0 {
            drop(file.evict(0..size));
        }
    }
}
