//! What can be chosen for a stream, and the limits of it.

use std::path::Path;

use super::layout::Layout;
use super::plan::Limits;
use super::retention::Retention;
use crate::error::{Error, ErrorKind, Result};
use crate::file::Shape;
use crate::io::Io;
use crate::sequence::SequenceOptions;

/// When a commit is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// When it survives a power cut.
    #[default]
    Durable,
    /// When it survives the process.
    Written,
}

/// What an open does about damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It fails, and touches nothing.
    #[default]
    Strict,
    /// It goes on in a new file behind the damage, which stays as it is and is reported as a gap.
    Salvage,
}

/// What an open does on a network file system, whose server decides what survives a power cut and who holds a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// It fails with `PSTREAM_UNSUPPORTED`. Default.
    #[default]
    Refuse,
    /// It relies on the server.
    Allow,
}

/// How a stream is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The name of the sequence that holds it.
    pub name: String,
    /// Bytes of a file of full size. A whole number of blocks, 16 or more, 1 MiB to 2 GiB. Default: 64 MiB.
    pub file_size: u64,
    /// Bytes of a block: a power of two, 4 KiB to 1 MiB. Default: 64 KiB.
    pub block_size: u64,
    /// Commits begin in sectors of their own, so that no acknowledged sector is ever written again. Default: false.
    pub aligned: bool,
    /// What an open does about damage. Default: [`Mode::Strict`].
    pub recovery: Mode,
    /// How files are made and locked.
    pub sequence: SequenceOptions,
    /// Which commits go past the page cache.
    pub direct: DirectWrites,
    /// Bytes of the first file; each later one has twice as many as the last, up to `file_size`. Whoever chooses it may
    /// also choose a `file_size` below the limit, of four blocks or more. Default: 4 MiB, or `file_size` if that is
    /// less.
    pub first_file_size: Option<u64>,
    /// What goes by itself, and how large the stream may grow. Default: nothing, and as large as the disk allows.
    pub retention: Retention,
    /// What an open does on a network file system. Default: [`Network::Refuse`].
    pub network: Network,
}

/// Which durable commits go past the page cache, where the file system can do that. For the caller they are as any others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectWrites {
    /// Those of so many bytes or more. Default: 512 KiB.
    pub from: u64,
    /// Those of two pieces or more are put together and written piece by piece at the same time. Bytes of a piece, 4 KiB
    /// or more; three of them are kept in memory. Default: 1 MiB.
    pub piece: usize,
}

impl Default for DirectWrites {
    fn default() -> Self {
        Self { from: 512 << 10, piece: 1 << 20 }
    }
}

const FIRST_FILE_SIZE: u64 = 4 << 20;
const LEAST_FILE_SIZE: u64 = 1 << 20;
const LEAST_BLOCKS: u64 = 16;
/// Two for the copies of the file batch, one for a record, two that are kept free; of which two can share a block.
pub(super) const LEAST_BLOCKS_EVER: u64 = 4;
/// Offsets in a file's payload have 32 bits, and an open holds one file in memory.
pub(super) const MOST_FILE_SIZE: u64 = 2 << 30;

