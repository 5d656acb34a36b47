//! Who is measured.

use std::io::{Error, IoSlice, IoSliceMut, Result};
use std::path::Path;

use pstream::Blocks;
use pstream_core::{BlockFile, FileOptions, OsIo};
use serde::Deserialize;

use crate::plain::Plain;

/// How the bytes of a store lie in memory.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// One run.
    Bytes,
    /// A head of 64 bytes and a body for every block.
    Pairs,
}

impl Layout {
    const HEAD: usize = 64;

    /// A pair for every block; where there is no head, the body is empty.
    pub(crate) fn gather(self, bytes: &[u8], block_size: usize) -> Vec<IoSlice<'_>> {
        let head = match self {
            Layout::Bytes => block_size,
            Layout::Pairs => Self::HEAD,
        };
        let pairs = bytes.chunks(block_size).map(|block| block.split_at(head.min(block.len())));
        pairs.flat_map(|(head, body)| [IoSlice::new(head), IoSlice::new(body)]).collect()
    }
}

/// A way to store and load blocks.
pub(crate) trait Contender {
    /// The list of buffers for a store, made before the time is taken: it is the caller's work.
    fn gather<'a>(&self, bytes: &'a [u8], layout: Layout) -> Vec<IoSlice<'a>>;
    fn store(&mut self, block: u64, buffers: &mut [IoSlice<'_>], layout: Layout) -> Result<()>;
    fn load(&mut self, block: u64, bytes: &mut [u8]) -> Result<()>;
}

/// The contender of this name, with the file at `path`.
pub(crate) fn open(name: &str, path: &Path, block_shift: u32) -> Result<Box<dyn Contender>> {
    let block_size = 1 << block_shift;
    match name {
        "plain" => Ok(Box::new(Plain::open(path, block_size)?)),
        "rust" => {
            let file = BlockFile::open(&OsIo, path, block_shift, FileOptions::default()).map_err(Error::other)?;
            Ok(Box::new(Engine { file, block_size }))
        }
        "crate" => Ok(Box::new(TheCrate { file: pstream::io::File::open(path, block_shift)?, block_size })),
        _ => Err(Error::other(format!("no contender is called '{name}'"))),
    }
}

/// The engine of pstream, by its Rust interface.
struct Engine {
    file: BlockFile,
    block_size: usize,
}

impl Contender for Engine {
    fn gather<'a>(&self, bytes: &'a [u8], layout: Layout) -> Vec<IoSlice<'a>> {
        match layout {
            Layout::Bytes => vec![IoSlice::new(bytes)],
            Layout::Pairs => layout.gather(bytes, self.block_size),
        }
    }

    fn store(&mut self, block: u64, buffers: &mut [IoSlice<'_>], _layout: Layout) -> Result<()> {
        let done = match buffers {
            [bytes] => self.file.store_bytes(block, bytes),
            pairs => self.file.store(block, pairs),
        };
        done.map_err(Error::other)
    }

    fn load(&mut self, block: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.load_bytes(block, bytes).map_err(Error::other)
    }
}

/// The Rust crate `pstream`, which takes pairs only. What it stores in more than one chunk is not synced.
struct TheCrate {
    file: pstream::io::File,
    block_size: usize,
}

impl Contender for TheCrate {
    fn gather<'a>(&self, bytes: &'a [u8], layout: Layout) -> Vec<IoSlice<'a>> {
        layout.gather(bytes, self.block_size)
    }

    fn store(&mut self, block: u64, buffers: &mut [IoSlice<'_>], _layout: Layout) -> Result<()> {
        self.file.store_at(block, buffers)
    }

    fn load(&mut self, block: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.load_from(block, &mut [IoSliceMut::new(bytes)])
    }
}
