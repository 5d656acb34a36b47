//! A file system that turns read-only: a clear error, and nothing lost.

use std::fs;
use std::path::Path;

use pstream_core::ErrorKind;
use pstream_core::stream::LogOptions;

use crate::common::streams::{commit, holds, open, options, record};
use crate::mounts::{KINDS, play as on, shell};

fn small() -> LogOptions {
    options(64, 128)
}

fn records(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(record).collect()
}

#[test]
fn remounted_between_two_opens() {
    for kind in KINDS.iter().take(3) {
        on(kind, "", "remounted");
    }
}

pub fn remounted(folder: &Path) {
    let mut log = open(folder, &small()).unwrap().0;
    for record in records(10) {
        commit(&mut log, &[record]).unwrap();
    }
    log.close().unwrap();
    drop(log);
    shell("mount -o remount,ro \"$1\"", folder);
    let error = open(folder, &small()).unwrap_err();
    println!("seen: opening on a read-only file system: {} ({error})", error.code());
    assert_eq!(*error.kind(), ErrorKind::Io, "{error:?}");
    let os = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    assert_eq!(os.map(std::io::Error::kind), Some(std::io::ErrorKind::ReadOnlyFilesystem), "{error:?}");
    assert!(error.path().is_some(), "{error:?}");
    shell("mount -o remount,rw \"$1\"", folder);
    let (mut log, recovery) = open(folder, &small()).unwrap();
    assert_eq!(recovery.next_seq, 10);
    commit(&mut log, &[record(10)]).unwrap();
    holds(&log, &records(11));
    log.close().unwrap();
}

/// ext4 stops by itself at an error of its own, under a stream that is being written.
#[test]
fn stopped_in_the_middle() {
    on(&KINDS[0], ",errors=remount-ro", "shut down");
}

pub fn shut_down(folder: &Path) {
    let mut log = open(folder, &small()).unwrap().0;
    for record in records(10) {
        commit(&mut log, &[record]).unwrap();
    }
    let device = fs::read_to_string("/proc/self/mounts").unwrap();
    let device = device.lines().find(|line| line.split(' ').nth(1) == folder.to_str()).unwrap();
    let device = device.split(' ').next().unwrap().trim_start_matches("/dev/").to_owned();
    let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
    if fs::write(&trigger, "pstream").is_err() {
        println!("seen: nothing, {trigger} cannot be written to");
        return;
    }
    for _ in 0..3 {
        let error = if log.needs_recovery() {
            log.recover_in_place().map(drop).unwrap_err()
        } else {
            commit(&mut log, &[record(10)]).unwrap_err()
        };
        println!("seen: on a file system that has stopped: {} ({error})", error.code());
        assert!(matches!(error.kind(), ErrorKind::SyncFailed | ErrorKind::Io), "{error:?}");
    }
    drop(log);
    assert!(open(folder, &small()).is_err());
    // What an administrator does: checks it, mounts it again.
    let command = "umount \"$1\"; e2fsck -fy \"$1/../image\" >&2; mount -o loop \"$1/../image\" \"$1\"";
    shell(command, folder);
    let (mut log, recovery) = open(folder, &small()).unwrap();
    assert!((10..=11).contains(&recovery.next_seq), "{recovery:?}");
    for number in recovery.next_seq..20 {
        commit(&mut log, &[record(number)]).unwrap();
    }
    holds(&log, &records(20));
    log.close().unwrap();
}
