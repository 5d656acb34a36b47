//! Loading blocks.

use std::io::IoSliceMut;
use std::ops::Range;

use super::BlockFile;
use super::buffers::{check_count, front_mut, total};
use super::outcome::retry;
use crate::error::{Error, ErrorKind, Result};
use crate::io::IoFile;

/// So much is read in one call. Not more, because while one piece is copied out of the page cache the system reads the
/// next ones ahead, which it does not do within a call.
const CHUNK: usize = 1 << 20;

impl BlockFile {
    /// Fills every buffer completely, in order, from the start of `block` on, across blocks. Loads may run at the same
    /// time as each other and as a store; what a load sees of a store that has not returned is any part of it. An
    /// empty list does nothing.
    ///
    /// # Errors
    ///
    /// `PSTREAM_UNEXPECTED_EOF` if the file ends before the buffers are full, or if all of them are empty;
    /// `PSTREAM_SYNC_FAILED` after a failed sync, whatever the list; `PSTREAM_CLOSED`; `PSTREAM_IO`.
    pub fn load(&self, block: u64, buffers: &mut [IoSliceMut<'_>]) -> Result<()> {
        check_count(buffers.len()).map_err(|error| error.at_path(&self.path).at_block(block))?;
        let file = self.file()?;
        if buffers.is_empty() {
            return Ok(());
        }
        let lengths: Vec<usize> = buffers.iter().map(|buffer| buffer.len()).collect();
        let len = total(&lengths);
        let Some(offset) = self.shape.offset_of(block, len).filter(|_| len > 0) else {
            return Err(self.eof(block));
        };
        self.read_exact(&*file, buffers, offset, |read| self.cache.touched(&*file, &read, self.shape.size()))?;
        self.check_not_poisoned()
    }

    /// [`BlockFile::load`] into one run of bytes.
    pub fn load_bytes(&self, block: u64, bytes: &mut [u8]) -> Result<()> {
        self.load(block, &mut [IoSliceMut::new(bytes)])
    }

    /// Whether `len` bytes from the start of `block` on lie within the file: so that a caller who has to make room for
    /// them first learns before that what is wrong.
    pub fn check_load(&self, block: u64, len: u64) -> Result<()> {
        self.file()?;
        if len > 0 && self.shape.offset_of(block, len).is_some() { Ok(()) } else { Err(self.eof(block)) }
    }

    fn eof(&self, block: u64) -> Error {
        Error::new(ErrorKind::UnexpectedEof, "failed to fill all buffers").at_path(&self.path).at_block(block)
    }

    /// Fills the buffers from `offset` on: short reads go on, interrupted ones are made again. Tells `behind` of every
    /// range that has been read, so that the page cache stays flat however long the load is.
    pub(super) fn read_exact(
        &self,
        file: &dyn IoFile,
        mut buffers: &mut [IoSliceMut<'_>],
        mut offset: u64,
        behind: impl Fn(Range<u64>),
    ) -> Result<()> {
        let begin = offset;
        IoSliceMut::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            let mut piece = front_mut(buffers, CHUNK);
            let read = retry(|| file.read_at(&mut piece, offset))
                .map_err(|error| Error::io("preadv", &self.path, error).at_block(offset >> self.shape.block_shift()))?;
            if read == 0 {
                return Err(self.eof(begin >> self.shape.block_shift()));
            }
            IoSliceMut::advance_slices(&mut buffers, read);
            let from = offset;
            offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            behind(from..offset);
        }
        Ok(())
    }

    /// For the end of a load: a sync that failed in the meantime may have made the cache lie. A close in the meantime
    /// is none of its business, what it read is true.
    pub(super) fn check_not_poisoned(&self) -> Result<()> {
        if self.is_poisoned() { Err(self.poisoned_error()) } else { Ok(()) }
    }
}
