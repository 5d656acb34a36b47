//! Records of no byte, of as many as there may be, and of one more.

use std::sync::mpsc::channel;
use std::time::Duration;

use pstream_core::ErrorKind;
use pstream_core::format::batch::push_record;
use pstream_core::stream::{Append, Group, GroupOptions, Level, Log, LogOptions, PendingKind, Refused, Settled};

use crate::common::streams::{commit, commit_as, options as sized, read};
use crate::sim::{disk, open, rest};

fn settings() -> [LogOptions; 3] {
    let packed = sized(8, 16);
    let aligned = LogOptions { aligned: true, ..packed.clone() };
    // Where the length of a record takes one byte more from one size to the next.
    let short = LogOptions { aligned: true, ..sized(5, 5) };
    [packed, aligned, short]
}

fn bytes(len: u64) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(result: pstream_core::Result<T>, log: &Log, next: u64) {
    let error = result.expect_err("it does not fit");
    assert_eq!(*error.kind(), ErrorKind::Capacity, "{error}");
    let most = log.options().max_record_bytes().unwrap();
    assert!(error.to_string().contains(&format!("maxRecordBytes is {most}")), "{error}");
    assert!(log.next_seq() == next && !log.needs_recovery(), "nothing of it was taken");
}

#[test]
fn one_record() {
    for options in settings() {
        let disk = disk(1);
        let (mut log, _) = open(&disk, &options).unwrap();
        let most = options.max_record_bytes().unwrap();
        let lens = [0, 0, most, 0, most - 1, most, 1];
        for (next, len) in (0..).zip(lens) {
            for longer in [1, 2, 63, 64, 65, 4096, 1 << 20] {
                is_refused(commit(&mut log, &[bytes(most + longer)]), &log, next);
            }
            assert_eq!(commit(&mut log, &[bytes(len)]).unwrap(), next);
        }
        log.close().unwrap();
        drop(log);
        rest(&disk);
        let (log, recovery) = open(&disk, &options).unwrap();
        assert_eq!(recovery.next_seq, lens.len() as u64);
        let (records, gaps) = read(&log).unwrap();
        assert!(gaps.is_empty());
        assert!(records.iter().map(|(_, data)| data).eq(&lens.map(bytes)));
    }
}

/// As many records together as fit, and one byte more; and as many as there may be of no byte.
#[test]
fn records_that_belong_together() {
    for options in settings() {
        let disk = disk(2);
        let (mut log, _) = open(&disk, &options).unwrap();
        let most = options.max_record_bytes().unwrap();
        // With its length the largest record takes what two of half of that take with theirs.
        let prefix = |len: u64| {
            if len < 128 {
                1
            } else if len < 16_384 {
                2
            } else {
                3
            }
        };
        let payload = most + prefix(most);
        let half = payload / 2 - 2;
        let rest = payload - half - prefix(half);
        let other = (rest - 3..rest).rev().find(|len| len + prefix(*len) == rest).unwrap();
        let fits = [bytes(half), bytes(other)];
        let exceeds = [bytes(half), bytes(other + 1)];
        // What does not fit into the smallest multiple of eight behind the payload, either.
        let far = [bytes(half), bytes(other + 9)];
        is_refused(commit_as(&mut log, PendingKind::Together, &far, Level::Durable), &log, 0);
        if commit_as(&mut log, PendingKind::Together, &exceeds, Level::Durable).is_err() {
            assert!(log.next_seq() == 0 && !log.needs_recovery());
        } else {
            assert_eq!(log.next_seq(), 2, "the padding is free");
        }
        let next = log.next_seq();
        assert_eq!(commit_as(&mut log, PendingKind::Together, &fits, Level::Durable).unwrap(), next);
        let none = vec![Vec::new(); payload as usize];
        assert_eq!(commit_as(&mut log, PendingKind::Together, &none, Level::Durable).unwrap(), next + 2);
        let more = vec![Vec::new(); payload as usize + 9];
        is_refused(commit_as(&mut log, PendingKind::Together, &more, Level::Durable), &log, next + 2 + payload);
        assert_eq!(commit_as(&mut log, PendingKind::Together, &[], Level::Durable).unwrap(), next + 2 + payload);
        assert_eq!(commit(&mut log, &[bytes(3)]).unwrap(), next + 2 + payload);
        let (records, _) = read(&log).unwrap();
        assert_eq!(records.len() as u64, next + 3 + payload);
    }
}

/// What can never be committed is refused at once: it would take those with it that are committed together with it.
#[test]
fn nobody_elses_append_fails() {
    let disk = disk(3);
    let options = sized(8, 16);
    let most = options.max_record_bytes().unwrap();
    let (log, _) = open(&disk, &options).unwrap();
    let (sender, receiver) = channel();
    let group_options = GroupOptions { commit_delay: Duration::from_millis(50), ..GroupOptions::default() };
    let listener = Box::new(move |settled: Settled| drop(sender.send(settled)));
    let group = Group::start(log, group_options, listener).unwrap();
    let append = |kind, lens: &[u64]| {
        let mut payload = Vec::new();
        for len in lens {
            push_record(&bytes(*len), &mut payload);
        }
        group.append(Append { kind, payload: Box::new(payload), count: lens.len() as u32, level: Level::Durable })
    };
    append(PendingKind::Records, &[5]).unwrap();
    for (kind, lens) in [
        (PendingKind::Records, vec![most + 1]),
        (PendingKind::Records, vec![10, most + 9, 10]),
        (PendingKind::Together, vec![most, 8]),
        (PendingKind::Together, vec![most + 20]),
    ] {
        match append(kind, &lens) {
            Err(Refused::Never(error)) => assert_eq!(*error.kind(), ErrorKind::Capacity),
            other => panic!("{lens:?}: {other:?}"),
        }
    }
    append(PendingKind::Records, &[most, 10, most]).unwrap();
    let mut taken = 0;
    while taken < 2 {
        match receiver.recv_timeout(Duration::from_secs(10)).unwrap() {
            Settled::Committed { tickets, .. } => taken += tickets.end - tickets.start,
            Settled::Failed { error, .. } => panic!("{error}"),
        }
    }
    group.close().unwrap();
}
