//! The fourteen rules of the protocol, each with the story that it prevents.
//!
//! Each test was seen failing with its rule taken out: `scripts/mutants.mjs rule` takes them out one by one. Where a rule
//! is kept by what lies below, the test takes it away itself, by a fault.

use pstream_core::ErrorKind;
use pstream_core::format::batch::HEADER_LEN;
use pstream_core::stream::{Level, LogOptions, Pending, PendingKind, Previous};
use pstream_sim::{CallKind, Effect, Fault, Keep, ResidencyModel, SimDisk};

use crate::harness::{
    aligned, commit, commit_as, commit_each, disk, open, open_with, options, path, payload, record, rest, sized, write,
};
use crate::reader::read;

fn is_corrupt(disk: &SimDisk, options: &LogOptions) -> bool {
    match open_with(&disk.io(), options) {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::Corrupt(_)),
    }
}

/// A file offset in a file of 4 KiB blocks.
fn file_offset(at: u64) -> u64 {
    at / 4048 * 4096 + 48 + at % 4048
}

/// One file of blocks of 16 KiB.
fn large_blocks() -> LogOptions {
    LogOptions { block_size: 16384, ..sized(32, 64) }
}

/// The next file was prepared, an append went to the file before it, kill: an open that synced only the last file showed
/// the append, a power cut dropped it, and that was false corruption.
#[test]
fn rule_01_sync_and_read_from_the_highest_file_down() {
    for lose_sync in [false, true] {
        let disk = disk(61);
        let (mut log, _) = open(&disk);
        log.prepare_next().unwrap();
        write(&mut log, &[record(0, 5000)]);
        disk.process_crash();
        if lose_sync {
            disk.inject(Fault::new(Effect::LoseSync).kind(CallKind::SyncData).path(path(1)).every());
        }
        disk.record(true);
        let (log, recovery) = open(&disk);
        assert_eq!((recovery.next_seq, recovery.leftovers.len()), (1, 1));
        let trace = disk.trace();
        let first = |kind: CallKind, index: u16| {
            let name = format!("s.{index:04x}-12");
            trace.iter().position(|call| call.kind == kind && call.name == name).unwrap()
        };
        for index in [1, 2] {
            assert!(first(CallKind::SyncData, index) < first(CallKind::Evict, index));
            assert!(first(CallKind::Evict, index) < first(CallKind::Read, index));
        }
        assert!(first(CallKind::Read, 2) < first(CallKind::SyncData, 1), "from the highest down");
        drop(log);
        disk.clear_faults();
        disk.power_cut(&Keep::None);
        let kept = open_with(&disk.io(), &options()).is_ok_and(|(_, recovery)| recovery.next_seq == 1);
        assert_eq!(kept, !lose_sync, "without its sync it is false corruption");
    }
}

/// A sync failed; after a reopen the second sync said yes; the cache showed bytes that the disk had lost.
#[test]
fn rule_02_sync_evict_check_then_read() {
    for (pinned, residency) in [
        (false, ResidencyModel::Counted),
        (true, ResidencyModel::Counted),
        (true, ResidencyModel::Unknown),
        (false, ResidencyModel::Unknown),
    ] {
        for options in [options(), aligned(options())] {
            let disk = disk(62);
            disk.set_residency(residency);
            let (mut log, _) = open_with(&disk.io(), &options).unwrap();
            commit(&mut log, &[record(0, 100)]);
            write(&mut log, &[record(1, 5000)]);
            disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
            log.flush().unwrap_err();
            disk.process_crash();
            disk.pin_cache(path(1), pinned).unwrap();
            let (mut log, recovery) = open_with(&disk.io(), &options).unwrap();
            // Written again where the cache could not be emptied, gone where it could.
            assert_eq!(recovery.next_seq, if pinned { 2 } else { 1 });
            commit(&mut log, &[record(2, 30)]);
            drop(log);
            disk.power_cut(&Keep::None);
            let (_, again) = open_with(&disk.io(), &options).unwrap();
            assert_eq!(again.next_seq, recovery.next_seq + 1, "later appends stood on nothing");
            assert_eq!(read(&disk).unwrap().records().len() as u64, again.next_seq);
        }
    }
}