impl LogOptions {
    /// The defaults, for the stream of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            file_size: 64 << 20,
            block_size: 64 << 10,
            aligned: false,
            recovery: Mode::default(),
            sequence: SequenceOptions::default(),
            direct: DirectWrites::default(),
            first_file_size: None,
            retention: Retention::default(),
            network: Network::default(),
        }
    }

    /// Whether everything is within its limits.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT`, saying what is not.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        let block_size = self.block_size;
        if !block_size.is_power_of_two() || !(4 << 10..=1 << 20).contains(&block_size) {
            return refuse(format!("block size must be a power of two from 4 KiB to 1 MiB, not {block_size}"));
        }
        let (least, blocks) = match self.first_file_size {
            None => (LEAST_FILE_SIZE, LEAST_BLOCKS),
            Some(_) => (0, LEAST_BLOCKS_EVER),
        };
        let whole = |size: u64| self.blocks_of(size).saturating_mul(block_size) == size;
        let file_size = self.file_size;
        if file_size < least || file_size > MOST_FILE_SIZE {
            return refuse(format!("file size must be from 1 MiB to 2 GiB, not {file_size}"));
        }
        if !whole(file_size) || self.blocks_of(file_size) < blocks {
            return refuse(format!(
                "file size must be a whole number of blocks, {blocks} or more, not {file_size} bytes"
            ));
        }
        let first = self.first_file_size.unwrap_or_else(|| self.first_size());
        if !whole(first) || self.blocks_of(first) < LEAST_BLOCKS_EVER || first > file_size {
            return refuse(format!(
                "first file size must be a whole number of blocks, {LEAST_BLOCKS_EVER} or more, and at most the file \
                 size, not {first} bytes"
            ));
        }
        if self.max_payload()? == 0 {
            return refuse(format!("file size of {file_size} bytes leaves no room for a record"));
        }
        Ok(())
    }

    /// Whether the folder, or where it is to be made, is on a disk of this machine, unless any place will do.
    ///
    /// # Errors
    ///
    /// `PSTREAM_UNSUPPORTED`, naming the kind of the network file system.
    pub fn check_place(&self, io: &dyn Io, directory: &Path) -> Result<()> {
        if self.network == Network::Allow {
            return Ok(());
        }
        let there = directory.ancestors().find_map(|path| io.canonicalize(path).ok());
        let Some(kind) = there.and_then(|path| io.network(&path)) else { return Ok(()) };
        let message = format!(
            "'{}' is on a network file system ({kind}), whose server decides what survives a power cut and who holds \
             the lock: take a local disk, or rely on it with the option network",
            directory.display()
        );
        Err(Error::new(ErrorKind::Unsupported, message).at_path(directory))
    }

    /// What is said where somebody else has the lock: the words of a sequence, which callers may rely on, name neither the
    /// stream nor who has it.
    pub(super) fn taken(&self, io: &dyn Io, directory: &Path, error: Error) -> Error {
        let ErrorKind::Locked(holder) = error.kind() else { return error };
        let (holder, own) = (holder.clone().unwrap_or_default(), io.identity());
        let by = match (holder.pid, &holder.note) {
            (_, Some(note)) => format!(": its lock is a symbolic link to '{note}'"),
            (Some(pid), None) if pid == own.pid && holder.host == own.host => " by this process".to_owned(),
            (Some(pid), None) => format!(" by process {pid}"),
            (None, None) => String::new(),
        };
        let message = format!("stream '{}' in '{}' is in use{by}", self.name, directory.display());
        let said = Error::new(error.kind().clone(), message);
        match error.path() {
            Some(path) => said.at_path(path),
            None => said,
        }
    }

    pub(super) fn first_size(&self) -> u64 {
        self.first_file_size.unwrap_or(FIRST_FILE_SIZE.min(self.file_size)).min(self.grow_to())
    }

    pub(super) fn block_shift(&self) -> u32 {
        self.block_size.trailing_zeros()
    }

    pub(super) fn blocks_of(&self, size: u64) -> u64 {
        size >> self.block_shift()
    }

    pub(super) fn layout_of(&self, size: u64) -> Result<Layout> {
        Ok(Layout::new(Shape::new(self.blocks_of(size), self.block_shift())?))
    }

    /// The largest payload of a batch: what fits into a file of full size.
    pub(super) fn max_payload(&self) -> Result<u64> {
        Ok(self.layout_of(self.file_size)?.max_payload(self.aligned))
    }

    /// What a commit is held to.
    pub(super) fn limits(&self) -> Result<Limits> {
        Ok(Limits { payload: self.max_payload()?, record: self.max_record_bytes()? })
    }

    /// The largest record.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` for options that are out of their limits.
    pub fn max_record_bytes(&self) -> Result<u64> {
        self.check()?;
        Ok(largest_record(self.max_payload()?))
    }
}

/// The largest record that fits into a payload.
pub(super) fn largest_record(payload: u64) -> u64 {
    let prefix = |len: u64| super::long(crate::format::varint::len(len));
    // Its length takes at most as many bytes as that of the whole payload would.
    let len = payload.saturating_sub(prefix(payload));
    let longer = len.saturating_add(1);
    if longer.saturating_add(prefix(longer)) <= payload { longer } else { len }
}
