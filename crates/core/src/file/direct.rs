//! Large writes past the page cache. The bytes are put together in aligned memory, a piece at a time: while one piece is
//! on its way to the disk, the next is filled, with whatever it takes to know its bytes.
//!
//! Measured on ext4 with reserved space that was never written: 1 MiB in 395 us past the cache, 548 us through it; 4 MiB
//! in one synced call 1,370 us, in four calls with one sync behind them 1,335 us. So pieces cost nothing, and the time that
//! the processor takes for copies and checksums, some 150 us a MiB, is hidden but for the first of them.

use std::io::IoSlice;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use super::outcome::{Outcome, outcome_of, retry};
use super::write::{Attempt, Failure, write_all};
use super::{BlockFile, CachePolicy};
use crate::error::Result;
use crate::io::{DIRECT_ALIGNMENT, Durability, IoFile};

/// The memory that bytes are put together in: kept from one write to the next, for the system takes longer to give fresh
/// memory than it takes to copy into it.
#[derive(Debug)]
pub struct Staging {
    /// Bytes of a piece, about.
    piece: usize,
    free: Vec<Piece>,
}

/// One is on its way to the disk, one waits for that, one is filled.
const PIECES: usize = 3;

/// Some aligned memory, and the place in the file that it is for.
#[derive(Debug)]
struct Piece {
    memory: Vec<u8>,
    /// Where in it the aligned part begins.
    start: usize,
    len: usize,
    capacity: usize,
    offset: u64,
}

impl Piece {
    fn new(capacity: usize) -> Self {
        let memory = vec![0; capacity.saturating_add(DIRECT_ALIGNMENT)];
        let start = memory.as_ptr().align_offset(DIRECT_ALIGNMENT);
        Self { memory, start, len: 0, capacity, offset: 0 }
    }

    /// One without memory, to stand in for another.
    fn empty() -> Self {
        Self { memory: Vec::new(), start: 0, len: 0, capacity: 0, offset: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }

    /// Takes what fits of the bytes, and returns the rest.
    fn put<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (front, rest) = bytes.split_at(bytes.len().min(self.capacity.saturating_sub(self.len)));
        let from = self.start.saturating_add(self.len);
        if let Some(room) = self.memory.get_mut(from..from.saturating_add(front.len())) {
            room.copy_from_slice(front);
            self.len = self.len.saturating_add(front.len());
        }
        rest
    }

    /// The next one, which lies behind this one.
    fn follow(mut self, offset: u64) -> Self {
        (self.len, self.offset) = (0, offset);
        self
    }
}

impl Staging {
    /// Pieces of about `piece` bytes: 4 KiB or more.
    #[must_use]
    pub fn new(piece: usize) -> Self {
        Self { piece: piece.max(DIRECT_ALIGNMENT), free: Vec::new() }
    }

    /// Gives the memory back.
    pub fn release(&mut self) {
        self.free = Vec::new();
    }

    /// How many bytes of the pieces of a write of `len` bytes there are: none is much smaller than the others, and one
    /// that would be is part of another.
    fn capacity(&self, len: usize) -> usize {
        let pieces = len.checked_div(self.piece).unwrap_or(1).max(1);
        len.div_ceil(pieces).next_multiple_of(DIRECT_ALIGNMENT)
    }

    fn take(&mut self, capacity: usize, offset: u64) -> Piece {
        let large_enough = |piece: &Piece| piece.memory.len() >= capacity.saturating_add(DIRECT_ALIGNMENT);
        let free = self.free.iter().position(large_enough).map(|place| self.free.swap_remove(place));
        let mut piece = free.unwrap_or_else(|| Piece::new(capacity)).follow(offset);
        piece.capacity = capacity;
        piece
    }

    fn give_back(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        // Larger ones, of a single large write, are not kept.
        let most = self.piece.saturating_mul(2).saturating_add(DIRECT_ALIGNMENT);
        self.free.extend(pieces.into_iter().filter(|piece| piece.memory.len() <= most));
        self.free.truncate(PIECES);
    }
}

/// Takes the bytes of one write, in order.
pub struct Stage<'a> {
    piece: Piece,
    /// Takes a full piece and gives an empty one.
    emit: &'a mut dyn FnMut(Piece) -> Piece,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("offset", &self.piece.offset).finish_non_exhaustive()
    }
}

