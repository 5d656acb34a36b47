//! The requests and their answers.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, Error, Result, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pstream_core::{BlockFile, CreateOptions, FileOptions, OsIo, Residency, Shape};
use serde::{Deserialize, Serialize};

use crate::contenders::{Contender, Layout, open};
use crate::content::{check, content, stamp};
use crate::stream::{self, Records, Stream};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Request {
    /// Makes a file, the same way for every contender; with `filled`, the operations already in it.
    Create {
        path: PathBuf,
        block_shift: u32,
        work: Work,
        prewrite: bool,
        filled: bool,
    },
    Open {
        contender: String,
        path: PathBuf,
        block_shift: u32,
    },
    Store {
        contender: String,
        work: Work,
        layout: Layout,
    },
    /// With `fresh`, every operation gets memory of its own, which is part of what is measured.
    Load {
        contender: String,
        work: Work,
        fresh: bool,
    },
    Close {
        contender: String,
    },
    /// Empties the file's page cache, and says how much stays.
    Chill {
        path: PathBuf,
        block_shift: u32,
    },
    /// Reads the file and compares.
    Verify {
        path: PathBuf,
        work: Work,
    },
    /// Opens a stream in a folder that exists.
    StreamOpen {
        contender: String,
        path: PathBuf,
        records: Records,
        prewrite: bool,
    },
    StreamAppend {
        contender: String,
        records: Records,
    },
    /// `cold`: nothing of it is in the page cache, and nothing is left there.
    StreamScan {
        contender: String,
        records: Records,
        cold: bool,
    },
    StreamClose {
        contender: String,
    },
    /// Reads the stream by the engine and compares.
    StreamVerify {
        path: PathBuf,
        records: Records,
    },
    /// Makes a long stream without records: of holes, or of files that have their space and say what is in front of them.
    StreamCraft {
        path: PathBuf,
        files: u16,
        file_size: u64,
        #[serde(default)]
        reserved: bool,
    },
    /// Opens a stream for writing and closes it; the time is that of opening.
    StreamReopen {
        path: PathBuf,
    },
    /// Drops what the page cache holds of the files of a folder.
    ChillFolder {
        path: PathBuf,
    },
    /// Removes the file and waits until the file system is done with it.
    Remove {
        path: PathBuf,
    },
}

/// Operations `first .. first + count` of `bytes` each, one behind the other in the file.
#[derive(Clone, Copy, Deserialize)]
struct Work {
    first: u64,
    count: u64,
    bytes: usize,
    seed: u32,
}

impl Work {
    fn operations(self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }

    fn end(self) -> Result<u64> {
        Ok(self.operations().end * u64::try_from(self.bytes).map_err(Error::other)?)
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Time spent in the operations themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    nanoseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident: Option<u64>,
}

#[derive(Default)]
struct Session {
    contenders: HashMap<String, (Box<dyn Contender>, u32)>,
    streams: HashMap<String, Box<dyn Stream>>,
    /// Of the last work, since making it takes longer than most operations.
    content: Vec<u8>,
    seed: u32,
    read: Vec<u8>,
}

/// Answers requests until there are no more.
pub(crate) fn serve(requests: impl BufRead, mut answers: impl Write) -> Result<()> {
    let mut session = Session::default();
    for line in requests.lines() {
        let done = serde_json::from_str(&line?).map_err(Error::other).and_then(|request| session.handle(request));
        let answer = done.unwrap_or_else(|error| Answer { error: Some(error.to_string()), ..Answer::default() });
        writeln!(answers, "{}", serde_json::to_string(&answer)?)?;
        answers.flush()?;
    }
    Ok(())
}

impl Session {
    fn handle(&mut self, request: Request) -> Result<Answer> {
        match request {
            Request::Create { path, block_shift, work, prewrite, filled } => {
                self.create(&path, block_shift, work, prewrite, filled)?;
            }
            Request::Open { contender, path, block_shift } => {
                let opened = open(&contender, &path, block_shift)?;
                self.contenders.insert(contender, (opened, block_shift));
            }
            Request::Store { contender, work, layout } => return self.store(&contender, work, layout),
            Request::Load { contender, work, fresh } => return self.load(&contender, work, fresh),
            Request::Close { contender } => drop(self.contenders.remove(&contender)),
            Request::Chill { path, block_shift } => return chill(&path, block_shift),
            Request::Verify { path, work } => self.verify(&path, work)?,
            Request::StreamOpen { contender, path, records, prewrite } => {
                let opened = stream::open(&contender, &path, records, prewrite)?;
                self.streams.insert(contender, opened);
            }
            Request::StreamAppend { contender, records } => return took(self.stream(&contender)?.append(records)?),
            Request::StreamScan { contender, records, cold } => {
                return took(self.stream(&contender)?.scan(records, cold)?);
            }
            Request::StreamClose { contender } => {
                if let Some(opened) = self.streams.remove(&contender) {
                    opened.close()?;
                }
            }
            Request::StreamVerify { path, records } => stream::verify(&path, records)?,
            Request::StreamCraft { path, files, file_size, reserved } => {
                stream::craft(&path, files, file_size, reserved)?;
            }
            Request::StreamReopen { path } => return took(stream::reopen(&path)?),
            Request::ChillFolder { path } => stream::chill(&path)?,
            Request::Remove { path } => {
                fs::remove_file(&path)?;
                File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            }
        }
        Ok(Answer::default())
    }

