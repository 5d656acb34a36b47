//! Crashes, processes, locks, rot, time, traces.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by panicking, in their helpers too"
)]

mod common;

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{PAGE, SECTOR, create, heads, in_cache, machine, on_disk, open, read, with_file, write, write_synced};
use pstream_core::io::{Durability, Io, OpenOptions, Residency};
use pstream_sim::{CallKind, Effect, Fault, Keep, ResidencyModel, SectorModel, SimDisk, is_dead};

fn p(path: &str) -> &Path {
    Path::new(path)
}

#[test]
fn strategies_keep_what_they_say() {
    let (disk, _io, file) = with_file(16 * SECTOR, 0);
    for sector in (0..16).rev() {
        write(&*file, sector * SECTOR as u64, &[1; SECTOR]);
    }
    let kept = |keep: Keep| heads(&in_cache(&disk.fork_after(&keep), "/f"));
    let count = |keep: Keep| common::count(&kept(keep), 1);
    assert_eq!(kept(Keep::First(2)), [[0; 14].as_slice(), &[1; 2]].concat(), "in the order of writing");
    assert_eq!(kept(Keep::Exactly(vec![false, true]))[14], 1);
    assert_eq!((count(Keep::None), count(Keep::All), count(Keep::First(99))), (0, 16, 16));
    let mut lengths = BTreeSet::new();
    for seed in 0..100 {
        let prefix = kept(Keep::Prefix(seed));
        assert!(prefix.is_sorted(), "{prefix:?}");
        lengths.insert(common::count(&prefix, 1));
        assert!((13..16).contains(&count(Keep::Holes(seed, 3))));
        assert_eq!(kept(Keep::Random(seed)), kept(Keep::Random(seed)));
    }
    assert_eq!(lengths.len(), 17);
    let random: BTreeSet<_> = (0..100).map(|seed| kept(Keep::Random(seed))).collect();
    assert!(random.len() > 80);
    let groups: BTreeSet<_> = (0..100).map(|seed| count(Keep::Groups(seed))).collect();
    assert!(groups.contains(&0) && groups.contains(&16) && groups.len() > 5);
}

#[test]
fn a_rewritten_sector_may_become_garbage_as_a_whole_page() {
    let (disk, _io, file) = with_file(2 * PAGE, 1);
    write(&*file, 3 * SECTOR as u64, &[2; SECTOR]);
    assert_eq!(disk.unsynced(), 1);
    disk.set_sector_model(SectorModel::Garble);
    assert_eq!(disk.unsynced(), 2);
    let garbled = in_cache(&disk.fork_after(&Keep::Mask(2)), "/f");
    for sector in garbled[..PAGE].chunks(SECTOR) {
        assert!(sector.iter().any(|byte| !matches!(byte, 1 | 2)));
    }
    assert_eq!(garbled[PAGE..], [1; PAGE]);
    assert_eq!(heads(&in_cache(&disk.fork_after(&Keep::All), "/f"))[..5], [1, 1, 1, 2, 1]);
    assert_eq!(in_cache(&disk.fork_after(&Keep::None), "/f"), [1; 2 * PAGE]);
    // A synced write is no longer in danger.
    write_synced(&*file, 3 * SECTOR as u64, &[2; SECTOR]);
    assert_eq!(disk.unsynced(), 0);
    // Nor is a page that never was on the disk, but in the hardest model.
    write(&*file, 2 * PAGE as u64, &[3; SECTOR]);
    let changes = disk.unsynced();
    disk.set_sector_model(SectorModel::GarbleAny);
    assert_eq!(disk.unsynced(), changes + 1);
}

