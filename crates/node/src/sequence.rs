//! File sequences.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use pstream_core::sequence::{
    Action, ActionKind, Problem, ProblemKind, RepairOptions, RepairReport, ReportedFile, Retrieve, SequenceReport,
    break_lock, inspect, rename, repair,
};
use pstream_core::{Error, ErrorKind, FileSequence, LockMode, OsIo, SequenceOptions};

use crate::error::{Holder, number};
use crate::file::{NativeFile, RawFileOptions, shape};
use crate::task::{Job, job};

/// An open sequence. Dropped by the garbage collector, it gives up its lock.
#[napi]
pub struct NativeSequence(Arc<FileSequence>);

impl Drop for NativeSequence {
    /// By the garbage collector, on the JavaScript thread, which must not wait for a folder to be synced. A sequence that
    /// was closed has nothing to give up; one that a job still works on is given up by that job's end.
    fn drop(&mut self) {
        if let Some(sequence) = Arc::get_mut(&mut self.0) {
            sequence.abandon();
        }
    }
}

impl fmt::Debug for NativeSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeSequence").field(&self.0).finish()
    }
}

/// What does not change as long as the sequence is open.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct SequenceInfo {
    /// The folder, resolved.
    pub root: String,
    /// The name.
    pub name: String,
}

#[napi]
impl NativeSequence {
    /// What does not change.
    #[napi]
    pub fn info(&self) -> SequenceInfo {
        SequenceInfo { root: self.0.root().to_string_lossy().into_owned(), name: self.0.name().to_owned() }
    }

    /// Index of the first file.
    #[napi]
    pub fn start(&self) -> u32 {
        u32::from(self.0.start())
    }

    /// One past the index of the last file.
    #[napi]
    pub fn end(&self) -> u32 {
        u32::from(self.0.end())
    }

    /// Number of files.
    #[napi]
    pub fn length(&self) -> u32 {
        u32::from(self.0.len())
    }

    /// Makes the next file.
    #[napi(ts_return_type = "Promise<NativeFile | Failure>")]
    pub fn alloc(&self, block_count: Option<i64>) -> AsyncTask<Job<NativeFile>> {
        let sequence = Arc::clone(&self.0);
        job(move || sequence.alloc(block_count.map(crate::error::count)).map(NativeFile::from))
    }

    /// Removes the first file.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn release(&self, file: &NativeFile) -> AsyncTask<Job<()>> {
        let (sequence, file) = (Arc::clone(&self.0), file.of_sequence());
        job(move || {
            let file = file.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "not a file of a sequence"))?;
            sequence.release(&file)
        })
    }

    /// Checks the whole sequence.
    #[napi(ts_return_type = "Promise<NativeRetrieve | Failure>")]
    pub fn retrieve(&self) -> AsyncTask<Job<NativeRetrieve>> {
        let sequence = Arc::clone(&self.0);
        job(move || Ok(NativeRetrieve(Arc::new(Mutex::new(sequence.retrieve()?)))))
    }

    /// Gives up the lock.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn close(&self) -> AsyncTask<Job<()>> {
        let sequence = Arc::clone(&self.0);
        job(move || sequence.close())
    }
}

/// The files of a sequence that are still to be opened.
#[napi]
pub struct NativeRetrieve(Arc<Mutex<Retrieve>>);

impl fmt::Debug for NativeRetrieve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeRetrieve").field(&self.0).finish()
    }
}

#[napi]
impl NativeRetrieve {
    /// Opens the next one.
    #[napi(ts_return_type = "Promise<NativeFile | Failure | null>")]
    pub fn next(&self) -> AsyncTask<Job<Option<NativeFile>>> {
        let files = Arc::clone(&self.0);
        job(move || {
            let next = files.lock().unwrap_or_else(PoisonError::into_inner).next();
            next.transpose().map(|file| file.map(NativeFile::from))
        })
    }
}

/// How a sequence is opened. Every field is given.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct RawSequenceOptions {
    /// Of new files.
    pub block_count: i64,
    /// Of new files.
    pub block_shift: i64,
    /// How files are created and used.
    pub file: RawFileOptions,
    /// `lock: 'best-effort'`.
    pub best_effort_lock: bool,
}

/// Opens a sequence, without waiting for a lock that is held.
#[napi(ts_return_type = "Promise<NativeSequence | Failure>")]
pub fn open_sequence(root: String, name: String, options: RawSequenceOptions) -> AsyncTask<Job<NativeSequence>> {
    job(move || {
        let shape = shape(options.block_count, options.block_shift)?;
        let options = SequenceOptions {
            create: options.file.create(),
            lock: if options.best_effort_lock { LockMode::BestEffort } else { LockMode::Required },
            lock_timeout: Duration::ZERO,
            ..SequenceOptions::default()
        };
        let sequence = FileSequence::open(Arc::new(OsIo), Path::new(&root), &name, shape, options)?;
        Ok(NativeSequence(Arc::new(sequence)))
    })
}