impl<'a> Stage<'a> {
    fn new(piece: Piece, emit: &'a mut dyn FnMut(Piece) -> Piece) -> Self {
        Self { piece, emit }
    }

    /// Adds these.
    pub fn put(&mut self, mut bytes: &[u8]) {
        loop {
            bytes = self.piece.put(bytes);
            if bytes.is_empty() {
                return;
            }
            self.send();
        }
    }

    fn send(&mut self) {
        // Taken out for a moment: an empty one needs no memory.
        let full = std::mem::replace(&mut self.piece, Piece::empty());
        self.piece = (self.emit)(full);
    }

    /// What was put last, as far as it lies in a sector that is not full.
    #[must_use]
    pub fn edge(&self) -> &[u8] {
        let bytes = self.piece.bytes();
        let full = bytes.len().checked_div(DIRECT_ALIGNMENT).unwrap_or(0).saturating_mul(DIRECT_ALIGNMENT);
        bytes.get(full..).unwrap_or_default()
    }

    /// Zeros up to the end of the sector; the last piece.
    fn finish(mut self) -> Piece {
        let end = self.piece.len.next_multiple_of(DIRECT_ALIGNMENT);
        let zeros = [0; DIRECT_ALIGNMENT];
        let rest = self.piece.put(zeros.get(..end.saturating_sub(self.piece.len)).unwrap_or_default());
        debug_assert!(rest.is_empty(), "a piece ends at the end of a sector");
        self.piece
    }
}

/// The way of the pieces to the thread that writes them, and back.
struct Lane {
    full: SyncSender<Piece>,
    free: Receiver<Piece>,
}

impl Lane {
    /// Passes a full piece on; returns an empty one, for which it may have to wait.
    fn pass(&self, piece: Piece) -> Piece {
        let capacity = piece.capacity;
        match self.full.send(piece) {
            Ok(()) => self.free.recv().unwrap_or_else(|_| Piece::new(capacity)),
            // A write has failed: what follows comes to nothing.
            Err(unsent) => unsent.0,
        }
    }
}

impl BlockFile {
    /// Whether it makes sense to write past the page cache.
    #[must_use]
    pub fn bypasses_cache(&self) -> bool {
        self.cache.policy() == CachePolicy::Drop && !self.no_direct_write.load(Ordering::Relaxed)
    }