#[test]
fn a_power_cut_kills_handles_locks_and_processes() {
    let (disk, io, file) = with_file(10, 1);
    let lock = io.open_lock(p("/lock"), Some(0o600)).unwrap();
    io.sync_dir(p("/")).unwrap();
    assert!(lock.try_lock().unwrap());
    let boot_id = io.identity().boot_id;
    disk.power_cut(&Keep::All);
    assert!(is_dead(&file.size().unwrap_err()) && is_dead(&lock.try_lock().unwrap_err()));
    assert!(is_dead(&io.metadata(p("/")).unwrap_err()));
    assert_eq!(disk.open_handles(), 0);
    let rebooted = disk.io();
    assert_ne!(rebooted.identity().boot_id, boot_id);
    assert!(rebooted.open_lock(p("/lock"), Some(0o600)).unwrap().try_lock().unwrap());
    // A handle from before that is dropped late takes nothing from the new ones.
    let again = rebooted.open_lock(p("/lock"), Some(0o600)).unwrap();
    assert!(again.try_lock().unwrap());
    drop(lock);
    assert!(!rebooted.open_lock(p("/lock"), Some(0o600)).unwrap().try_lock().unwrap());
    assert_eq!(read(&*open(&*rebooted, "/f"), 0, 99), [1; 10]);
}

#[test]
fn a_process_crash_keeps_cache_and_names() {
    let (disk, io, file) = with_file(PAGE, 1);
    write(&*file, 0, &[2; PAGE]);
    create(&*io, "/new");
    let unsynced = disk.unsynced();
    disk.process_crash();
    assert!(is_dead(&file.size().unwrap_err()) && is_dead(&io.metadata(p("/")).unwrap_err()));
    assert_eq!((disk.unsynced(), disk.names("/").unwrap().len()), (unsynced, 2));
    assert_eq!(read(&*open(&*disk.io(), "/f"), 0, PAGE), [2; PAGE]);
    assert_eq!(disk.fork_after(&Keep::None).names("/").unwrap(), ["f"]);
}

#[test]
fn locks_conflict_within_a_process_and_between_two() {
    let (disk, io) = machine();
    let other = disk.as_process(2);
    let other_io = other.io();
    let first = io.open_lock(p("/lock"), Some(0o600)).unwrap();
    let second = io.open_lock(p("/lock"), Some(0o600)).unwrap();
    let third = other_io.open_lock(p("/lock"), Some(0o600)).unwrap();
    assert!(first.try_lock().unwrap() && first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap() && !third.try_lock().unwrap());
    drop(second);
    assert!(!third.try_lock().unwrap(), "the lock went with a handle that did not have it");
    drop(first);
    assert!(third.try_lock().unwrap());
    assert_eq!((io.process_alive(2), io.identity().pid == other_io.identity().pid), (Some(true), false));
    other.process_crash();
    assert_eq!((io.process_alive(2), io.process_alive(3)), (Some(false), Some(false)));
    let fourth = io.open_lock(p("/lock"), Some(0o600)).unwrap();
    assert!(fourth.try_lock().unwrap());
    drop(third);
    assert!(!io.open_lock(p("/lock"), Some(0o600)).unwrap().try_lock().unwrap());
    // A new file under the name is another lock.
    io.remove_file(p("/lock")).unwrap();
    assert!(!fourth.is_at(p("/lock")).unwrap());
    let fifth = io.open_lock(p("/lock"), Some(0o600)).unwrap();
    assert!(fifth.is_at(p("/lock")).unwrap() && fifth.try_lock().unwrap());
}

#[test]
fn forks_are_independent() {
    let (disk, _io, file) = with_file(PAGE, 1);
    write(&*file, 0, &[2; SECTOR]);
    let fork = disk.fork();
    write(&*file, 0, &[3; SECTOR]);
    file.sync_all().unwrap();
    assert_eq!((in_cache(&fork, "/f")[0], on_disk(&fork, "/f")[0]), (2, 1));
    fork.power_cut(&Keep::None);
    let in_fork = open(&*fork.io(), "/f");
    write_synced(&*in_fork, 0, &[4; SECTOR]);
    fork.io().remove_file(p("/f")).unwrap();
    assert_eq!((in_cache(&disk, "/f")[0], on_disk(&disk, "/f")[0]), (3, 3));
    assert_eq!((disk.names("/").unwrap().len(), fork.names("/").unwrap().len()), (1, 0));
}