    fn stream(&mut self, contender: &str) -> Result<&mut Box<dyn Stream>> {
        self.streams.get_mut(contender).ok_or_else(not_open)
    }

    fn prepare(&mut self, work: Work) {
        if self.seed != work.seed || self.content.len() != work.bytes {
            (self.seed, self.content) = (work.seed, content(work.seed, work.bytes));
        }
        self.read.resize(work.bytes, 0);
    }

    fn create(&mut self, path: &Path, block_shift: u32, work: Work, prewrite: bool, filled: bool) -> Result<()> {
        let shape = Shape::new(work.end()?.div_ceil(1 << block_shift), block_shift).map_err(Error::other)?;
        let options = CreateOptions { prewrite, ..CreateOptions::default() };
        let file = BlockFile::create(&OsIo, path, shape, options).map_err(Error::other)?;
        if filled {
            self.prepare(work);
            for operation in work.operations() {
                stamp(&mut self.content, operation);
                file.store_bytes(block_of(work, operation, block_shift)?, &self.content).map_err(Error::other)?;
            }
        }
        Ok(())
    }

    fn store(&mut self, contender: &str, work: Work, layout: Layout) -> Result<Answer> {
        self.prepare(work);
        let Some((contender, block_shift)) = self.contenders.get_mut(contender) else { return Err(not_open()) };
        let mut nanoseconds = 0;
        for operation in work.operations() {
            stamp(&mut self.content, operation);
            let block = block_of(work, operation, *block_shift)?;
            let mut buffers = contender.gather(&self.content, layout);
            let start = Instant::now();
            contender.store(block, &mut buffers, layout)?;
            nanoseconds += elapsed(start);
        }
        Ok(Answer { nanoseconds: Some(nanoseconds), ..Answer::default() })
    }

    fn load(&mut self, contender: &str, work: Work, fresh: bool) -> Result<Answer> {
        self.prepare(work);
        let Some((contender, block_shift)) = self.contenders.get_mut(contender) else { return Err(not_open()) };
        let mut nanoseconds = 0;
        for operation in work.operations() {
            let block = block_of(work, operation, *block_shift)?;
            let start = Instant::now();
            if fresh {
                self.read = vec![0; work.bytes];
            }
            contender.load(block, &mut self.read)?;
            nanoseconds += elapsed(start);
            stamp(&mut self.content, operation);
            check(&self.read, &self.content, operation)?;
        }
        Ok(Answer { nanoseconds: Some(nanoseconds), ..Answer::default() })
    }

    fn verify(&mut self, path: &Path, work: Work) -> Result<()> {
        self.prepare(work);
        let file = File::open(path)?;
        for operation in work.operations() {
            file.read_exact_at(&mut self.read, block_of(work, operation, 0)?)?;
            stamp(&mut self.content, operation);
            check(&self.read, &self.content, operation)?;
        }
        Ok(())
    }
}

fn chill(path: &Path, block_shift: u32) -> Result<Answer> {
    // Opening syncs what is dirty and drops the cache.
    let file = BlockFile::open(&OsIo, path, block_shift, FileOptions::default()).map_err(Error::other)?;
    match file.residency(0..file.shape().size()).map_err(Error::other)? {
        Residency::Bytes(resident) => Ok(Answer { resident: Some(resident), ..Answer::default() }),
        Residency::Unknown | Residency::InMemory => Ok(Answer::default()),
    }
}

/// Where an operation begins, in blocks.
fn block_of(work: Work, operation: u64, block_shift: u32) -> Result<u64> {
    Ok((operation * u64::try_from(work.bytes).map_err(Error::other)?) >> block_shift)
}

#[expect(clippy::unnecessary_wraps, reason = "what a request is answered with")]
fn took(nanoseconds: u64) -> Result<Answer> {
    Ok(Answer { nanoseconds: Some(nanoseconds), ..Answer::default() })
}

pub(crate) fn elapsed(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn not_open() -> Error {
    Error::other("this contender has no file open")
}