    /// Writes what `compose` puts, `len` bytes at most, from `offset` on, which is a multiple of [`DIRECT_ALIGNMENT`]; past
    /// the page cache where the file system can. Durable when it returns. Behind the last byte there are zeros up to the
    /// end of its sector. Nothing of the range may be in the cache and not synced: past the cache it would be written over
    /// by that later. What was written elsewhere without a sync may be durable then or not.
    ///
    /// # Errors
    ///
    /// As [`BlockFile::write_at`], and those of `compose`; any part of it may have been written then.
    pub fn write_direct<T>(
        &self,
        staging: &mut Staging,
        (offset, len): (u64, usize),
        compose: impl FnOnce(&mut Stage<'_>) -> Result<T>,
    ) -> Result<T> {
        self.file_for_writing()?;
        let capacity = staging.capacity(len);
        let sectors = u64::try_from(len.next_multiple_of(DIRECT_ALIGNMENT)).unwrap_or(u64::MAX);
        self.check_range(&(offset..offset.saturating_add(sectors)))?;
        self.writing(offset, |file| {
            if capacity >= len {
                return self.write_piece(file, staging.take(capacity, offset), staging, compose);
            }
            self.write_pieces(file, (offset, capacity), staging, compose)
        })?
    }

    /// All of it in one call, which syncs it too.
    fn write_piece<T>(
        &self,
        file: &dyn IoFile,
        piece: Piece,
        staging: &mut Staging,
        compose: impl FnOnce(&mut Stage<'_>) -> Result<T>,
    ) -> Attempt<Result<T>> {
        let mut too_much = |piece: Piece| piece.follow(0);
        let mut stage = Stage::new(piece, &mut too_much);
        let filled = match compose(&mut stage) {
            Ok(filled) => filled,
            Err(error) => return Ok(Err(error)),
        };
        let piece = stage.finish();
        self.put_piece(file, &piece, Durability::Synced)?;
        staging.give_back([piece]);
        Ok(Ok(filled))
    }

    /// One piece after the other by another thread, and one sync behind the last. Nothing is told of before that.
    fn write_pieces<T>(
        &self,
        file: &dyn IoFile,
        (offset, capacity): (u64, usize),
        staging: &mut Staging,
        compose: impl FnOnce(&mut Stage<'_>) -> Result<T>,
    ) -> Attempt<Result<T>> {
        let first = staging.take(capacity, offset);
        let spare: Vec<Piece> = (1..PIECES).map(|_| staging.take(capacity, 0)).collect();
        let (filled, written, pieces) = scope(|scope| {
            let (lane, disk) = self.start_disk(scope, file, spare);
            let mut serial = Ok(());
            let mut emit = |piece: Piece| {
                let next = piece.offset.saturating_add(u64::try_from(capacity).unwrap_or(u64::MAX));
                let free = if disk.is_ok() {
                    lane.pass(piece)
                } else {
                    // No thread is to be had: then without.
                    if serial.is_ok() {
                        serial = self.put_piece(file, &piece, Durability::Cached);
                    }
                    piece
                };
                free.follow(next)
            };
            let mut stage = Stage::new(first, &mut emit);
            let filled = compose(&mut stage);
            let last = stage.finish();
            let mut pieces = vec![emit(last)];
            let Lane { full, free } = lane;
            drop(full);
            let written = disk.map_or_else(|_| serial, join);
            pieces.extend(free.try_iter());
            (filled, written, pieces)
        });
        staging.give_back(pieces);
        written?;
        if filled.is_ok() {
            // What RWF_DSYNC is to a single piece.
            file.sync_data().map_err(Failure::of("fdatasync"))?;
        }
        Ok(filled)
    }

    /// Starts the thread that writes the pieces.
    fn start_disk<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        file: &'env dyn IoFile,
        spare: Vec<Piece>,
    ) -> (Lane, std::io::Result<ScopedJoinHandle<'scope, Attempt<()>>>) {
        let (full, pieces) = sync_channel::<Piece>(1);
        let (back, free) = channel();
        for piece in spare {
            drop(back.send(piece));
        }
        let work = move || self.write_each(file, &pieces, &back);
        (Lane { full, free }, Builder::new().name("pstream-disk".to_owned()).spawn_scoped(scope, work))
    }

    fn write_each(&self, file: &dyn IoFile, pieces: &Receiver<Piece>, back: &Sender<Piece>) -> Attempt<()> {
        for piece in pieces {
            self.put_piece(file, &piece, Durability::Cached)?;
            drop(back.send(piece));
        }
        Ok(())
    }

    fn put_piece(&self, file: &dyn IoFile, piece: &Piece, durability: Durability) -> Attempt<()> {
        let (mut bytes, mut offset) = (piece.bytes(), piece.offset);
        while !bytes.is_empty() && !self.no_direct_write.load(Ordering::Relaxed) {
            match retry(|| file.write_direct(bytes, offset, durability)) {
                Ok(written) => {
                    // Whole sectors: what is left must begin at one.
                    let whole = written.checked_div(DIRECT_ALIGNMENT).unwrap_or(0).saturating_mul(DIRECT_ALIGNMENT);
                    if whole == 0 {
                        break;
                    }
                    bytes = bytes.get(whole..).unwrap_or_default();
                    offset = offset.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
                }
                Err(error) if outcome_of(&error) == Outcome::Unsupported => {
                    self.no_direct_write.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(Failure::of("pwritev")(error)),
            }
        }
        match durability {
            // Also where nothing is left: nothing is written then.
            Durability::Cached => write_all(file, &[IoSlice::new(bytes)], offset, durability),
            Durability::Synced => self.write_synced(file, &[IoSlice::new(bytes)], offset),
        }
    }
}

fn join(disk: ScopedJoinHandle<'_, Attempt<()>>) -> Attempt<()> {
    disk.join().unwrap_or_else(|_| Err(Failure::of("pwritev")(std::io::Error::other("the writing thread has died"))))
}
