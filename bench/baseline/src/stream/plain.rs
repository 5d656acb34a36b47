//! The limit: as many bytes as the engine writes for the same records, in as few calls, without checksums, threads and
//! recovery.

use std::fs::{File, OpenOptions};
use std::io::{Error, Result};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use pstream_core::format::batch::{self, record_len};

use super::{Records, Stream};
use crate::session::elapsed;

/// So much is read in one call.
const READ: usize = 1 << 20;
/// The cache is dropped whenever so much went through the file, as the engine does.
const BUDGET: u64 = 4 << 20;
const SECTOR: u64 = 4096;

pub(super) struct Plain {
    path: PathBuf,
    file: File,
    direct: bool,
    /// Nothing is dropped from the page cache: the engine, too, keeps the tail that it writes to.
    keeps: bool,
    at: u64,
    touched: u64,
}

/// Bytes that the engine writes for so many records in one batch.
fn batch_len(records: Records, count: u64) -> Result<u64> {
    let record = record_len(u64::try_from(records.bytes).map_err(Error::other)?);
    Ok(batch::total_len(record * count))
}

/// Records of one commit.
fn each(records: Records) -> u64 {
    records.in_flight.max(records.together.unwrap_or(1))
}

impl Plain {
    /// `prewrite`: the file is written once before, so that no write into it changes metadata. Else its space is
    /// reserved, which is what a new file is.
    pub(super) fn open(folder: &Path, expected: Records, prewrite: bool, direct: bool) -> Result<Self> {
        let path = folder.join("plain");
        let commits = expected.count.div_ceil(each(expected));
        let size = commits * (batch_len(expected, each(expected))? + SECTOR);
        if !path.exists() {
            let file = File::create_new(&path)?;
            // SAFETY: posix_fallocate has no memory arguments.
            let errno = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, to_offset(size)?) };
            if errno != 0 {
                return Err(Error::from_raw_os_error(errno));
            }
            if prewrite {
                file.write_all_at(&vec![0; usize::try_from(size).map_err(Error::other)?], 0)?;
            }
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
        }
        let flags = if direct { libc::O_DIRECT } else { 0 };
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path)?;
        Ok(Self { path, file, direct, keeps: prewrite, at: 0, touched: 0 })
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let iovec = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: the one iovec describes memory that is borrowed for the duration of the call, and only read.
        let ret =
            unsafe { libc::pwritev2(self.file.as_raw_fd(), &raw const iovec, 1, to_offset(self.at)?, libc::RWF_DSYNC) };
        match usize::try_from(ret) {
            Err(_) => Err(Error::last_os_error()),
            Ok(done) if done < bytes.len() => Err(Error::other(format!("{done} of {} bytes", bytes.len()))),
            Ok(_) => Ok(()),
        }
    }

    fn touch(&mut self, len: u64) -> Result<()> {
        self.touched += len;
        if self.touched < BUDGET || self.direct || self.keeps {
            return Ok(());
        }
        self.touched = 0;
        self.drop_cache(self.at + len)
    }

    /// Of what lies in front: what is read ahead stays.
    fn drop_cache(&self, end: u64) -> Result<()> {
        advise(&self.file, end, libc::POSIX_FADV_DONTNEED)
    }
}

impl Stream for Plain {
    fn append(&mut self, records: Records) -> Result<u64> {
        let mut memory = Vec::new();
        let (mut next, mut nanoseconds) = (records.first, 0);
        while next < records.end() {
            let count = each(records).min(records.end() - next);
            let len = batch_len(records, count)?;
            // Whole sectors, in memory at the start of one.
            let len = if self.direct { len.next_multiple_of(SECTOR) } else { len };
            let bytes = aligned(&mut memory, usize::try_from(len).map_err(Error::other)?);
            crate::content::stamp(bytes, next);
            let start = Instant::now();
            self.write(bytes)?;
            self.touch(len)?;
            nanoseconds += elapsed(start);
            (self.at, next) = (self.at + len, next + count);
        }
        Ok(nanoseconds)
    }

    /// As many bytes as the engine reads, from a file opened anew.
    fn scan(&mut self, records: Records, cold: bool) -> Result<u64> {
        let batch = (256 << 10) / record_len(u64::try_from(records.bytes).map_err(Error::other)?);
        let count = batch.clamp(1, records.end());
        let len = records.end().div_ceil(count) * batch_len(records, count)?;
        let len = len.min(self.file.metadata()?.len());
        let mut memory = vec![0; READ];
        let start = Instant::now();
        let file = File::open(&self.path)?;
        advise(&file, 0, libc::POSIX_FADV_SEQUENTIAL)?;
        let (mut at, mut touched) = (0, 0);
        while at < len {
            let part = (len - at).min(1 << 20);
            let buffer = memory.get_mut(..usize::try_from(part).map_err(Error::other)?).unwrap_or_default();
            file.read_exact_at(buffer, at)?;
            at += part;
            touched += part;
            if cold && touched >= BUDGET {
                touched = 0;
                self.drop_cache(at)?;
            }
        }
        Ok(elapsed(start))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// `len` bytes that begin at the start of a page.
fn aligned(memory: &mut Vec<u8>, len: usize) -> &mut [u8] {
    const PAGE: usize = 4096;
    if memory.len() < len + PAGE {
        // Not zeros: pages of their own, and nothing that a disk could skip.
        *memory = crate::content::content(1, (len + PAGE).next_multiple_of(4));
    }
    let skip = memory.as_ptr().align_offset(PAGE);
    memory.get_mut(skip..skip + len).unwrap_or_default()
}

/// About everything in front of `end`; 0 for the whole file.
pub(super) fn advise(file: &File, end: u64, advice: libc::c_int) -> Result<()> {
    // SAFETY: posix_fadvise has no memory arguments.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, to_offset(end)?, advice) } {
        0 => Ok(()),
        errno => Err(Error::from_raw_os_error(errno)),
    }
}

fn to_offset(value: u64) -> Result<libc::off_t> {
    libc::off_t::try_from(value).map_err(Error::other)
}
