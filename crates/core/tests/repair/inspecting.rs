//! What a report says of every kind of problem.

use std::fs;
use std::path::Path;

use pstream_core::sequence::ProblemKind;

use crate::common::{assert_code, folder, names, os, sequence};
use crate::{inspect, lay_out, opens};

/// The problems in a folder with these files: what kind, of which file, with which index.
#[track_caller]
fn problems(files: &[(&str, usize)]) -> Vec<(ProblemKind, Option<String>, Option<u16>)> {
    let folder = folder();
    lay_out(folder.path(), files);
    let before = names(folder.path());
    let report = inspect(folder.path());
    assert_eq!(names(folder.path()), before, "who looks changes nothing");
    assert_eq!(report.openable, opens(folder.path()).is_ok(), "{report:?}");
    report.problems.into_iter().map(|problem| (problem.kind, problem.file, problem.index)).collect()
}

fn of(kind: ProblemKind, file: &str, index: u16) -> (ProblemKind, Option<String>, Option<u16>) {
    (kind, Some(file.to_owned()), Some(index))
}

#[test]
fn a_sound_sequence() {
    let folder = folder();
    let opened = sequence(folder.path(), "s");
    for _ in 0..3 {
        opened.alloc(None).unwrap();
    }
    opened.alloc(Some(5)).unwrap();
    opened.release(&opened.retrieve().unwrap().next().unwrap().unwrap()).unwrap();
    let report = inspect(folder.path());
    assert_eq!((report.start, report.end, report.openable, report.problems), (2, 5, true, vec![]));
    assert_eq!(report.lock.unwrap().pid, Some(std::process::id()));
    let files: Vec<_> =
        report.files.iter().map(|file| (file.index, file.name.as_str(), file.block_shift, file.size)).collect();
    assert_eq!(files, [(2, "s.0002-12", 12, 8192), (3, "s.0003-12", 12, 8192), (4, "s.0004-12", 12, 20480)]);
    opened.close().unwrap();
    assert_eq!(inspect(folder.path()).lock, None);
}

#[test]
fn nothing_at_all() {
    let folder = folder();
    let report = inspect(folder.path());
    assert_eq!((report.start, report.end, report.openable, report.lock), (1, 1, true, None));
    assert_eq!((report.files, report.problems), (vec![], vec![]));
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let inspect = |root: &Path, name| pstream_core::sequence::inspect(&*os(), root, name);
    assert_code(inspect(&folder.path().join("none"), "s"), "PSTREAM_NOT_FOUND");
    assert_code(inspect(folder.path(), "a/b"), "PSTREAM_INVALID_INPUT");
}

#[test]
fn gaps() {
    let found = problems(&[("s.0001-12", 4096), ("s.0003-12", 4096), ("s.0004-12", 4096), ("s.0007-12", 4096)]);
    assert_eq!(found, [(ProblemKind::Gap, None, Some(2)), (ProblemKind::Gap, None, Some(5))]);
    let found = problems(&[("s.ffff-12", 4096), ("s.0001-12", 4096)]);
    assert_eq!(found, [(ProblemKind::Gap, None, Some(0))]);
}

/// Of several files with one index the usual spelling counts, then the largest.
#[test]
fn duplicates() {
    let found = problems(&[("s.0001-12", 4096), ("s.1-12", 8192), ("s.0001-13", 8192)]);
    assert_eq!(found, [of(ProblemKind::Duplicate, "s.0001-12", 1), of(ProblemKind::Duplicate, "s.1-12", 1)]);
    let found = problems(&[("s.01-12", 4096), ("s.1-12", 8192)]);
    assert_eq!(found, [of(ProblemKind::Duplicate, "s.01-12", 1)]);
    // A twin that could not be opened anyway is no rival.
    let found = problems(&[("s.0001-12", 4095), ("s.1-12", 4096)]);
    assert_eq!(found, [of(ProblemKind::BadLength, "s.0001-12", 1)]);
}

#[test]
fn lengths_and_shifts() {
    let found = problems(&[("s.0001-12", 0), ("s.0002-12", 4097), ("s.0003-30", 4096), ("s.0004-0", 1)]);
    assert_eq!(
        found,
        [
            of(ProblemKind::BadLength, "s.0001-12", 1),
            of(ProblemKind::BadLength, "s.0002-12", 2),
            of(ProblemKind::BadShift, "s.0003-30", 3),
            of(ProblemKind::BadShift, "s.0004-0", 4),
        ]
    );
}

#[test]
fn strangers() {
    let stranger = |name: &str| (ProblemKind::Stranger, Some(name.to_owned()), None);
    let found = problems(&[("s.bak", 1), ("s.0001-12", 4096), ("s.0001", 1), ("other.bak", 1)]);
    assert_eq!(found, [stranger("s.0001"), stranger("s.bak")]);
    assert_eq!(problems(&[("s.meta", 1)]), [stranger("s.meta")]);
}

#[test]
fn too_far_apart() {
    let found = problems(&[("s.0001-12", 4096), ("s.0002-12", 4096), ("s.6000-12", 4096)]);
    assert_eq!(found, [of(ProblemKind::OutOfRange, "s.6000-12", 0x6000)]);
    let found = problems(&[("s.0001-12", 4096), ("s.0002-12", 4096), ("s.4000-12", 4096)]);
    assert_eq!(found[0].0, ProblemKind::TooLong);
}

#[test]
fn left_overs_are_harmless() {
    let folder = folder();
    fs::create_dir(folder.path().join("s.meta")).unwrap();
    for name in ["alloc.tmp", "rename-to", "rename-from"] {
        fs::write(folder.path().join("s.meta").join(name), "").unwrap();
    }
    let report = inspect(folder.path());
    assert!(report.openable);
    let found: Vec<_> =
        report.problems.iter().map(|problem| (problem.kind, problem.file.as_deref().unwrap())).collect();
    let separator = std::path::MAIN_SEPARATOR;
    let expected = ["alloc.tmp", "rename-to", "rename-from"].map(|name| format!("s.meta{separator}{name}"));
    assert_eq!(found, [0, 1, 2].map(|index| (ProblemKind::Leftover, expected[index].as_str())));
    assert_eq!(opens(folder.path()).unwrap(), []);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_file() {
    let folder = folder();
    lay_out(folder.path(), &[("target", 4096)]);
    std::os::unix::fs::symlink("target", folder.path().join("s.0001-12")).unwrap();
    std::os::unix::fs::symlink("target", folder.path().join("s.note")).unwrap();
    let report = inspect(folder.path());
    assert_eq!((report.openable, report.problems.len()), (false, 1));
    assert_eq!(
        (report.problems[0].kind, report.problems[0].file.as_deref()),
        (ProblemKind::Stranger, Some("s.0001-12"))
    );
    assert!(opens(folder.path()).is_err());
}