#[test]
fn rot_is_on_the_disk_and_drops_the_cache() {
    let (disk, _io, file) = with_file(4 * SECTOR, 1);
    disk.flip_bit("/f", 5, 7).unwrap();
    disk.zero_on_disk("/f", 512..1024).unwrap();
    disk.garble_on_disk("/f", 1024..1536).unwrap();
    disk.write_on_disk("/f", 1600, b"abc").unwrap();
    let bytes = read(&*file, 0, PAGE);
    assert_eq!(bytes, on_disk(&disk, "/f"));
    assert_eq!((bytes[4], bytes[5], bytes[511], bytes[512], bytes[1023]), (1, 0x81, 1, 0, 0));
    assert!(common::count(&bytes[1024..1536], 1) < 20);
    assert_eq!(bytes[1599..1604], *b"\x01abc\x01");
    disk.set_len_on_disk("/f", 600).unwrap();
    assert_eq!(file.size().unwrap(), 600);
    disk.set_len_on_disk("/f", 1024).unwrap();
    assert_eq!(read(&*file, 600, 999), [0; 424]);
    assert_eq!(disk.unsynced(), 0);
    assert_eq!(disk.sectors_on_disk("/f").unwrap().concat(), on_disk(&disk, "/f"));
}

#[test]
fn rot_beside_unsynced_sectors_leaves_them_alone() {
    let (disk, _io, file) = with_file(4 * SECTOR, 1);
    write(&*file, 0, &[2; SECTOR]);
    disk.zero_on_disk("/f", 0..2 * SECTOR as u64).unwrap();
    assert_eq!(heads(&read(&*file, 0, 4 * SECTOR)), [2, 0, 1, 1]);
    disk.power_cut(&Keep::All);
    assert_eq!(heads(&in_cache(&disk, "/f")), [2, 0, 1, 1]);
}

#[test]
fn a_sector_can_go_back_to_an_older_version() {
    let (disk, io) = machine();
    disk.set_history(true);
    let file = create(&*io, "/f");
    io.sync_dir(p("/")).unwrap();
    for byte in 1..4 {
        write_synced(&*file, 0, &[byte; 2 * SECTOR]);
    }
    assert!(disk.revert_sector("/f", 600, 2).unwrap());
    assert_eq!(heads(&read(&*file, 0, PAGE)), [3, 1]);
    assert!(!disk.revert_sector("/f", 600, 9).unwrap() && !disk.revert_sector("/f", 9999, 1).unwrap());
    assert_eq!(disk.unsynced(), 0);
}

#[test]
fn files_can_be_brought_from_elsewhere() {
    let (disk, io) = machine();
    disk.install("/f", &[1; 5000]).unwrap();
    disk.install("/f", &[2; 700]).unwrap();
    disk.power_cut(&Keep::None);
    assert_eq!(in_cache(&disk, "/f"), [2; 700]);
    assert!(is_dead(&io.metadata(p("/f")).unwrap_err()));
}

#[test]
fn notes_are_replaced_and_neither_durable_nor_atomic() {
    let (disk, io) = machine();
    io.write_note(p("/note"), 0o600, b"a long first note").unwrap();
    io.write_note(p("/note"), 0o600, b"second").unwrap();
    assert_eq!(io.read_note(p("/note"), 99).unwrap(), b"second");
    assert_eq!(io.read_note(p("/note"), 3).unwrap(), b"sec");
    let left: BTreeSet<Option<Vec<u8>>> = (0..1 << disk.unsynced())
        .map(|mask| disk.fork_after(&Keep::Mask(mask)).cached_bytes("/note", 0..99).ok())
        .collect();
    for possible in [None, Some(Vec::new()), Some(b"second".to_vec()), Some(b"a long first note".to_vec())] {
        assert!(left.contains(&possible), "{possible:?}");
    }
}

#[test]
fn settle_makes_everything_durable() {
    let (disk, io) = machine();
    io.create_dir(p("/d")).unwrap();
    let file = create(&*io, "/d/f");
    file.reserve(PAGE as u64).unwrap();
    write(&*file, 0, &[1; 10]);
    disk.settle();
    assert_eq!(disk.unsynced(), 0);
    disk.power_cut(&Keep::None);
    assert_eq!(in_cache(&disk, "/d/f").len(), PAGE);
}