/// One thing that is wrong.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawProblem {
    /// What kind of thing.
    pub kind: String,
    /// The file's name.
    pub file: Option<String>,
    /// The index.
    pub index: Option<u32>,
    /// In words.
    pub message: String,
}

/// A data file.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawReportedFile {
    /// By its name.
    pub index: u32,
    /// Without the folder.
    pub name: String,
    /// By its name.
    pub block_shift: u32,
    /// In bytes.
    pub size: i64,
    /// What is wrong with it.
    pub problem: Option<RawProblem>,
}

/// What lies in the folder.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawSequenceReport {
    /// In order.
    pub files: Vec<RawReportedFile>,
    /// Index of the first file.
    pub start: u32,
    /// One past the index of the last file.
    pub end: u32,
    /// Everything that is wrong.
    pub problems: Vec<RawProblem>,
    /// Who has it open.
    pub lock: Option<Holder>,
    /// Whether open and retrieve succeed.
    pub openable: bool,
}

/// A step of a repair.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawAction {
    /// What it does.
    pub action: String,
    /// The file.
    pub from: String,
    /// Where it goes.
    pub to: Option<String>,
    /// Why.
    pub why: String,
}

/// What a repair did or would do.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawRepairReport {
    /// Whether it did.
    pub applied: bool,
    /// The steps.
    pub actions: Vec<RawAction>,
}

fn kind_name(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Gap => "gap",
        ProblemKind::Duplicate => "duplicate",
        ProblemKind::Stranger => "stranger",
        ProblemKind::Leftover => "leftover",
        ProblemKind::BadLength => "bad-length",
        ProblemKind::BadShift => "bad-shift",
        ProblemKind::OutOfRange => "out-of-range",
        ProblemKind::TooLong => "too-long",
    }
}

impl From<Problem> for RawProblem {
    fn from(problem: Problem) -> Self {
        let Problem { kind, file, index, message } = problem;
        Self { kind: kind_name(kind).to_owned(), file, index: index.map(u32::from), message }
    }
}

impl From<ReportedFile> for RawReportedFile {
    fn from(file: ReportedFile) -> Self {
        let ReportedFile { index, name, block_shift, size, problem } = file;
        Self { index: u32::from(index), name, block_shift, size: number(size), problem: problem.map(RawProblem::from) }
    }
}

impl From<SequenceReport> for RawSequenceReport {
    fn from(report: SequenceReport) -> Self {
        Self {
            files: report.files.into_iter().map(RawReportedFile::from).collect(),
            start: u32::from(report.start),
            end: u32::from(report.end),
            problems: report.problems.into_iter().map(RawProblem::from).collect(),
            lock: report.lock.as_ref().map(Holder::from),
            openable: report.openable,
        }
    }
}

impl From<Action> for RawAction {
    fn from(action: Action) -> Self {
        let name = match action.kind {
            ActionKind::Move => "move",
            ActionKind::Rename => "rename",
            ActionKind::Keep => "keep",
        };
        Self { action: name.to_owned(), from: action.from, to: action.to, why: action.why }
    }
}

impl From<RepairReport> for RawRepairReport {
    fn from(report: RepairReport) -> Self {
        Self { applied: report.applied, actions: report.actions.into_iter().map(RawAction::from).collect() }
    }
}

/// Looks at a sequence.
#[napi(ts_return_type = "Promise<RawSequenceReport | Failure>")]
pub fn inspect_sequence(root: String, name: String) -> AsyncTask<Job<RawSequenceReport>> {
    job(move || inspect(&OsIo, Path::new(&root), &name).map(RawSequenceReport::from))
}

/// Repairs a sequence, or says what it would do.
#[napi(ts_return_type = "Promise<RawRepairReport | Failure>")]
pub fn repair_sequence(root: String, name: String, apply: bool, close_gaps: bool) -> AsyncTask<Job<RawRepairReport>> {
    let options = RepairOptions { apply, close_gaps };
    job(move || {
        let io: Arc<dyn pstream_core::io::Io> = Arc::new(OsIo);
        repair(&io, Path::new(&root), &name, options).map(RawRepairReport::from)
    })
}

/// Gives a sequence another name.
#[napi(ts_return_type = "Promise<Failure | undefined>")]
pub fn rename_sequence(root: String, from: String, to: String) -> AsyncTask<Job<()>> {
    job(move || {
        let io: Arc<dyn pstream_core::io::Io> = Arc::new(OsIo);
        rename(&io, Path::new(&root), &from, &to)
    })
}

/// Removes a lock that no living process can release.
#[napi(ts_return_type = "Promise<Holder | Failure | null>")]
pub fn break_sequence_lock(root: String, name: String, force: bool) -> AsyncTask<Job<Option<Holder>>> {
    job(move || Ok(break_lock(&OsIo, Path::new(&root), &name, force)?.as_ref().map(Holder::from)))
}
