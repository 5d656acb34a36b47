//! What a repair does, says before, and leaves alone.

use std::fs;
use std::path::Path;

use pstream_core::sequence::{ActionKind, RepairReport};

use crate::common::{assert_code, failure, folder, names, sequence, tree, try_sequence};
use crate::{inspect, lay_out, opens, repair, try_repair};

const BROKEN: [(&str, usize); 9] = [
    ("s.0002-12", 4096),
    ("s.2-13", 8192),
    ("s.0004-12", 4096),
    ("s.0005-12", 0),
    ("s.0008-13", 8192),
    ("s.0009-30", 4096),
    ("s.5000-12", 4096),
    ("s.bak", 10),
    ("other", 10),
];

fn steps(report: &RepairReport) -> Vec<(ActionKind, &str)> {
    report.actions.iter().map(|action| (action.kind, action.from.as_str())).collect()
}

/// The folder that a repair has made.
fn quarantines(root: &Path) -> Vec<String> {
    names(&root.join("s.meta")).into_iter().filter(|name| name.starts_with("quarantine-")).collect()
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let folder = folder();
    lay_out(folder.path(), &BROKEN);
    let before = tree(folder.path());
    for close_gaps in [false, true] {
        let report = repair(folder.path(), false, close_gaps);
        assert!(!report.applied);
        assert_eq!(tree(folder.path()), before);
        assert!(!folder.path().join("s.meta").exists() && !folder.path().join("s.lock").exists());
    }
    // What was said is what is then done, but for the time in the name of the folder.
    let said = repair(folder.path(), false, true);
    let done = repair(folder.path(), true, true);
    assert!(done.applied);
    assert_eq!(steps(&said), steps(&done));
}

#[test]
fn what_does_not_fit_is_moved_aside_and_a_gap_is_left() {
    let folder = folder();
    lay_out(folder.path(), &BROKEN);
    let report = repair(folder.path(), true, false);
    assert_eq!(
        steps(&report),
        [
            (ActionKind::Move, "s.bak"),
            (ActionKind::Move, "s.2-13"),
            (ActionKind::Move, "s.0005-12"),
            (ActionKind::Move, "s.0009-30"),
            (ActionKind::Move, "s.5000-12"),
            (ActionKind::Keep, "s.0004-12"),
            (ActionKind::Keep, "s.0008-13"),
        ]
    );
    assert_eq!(names(folder.path()), ["other", "s.0002-12", "s.0004-12", "s.0008-13", "s.meta"]);
    let quarantine = quarantines(folder.path());
    assert_eq!(quarantine.len(), 1);
    let aside = folder.path().join("s.meta").join(&quarantine[0]);
    assert_eq!(names(&aside), ["s.0005-12", "s.0009-30", "s.2-13", "s.5000-12", "s.bak"]);
    for action in &report.actions {
        let moved = action.to.as_ref().map(|to| folder.path().join(to).exists());
        assert_eq!(moved, (action.kind == ActionKind::Move).then_some(true));
    }
    assert!(!inspect(folder.path()).openable);
    let opened = sequence(folder.path(), "s");
    assert_code(opened.retrieve(), "PSTREAM_SEQUENCE_BROKEN");
}

#[test]
fn closing_gaps_keeps_the_order_and_the_bytes() {
    let folder = folder();
    lay_out(folder.path(), &BROKEN);
    let report = repair(folder.path(), true, true);
    let renamed: Vec<_> = report.actions.iter().filter(|action| action.kind == ActionKind::Rename).collect();
    let renamed: Vec<_> = renamed.iter().map(|action| (action.from.as_str(), action.to.as_deref().unwrap())).collect();
    assert_eq!(renamed, [("s.0004-12", "s.0003-12"), ("s.0008-13", "s.0004-13")]);
    assert_eq!(opens(folder.path()).unwrap(), [2, 3, 4]);
    for (name, was) in [("s.0002-12", "s.0002-12"), ("s.0003-12", "s.0004-12"), ("s.0004-13", "s.0008-13")] {
        let content = fs::read(folder.path().join(name)).unwrap();
        assert!(content.starts_with(format!("<{was}>").as_bytes()), "{name}");
    }
    assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"<other><ot");
}

/// Renames run front to back, so that every target is free: also where gaps overlap and the index wraps.
#[test]
fn closing_many_gaps_over_the_wrap() {
    let folder = folder();
    let present = [0xfff0_u16, 0xfff1, 0xfff5, 0xffff, 0, 7, 8, 9, 0x20];
    let names: Vec<String> = present.iter().map(|index| format!("s.{index:04x}-12")).collect();
    lay_out(folder.path(), &names.iter().map(|name| (name.as_str(), 4096)).collect::<Vec<_>>());
    repair(folder.path(), true, true);
    assert_eq!(opens(folder.path()).unwrap(), (0xfff0..=0xfff8).collect::<Vec<_>>());
    for (index, was) in (0xfff0_u16..).zip(names) {
        let content = fs::read(folder.path().join(format!("s.{index:04x}-12"))).unwrap();
        assert!(content.starts_with(format!("<{was}>").as_bytes()), "{index:x} was {was}");
    }
}

