//! Whatever call fails, in whatever operation: an error with a code, no panic, no handle and no lock left behind, and
//! the same operation succeeds when tried again.

use std::io::{IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::sequence::{RepairOptions, break_lock, inspect, rename, repair};
use pstream_core::{BlockFile, CreateOptions, Durability, ErrorKind, Result};
use pstream_sim::{CallKind, Effect, Fault, SimDisk};

use crate::harness::{block_of, create, disk, open, open_sequence, rest, shape};

type Operation = (&'static str, fn(&Arc<dyn Io>) -> Result<()>);

const OPERATIONS: [Operation; 13] = [
    ("create", |io| {
        BlockFile::create(
            &**io,
            Path::new("/d/new"),
            shape(2),
            CreateOptions { prewrite: true, ..CreateOptions::default() },
        )
        .map(drop)
    }),
    ("open", |io| open(&**io, "/d/f").map(drop)),
    ("load", |io| open(&**io, "/d/f")?.load(0, &mut [IoSliceMut::new(&mut [0; 9000])])),
    ("store", |io| open(&**io, "/d/f")?.store_bytes(0, &block_of(7))),
    ("zero", |io| {
        let file = open(&**io, "/d/f")?;
        file.zero(0..100)?;
        file.sync()
    }),
    ("raw", |io| {
        let file = open(&**io, "/d/f")?;
        file.write_at(5, &[IoSlice::new(b"x")], Durability::Cached)?;
        file.write_at(6, &[IoSlice::new(b"y")], Durability::Synced)?;
        file.sync()?;
        file.evict(&(0..4096))?;
        file.residency(0..4096)?;
        file.next_data(0).map(drop)
    }),
    ("alloc", |io| open_sequence(io, "s")?.alloc(None).map(drop)),
    ("retrieve", |io| open_sequence(io, "s")?.retrieve()?.try_for_each(|file| file.map(drop))),
    ("release", |io| {
        let sequence = open_sequence(io, "s")?;
        let first = sequence.retrieve()?.next().transpose()?;
        first.map_or(Ok(()), |file| sequence.release(&file))
    }),
    ("close", |io| open_sequence(io, "s")?.close()),
    ("inspect", |io| inspect(&**io, Path::new("/d"), "s").map(drop)),
    ("repair", |io| repair(io, Path::new("/d"), "s", RepairOptions { apply: true, close_gaps: true }).map(drop)),
    ("break lock", |io| break_lock(&**io, Path::new("/d"), "s", false).map(drop)),
];

fn start() -> SimDisk {
    let disk = disk(1);
    create(&*disk.io(), "/d/f", 4).store_bytes(0, &block_of(1)).unwrap();
    let sequence = open_sequence(&disk.io(), "s").unwrap();
    sequence.alloc(None).unwrap();
    sequence.alloc(None).unwrap();
    sequence.close().unwrap();
    rest(&disk);
    disk
}

#[test]
fn every_call_of_every_operation_may_fail() {
    let mut failures = 0;
    for (name, operation) in OPERATIONS {
        for effect in [Effect::EIO, Effect::ENOSPC, Effect::Fail(std::io::ErrorKind::PermissionDenied)] {
            for nth in 1.. {
                let disk = start();
                disk.inject(Fault::new(effect.clone()).nth(nth));
                let outcome = operation(&disk.io());
                if disk.faults_fired() == 0 {
                    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
                    break;
                }
                if let Err(error) = outcome {
                    failures += 1;
                    assert!(ErrorKind::CODES.contains(&error.code()), "{name}: {error}");
                    assert!(!error.to_string().is_empty());
                }
                assert_eq!(disk.open_handles(), 0, "{name}: a handle is left after {effect:?} at call {nth}");
                // Another process finds no lock in its way.
                open_sequence(&disk.as_process(9).io(), "s")
                    .unwrap_or_else(|error| panic!("{name}: {error} after {effect:?} at call {nth}"))
                    .close()
                    .unwrap();
                match operation(&disk.io()) {
                    Err(error) if *error.kind() == ErrorKind::AlreadyExists => {}
                    done => done.unwrap_or_else(|error| panic!("{name} again: {error} after {effect:?} at call {nth}")),
                }
            }
        }
    }
    assert!(failures > 200, "only {failures} failures");
}

/// A folder that is gone, or was moved away, while the sequence is open.
#[test]
fn a_folder_that_vanishes_is_a_clear_error() {
    let disk = start();
    let sequence = open_sequence(&disk.io(), "s").unwrap();
    let first = sequence.retrieve().unwrap().next().unwrap().unwrap();
    disk.inject(Fault::new(Effect::Fail(std::io::ErrorKind::NotFound)).path("/d").every());
    disk.inject(
        Fault::new(Effect::Fail(std::io::ErrorKind::NotFound))
            .when(|call| {
                let by_path =
                    [CallKind::Create, CallKind::Metadata, CallKind::Remove, CallKind::CreateDir, CallKind::Rename];
                by_path.contains(&call.kind)
            })
            .every(),
    );
    assert_eq!(*sequence.alloc(None).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(*sequence.release(&first).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(*sequence.retrieve().unwrap_err().kind(), ErrorKind::NotFound);
    // An open file does not need its name.
    first.store_bytes(0, b"still here").unwrap();
}

/// Every name and folder that is refused before anything is touched.
#[test]
fn bad_names_are_refused_before_anything_is_touched() {
    let disk = start();
    let io = disk.io();
    let before = (disk.names("/d").unwrap(), disk.unsynced());
    for name in ["", ".", "..", "a/b", "/a", "a\0b", &"x".repeat(248)] {
        let errors = [
            open_sequence(&io, name).unwrap_err(),
            inspect(&*io, Path::new("/d"), name).unwrap_err(),
            repair(&io, Path::new("/d"), name, RepairOptions::default()).unwrap_err(),
            rename(&io, Path::new("/d"), name, "b").unwrap_err(),
            rename(&io, Path::new("/d"), "s", name).unwrap_err(),
            break_lock(&*io, Path::new("/d"), name, true).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
        }
    }
    assert_eq!((disk.names("/d").unwrap(), disk.unsynced()), before);
}
