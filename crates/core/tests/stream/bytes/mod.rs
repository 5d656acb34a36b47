//! Every byte of a small stream: each bit flipped, sectors zeroed or garbled, every length, blocks swapped, replaced by
//! older versions of themselves or by another stream's, files swapped and duplicated. Each is found, or harmless, or what
//! `docs/recovery.md` names undecidable: never a wrong record, a panic, a hang, and nothing is written to a file that is
//! found to be damaged.

use pstream_core::ErrorKind;
use pstream_core::stream::{LogOptions, Mode};
use pstream_sim::Keep;

use crate::harness::{DIR, disk, open_with, options, path, rest};
use crate::reader::names;
use crate::rot::Place;
use harm::{Counts, Outcome, Small, check, kinds};

mod harm;

fn print(small: &Small, what: &str, counts: &Counts) {
    println!("{}: {what}: {counts:?}", small.name());
}

fn file(name: &str) -> String {
    format!("{DIR}/{name}")
}

/// All bits of what was written and of what is near it; behind that, among the zeros, one now and then.
fn flips(kind: (bool, bool)) {
    let small = Small::new(kind, 1);
    let mut counts = Counts::new();
    for name in names(&small.disk) {
        let bytes = small.disk.disk_bytes(file(&name), 0..u64::MAX).unwrap();
        for offset in 0..bytes.len() {
            let near = bytes[offset.saturating_sub(8)..(offset + 9).min(bytes.len())].iter().any(|byte| *byte != 0);
            // Of the bytes of a long record one bit each: to a checksum they are all alike.
            let fill = bytes[offset.saturating_sub(100)..(offset + 100).min(bytes.len())].iter().all(|byte| *byte != 0);
            let bits = match (near, fill) {
                (false, _) if offset % 61 != 0 => 0..0,
                (true, false) => 0..8,
                _ => offset as u32 % 8..offset as u32 % 8 + 1,
            };
            for bit in bits {
                let damaged = small.disk.fork();
                damaged.flip_bit(file(&name), offset as u64, bit).unwrap();
                let place = Place::new(&name, offset as u64..offset as u64 + 1);
                let outcome = check(&small, &damaged, &[place], &format!("bit {bit} of byte {offset} of {name}"));
                *counts.entry(outcome).or_default() += 1;
            }
        }
    }
    print(&small, "bits", &counts);
    let least = if small.sealed { 1500 } else { 500 };
    assert!(counts[&Outcome::Refused] > least && counts[&Outcome::MetByReaders] > 5000, "{counts:?}");
    assert_eq!(counts.contains_key(&Outcome::Undecidable), !small.sealed);
}

#[test]
fn every_bit_of_packed_commits_crashed() {
    flips(kinds()[0]);
}

#[test]
fn every_bit_of_packed_commits_sealed() {
    flips(kinds()[1]);
}

#[test]
fn every_bit_of_aligned_commits_crashed() {
    flips(kinds()[2]);
}

#[test]
fn every_bit_of_aligned_commits_sealed() {
    flips(kinds()[3]);
}

#[test]
fn every_sector_zeroed_or_garbled() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let mut counts = Counts::new();
        for name in names(&small.disk) {
            let len = small.disk.disk_len(file(&name)).unwrap();
            for size in [512, 4096] {
                for offset in (0..len).step_by(size) {
                    for garbled in [false, true] {
                        let damaged = small.disk.fork();
                        let range = offset..offset + size as u64;
                        if garbled {
                            damaged.garble_on_disk(file(&name), range.clone()).unwrap();
                        } else {
                            damaged.zero_on_disk(file(&name), range.clone()).unwrap();
                        }
                        let what = format!("{size} bytes at {offset} of {name}, noise: {garbled}");
                        let outcome = check(&small, &damaged, &[Place::new(&name, range)], &what);
                        *counts.entry(outcome).or_default() += 1;
                    }
                }
            }
        }
        print(&small, "sectors", &counts);
        let found = counts.get(&Outcome::Refused) > Some(&3) || kind == (false, false);
        assert!(found && counts[&Outcome::Harmless] > 20, "{counts:?}");
        assert_eq!(counts.contains_key(&Outcome::Undecidable), !small.sealed);
    }
}

