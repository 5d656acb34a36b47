//! A writer of a stream that is killed at each of its calls, and one whose calls fail: what it has said to be
//! acknowledged is there when the stream is opened again, and nothing that it has not written.

use std::path::Path;
use std::process::{Command, Output};

use pstream_core::ErrorKind;
use pstream_core::stream::{Level, Log, PendingKind};

use crate::common::streams::{commit, commit_as, open, options, read, record};
use crate::common::{as_helper, folder};
use crate::trace::run;

/// What a role prints in front of the number of records that are acknowledged.
const ACKNOWLEDGED: &str = "acknowledged ";
/// Calls that write, reserve, name or sync.
const CALLS: [&str; 7] = ["pwritev2", "pwritev", "fdatasync", "fsync", "fallocate", "renameat2", "unlink"];
/// Of each of them at most so many are hit; a writer makes fewer of most.
const MOST: u32 = 40;

/// Rolls over several files, at every level, with records that belong together and marks in between.
pub fn append(folder: &Path) {
    let options = options(8, 16);
    let mut log = open(folder, &options).unwrap().0;
    let mut next = 0;
    for round in 0..24_u64 {
        let done = step(&mut log, round, next);
        next = done.unwrap();
        println!("{ACKNOWLEDGED}{next}");
        if round % 8 == 7 {
            log.close().unwrap();
            drop(log);
            log = open(folder, &options).unwrap().0;
            assert_eq!(log.next_seq(), next);
        }
    }
    log.close().unwrap();
}

/// One commit, durable when this returns, of records from the number `next` on; the number behind the last one.
fn step(log: &mut Log, round: u64, next: u64) -> pstream_core::Result<u64> {
    let records = |count: u64| (next..next + count).map(record).collect::<Vec<_>>();
    match round % 6 {
        0 | 4 => commit(log, &records(1)).map(|_| next + 1),
        1 => commit_as(log, PendingKind::Together, &records(3), Level::Durable).map(|_| next + 3),
        2 => {
            commit_as(log, PendingKind::Records, &records(2), Level::Written)?;
            log.flush().map(|_| next + 2)
        }
        3 => {
            log.watermark()?;
            commit(log, &records(2)).map(|_| next + 2)
        }
        _ => {
            if log.wants_next() {
                log.prepare_next()?;
            }
            commit_as(log, PendingKind::Records, &records(1), Level::Written)?;
            commit(log, &[record(next + 1)]).map(|_| next + 2)
        }
    }
}

/// The same, going on behind errors as the commit thread does: by recovery in place.
pub fn append_whatever_happens(folder: &Path) {
    let (mut log, mut errors) = (None, 0);
    for _ in 0..3 {
        match open(folder, &options(8, 16)) {
            Ok((opened, _)) => log = Some(opened),
            Err(error) => println!("an open has failed: {error}"),
        }
        if log.is_some() {
            break;
        }
    }
    let mut log = log.expect("an open");
    let mut next = log.next_seq();
    for round in 0..24 {
        for _ in 0..4 {
            match step(&mut log, round, next) {
                Ok(behind) => {
                    next = behind;
                    println!("{ACKNOWLEDGED}{next}");
                    break;
                }
                Err(error) => {
                    assert!(!matches!(error.kind(), ErrorKind::Corrupt(_)), "{error:?}");
                    println!("a step has failed: {error}");
                    errors += 1;
                }
            }
            if log.needs_recovery()
                && let Ok(recovery) = log.recover_in_place()
            {
                assert!(recovery.next_seq >= next, "acknowledged records are gone");
                // Those of the step that failed may be there.
                next = recovery.next_seq;
            }
        }
    }
    println!("errors {errors}");
    match log.close() {
        Ok(()) => println!("closed"),
        Err(error) => println!("the close has failed: {error}"),
    }
}

/// Runs a role with an injection; what came of it and the folder. `None` where there is no `strace`.
fn inject(role: &str, call: &str, what: &str) -> Option<(Output, tempfile::TempDir)> {
    run("nothing", &[])?;
    let folder = folder();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:{what}")]).arg(std::env::current_exe().unwrap());
    as_helper(&mut command, role, folder.path());
    Some((command.output().unwrap(), folder))
}

/// How many records the role has called acknowledged. Its last line may be torn.
fn acknowledged(output: &Output) -> u64 {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let numbers = whole.lines().filter_map(|line| line.rsplit_once(ACKNOWLEDGED)?.1.parse().ok());
    numbers.max().unwrap_or(0)
}

/// Opens what is left, and goes on with it. How many records were there.
#[track_caller]
fn check(folder: &Path, acknowledged: u64, what: &str) -> u64 {
    let (mut log, recovery) = open(folder, &options(8, 16)).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (records, gaps) = read(&log).unwrap();
    assert!(gaps.is_empty(), "{what}: {gaps:?}");
    let there = u64::try_from(records.len()).unwrap();
    assert_eq!(recovery.next_seq, there, "{what}");
    assert!(there >= acknowledged, "{what}: {acknowledged} records were acknowledged, {there} are there");
    // A step has three records at most.
    assert!(there <= acknowledged + 3, "{what}: {there} records, but only {acknowledged} acknowledged");
    for (seq, data) in &records {
        assert!(*data == record(*seq), "{what}: record {seq} is wrong");
    }
    commit(&mut log, &[record(there)]).unwrap();
    log.close().unwrap();
    there
}

#[test]
fn killed_at_each_call() {
    let (mut kills, mut torn) = (0, 0);
    for call in CALLS {
        for number in 1..=MOST {
            let injection = format!("signal=SIGKILL:when={number}");
            let Some((output, folder)) = inject("append", call, &injection) else { return };
            if output.status.success() {
                break;
            }
            let what = format!("killed at {call} number {number}");
            let done = acknowledged(&output);
            let there = check(folder.path(), done, &what);
            kills += 1;
            torn += u64::from(there > done);
        }
    }
    println!("{kills} kills, {torn} of them left records that nobody had been told of");
    assert!(kills > 60, "{kills}");
}

/// Each of these calls fails once, or from then on for a while; the writer goes on by itself.
#[test]
fn calls_that_fail() {
    // A return value of zero: the call does nothing and says so, as a disk that takes not one byte.
    let faults = [
        ("pwritev2", "error=EIO"),
        ("pwritev2", "error=ENOSPC"),
        ("pwritev2", "retval=0"),
        ("pwritev", "error=EIO"),
        ("fdatasync", "error=EIO"),
        ("fdatasync", "error=ENOSPC"),
        ("fsync", "error=EIO"),
        ("fallocate", "error=ENOSPC"),
        ("fallocate", "error=EIO"),
        ("renameat2", "error=EIO"),
        ("preadv", "error=EIO"),
        ("openat", "error=EMFILE"),
    ];
    let (mut runs, mut met) = (0, 0);
    for (call, fault) in faults {
        // The test binary itself opens some files before it gets to the role.
        let first = if call == "openat" { 40 } else { 1 };
        for number in [1, 2, 3, 5, 8, 13] {
            let injection = format!("{fault}:when={}", number + first - 1);
            let Some((output, folder)) = inject("append whatever happens", call, &injection) else { return };
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let what = format!("{call} {injection}: {said}{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{what}");
            runs += 1;
            met += u64::from(said.contains(" has failed: "));
            check(folder.path(), acknowledged(&output), &what);
            assert!(said.contains(&format!("{ACKNOWLEDGED}4")), "it has not gone on: {what}");
        }
    }
    println!("{runs} runs, in {met} of them the writer was told of an error");
    assert!(met > 20, "{met}");
}
