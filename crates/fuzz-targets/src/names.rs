//! A folder with files of these names: what is asked of it is answered, and nobody's file is touched.

use std::path::Path;

use pstream_core::sequence::{RepairOptions, inspect, repair};
use pstream_core::{FileSequence, SequenceOptions, Shape};
use pstream_sim::{Keep, SimDisk};

use crate::input::Input;

const DIR: &str = "/d";

/// The first byte says how the sequence is called; of the others each line is a name, and its first byte a length.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let name = ["s", "a.b", "events", "s.0001-12"][usize::from(input.u8() % 4)];
    let disk = SimDisk::new(1);
    disk.io().create_dir(Path::new(DIR)).unwrap();
    disk.settle();
    let mut installed = Vec::new();
    for line in input.0.split(|byte| *byte == b'\n').take(12) {
        let Some((len, rest)) = line.split_first() else { continue };
        let rest: String = rest.iter().map(|byte| char::from(byte & 0x7f)).collect();
        // Half of them belong to the sequence, or look like it.
        let file = if len & 1 == 0 { format!("{name}.{rest}") } else { rest };
        let component = Path::new(&file).components().count() == 1 && Path::new(&file).file_name().is_some();
        if file.is_empty() || file.len() > 255 || file.contains(['\0', '/']) || !component {
            continue;
        }
        let content = vec![*len; usize::from(len >> 1) * 256];
        // The lock is the sequence's own: whoever holds it removes it in the end.
        let ours = file == format!("{name}.lock");
        if disk.names(DIR).unwrap().contains(&file) {
            continue;
        }
        if disk.install(format!("{DIR}/{file}"), &content).is_ok() && !ours {
            installed.push((file, content));
        }
    }
    check(&disk, name, &installed);
}

fn check(disk: &SimDisk, name: &str, installed: &[(String, Vec<u8>)]) {
    let unchanged = |disk: &SimDisk, what: &str| {
        for (file, content) in installed {
            let there = disk.cached_bytes(format!("{DIR}/{file}"), 0..u64::MAX);
            assert!(there.is_ok_and(|bytes| bytes == *content), "{what} has changed {file:?}");
        }
    };
    let report = inspect(&*disk.io(), Path::new(DIR), name);
    unchanged(disk, "looking at it");
    let again = inspect(&*disk.io(), Path::new(DIR), name);
    assert_eq!(format!("{report:?}"), format!("{again:?}"), "two looks, one answer");
    let openable = report.as_ref().is_ok_and(|report| report.openable);
    let shape = Shape::new(2, 12).unwrap();
    let open = |disk: &SimDisk| FileSequence::open(disk.io(), Path::new(DIR), name, shape, SequenceOptions::default());
    let fork = disk.fork();
    match open(&fork) {
        Ok(sequence) => {
            // Whether indexes are without a gap is looked at by whoever goes through the files.
            let whole = sequence.retrieve().is_ok_and(|files| files.into_iter().all(|file| file.is_ok()));
            assert_eq!(whole, openable, "{report:?}");
            unchanged(&fork, "an open");
            sequence.alloc(None).map(drop).unwrap_or_default();
            drop(sequence.close());
            unchanged(&fork, "an alloc");
        }
        Err(error) => {
            assert!(!openable, "{error}, though it was called openable: {report:?}");
            unchanged(&fork, "an open that failed");
        }
    }
    let fork = disk.fork();
    let dry = repair(&fork.io(), Path::new(DIR), name, RepairOptions::default());
    unchanged(&fork, "a dry run");
    if dry.is_ok() {
        repaired(&fork, name, installed, &open);
    }
}

fn repaired(
    disk: &SimDisk,
    name: &str,
    installed: &[(String, Vec<u8>)],
    open: &dyn Fn(&SimDisk) -> pstream_core::Result<FileSequence>,
) {
    let options = RepairOptions { apply: true, close_gaps: true };
    let Ok(report) = repair(&disk.io(), Path::new(DIR), name, options) else { return };
    disk.power_cut(&Keep::None);
    let opened = open(disk);
    assert!(opened.is_ok(), "{:?} after {report:?}", opened.err());
    let contents = all(disk, Path::new(DIR));
    for (file, content) in installed {
        assert!(contents.contains(content), "the repair has lost {file:?}");
    }
}

/// The contents of all files below a folder.
fn all(disk: &SimDisk, folder: &Path) -> Vec<Vec<u8>> {
    let names = disk.names(folder).unwrap();
    let paths = names.into_iter().map(|name| folder.join(name));
    paths
        .flat_map(|path| match disk.cached_bytes(&path, 0..u64::MAX) {
            Ok(bytes) => vec![bytes],
            Err(_) => all(disk, &path),
        })
        .collect()
}
