//! Alloc and release, stopped and failed at every call: the sequence always opens, retrieves, holds what was
//! acknowledged, and at most one step more.

use std::collections::VecDeque;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::{ErrorKind, SequenceFile};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::harness::{BLOCK, block_of, disk, fail_everywhere, load, open_sequence, rest, stop_everywhere};

#[derive(Clone, Copy, Debug)]
enum Step {
    Alloc(Option<u64>),
    /// Fills block 0 of the last file.
    Store(u8),
    Release,
}

const PROGRAM: [Step; 8] = [
    Step::Alloc(None),
    Step::Store(11),
    Step::Alloc(Some(3)),
    Step::Store(12),
    Step::Release,
    Step::Alloc(None),
    Step::Store(13),
    Step::Release,
];

/// What a file of the model is: index, block count, the byte in block 0.
type Model = VecDeque<(u16, u64, u8)>;

/// The sequence after so many steps.
fn model(first: u16, steps: usize) -> Model {
    let mut files = Model::new();
    let mut next = first;
    for step in &PROGRAM[..steps.min(PROGRAM.len())] {
        match step {
            Step::Alloc(count) => {
                files.push_back((next, count.unwrap_or(2), 0));
                next = next.wrapping_add(1);
            }
            Step::Store(byte) => files.back_mut().unwrap().2 = *byte,
            Step::Release => drop(files.pop_front()),
        }
    }
    files
}

/// Runs the steps until one fails; returns how many were done.
fn program(io: &Arc<dyn Io>) -> usize {
    let Ok(sequence) = open_sequence(io, "s") else { return 0 };
    let mut files: VecDeque<SequenceFile> = VecDeque::new();
    let done = PROGRAM.iter().take_while(|step| match step {
        Step::Alloc(count) => sequence.alloc(*count).map(|file| files.push_back(file)).is_ok(),
        Step::Store(byte) => files.back().is_some_and(|file| file.store_bytes(0, &block_of(*byte)).is_ok()),
        Step::Release => {
            let released = files.front().is_some_and(|file| sequence.release(file).is_ok());
            files.pop_front();
            released
        }
    });
    let done = done.count();
    // A close that fails takes nothing back.
    drop(sequence.close());
    done
}

fn on_disk(disk: &SimDisk, what: &str) -> Vec<(u16, u64, Vec<u8>)> {
    let sequence = open_sequence(&disk.io(), "s").unwrap_or_else(|error| panic!("{error}: {what}"));
    let files = sequence.retrieve().unwrap_or_else(|error| panic!("{error}: {what}"));
    let files = files.map(|file| {
        let file = file.unwrap_or_else(|error| panic!("{error}: {what}"));
        (file.index(), file.shape().block_count(), load(&file, 0, BLOCK))
    });
    let files = files.collect();
    let again = sequence.alloc(None).unwrap_or_else(|error| panic!("cannot go on: {error}: {what}"));
    sequence.close().unwrap();
    drop(again);
    files
}

/// What is on disk is the model after `done` steps, or with the next step done wholly or in part.
fn holds_what_was_done(disk: &SimDisk, first: u16, done: usize, what: &str) {
    let found = on_disk(disk, what);
    let fits = |model: &Model, in_flight: bool| {
        found.len() == model.len()
            && found.iter().zip(model).enumerate().all(|(at, ((index, count, bytes), expected))| {
                let torn = in_flight && at + 1 == model.len();
                let whole = bytes.iter().all(|byte| *byte == expected.2 || (torn && *byte == 0));
                (*index, *count) == (expected.0, expected.1) && whole
            })
    };
    let storing = matches!(PROGRAM.get(done), Some(Step::Store(_)));
    let fits_now = fits(&model(first, done), false);
    let fits_next = fits(&model(first, done + 1), storing);
    let summary: Vec<_> = found.iter().map(|(index, count, bytes)| (index, count, bytes[0])).collect();
    assert!(fits_now || fits_next, "after {done} steps: {summary:?}: {what}");
}

#[test]
fn a_sequence_that_is_stopped_holds_what_was_acknowledged() {
    let states = stop_everywhere(&disk(1), 25, program, |disk, done, what| holds_what_was_done(disk, 1, *done, what));
    assert!(states > 2000, "only {states} states");
}