/// What an open shows is durable even if all else that it has to do must wait.
#[test]
fn rule_02_holds_for_a_postponed_open() {
    let disk = disk(83);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    write(&mut log, &[record(1, 3000)]);
    write(&mut log, &[record(2, 5000)]);
    let torn = read(&disk).unwrap().batches[2].clone();
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    log.flush().unwrap_err();
    disk.process_crash();
    disk.pin_cache(path(1), true).unwrap();
    // The last record is torn, in the cache.
    let file = disk.io().open(path(1).as_ref(), pstream_core::io::OpenOptions::default()).unwrap();
    let byte = [std::io::IoSlice::new(b"?")];
    file.write_at(&byte, file_offset(torn.at + 2000), pstream_core::Durability::Cached).unwrap();
    drop(file);
    disk.set_capacity(Some(disk.used()));
    let (log, recovery) = open(&disk);
    assert_eq!((recovery.next_seq, recovery.postponed), (2, true));
    drop(log);
    disk.power_cut(&Keep::None);
    disk.set_capacity(None);
    assert_eq!(open(&disk).1.next_seq, 2);
}

/// Also what makes a file one in use may be in the cache alone.
#[test]
fn rule_02_holds_for_the_file_batch() {
    let disk = disk(63);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..6, 3000);
    log.prepare_next().unwrap();
    let next = log.snapshot(Level::Durable).unwrap().files().len() as u16 + 1;
    disk.inject(
        Fault::new(Effect::FAIL_SYNC)
            .kind(CallKind::SyncData)
            .when(move |call| call.path.file_name().is_some_and(|name| name == "alloc.tmp")),
    );
    let large = vec![record(6, 3000); 6];
    commit_as(&mut log, PendingKind::Records, &large, Level::Durable).unwrap_err();
    disk.process_crash();
    disk.pin_cache(path(next), true).unwrap();
    let (mut log, recovery) = open(&disk);
    commit(&mut log, &[record(50, 9)]);
    drop(log);
    disk.power_cut(&Keep::None);
    assert_eq!(open(&disk).1.next_seq, recovery.next_seq + 1);
}

/// A synced write covers its own range only.
#[test]
fn rule_03_a_durable_commit_behind_written_ones_syncs_the_file() {
    let disk = disk(64);
    let (mut log, _) = open(&disk);
    write(&mut log, &[record(0, 5000)]);
    assert_eq!(log.durable().seq, 0);
    let committed = commit(&mut log, &[record(1, 10)]);
    assert_eq!(committed.durable.seq, 2);
    drop(log);
    disk.power_cut(&Keep::None);
    assert_eq!(open(&disk).1.next_seq, 2);
    // No batch ever calls more durable than was.
    let contents = read(&disk).unwrap();
    let claims: Vec<u64> = contents.batches.iter().map(|batch| batch.header.durable_upto).collect();
    assert_eq!(claims[..2], [4152, 4152]);
}

/// One rotten sector made a file look merely prepared, and all of it vanished.
#[test]
fn rule_04_a_file_enters_use_by_two_copies() {
    for offset in [0, 4096] {
        for options in [options(), large_blocks(), aligned(large_blocks())] {
            let disk = disk(65);
            let (mut log, _) = open_with(&disk.io(), &options).unwrap();
            commit_each(&mut log, 0..5, 5000);
            log.close().unwrap();
            drop(log);
            rest(&disk);
            let name = crate::reader::names(&disk).pop().unwrap();
            let file = format!("/d/{name}");
            let before = disk.disk_bytes(&file, offset..offset + 200).unwrap();
            // In the second sector records may follow.
            let len = if offset == 0 || options.block_size == 4096 { 152 } else { 104 };
            disk.garble_on_disk(&file, offset..offset + len as u64).unwrap();
            let (_, recovery) = open_with(&disk.io(), &options).unwrap();
            assert_eq!((recovery.next_seq, recovery.previous), (5, Previous::Closed));
            assert_eq!(read(&disk).unwrap().records().len(), 5);
            disk.power_cut(&Keep::None);
            let after = disk.disk_bytes(&file, offset..offset + 200).unwrap();
            assert_eq!(after[..len], before[..len], "the copy was not written again");
        }
    }
}

