//! The limit: what the system can do, without any of the checks, locks and fallbacks of an engine. The calls are those
//! that a store and a load consist of, the page cache is dropped at the same moments.

use std::fs::{File, OpenOptions};
use std::io::{Error, IoSlice, Result};
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::contenders::{Contender, Layout};

/// More than this is written as a pipeline.
const CHUNK: usize = 8 << 20;
/// So much is read in one call: fastest, since the system reads ahead between calls.
const READ: usize = 1 << 20;
/// The cache is dropped whenever so much went through the file.
const BUDGET: usize = 4 << 20;

pub(crate) struct Plain {
    file: File,
    block_size: usize,
    touched: usize,
}

impl Plain {
    pub(crate) fn open(path: &Path, block_size: usize) -> Result<Self> {
        let plain = Self { file: OpenOptions::new().read(true).write(true).open(path)?, block_size, touched: 0 };
        plain.advise(0, libc::POSIX_FADV_DONTNEED)?;
        plain.advise(0, libc::POSIX_FADV_SEQUENTIAL)?;
        Ok(plain)
    }

    /// About everything in front of `end`; 0 for the whole file.
    fn advise(&self, end: usize, advice: libc::c_int) -> Result<()> {
        // SAFETY: posix_fadvise has no memory arguments.
        match unsafe { libc::posix_fadvise(self.file.as_raw_fd(), 0, offset(end)?, advice) } {
            0 => Ok(()),
            errno => Err(Error::from_raw_os_error(errno)),
        }
    }

    fn touch(&mut self, len: usize, end: usize) -> Result<()> {
        self.touched += len;
        if self.touched < BUDGET {
            return Ok(());
        }
        self.touched = 0;
        self.advise(end, libc::POSIX_FADV_DONTNEED)
    }

    fn write(&self, buffers: &[IoSlice<'_>], at: usize, flags: libc::c_int) -> Result<usize> {
        let (count, at) = (count(buffers.len())?, offset(at)?);
        // SAFETY: IoSlice is guaranteed to be ABI-compatible with iovec; the slice holds `count` of them, each
        // describing memory that is borrowed for the duration of the call.
        let ret = unsafe { libc::pwritev2(self.file.as_raw_fd(), buffers.as_ptr().cast(), count, at, flags) };
        complete(ret, buffers.iter().map(|buffer| buffer.len()).sum())
    }

    fn sync_range(&self, at: usize, len: usize, flags: libc::c_uint) -> Result<()> {
        let (at, len) = (offset(at)?, offset(len)?);
        // SAFETY: sync_file_range has no memory arguments.
        match unsafe { libc::sync_file_range(self.file.as_raw_fd(), at, len, flags) } {
            0 => Ok(()),
            _ => Err(Error::last_os_error()),
        }
    }

    fn write_pipelined(&mut self, buffers: &[IoSlice<'_>], buffers_a_chunk: usize, mut at: usize) -> Result<usize> {
        const START: libc::c_uint = libc::SYNC_FILE_RANGE_WRITE;
        const WAIT: libc::c_uint = START | libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        let mut previous = None;
        for chunk in buffers.chunks(buffers_a_chunk) {
            let len = self.write(chunk, at, 0)?;
            self.sync_range(at, len, START)?;
            if let Some((previous_at, previous_len)) = previous.replace((at, len)) {
                self.sync_range(previous_at, previous_len, WAIT)?;
                self.touch(previous_len, previous_at + previous_len)?;
            }
            at += len;
        }
        self.file.sync_data()?;
        Ok(at)
    }
}

impl Contender for Plain {
    fn gather<'a>(&self, bytes: &'a [u8], layout: Layout) -> Vec<IoSlice<'a>> {
        match layout {
            Layout::Bytes => bytes.chunks(CHUNK).map(IoSlice::new).collect(),
            Layout::Pairs => layout.gather(bytes, self.block_size),
        }
    }

    fn store(&mut self, block: u64, buffers: &mut [IoSlice<'_>], layout: Layout) -> Result<()> {
        let at = position(block, self.block_size)?;
        let buffers_a_chunk = match layout {
            Layout::Bytes => 1,
            Layout::Pairs => 2 * CHUNK / self.block_size,
        };
        if buffers.len() <= buffers_a_chunk {
            let len = self.write(buffers, at, libc::RWF_DSYNC)?;
            return self.touch(len, at + len);
        }
        let end = self.write_pipelined(buffers, buffers_a_chunk, at)?;
        self.touch(end - at, end)
    }

    fn load(&mut self, block: u64, bytes: &mut [u8]) -> Result<()> {
        let begin = position(block, self.block_size)?;
        let mut at = begin;
        for chunk in bytes.chunks_mut(READ) {
            let iovec = libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() };
            // SAFETY: the one iovec describes memory that is borrowed mutably for the duration of the call.
            let ret = unsafe { libc::preadv(self.file.as_raw_fd(), &raw const iovec, 1, offset(at)?) };
            at += complete(ret, chunk.len())?;
        }
        self.touch(at - begin, at)
    }
}

/// A regular file takes and gives all it is asked for, as long as the disk is not full and the file not at its end.
fn complete(ret: libc::ssize_t, len: usize) -> Result<usize> {
    match usize::try_from(ret) {
        Err(_) => Err(Error::last_os_error()),
        Ok(done) if done < len => Err(Error::other(format!("{done} of {len} bytes"))),
        Ok(done) => Ok(done),
    }
}

fn position(block: u64, block_size: usize) -> Result<usize> {
    usize::try_from(block).ok().and_then(|block| block.checked_mul(block_size)).ok_or_else(too_large)
}

fn offset(value: usize) -> Result<libc::off_t> {
    libc::off_t::try_from(value).map_err(|_| too_large())
}

fn count(value: usize) -> Result<libc::c_int> {
    libc::c_int::try_from(value).map_err(|_| too_large())
}

fn too_large() -> Error {
    Error::other("number too large")
}
