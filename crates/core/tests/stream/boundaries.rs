//! Where the promises end: what `docs/recovery.md` says is not survived, and that nothing worse happens there.

use pstream_core::ErrorKind;
use pstream_sim::{CallKind, Effect, Fault, Keep, SectorModel, SimDisk};

use crate::harness::{aligned, commit, commit_each, disk, open, open_with, options, path, record, rest, sized};
use crate::reader::read;

/// The cache of the last file stays, the power goes in the midst of the open: how many of the three records are there
/// then, for each of many cuts.
fn opens_cut(model: SectorModel) -> Vec<usize> {
    let start = disk(95);
    start.set_sector_model(model);
    let options = aligned(sized(16, 16));
    let (mut log, _) = open_with(&start.io(), &options).unwrap();
    for number in 0..3 {
        commit(&mut log, &[record(number, 3000)]);
    }
    start.process_crash();
    start.pin_cache(path(1), true).unwrap();
    let mut there = Vec::new();
    for nth in 1..60 {
        for seed in 0..40 {
            let disk = start.fork();
            disk.inject(Fault::new(Effect::StopAfter).nth(nth));
            drop(open_with(&disk.io(), &options));
            disk.power_cut(&Keep::Random(seed));
            disk.clear_faults();
            let (_, recovery) = open_with(&disk.io(), &options).unwrap();
            let records = read(&disk).unwrap().records();
            assert_eq!(recovery.next_seq, records.len() as u64);
            assert!(records.iter().zip(0..).all(|(data, number)| *data == record(number, 3000)));
            there.push(records.len());
        }
    }
    there
}

/// Rule 2, where the cache cannot be emptied: what no batch proves durable is written again, and a disk that garbles what
/// it rewrites may lose it, aligned or not. That is the last commit; what it calls durable is never written again.
#[test]
fn writing_again_on_a_disk_that_garbles_can_cost_the_last_commit() {
    assert!(opens_cut(SectorModel::PowerSafe).iter().all(|there| *there == 3), "only on the disk that garbles");
    let garbling = opens_cut(SectorModel::Garble);
    assert!(garbling.iter().all(|there| *there >= 2), "never more than the last one");
    let lost = garbling.iter().filter(|there| **there == 2).count();
    println!("{lost} of {} cuts lose the last commit", garbling.len());
    assert!(lost > 0, "then it is no boundary any more, and docs/recovery.md is to say so");
}

/// A folder's sync fails and then lies: of a release, or of an open behind a crash that left a new file's name unsynced.
/// Then both go on. The seq behind the last record that was acknowledged.
fn folder_lies(disk: &SimDisk, release: bool) -> u64 {
    let lie = || Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncDir).path(crate::harness::DIR);
    let (mut log, _) = open(disk);
    if release {
        disk.inject(lie());
        assert_eq!(*log.release_first().unwrap_err().kind(), ErrorKind::SyncFailed);
        log.recover_in_place().unwrap();
    } else {
        disk.inject(Fault::new(Effect::Stop).kind(CallKind::SyncDir));
        log.prepare_next().unwrap_err();
        disk.process_crash();
        disk.inject(lie());
        log = open(disk).0;
    }
    for _ in 0..2 {
        drop(log.release_first());
        commit(&mut log, &vec![record(31, 3000); 4]);
    }
    log.next_seq()
}

/// A folder cannot be evicted and read again. Any subset of what its failed sync covered may be lost in the end, whatever
/// later ones say: a file that comes back in front of a gap, or one that is gone in front of another, is found as
/// corruption. No record is ever wrong.
#[test]
fn a_folder_that_lies_can_cost_files() {
    let start = disk(96);
    let (mut log, _) = open_with(&start.io(), &options()).unwrap();
    commit_each(&mut log, 0..30, 3000);
    drop(log);
    rest(&start);
    let (mut whole, mut found, mut lost) = (0, 0, 0);
    for release in [false, true] {
        for seed in 0..200 {
            let disk = start.fork();
            let acknowledged = folder_lies(&disk, release);
            disk.power_cut(&if seed == 0 { Keep::None } else { Keep::any(seed) });
            match open_with(&disk.io(), &options()) {
                Ok((_, recovery)) => {
                    let contents = read(&disk).unwrap();
                    assert_eq!(recovery.next_seq, contents.start + contents.records().len() as u64);
                    let right = |(seq, data): (u64, &Vec<u8>)| seq >= 30 || *data == record(seq, 3000);
                    assert!((contents.start..).zip(&contents.records()).all(right));
                    if recovery.next_seq < acknowledged { lost += 1 } else { whole += 1 }
                }
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error:?}");
                    found += 1;
                }
            }
        }
    }
    println!("{whole} are whole, {found} found to be damaged, {lost} have lost the last file");
    assert!(whole > 0 && found > 0, "then it is no boundary any more, and docs/recovery.md is to say so");
    assert_eq!(lost, 0, "of these programs none loses a record without a word");
}