/// A file that is cut shorter, at every length up to that of its headers and every eighth one behind it, or longer.
#[test]
fn every_length() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let mut counts = Counts::new();
        let files = names(&small.disk);
        for name in &files {
            let len = small.disk.disk_len(file(name)).unwrap();
            let longer = [1, 8, 511, 512, 4095, 4096, 8192, 1 << 20].map(|more| len + more);
            for cut in (0..300).chain((300..len).step_by(8)).chain(longer) {
                let damaged = small.disk.fork();
                damaged.set_len_on_disk(file(name), cut).unwrap();
                if cut > len && cut % 2 == 0 {
                    damaged.garble_on_disk(file(name), len..cut).unwrap();
                }
                let place = Place::new(name, cut.min(len)..u64::MAX);
                let outcome = check(&small, &damaged, &[place], &format!("{name} of {len} bytes has {cut}"));
                *counts.entry(outcome).or_default() += 1;
                assert!(outcome == Outcome::Refused || name != files.last().unwrap(), "{name} with {cut}: {outcome:?}");
            }
        }
        print(&small, "lengths", &counts);
        assert!(counts[&Outcome::Refused] > 1000 && !counts.contains_key(&Outcome::Undecidable), "{counts:?}");
    }
}

/// Each block in the place of each other one of both files, and both in each other's.
#[test]
fn every_block_swapped_or_replaced() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let mut counts = Counts::new();
        let block = |(name, at): &(String, u64)| small.disk.disk_bytes(file(name), *at..at + 4096).unwrap();
        let blocks: Vec<(String, u64)> = names(&small.disk)
            .into_iter()
            .flat_map(|name| {
                let len = small.disk.disk_len(file(&name)).unwrap();
                (0..len).step_by(4096).map(move |at| (name.clone(), at))
            })
            .collect();
        let place = |(name, at): &(String, u64)| Place::new(name, *at..at + 4096);
        for one in &blocks {
            for two in blocks.iter().filter(|two| *two != one) {
                let damaged = small.disk.fork();
                damaged.write_on_disk(file(&one.0), one.1, &block(two)).unwrap();
                let outcome = check(&small, &damaged, &[place(one)], &format!("{one:?} replaced by {two:?}"));
                *counts.entry(outcome).or_default() += 1;
                damaged.write_on_disk(file(&two.0), two.1, &block(one)).unwrap();
                let outcome =
                    check(&small, &damaged, &[place(one), place(two)], &format!("{one:?} and {two:?} swapped"));
                *counts.entry(outcome).or_default() += 1;
            }
        }
        print(&small, "blocks of its own", &counts);
        assert!(counts[&Outcome::Refused] >= 8 && counts[&Outcome::MetByReaders] > 10, "{counts:?}");
    }
}

/// Blocks and sectors as they were some commits ago, checksums and all.
#[test]
fn every_block_as_it_was() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let mut counts = Counts::new();
        for (commits, before) in small.before.iter().enumerate() {
            for name in names(before) {
                let len = small.disk.disk_len(file(&name)).unwrap();
                for size in [512, 4096] {
                    for at in (0..len).step_by(size) {
                        let range = at..at + size as u64;
                        let older = before.disk_bytes(file(&name), range.clone()).unwrap();
                        if older == small.disk.disk_bytes(file(&name), range.clone()).unwrap() {
                            continue;
                        }
                        let damaged = small.disk.fork();
                        damaged.write_on_disk(file(&name), at, &older).unwrap();
                        let what = format!("{size} bytes at {at} of {name} as after commit {commits}");
                        let outcome = check(&small, &damaged, &[Place::new(&name, range)], &what);
                        *counts.entry(outcome).or_default() += 1;
                    }
                }
            }
        }
        print(&small, "older versions", &counts);
        assert!(counts.values().sum::<u64>() > 10, "{counts:?}");
    }
}

