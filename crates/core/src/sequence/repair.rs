//! Making a broken sequence one that opens: what does not fit is moved aside, gaps are closed if told to, and nothing
//! is ever deleted. Every step leaves the folder in a state from which the same repair goes on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::index::Index;
use super::lock;
use super::name::Place;
use super::survey::{Survey, survey};
use super::{SequenceOptions, rename, resolve, sync_root};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;

/// What a repair may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairOptions {
    /// Do it. Default: false, say only what would be done.
    pub apply: bool,
    /// Close gaps by giving the files behind them lower indexes. Default: false, because only the owner of the data
    /// knows whether it makes sense without the missing files.
    pub close_gaps: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// Whether it was done.
    pub applied: bool,
    /// In the order in which it is done.
    pub actions: Vec<Action>,
}

/// One step. Names are relative to the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What kind of step.
    pub kind: ActionKind,
    /// The file it is about.
    pub from: String,
    /// Where it goes.
    pub to: Option<String>,
    /// Why.
    pub why: String,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Into the quarantine folder.
    Move,
    /// To another index.
    Rename,
    /// Nothing: it is only mentioned.
    Keep,
}

/// Repairs the sequence `name` in `root`; by default only says what it would do, without taking the lock.
///
/// Moved into `<name>.meta/quarantine-<ms>/`: files whose name does not parse, symbolic links in the place of files,
/// files of an impossible length or shift, files too far from the others, and all but one of those that share an
/// index; and, where gaps are closed, whatever has the name that a file is about to get. Safe to interrupt: after a
/// crash every file is in its old or its new place, and the order of files is kept.
///
/// # Errors
///
/// Those of `inspect`; `PSTREAM_INVALID_FILE` if a folder is in the place of the lock, or a file in that of the folder
/// `<name>.meta`; `PSTREAM_LOCKED` if somebody has the sequence open; `PSTREAM_NO_SPACE`; `PSTREAM_SYNC_FAILED`.
pub fn repair(io: &Arc<dyn Io>, root: &Path, name: &str, options: RepairOptions) -> Result<RepairReport> {
    let place = resolve(&**io, root, name)?;
    let now = io.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    if !options.apply {
        let quarantine = place.quarantine(now);
        let steps = plan(&**io, &survey(&**io, &place)?, &place, &quarantine, options);
        return Ok(report(false, steps));
    }
    let defaults = SequenceOptions::default();
    let lock = lock::acquire(io, &place, defaults)?;
    rename::settle(io, &place, defaults)?;
    // A repair before this one may have been killed right after it renamed a file. Where a power cut then kept a rename
    // of ours and lost that one, two files would swap their places.
    sync_root(&**io, &place)?;
    // Planned again under the lock: what was seen before may have changed.
    let survey = survey(&**io, &place)?;
    if let Some(obstacle) = survey.obstacles.first() {
        return Err(Error::new(ErrorKind::InvalidFile, obstacle.message.clone()).at_path(place.root()));
    }
    let quarantine = free_quarantine(&**io, &place, now);
    let steps = plan(&**io, &survey, &place, &quarantine, options);
    apply(&**io, &place, &quarantine, &steps)?;
    lock.release()?;
    sync_root(&**io, &place)?;
    Ok(report(true, steps))
}

fn report(applied: bool, steps: Vec<Step>) -> RepairReport {
    RepairReport { applied, actions: steps.into_iter().map(|step| step.action).collect() }
}

/// Two repairs within a millisecond do not share a folder.
fn free_quarantine(io: &dyn Io, place: &Place, now: u128) -> PathBuf {
    const ATTEMPTS: u128 = 1000;
    let candidates = (0..ATTEMPTS).map(|later| place.quarantine(now.saturating_add(later)));
    candidates.into_iter().find(|path| io.metadata(path).is_err()).unwrap_or_else(|| place.quarantine(now))
}

/// An action with the real paths: names on disk need not be text.
struct Step {
    action: Action,
    from: PathBuf,
    to: Option<PathBuf>,
}

impl Step {
    fn new(place: &Place, kind: ActionKind, from: PathBuf, to: Option<PathBuf>, why: String) -> Self {
        let text = |path: &PathBuf| path.strip_prefix(place.root()).unwrap_or(path).to_string_lossy().into_owned();
        Self { action: Action { kind, from: text(&from), to: to.as_ref().map(text), why }, from, to }
    }