/// The same across the wrap of the index from 0xffff to 0.
#[test]
fn a_sequence_that_is_stopped_at_the_wrap_holds_what_was_acknowledged() {
    let disk = disk(2);
    // Files get their indexes from what is there: start with one at 0xfffe, which the program then is one ahead of.
    let io = disk.io();
    let maker = open_sequence(&io, "s").unwrap();
    drop(maker.alloc(None).unwrap());
    maker.close().unwrap();
    io.rename_new("/d/s.0001-12".as_ref(), "/d/s.fffe-12".as_ref()).unwrap();
    rest(&disk);
    let program = |io: &Arc<dyn Io>| {
        let Ok(sequence) = open_sequence(io, "s") else { return 0 };
        let done = (0..4).take_while(|_| sequence.alloc(None).is_ok()).count();
        let first = sequence.retrieve().ok().and_then(|mut files| files.next()?.ok());
        let released = done == 4 && first.is_some_and(|file| sequence.release(&file).is_ok());
        if released { 5 } else { done }
    };
    let states = stop_everywhere(&disk, 10, program, |disk, done, what| {
        let indexes: Vec<u16> = on_disk(disk, what).iter().map(|file| file.0).collect();
        let all = [0xfffe, 0xffff, 0, 1, 2];
        let fits = |steps: usize| match steps {
            0..=4 => indexes == all[..=steps],
            _ => indexes == all[1..],
        };
        assert!(fits(*done) || fits((*done + 1).min(5)), "after {done} steps: {indexes:x?}: {what}");
    });
    assert!(states > 500, "only {states} states");
}

#[test]
fn a_sequence_of_which_a_call_fails_holds_what_was_acknowledged() {
    let effects = [Effect::EIO, Effect::ENOSPC, Effect::FAIL_SYNC];
    let states = fail_everywhere(&disk(3), 12, &effects, program, |disk, done, what| {
        holds_what_was_done(disk, 1, *done, what);
    });
    assert!(states > 800, "only {states} states");
}

/// Each release is durable before the next. Otherwise a crash could keep the removal of the second file and not that of
/// the first: a gap where none was made.
#[test]
fn releases_reach_the_disk_in_order() {
    let disk = disk(4);
    let sequence = open_sequence(&disk.io(), "s").unwrap();
    let files: Vec<_> = (0..4).map(|_| sequence.alloc(None).unwrap()).collect();
    sequence.release(&files[0]).unwrap();
    assert!(!disk.durable_names("/d").unwrap().contains(&"s.0001-12".to_owned()));
    sequence.release(&files[1]).unwrap();
    assert!(!disk.durable_names("/d").unwrap().contains(&"s.0002-12".to_owned()));
}

/// What is seen may have been made by a process that was killed before it could sync the name.
#[test]
fn names_that_open_has_seen_are_durable() {
    let disk = disk(5);
    let sequence = open_sequence(&disk.io(), "s").unwrap();
    sequence.alloc(None).unwrap();
    disk.inject(Fault::new(Effect::Stop).kind(CallKind::SyncDir));
    sequence.alloc(None).unwrap_err();
    disk.process_crash();
    // Kept open: closing it would sync the folder too.
    let opened = open_sequence(&disk.io(), "s").unwrap();
    assert_eq!(opened.len(), 2);
    disk.power_cut(&Keep::None);
    assert_eq!(open_sequence(&disk.io(), "s").unwrap().len(), opened.len());
}

/// A folder that could not be synced: which names are durable is unknown, so nothing more is built on them.
#[test]
fn a_failed_sync_of_the_folder_poisons_the_sequence() {
    for release in [false, true] {
        let disk = disk(6);
        let sequence = open_sequence(&disk.io(), "s").unwrap();
        let first = sequence.alloc(None).unwrap();
        sequence.alloc(None).unwrap();
        disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncDir));
        let error = if release { sequence.release(&first).unwrap_err() } else { sequence.alloc(None).unwrap_err() };
        assert_eq!(*error.kind(), ErrorKind::SyncFailed);
        for error in
            [sequence.alloc(None).unwrap_err(), sequence.release(&first).unwrap_err(), sequence.retrieve().unwrap_err()]
        {
            assert_eq!(*error.kind(), ErrorKind::SyncFailed);
            assert_eq!(error.to_string(), "sequence is unavailable due to prior sync error");
        }
        assert_eq!((sequence.start(), sequence.end()), (1, 3), "counts what is known");
        sequence.close().unwrap();
        open_sequence(&disk.io(), "s").unwrap();
    }
}

/// The lock file is gone for good after a clean close.
#[test]
fn a_close_is_durable() {
    let disk = disk(7);
    let sequence = open_sequence(&disk.io(), "s").unwrap();
    sequence.alloc(None).unwrap();
    disk.settle();
    sequence.close().unwrap();
    assert_eq!(disk.durable_names("/d").unwrap(), ["s.0001-12"]);
}

/// A full disk: an alloc fails cleanly, and works again when there is space.
#[test]
fn an_alloc_on_a_full_disk_fails_and_changes_nothing() {
    let disk = disk(8);
    let sequence = open_sequence(&disk.io(), "s").unwrap();
    sequence.alloc(None).unwrap();
    let used = disk.used();
    disk.set_capacity(Some(used + BLOCK as u64));
    for _ in 0..3 {
        assert_eq!(*sequence.alloc(None).unwrap_err().kind(), ErrorKind::NoSpace);
    }
    assert_eq!(sequence.len(), 1);
    assert_eq!(disk.used(), used, "something of the failed ones is left");
    disk.set_capacity(None);
    assert_eq!(sequence.alloc(None).unwrap().index(), 2);
}