/// Written together with its first batch, a vanished batch came back under the same epoch.
#[test]
fn rule_04_as_a_commit_of_its_own() {
    let disk = disk(66);
    let (mut log, _) = open(&disk);
    commit_each(&mut log, 0..5, 3000);
    log.prepare_next().unwrap();
    disk.record(true);
    write(&mut log, &[record(5, 4000)]);
    write(&mut log, &[record(6, 9000)]);
    let trace = disk.trace();
    let kinds: Vec<(CallKind, u64)> = trace
        .iter()
        .filter(|call| matches!(call.kind, CallKind::Write | CallKind::WriteSynced | CallKind::SyncData))
        .map(|call| (call.kind, call.offset))
        .collect();
    let batch = kinds.iter().position(|call| *call == (CallKind::Write, 0)).expect("a rollover");
    assert_eq!(kinds[batch - 1].0, CallKind::SyncData, "everything before it is durable first: {kinds:?}");
    assert_eq!(kinds[batch + 1], (CallKind::Write, 4096));
    assert_eq!(kinds[batch + 2].0, CallKind::SyncData, "before the first batch behind it");
    assert!(kinds[batch + 3].1 >= 4096);
}

#[test]
fn rule_04_no_file_in_use_but_content_is_corrupt() {
    let stream = |seed| {
        let disk = disk(seed);
        let (mut log, _) = open(&disk);
        commit(&mut log, &[record(0, 5000)]);
        log.prepare_next().unwrap();
        log.close().unwrap();
        drop(log);
        rest(&disk);
        disk
    };
    let gone = stream(67);
    gone.zero_on_disk(path(1), 0..8192).unwrap();
    assert!(is_corrupt(&gone, &options()), "never a new stream");
    let prepared = stream(68);
    prepared.write_on_disk(path(2), 20_000, &[1]).unwrap();
    assert!(is_corrupt(&prepared, &options()), "a prepared file that is not all zeros");
    // What a crash has left of a file batch is no content.
    let torn = stream(69);
    torn.write_on_disk(path(2), 40, &[1; 60]).unwrap();
    torn.write_on_disk(path(2), 4096, &[1; 100]).unwrap();
    let (mut log, recovery) = open(&torn);
    assert_eq!(recovery.next_seq, 1);
    commit_each(&mut log, 1..12, 3000);
    assert_eq!(read(&torn).unwrap().records().len(), 12);
    // Nothing in use, and the first file is gone.
    let late = stream(70);
    late.io().remove_file(path(1).as_ref()).unwrap();
    late.settle();
    assert!(is_corrupt(&late, &options()));
}

/// Rot in front of a watermark in the same block: an acknowledged record was trimmed as torn.
#[test]
fn rule_05_evidence_is_searched_everywhere() {
    let disk = disk(71);
    let (mut log, _) = open_with(&disk.io(), &large_blocks()).unwrap();
    commit(&mut log, &[record(0, 300)]);
    assert!(log.watermark().unwrap());
    drop(log);
    rest(&disk);
    let name = crate::reader::names(&disk).pop().unwrap();
    let batch = read(&disk).unwrap().batches[0].clone();
    disk.flip_bit(format!("/d/{name}"), 48 + batch.at + 70, 1).unwrap();
    let error = open_with(&disk.io(), &large_blocks()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error:?}");
    assert_eq!((error.position(), error.seq(), error.block()), (Some(batch.at), Some(0), Some(0)));
    assert!(error.path().unwrap().ends_with(name));
}

/// Records that hold headers of the stream itself are no evidence.
#[test]
fn rule_05_payload_is_no_evidence() {
    let disk = disk(72);
    let (mut log, _) = open(&disk);
    for _ in 0..3 {
        commit(&mut log, &[record(0, 300)]);
        log.watermark().unwrap();
    }
    let bytes = disk.disk_bytes(path(1), 4096..4 * 4096).unwrap();
    let hostile: Vec<u8> = bytes.chunks(8).flat_map(|_| bytes.iter().copied().take(HEADER_LEN)).take(6000).collect();
    write(&mut log, &[bytes[..8000].to_vec()]);
    write(&mut log, &[hostile]);
    drop(log);
    rest(&disk);
    let files = crate::reader::names(&disk);
    let last = read(&disk).unwrap().batches.last().unwrap().clone();
    let file = format!("/d/{}", files.last().unwrap());
    disk.flip_bit(&file, file_offset(last.at + 65), 0).unwrap();
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.next_seq, recovery.torn.is_some()), (4, true));
}