    fn run(&self, io: &dyn Io) -> Result<()> {
        let Some(to) = &self.to else { return Ok(()) };
        io.rename_new(&self.from, to).map_err(|error| Error::io("rename", &self.from, error))
    }
}

fn plan(io: &dyn Io, survey: &Survey, place: &Place, quarantine: &Path, options: RepairOptions) -> Vec<Step> {
    let aside = |name: &OsStr, why: &str| {
        let (from, to) = (place.root().join(name), quarantine.join(name));
        Step::new(place, ActionKind::Move, from, Some(to), why.to_owned())
    };
    let strangers = survey.strangers.iter().map(|(name, problem)| aside(name, &problem.message));
    let unfit = survey
        .files
        .iter()
        .filter_map(|file| Some(aside(file.entry.path.file_name()?, &file.problem.as_ref()?.message)));
    let mut steps: Vec<Step> = strangers.chain(unfit).collect();
    let keep = |from: PathBuf, why: String| Step::new(place, ActionKind::Keep, from, None, why);
    if options.close_gaps {
        let renames = renames(survey, place);
        // A folder or a device is nobody's business, until a file needs its name.
        let goes = |path: &Path, among: &[Step]| among.iter().any(|step| step.from == path);
        let targets = renames.iter().filter_map(|step| step.to.as_deref());
        let taken = targets.filter(|to| !goes(to, &steps) && !goes(to, &renames) && io.metadata(to).is_ok());
        let in_the_way: Vec<Step> = taken
            .filter_map(|path| Some(aside(path.file_name()?, "in the place of a file that closes a gap")))
            .collect();
        steps.extend(in_the_way.into_iter().chain(renames));
    } else {
        steps.extend(survey.gaps().into_iter().map(|(problem, file)| {
            keep(file.entry.path.clone(), format!("{}; left as it is unless told to close gaps", problem.message))
        }));
    }
    steps.extend(
        survey.obstacles.iter().chain(&survey.leftovers).map(|problem| {
            keep(place.root().join(problem.file.as_deref().unwrap_or_default()), problem.message.clone())
        }),
    );
    steps
}

/// Front to back, each file to the lowest free index: at every point the files are in their old order.
fn renames(survey: &Survey, place: &Place) -> Vec<Step> {
    let mut expected: Option<Index> = None;
    let mut renames = Vec::new();
    for file in survey.sound() {
        let index = expected.unwrap_or(file.entry.index);
        if index != file.entry.index {
            let why = format!("closes the gap in front of index {:#06x}", file.entry.index.get());
            let to = Some(place.file(index, file.entry.shift));
            renames.push(Step::new(place, ActionKind::Rename, file.entry.path.clone(), to, why));
        }
        expected = Some(index.next());
    }
    renames
}

fn apply(io: &dyn Io, place: &Place, quarantine: &Path, steps: &[Step]) -> Result<()> {
    let of_kind = |kind| steps.iter().filter(move |step| step.action.kind == kind);
    if of_kind(ActionKind::Move).next().is_some() {
        make_quarantine(io, place, quarantine)?;
        of_kind(ActionKind::Move).try_for_each(|step| step.run(io))?;
        // A moved file is sure to be in its new folder once that one is synced, and in one of the two at any time.
        sync(io, quarantine)?;
    }
    for step in of_kind(ActionKind::Rename) {
        step.run(io)?;
        // Each before the next: a crash that kept the second of two renames and lost the first would swap the files.
        sync_root(io, place)?;
    }
    Ok(())
}

/// The folder is durable before anything is moved into it.
fn make_quarantine(io: &dyn Io, place: &Place, quarantine: &Path) -> Result<()> {
    for (folder, parent) in [(place.meta().as_path(), place.root()), (quarantine, place.meta().as_path())] {
        match io.create_dir(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io("mkdir", folder, error));
            }
            _ => sync(io, parent)?,
        }
    }
    Ok(())
}

fn sync(io: &dyn Io, folder: &Path) -> Result<()> {
    io.sync_dir(folder).map_err(|error| Error::sync("fsync", folder, error))
}