/// Another stream, of the same records and of others: its blocks in the places of ours, behind ours, and whole files.
#[test]
fn everything_of_another_stream() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let mut counts = Counts::new();
        for other in kinds().map(|kind| Small::new(kind, 2)) {
            for (ours, theirs) in names(&small.disk).into_iter().zip(names(&other.disk)) {
                let len = small.disk.disk_len(file(&ours)).unwrap();
                let source = other.disk.disk_bytes(file(&theirs), 0..u64::MAX).unwrap();
                for to in (0..len).step_by(4096) {
                    for block in source.chunks(4096) {
                        let damaged = small.disk.fork();
                        damaged.write_on_disk(file(&ours), to, block).unwrap();
                        let place = Place::new(&ours, to..to + 4096);
                        let outcome = check(&small, &damaged, &[place], &format!("{to} of {ours} is another stream's"));
                        *counts.entry(outcome).or_default() += 1;
                    }
                }
                let damaged = small.disk.fork();
                damaged.install(file(&ours), &source).unwrap();
                let outcome =
                    check(&small, &damaged, &[Place::new(&ours, 0..len)], &format!("{ours} is another stream's"));
                *counts.entry(outcome).or_default() += 1;
            }
        }
        print(&small, "another stream's", &counts);
        assert!(counts[&Outcome::Refused] >= 8 && counts[&Outcome::MetByReaders] > 10, "{counts:?}");
    }
}

#[test]
fn files_swapped_and_duplicated() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let content = |index: u16| small.disk.disk_bytes(path(index), 0..u64::MAX).unwrap();
        let (one, two) = (content(1), content(2));
        let everything = [Place::new("s.0001-12", 0..u64::MAX), Place::new("s.0002-12", 0..u64::MAX)];
        let refused = |files: &[(u16, &[u8])], what: &str| {
            let damaged = small.disk.fork();
            for (index, bytes) in files {
                damaged.install(path(*index), bytes).unwrap();
            }
            assert_eq!(check(&small, &damaged, &everything, what), Outcome::Refused, "{what}");
        };
        refused(&[(1, &two), (2, &one)], "files swapped");
        refused(&[(3, &two)], "the last file twice");
        refused(&[(3, &one)], "the first file again");
        refused(&[(2, &one)], "the first file in the place of the last");
        // In front of the last file: for whoever reads it.
        for (index, bytes) in [(1, &two), (0, &one)] {
            let damaged = small.disk.fork();
            damaged.install(path(index), bytes).unwrap();
            let outcome = check(&small, &damaged, &everything, &format!("file {index}"));
            assert!(matches!(outcome, Outcome::MetByReaders | Outcome::Refused), "file {index}: {outcome:?}");
        }
    }
}

/// A file that is gone: in the middle it is found, whatever the mode it is opened in.
#[test]
fn a_missing_file_is_found() {
    let start = disk(31);
    let (mut log, _) = open_with(&start.io(), &options()).unwrap();
    crate::harness::commit_each(&mut log, 0..10, 6000);
    log.close().unwrap();
    drop(log);
    rest(&start);
    assert!(names(&start).len() > 2);
    let damaged = start.fork();
    let io = damaged.io();
    io.remove_file(path(2).as_ref()).unwrap();
    damaged.settle();
    damaged.power_cut(&Keep::All);
    let error = open_with(&damaged.io(), &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error:?}");
    let salvage = LogOptions { recovery: Mode::Salvage, ..options() };
    let (_, recovery) = open_with(&damaged.io(), &salvage).unwrap();
    assert_eq!((recovery.gaps.len(), recovery.next_seq), (1, 10));
}

/// What a later version has written is refused before anything is changed.
#[test]
fn a_later_version_is_not_touched() {
    for kind in kinds() {
        let small = Small::new(kind, 1);
        let last = file(names(&small.disk).last().unwrap());
        // The magic of the first block, of the first copy of the file batch, of the second, of a later block.
        for offset in [3, 51, 4096 + 51, 8192 + 3] {
            let newer = small.disk.fork();
            newer.write_on_disk(&last, offset, &[2]).unwrap();
            let before = newer.disk_bytes(&last, 0..u64::MAX).unwrap();
            for recovery in [Mode::Strict, Mode::Salvage] {
                let options = LogOptions { recovery, ..small.options.clone() };
                let error = open_with(&newer.io(), &options).unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::Unsupported, "at {offset}: {error}");
            }
            newer.settle();
            assert!(newer.disk_bytes(&last, 0..u64::MAX).unwrap() == before);
        }
    }
}