/// Batches that end where blocks do, and commits that are padded.
#[test]
fn rule_06_the_next_batch_is_found() {
    // A record of so many bytes makes a batch that ends exactly at the end of a block.
    for around in [0, 8, 16, 24, 32] {
        for aligned_commits in [false, true] {
            let disk = disk(73);
            let options = if aligned_commits { aligned(sized(16, 16)) } else { sized(16, 16) };
            let (mut log, _) = open_with(&disk.io(), &options).unwrap();
            let start = if aligned_commits { 2 * 4048 } else { 4152 };
            let len = 4 * 4048 - start - HEADER_LEN - 2 + around - 16;
            commit(&mut log, &[record(0, len)]);
            commit(&mut log, &[record(1, 40)]);
            commit(&mut log, &[record(2, 4048 - 66)]);
            commit(&mut log, &[record(3, 40)]);
            drop(log);
            disk.power_cut(&Keep::None);
            let (_, recovery) = open_with(&disk.io(), &options).unwrap();
            assert_eq!((recovery.next_seq, recovery.torn), (4, None), "{around} {aligned_commits}");
            let contents = read(&disk).unwrap();
            assert_eq!(contents.records().len(), 4);
            // What is durable ends with a batch, never with padding.
            for pair in contents.batches.windows(2) {
                let end = pair[0].header.position + pair[0].header.total_len();
                assert_eq!(pair[1].header.durable_upto, end);
            }
        }
    }
}

/// A sector reverts to what it held before its batch vanished, right where a later batch ends, with the next seq: it does
/// not name that one.
#[test]
fn rule_06_a_batch_names_the_one_before_it() {
    let disk = disk(84);
    let (mut log, _) = open(&disk);
    commit(&mut log, &[record(0, 100)]);
    write(&mut log, &[record(1, 6000)]);
    write(&mut log, &[record(2, 3000)]);
    drop(log);
    rest(&disk);
    let stale = read(&disk).unwrap().batches[2].clone();
    let range = file_offset(stale.at)..file_offset(stale.at + stale.header.total_len());
    let bytes = disk.disk_bytes(path(1), range.clone()).unwrap();
    // The first of the two is lost, and with it the second.
    disk.zero_on_disk(path(1), 4096 + 1024..8192).unwrap();
    let (mut log, recovery) = open(&disk);
    assert_eq!(recovery.next_seq, 1);
    let watermark = read(&disk).unwrap().batches[1].clone();
    let room = stale.at - watermark.at - 2 * HEADER_LEN as u64 - 2;
    commit(&mut log, &[record(3, room as usize)]);
    drop(log);
    rest(&disk);
    let contents = read(&disk).unwrap();
    assert_eq!(contents.batches[2].at + contents.batches[2].header.total_len(), stale.at);
    disk.write_on_disk(path(1), range.start, &bytes).unwrap();
    let (_, recovery) = open(&disk);
    assert_eq!((recovery.next_seq, recovery.torn.is_some()), (2, true), "what vanished came back");
}

/// Three batches under one sync, the first one's sector lost: the search landed on the third, and the hole stayed inside.
#[test]
fn rule_07_verified_forward_from_what_was_durable() {
    for level in [Level::Written, Level::Durable] {
        let disk = disk(74);
        let options = sized(16, 16);
        let (mut log, _) = open_with(&disk.io(), &options).unwrap();
        commit(&mut log, &[record(0, 100)]);
        let payloads: Vec<Vec<u8>> = (1..4).map(|number| payload(&[record(number, 5000)])).collect();
        let batches: Vec<Pending<'_>> =
            payloads.iter().map(|payload| Pending { kind: PendingKind::Records, payload, count: 1 }).collect();
        log.commit(&batches, level).unwrap();
        drop(log);
        rest(&disk);
        let first = read(&disk).unwrap().batches[1].clone();
        disk.zero_on_disk(
            path(1),
            file_offset(first.at + 200) / 512 * 512..file_offset(first.at + 200) / 512 * 512 + 512,
        )
        .unwrap();
        // Nothing says whether the commit was acknowledged: torn.
        let (_, recovery) = open_with(&disk.io(), &options).unwrap();
        assert_eq!((recovery.next_seq, recovery.torn.is_some()), (1, true));
        assert_eq!(read(&disk).unwrap().records().len(), 1);
    }
}