#[test]
fn residency_can_be_unknown() {
    let (disk, _io, file) = with_file(PAGE, 1);
    disk.set_residency(ResidencyModel::Unknown);
    assert_eq!(file.residency(0..1).unwrap(), Residency::Unknown);
    disk.set_residency(ResidencyModel::InMemory);
    assert_eq!(file.residency(0..1).unwrap(), Residency::InMemory);
}

#[test]
fn the_clock_moves_when_it_is_told_to() {
    let (disk, io) = machine();
    let before = io.now();
    assert_eq!(io.now(), before);
    io.sleep(Duration::from_millis(50));
    assert_eq!(io.now(), before + Duration::from_millis(50));
    disk.set_now(Duration::from_secs(5));
    assert_eq!(disk.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
}

#[test]
fn the_trace_tells_what_happened() {
    let (disk, io, file) = with_file(PAGE, 1);
    let before = disk.call_count();
    disk.record(true);
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::SyncData));
    write(&*file, 7, &[2; 5]);
    file.sync_data().unwrap_err();
    io.metadata(p("/none")).unwrap_err();
    let trace = disk.trace();
    assert_eq!(
        trace.iter().map(|entry| entry.kind).collect::<Vec<_>>(),
        [CallKind::Write, CallKind::SyncData, CallKind::Metadata]
    );
    assert_eq!((trace[0].number, trace[0].offset, trace[0].len), (before + 1, 7, 5));
    assert_eq!(trace[0].name, "f");
    assert_eq!((trace[0].error.is_none(), trace[1].fault.is_some(), trace[2].error.is_some()), (true, true, true));
    assert!(disk.trace_text().contains("Write f 7+5"));
    disk.record(false);
    assert!(disk.trace().is_empty());
    assert_eq!(disk.call_count(), before + 3);
}

/// Something of everything that chance has a hand in.
fn story(seed: u64) -> (String, Vec<u8>) {
    let disk = SimDisk::new(seed);
    disk.set_sector_model(SectorModel::Garble);
    disk.record(true);
    disk.inject(Fault::new(Effect::Torn(std::io::ErrorKind::Other)).chance(200_000));
    disk.inject(Fault::new(Effect::ShortAnywhere).chance(200_000));
    let io: std::sync::Arc<dyn Io> = disk.io();
    let file = create(&*io, "/f");
    io.sync_dir(p("/")).unwrap();
    for round in 0..50_u8 {
        let at = u64::from(round) * 700 % 9000;
        let _ = common::try_write(&*file, at, &[round; 1500], Durability::Cached);
        if round == 25 {
            file.sync_data().unwrap();
        }
    }
    disk.power_cut(&Keep::any(seed));
    (disk.trace_text(), in_cache(&disk, "/f"))
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    for seed in 0..20 {
        assert_eq!(story(seed), story(seed));
    }
    assert_ne!(story(1), story(2));
}

/// Two disks hold the same if, and only if, names and bytes are the same, on the disk and in the cache.
#[test]
fn a_fingerprint_tells_what_the_disk_holds() {
    let disk = |seed: u64, byte: u8| {
        let disk = SimDisk::new(seed);
        let io = disk.io();
        let file = io.create(Path::new("/a"), 0o600, OpenOptions::default()).unwrap();
        file.write_at(&[IoSlice::new(&[byte; 5000])], 0, Durability::Cached).unwrap();
        disk.settle();
        (disk, file)
    };
    let of = |disk: &SimDisk| disk.fingerprint("/", |_| true).unwrap();
    let ((one, file), (two, _)) = (disk(1, 7), disk(2, 7));
    assert_eq!(of(&one), of(&two));
    assert_ne!(of(&one), of(&disk(1, 8).0));
    assert_ne!(of(&one), one.fingerprint("/", |name| name != "a").unwrap());
    // Only in the cache, and only until the power goes.
    file.write_at(&[IoSlice::new(&[1])], 4999, Durability::Cached).unwrap();
    assert_ne!(of(&one), of(&two));
    one.power_cut(&Keep::None);
    assert_eq!(of(&one), of(&two));
    two.install("/b", b"").unwrap();
    assert_ne!(of(&one), of(&two));
}
