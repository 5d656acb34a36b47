//! Block files.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use pstream_core::{BlockFile, CachePolicy, CreateOptions, FileOptions, OsIo, Reserve, SequenceFile, Shape, SyncLevel};

use crate::arena::Lease;
use crate::error::{count, internal, number};
use crate::task::{Job, Outcome, guarded, job, job_on};

/// How files are created and used. Every field is given: the defaults are in the TypeScript layer's documentation.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct RawFileOptions {
    /// `cache: 'keep'`.
    pub keep_cache: bool,
    /// `sync: 'best-effort'`.
    pub best_effort_sync: bool,
    /// `readOnly`.
    pub read_only: bool,
    /// `reserve: 'best-effort'`.
    pub best_effort_reserve: bool,
    /// `prewrite`.
    pub prewrite: bool,
    /// `mode`.
    pub mode: u32,
}

impl RawFileOptions {
    fn file(&self) -> FileOptions {
        FileOptions {
            cache: if self.keep_cache { CachePolicy::Keep } else { CachePolicy::Drop },
            sync: if self.best_effort_sync { SyncLevel::BestEffort } else { SyncLevel::Full },
            read_only: self.read_only,
        }
    }

    pub(crate) fn create(&self) -> CreateOptions {
        CreateOptions {
            file: self.file(),
            reserve: if self.best_effort_reserve { Reserve::BestEffort } else { Reserve::Required },
            prewrite: self.prewrite,
            mode: self.mode,
        }
    }
}

/// A shape from JavaScript's numbers; what does not fit into the engine's types is out of its limits too.
pub(crate) fn shape(block_count: i64, block_shift: i64) -> pstream_core::Result<Shape> {
    Shape::new(count(block_count), shift(block_shift))
}

fn shift(block_shift: i64) -> u32 {
    u32::try_from(block_shift).unwrap_or(u32::MAX)
}

/// What does not change as long as the file is open.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct FileInfo {
    /// Absolute path.
    pub path: String,
    /// Number of blocks.
    pub block_count: i64,
    /// Binary logarithm of the block size.
    pub block_shift: u32,
    /// Bytes in the file.
    pub size: i64,
    /// Whether its space is reserved.
    pub reserved: bool,
    /// Its place in its sequence, if it has one.
    pub index: Option<u32>,
}

#[derive(Clone)]
enum Handle {
    Single(Arc<BlockFile>),
    OfSequence(Arc<SequenceFile>),
}

/// An open file. Dropped by the garbage collector, it closes its descriptor.
#[napi]
pub struct NativeFile(Handle);

impl fmt::Debug for NativeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeFile").field(self.0.file()).finish()
    }
}

impl Handle {
    fn file(&self) -> &BlockFile {
        match self {
            Self::Single(file) => file,
            Self::OfSequence(file) => file,
        }
    }
}

impl From<BlockFile> for NativeFile {
    fn from(file: BlockFile) -> Self {
        Self(Handle::Single(Arc::new(file)))
    }
}

impl From<SequenceFile> for NativeFile {
    fn from(file: SequenceFile) -> Self {
        Self(Handle::OfSequence(Arc::new(file)))
    }
}

impl NativeFile {
    /// The file as one of a sequence, if it is one.
    pub(crate) fn of_sequence(&self) -> Option<Arc<SequenceFile>> {
        match &self.0 {
            Handle::Single(_) => None,
            Handle::OfSequence(file) => Some(Arc::clone(file)),
        }
    }
}

#[napi]
impl NativeFile {
    /// What does not change.
    #[napi]
    pub fn info(&self) -> FileInfo {
        let (file, shape) = (self.0.file(), self.0.file().shape());
        FileInfo {
            path: file.path().to_string_lossy().into_owned(),
            block_count: number(shape.block_count()),
            block_shift: shape.block_shift(),
            size: number(shape.size()),
            reserved: file.reserved(),
            index: self.of_sequence().map(|file| u32::from(file.index())),
        }
    }

    /// All that a store checks before it writes, for buffers of these lengths in pairs.
    #[napi(ts_return_type = "Failure | undefined")]
    pub fn check_store(&self, block: i64, lengths: Vec<i64>) -> Outcome<()> {
        guarded(|| self.0.file().check_store(count(block), &sizes(&lengths)))
    }

    /// The same for one run of bytes.
    #[napi(ts_return_type = "Failure | undefined")]
    pub fn check_store_bytes(&self, block: i64, length: i64) -> Outcome<()> {
        guarded(|| self.0.file().check_store_bytes(count(block), count(length)))
    }

    /// All that a load checks before it reads, for buffers of these lengths.
    #[napi(ts_return_type = "Failure | undefined")]
    pub fn check_load(&self, block: i64, lengths: Vec<i64>) -> Outcome<()> {
        guarded(|| match lengths.as_slice() {
            [] => self.0.file().load(count(block), &mut []),
            lengths => {
                let len = lengths.iter().fold(0_u64, |sum, len| sum.saturating_add(count(*len)));
                self.0.file().check_load(count(block), len)
            }
        })
    }

    /// Stores the first `length` bytes of `memory` from the start of `block` on.
    #[napi(
        ts_args_type = "block: number, memory: ArrayBuffer, length: number",
        ts_return_type = "Promise<Failure | undefined>"
    )]
    pub fn store(&self, block: i64, memory: Lease, length: i64) -> AsyncTask<Job<()>> {
        let (handle, block) = (self.0.clone(), count(block));
        job_on(memory, move |memory| handle.file().store_bytes(block, front(memory, length)?))
    }

    /// Fills the first `length` bytes of `memory` from the start of `block` on.
    #[napi(
        ts_args_type = "block: number, memory: ArrayBuffer, length: number",
        ts_return_type = "Promise<Failure | undefined>"
    )]
    pub fn load(&self, block: i64, memory: Lease, length: i64) -> AsyncTask<Job<()>> {
        let (handle, block) = (self.0.clone(), count(block));
        job_on(memory, move |memory| handle.file().load_bytes(block, front(memory, length)?))
    }

    /// Closes it.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn close(&self) -> AsyncTask<Job<()>> {
        let handle = self.0.clone();
        job(move || {
            handle.file().close();
            Ok(())
        })
    }
}

fn sizes(lengths: &[i64]) -> Vec<usize> {
    lengths.iter().map(|len| usize::try_from(*len).unwrap_or(usize::MAX)).collect()
}

fn front(memory: &mut [u8], length: i64) -> pstream_core::Result<&mut [u8]> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    memory.get_mut(..length).ok_or_else(|| internal("the memory is too short"))
}

/// Creates a file.
#[napi(ts_return_type = "Promise<NativeFile | Failure>")]
pub fn create_file(
    path: String,
    block_count: i64,
    block_shift: i64,
    options: RawFileOptions,
) -> AsyncTask<Job<NativeFile>> {
    job(move || {
        let shape = shape(block_count, block_shift)?;
        BlockFile::create(&OsIo, Path::new(&path), shape, options.create()).map(NativeFile::from)
    })
}

/// Opens a file.
#[napi(ts_return_type = "Promise<NativeFile | Failure>")]
pub fn open_file(path: String, block_shift: i64, options: RawFileOptions) -> AsyncTask<Job<NativeFile>> {
    job(move || BlockFile::open(&OsIo, Path::new(&path), shift(block_shift), options.file()).map(NativeFile::from))
}
