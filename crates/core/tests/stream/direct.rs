//! Commits that go past the page cache, among others that do not.

use pstream_core::stream::{Level, LogOptions, PendingKind};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

use crate::harness::{aligned, commit, commit_as, direct, disk, open_with, record, sized, write};
use crate::reader::read;

fn writes(disk: &SimDisk) -> Vec<(CallKind, u64, u64)> {
    use CallKind::{Read, SyncData, Write, WriteDirect, WriteDirectSynced, WriteSynced};
    let is_asked = |kind| matches!(kind, Read | SyncData | Write | WriteDirect | WriteDirectSynced | WriteSynced);
    disk.trace().iter().filter(|call| is_asked(call.kind)).map(|call| (call.kind, call.offset, call.len)).collect()
}

fn check(disk: &SimDisk, options: &LogOptions, count: u64, what: &str) {
    let after = disk.fork_after(&Keep::None);
    let (log, recovery) = open_with(&after.io(), options).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(recovery.next_seq, count, "{what}");
    drop(log);
    let records = read(&after).unwrap().records();
    assert_eq!(records.len() as u64, count, "{what}");
    let is_right = |(number, bytes): (u64, &Vec<u8>)| *bytes == record(number, bytes.len());
    assert!((0..).zip(&records).all(is_right), "{what}");
}

/// Small and large commits in any order, each with a power cut behind it that keeps nothing of what is unsynced.
#[test]
fn commits_of_all_sizes_take_turns() {
    for options in [direct(sized(64, 64)), aligned(direct(sized(64, 64))), direct(sized(8, 16))] {
        let disk = disk(1);
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        let lens = [10, 5000, 6000, 20, 4033, 9000, 3, 15_000, 12_000, 30, 40, 3999, 4048 * 2 - 70, 1, 20_000, 7];
        for (number, len) in (0..).zip(lens) {
            commit(&mut log, &[record(number, len)]);
            check(&disk, &options, number + 1, &format!("behind {len} bytes"));
        }
    }
}

/// The sector that the last one ends in is written again with what it holds, which nobody has to read for that.
#[test]
fn what_it_writes_again_is_remembered() {
    let disk = disk(2);
    let options = direct(sized(64, 64));
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    commit(&mut log, &[record(0, 100)]);
    disk.record(true);
    commit(&mut log, &[record(1, 5000)]);
    commit(&mut log, &[record(2, 5000)]);
    let calls = writes(&disk);
    let kinds: Vec<_> = calls.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [CallKind::Read, CallKind::WriteDirectSynced, CallKind::WriteDirectSynced], "{calls:?}");
    let [(_, read_at, read), (_, first, first_len), (_, second, second_len)] = calls[..] else { unreachable!() };
    assert_eq!((read_at, read < 4096), (first, true));
    assert_eq!([first, first_len, second, second_len].map(|place| place % 4096), [0; 4]);
    assert_eq!(second, first + first_len - 4096, "the last sector of one is the first one of the next");
    check(&disk, &options, 3, "two in a row");
}

/// Rule 3 holds past the page cache, too: what is written and not synced is made durable by a sync of the file.
#[test]
fn behind_written_records_it_goes_through_the_cache() {
    let disk = disk(3);
    let options = direct(sized(64, 64));
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    write(&mut log, &[record(0, 6000)]);
    disk.record(true);
    commit(&mut log, &[record(1, 6000)]);
    let kinds: Vec<_> = writes(&disk).iter().map(|(kind, ..)| *kind).collect();
    // And a watermark (rule 13).
    assert_eq!(kinds, [CallKind::Write, CallKind::SyncData, CallKind::WriteSynced]);
    check(&disk, &options, 2, "behind written ones");
}

/// A commit over several files is durable in each before the next one enters use.
#[test]
fn over_several_files() {
    let disk = disk(4);
    let options = direct(sized(8, 8));
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    let records: Vec<Vec<u8>> = (0..30).map(|number| record(number, 3000)).collect();
    disk.record(true);
    commit(&mut log, &records);
    let direct = writes(&disk).iter().filter(|(kind, ..)| *kind == CallKind::WriteDirect).count();
    assert!(direct > 10, "{}", disk.trace_text());
    check(&disk, &options, 30, "several files");
}

/// Rule 9: whatever of it failed, the writer goes through recovery before it goes on.
#[test]
fn a_failure_sends_the_writer_through_recovery() {
    use CallKind::{SyncData, WriteDirect, WriteDirectSynced};
    let torn = || Effect::Torn(std::io::ErrorKind::Other);
    let failures = [
        (5000, WriteDirectSynced, Effect::EIO, 1),
        (5000, WriteDirectSynced, torn(), 1),
        (5000, WriteDirectSynced, Effect::FAIL_SYNC, 1),
        (40_000, WriteDirect, torn(), 1),
        (40_000, WriteDirect, Effect::EIO, 3),
        (40_000, SyncData, Effect::FAIL_SYNC, 1),
    ];
    for (len, kind, effect, nth) in failures {
        let disk = disk(5);
        let options = direct(sized(64, 64));
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        commit(&mut log, &[record(0, 9000)]);
        disk.inject(Fault::new(effect.clone()).kind(kind).nth(nth));
        let error = commit_as(&mut log, PendingKind::Records, &[record(1, len)], Level::Durable).unwrap_err();
        let what = format!("{kind:?} {nth} {effect:?}: {error}");
        assert!(log.needs_recovery(), "{what}");
        let next = log.recover_in_place().unwrap().next_seq;
        assert!(next == 1 || next == 2, "{what}: {next}");
        commit(&mut log, &[record(next, 6000)]);
        check(&disk, &options, next + 1, &what);
    }
}

/// What is appended while somebody follows stays in the page cache for him; a recovery forgets it.
#[test]
fn not_while_somebody_follows() {
    let disk = disk(9);
    let options = direct(sized(64, 64));
    let (mut log, _) = open_with(&disk.io(), &options).unwrap();
    let kinds = |log: &mut pstream_core::stream::Log, number: u64| {
        disk.record(true);
        commit(log, &[record(number, 5000)]);
        let kinds: Vec<_> =
            writes(&disk).iter().map(|(kind, ..)| *kind).filter(|kind| *kind != CallKind::Read).collect();
        check(&disk, &options, number + 1, "followed or not");
        kinds
    };
    assert_eq!(kinds(&mut log, 0), [CallKind::WriteDirectSynced]);
    log.set_followed(true);
    assert_eq!(kinds(&mut log, 1), [CallKind::WriteSynced]);
    log.set_followed(false);
    assert_eq!(kinds(&mut log, 2), [CallKind::WriteDirectSynced]);
    log.set_followed(true);
    log.recover_in_place().unwrap();
    assert_eq!(kinds(&mut log, 3), [CallKind::WriteDirectSynced]);
}