#[test]
fn a_second_repair_has_nothing_to_do() {
    for close_gaps in [false, true] {
        let folder = folder();
        lay_out(folder.path(), &BROKEN);
        repair(folder.path(), true, close_gaps);
        let before = tree(folder.path());
        let report = repair(folder.path(), true, close_gaps);
        assert!(report.actions.iter().all(|action| action.kind == ActionKind::Keep), "{report:?}");
        assert_eq!(tree(folder.path()), before);
        assert_eq!(quarantines(folder.path()).len(), 1);
    }
}

#[test]
fn a_sound_sequence_is_left_alone() {
    let folder = folder();
    let opened = sequence(folder.path(), "s");
    opened.alloc(None).unwrap();
    opened.close().unwrap();
    let before = tree(folder.path());
    let report = repair(folder.path(), true, true);
    assert_eq!((report.applied, report.actions), (true, vec![]));
    assert_eq!((tree(folder.path()), names(folder.path())), (before, vec!["s.0001-12".to_owned()]));
}

#[test]
fn not_while_somebody_has_it_open() {
    let folder = folder();
    let opened = sequence(folder.path(), "s");
    lay_out(folder.path(), &[("s.bak", 1)]);
    assert_code(try_repair(folder.path(), true, true), "PSTREAM_LOCKED");
    assert_eq!(steps(&repair(folder.path(), false, true)), [(ActionKind::Move, "s.bak")]);
    assert!(folder.path().join("s.bak").exists());
    opened.close().unwrap();
}

/// A folder of a data file's name is nobody's business until a file needs that name.
#[test]
fn a_folder_in_the_place_of_a_closed_gap() {
    let folder = folder();
    lay_out(folder.path(), &[("s.0001-12", 4096), ("s.0003-12", 4096), ("s.0004-12", 4096)]);
    for name in ["s.0002-12", "s.0009-12"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    lay_out(&folder.path().join("s.0002-12"), &[("kept", 5)]);
    let said = repair(folder.path(), false, true);
    assert_eq!(steps(&said)[0], (ActionKind::Move, "s.0002-12"));
    repair(folder.path(), true, true);
    assert_eq!(opens(folder.path()).unwrap(), [1, 2, 3]);
    assert!(tree(folder.path()).iter().any(|(path, content)| path.ends_with("s.0002-12/kept") && content == b"<kept"));
    assert!(folder.path().join("s.0009-12").is_dir());
}

/// What lies in the place of the lock, or of the folder to move things into, has to go by hand; this is said, and
/// nothing is changed.
#[test]
fn an_obstacle_is_named() {
    let folder = folder();
    lay_out(folder.path(), &[("s.meta", 3), ("s.bak", 1)]);
    let before = tree(folder.path());
    assert!(!inspect(folder.path()).openable);
    let said = repair(folder.path(), false, false);
    assert!(said.actions.iter().any(|action| action.from == "s.meta" && action.why.contains("by hand")), "{said:?}");
    let error = failure(try_repair(folder.path(), true, true));
    assert_eq!(error.code(), "PSTREAM_INVALID_FILE", "{error}");
    assert_eq!(tree(folder.path()), before);
    fs::remove_file(folder.path().join("s.meta")).unwrap();
    repair(folder.path(), true, true);
    assert!(inspect(folder.path()).openable);
    assert!(try_sequence(folder.path(), "s").is_ok());
}

/// Names on disk need not be text: they are moved under their own bytes.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    lay_out(folder.path(), &[("s.0001-12", 4096)]);
    for name in [&b"s.\xff"[..], b"s.\xfe", b"s\xff.1-12"] {
        fs::write(folder.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    assert_eq!(inspect(folder.path()).problems.len(), 2);
    repair(folder.path(), true, false);
    assert_eq!(opens(folder.path()).unwrap(), [1]);
    let aside = folder.path().join("s.meta").join(&quarantines(folder.path())[0]);
    for name in [&b"s.\xff"[..], b"s.\xfe"] {
        assert_eq!(fs::read(aside.join(OsStr::from_bytes(name))).unwrap(), name);
    }
    assert!(folder.path().join(OsStr::from_bytes(b"s\xff.1-12")).exists());
}

/// A link is moved, not what it points to.
#[cfg(unix)]
#[test]
fn a_link_is_moved_as_it_is() {
    let folder = folder();
    lay_out(folder.path(), &[("target", 4096), ("s.0001-12", 4096)]);
    std::os::unix::fs::symlink("target", folder.path().join("s.0002-12")).unwrap();
    repair(folder.path(), true, false);
    let aside = folder.path().join("s.meta").join(&quarantines(folder.path())[0]);
    assert_eq!(fs::read_link(aside.join("s.0002-12")).unwrap(), Path::new("target"));
    assert_eq!(fs::read(folder.path().join("target")).unwrap().len(), 4096);
    assert_eq!(opens(folder.path()).unwrap(), [1]);
}

/// Repairs in quick succession do not share a folder, and names met before do not collide in it.
#[test]
fn every_repair_has_a_folder_of_its_own() {
    let folder = folder();
    for round in 1..=5 {
        lay_out(folder.path(), &[("s.bak", 4)]);
        repair(folder.path(), true, false);
        assert_eq!(quarantines(folder.path()).len(), round);
    }
}
