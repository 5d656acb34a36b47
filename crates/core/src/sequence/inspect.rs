//! Looking at a sequence without opening it.

use std::path::Path;

use super::lock;
use super::resolve;
use super::survey::{Problem, ProblemKind, Survey, survey};
use crate::error::{Holder, Result};
use crate::io::Io;

/// What lies in the folder under the name of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceReport {
    /// Data files in order; those outside the window last.
    pub files: Vec<ReportedFile>,
    /// Index of the first file.
    pub start: u16,
    /// One past the index of the last file.
    pub end: u16,
    /// Everything that is wrong, gaps and strangers included.
    pub problems: Vec<Problem>,
    /// Who has it open, if anybody.
    pub lock: Option<Holder>,
    /// Once nobody else has it open, open and retrieve will both succeed.
    pub openable: bool,
}

/// One data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedFile {
    /// Its place in the sequence, by its name.
    pub index: u16,
    /// Its name, without the folder.
    pub name: String,
    /// Binary logarithm of its block size, by its name.
    pub block_shift: u32,
    /// Length in bytes.
    pub size: u64,
    /// What is wrong with it.
    pub problem: Option<Problem>,
}

/// Looks at the sequence `name` in `root`, changing nothing and taking no lock, so that it may be in use: what is seen
/// is then any state between that before and that after the calls under way.
///
/// # Errors
///
/// `PSTREAM_INVALID_INPUT` for the name; `PSTREAM_NOT_FOUND` for the folder; `PSTREAM_INVALID_FILE` for more than
/// 262,144 files under the name; `PSTREAM_IO`.
pub fn inspect(io: &dyn Io, root: &Path, name: &str) -> Result<SequenceReport> {
    let place = resolve(io, root, name)?;
    let lock = lock::look(io, &place)?;
    let survey = survey(io, &place)?;
    let problems = problems(&survey);
    let openable = problems.iter().all(|problem| problem.kind == ProblemKind::Leftover);
    let (start, end) = (survey.window.start.get(), survey.window.end.get());
    let files = survey.files.into_iter().map(|file| ReportedFile {
        index: file.entry.index.get(),
        name: file.name,
        block_shift: file.entry.shift,
        size: file.size,
        problem: file.problem,
    });
    Ok(SequenceReport { files: files.collect(), start, end, problems, lock, openable })
}

fn problems(survey: &Survey) -> Vec<Problem> {
    let of_files = survey.files.iter().filter_map(|file| file.problem.clone());
    let gaps = survey.gaps().into_iter().map(|(problem, _)| problem);
    let strangers = survey.strangers.iter().map(|(_, problem)| problem.clone());
    let others = survey.obstacles.iter().chain(&survey.leftovers).cloned();
    of_files.chain(gaps).chain(strangers).chain(others).collect()
}
