//! Storing blocks: durable when it returns.

use std::io::IoSlice;

use super::BlockFile;
use super::buffers::{check_pairs, total};
use super::write::Attempt;
use crate::error::{Error, ErrorKind, Result};
use crate::io::IoFile;

impl BlockFile {
    /// Stores `buffers` from the start of `block` on. They are pairs of a head and a body that add up to a block each;
    /// the last pair may be shorter. All of it is durable when this returns; after a crash during the call any part of
    /// it may be there, torn at any sector. An empty list does nothing.
    ///
    /// # Errors
    ///
    /// With nothing written: `PSTREAM_CAPACITY` if it does not fit into the file; `PSTREAM_INVALID_INPUT` for buffers
    /// that are not such pairs, or a file opened read-only; `PSTREAM_WRITE_ZERO` if all buffers are empty;
    /// `PSTREAM_CLOSED`.
    /// With any part written: `PSTREAM_NO_SPACE`, after which the same store may be tried again; `PSTREAM_WRITE_ZERO`
    /// if the system takes no more bytes, likewise; `PSTREAM_SYNC_FAILED`, after which the file must be opened anew.
    pub fn store(&self, block: u64, buffers: &[IoSlice<'_>]) -> Result<()> {
        let lengths: Vec<usize> = buffers.iter().map(|buffer| buffer.len()).collect();
        self.check_store(block, &lengths)?;
        if buffers.is_empty() {
            return Ok(());
        }
        self.store_at(block, buffers, total(&lengths))
    }

    /// [`BlockFile::store`] of one run of bytes, split into whole blocks; the last one may be shorter.
    pub fn store_bytes(&self, block: u64, bytes: &[u8]) -> Result<()> {
        let len = total(&[bytes.len()]);
        self.check_store_bytes(block, len)?;
        self.store_at(block, &[IoSlice::new(bytes)], len)
    }

    /// All the checks that [`BlockFile::store`] makes before it writes, for buffers of these lengths: so that a caller
    /// who has to gather them first learns before that what is wrong.
    pub fn check_store(&self, block: u64, lengths: &[usize]) -> Result<()> {
        self.file_for_writing()?;
        let len = total(lengths);
        self.check_capacity(block, len)?;
        check_pairs(lengths, self.shape.block_size()).map_err(|error| error.at_path(&self.path).at_block(block))?;
        if lengths.is_empty() { Ok(()) } else { self.check_not_empty(len) }
    }

    /// The same for [`BlockFile::store_bytes`].
    pub fn check_store_bytes(&self, block: u64, len: u64) -> Result<()> {
        self.file_for_writing()?;
        self.check_capacity(block, len)?;
        self.check_not_empty(len)
    }

    fn check_capacity(&self, block: u64, len: u64) -> Result<()> {
        if self.shape.offset_of(block, len).is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Capacity, "write exceeds file capacity").at_path(&self.path).at_block(block))
    }

    fn check_not_empty(&self, len: u64) -> Result<()> {
        if len > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::WriteZero, "failed to write all buffers").at_path(&self.path))
    }

    fn store_at(&self, block: u64, buffers: &[IoSlice<'_>], len: u64) -> Result<()> {
        let Some(offset) = self.shape.offset_of(block, len) else {
            return self.check_capacity(block, len);
        };
        let _one_at_a_time = self.write_lock();
        // Looked up under the lock: the store before this one may have failed.
        let file = self.file()?;
        self.write_blocks(&*file, buffers, offset, len).map_err(|failure| self.settle(&*file, failure, offset))?;
        self.cache.touched(&*file, &(offset..offset.saturating_add(len)), self.shape.size());
        Ok(())
    }

    fn write_blocks(&self, file: &dyn IoFile, buffers: &[IoSlice<'_>], offset: u64, len: u64) -> Attempt<()> {
        if len <= 1 << self.shape.chunk_shift() {
            self.write_synced(file, buffers, offset)
        } else {
            self.write_pipelined(file, buffers, offset)
        }
    }
}
