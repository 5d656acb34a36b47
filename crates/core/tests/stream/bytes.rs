//! Every byte of a small stream: bits flipped, sectors zeroed, lengths changed, blocks swapped or replaced, another
//! stream's file in the place of ours. Each is found, or harmless: never a wrong record, a panic, a hang.

use pstream_core::ErrorKind;
use pstream_core::stream::{Log, LogOptions, Mode, Recovery};
use pstream_sim::{Keep, SimDisk};

use crate::harness::{DIR, aligned, commit, disk, open_with, options, path, record, rest};
use crate::reader::{names, read_damaged};

/// Three files, the last one with several commits, sealed or not.
fn stream(options: &LogOptions, sealed: bool) -> (SimDisk, Vec<Vec<u8>>) {
    let disk = disk(31);
    disk.set_history(true);
    let (mut log, _) = open_with(&disk.io(), options).unwrap();
    let lens = [6000, 5000, 6000, 9000, 8000, 3000, 300, 40, 3000, 700];
    let records: Vec<Vec<u8>> = lens.iter().zip(0..).map(|(len, number)| record(number, *len)).collect();
    for record in &records {
        commit(&mut log, std::slice::from_ref(record));
    }
    if sealed {
        log.close().unwrap();
    }
    drop(log);
    rest(&disk);
    assert!(names(&disk).len() > 1);
    (disk, records)
}

/// What an open of damaged bytes may do.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    /// None of the records.
    None,
    /// What the seal or a later file proves is kept; the last commit of an unsealed one may look torn.
    Tail,
}

fn open_damaged(disk: &SimDisk, options: &LogOptions) -> pstream_core::Result<(Log, Recovery)> {
    open_with(&disk.io(), options)
}

/// Says whether the damage was found.
fn check(disk: &SimDisk, options: &LogOptions, records: &[Vec<u8>], loss: Loss, what: &str) -> bool {
    match open_damaged(disk, options) {
        Err(error) => {
            let known = matches!(
                error.kind(),
                ErrorKind::Corrupt(_) | ErrorKind::Unsupported | ErrorKind::InvalidFile | ErrorKind::SequenceBadName(_)
            );
            assert!(known, "{what}: {error:?}");
            true
        }
        Ok((mut log, recovery)) => {
            // A reader may meet damage in what was passed over long ago; then it says so.
            let Ok(contents) = read_damaged(disk) else { return true };
            let there = contents.records();
            let end = contents.start as usize + there.len();
            for (seq, record) in there.iter().enumerate() {
                let seq = contents.start as usize + seq;
                assert!(records.get(seq) == Some(record), "{what}: wrong record {seq}");
            }
            if loss == Loss::None && end < records.len() {
                // Not silently: the last file is whole, the break is further in front, where a reader meets it.
                assert_eq!(recovery.next_seq, records.len() as u64, "{what}: records were trimmed silently");
                return true;
            }
            assert!(end + 2 >= records.len() || recovery.next_seq == records.len() as u64, "{what}: lost too much");
            commit(&mut log, &[record(77, 50)]);
            false
        }
    }
}

fn settings() -> [LogOptions; 2] {
    [options(), aligned(options())]
}

#[test]
fn every_flipped_bit() {
    for options in settings() {
        for sealed in [true, false] {
            let (start, records) = stream(&options, sealed);
            let loss = if sealed { Loss::None } else { Loss::Tail };
            let (mut found, mut harmless) = (0, 0);
            let files = names(&start);
            for name in &files {
                let file = format!("{DIR}/{name}");
                let bytes = start.disk_bytes(&file, 0..u64::MAX).unwrap();
                let last = name == files.last().unwrap();
                // All bits of the headers, one of each other byte of the last file, some of the others.
                let step = if last { 1 } else { 61 };
                for offset in (0..bytes.len() as u64).step_by(step) {
                    if bytes[offset as usize] == 0 && offset % 97 != 0 {
                        continue;
                    }
                    let damaged = start.fork();
                    damaged.flip_bit(&file, offset, (offset % 8) as u32).unwrap();
                    let what = format!("sealed {sealed}: bit {} of byte {offset} of {name}", offset % 8);
                    if check(&damaged, &options, &records, loss, &what) {
                        found += 1;
                    } else {
                        harmless += 1;
                    }
                }
            }
            println!("sealed {sealed}: {found} found, {harmless} harmless");
            assert!(found > if sealed { 4000 } else { 400 }, "{found}");
        }
    }
}

#[test]
fn every_sector_zeroed_or_garbled_and_every_length() {
    for options in settings() {
        for sealed in [true, false] {
            let (start, records) = stream(&options, sealed);
            let loss = if sealed { Loss::None } else { Loss::Tail };
            let files = names(&start);
            for name in &files {
                let file = format!("{DIR}/{name}");
                let len = start.disk_len(&file).unwrap();
                for size in [512, 4096] {
                    for offset in (0..len).step_by(size) {
                        for garbled in [false, true] {
                            let damaged = start.fork();
                            let range = offset..offset + size as u64;
                            if garbled {
                                damaged.garble_on_disk(&file, range).unwrap();
                            } else {
                                damaged.zero_on_disk(&file, range).unwrap();
                            }
                            let what = format!("sealed {sealed}: {size} bytes at {offset} of {name}, noise: {garbled}");
                            check(&damaged, &options, &records, loss, &what);
                        }
                    }
                }
                for cut in (0..len).step_by(1024) {
                    let damaged = start.fork();
                    damaged.set_len_on_disk(&file, cut).unwrap();
                    let what = format!("{name} cut to {cut}");
                    let found = check(&damaged, &options, &records, loss, &what);
                    assert!(found || name != files.last().unwrap(), "{what}: not found");
                }
            }
        }
    }
}

#[test]
fn blocks_swapped_replaced_and_files_of_others() {
    let options = options();
    let (start, records) = stream(&options, true);
    let (other, _) = stream(&options, true);
    let files = names(&start);
    let file = format!("{DIR}/{}", files.last().unwrap());
    let len = start.disk_len(&file).unwrap();
    let block = |disk: &SimDisk, file: &str, at: u64| disk.disk_bytes(file, at..at + 4096).unwrap();
    for one in (0..len).step_by(4096) {
        for two in (0..len).step_by(4096).filter(|two| *two != one) {
            let damaged = start.fork();
            damaged.write_on_disk(&file, one, &block(&start, &file, two)).unwrap();
            check(&damaged, &options, &records, Loss::None, &format!("block {one} replaced by {two}"));
            let damaged = start.fork();
            damaged.write_on_disk(&file, one, &block(&start, &file, two)).unwrap();
            damaged.write_on_disk(&file, two, &block(&start, &file, one)).unwrap();
            // Two damaged sectors, the seal in one of them: nothing else proves that the last commits were there.
            check(&damaged, &options, &records, Loss::Tail, &format!("blocks {one} and {two} swapped"));
        }
        let damaged = start.fork();
        damaged.write_on_disk(&file, one, &block(&other, &file, one)).unwrap();
        check(&damaged, &options, &records, Loss::None, &format!("block {one} of another stream"));
    }
    let whole = other.disk_bytes(&file, 0..len).unwrap();
    let damaged = start.fork();
    damaged.write_on_disk(&file, 0, &whole).unwrap();
    check(&damaged, &options, &records, Loss::None, "the last file is another stream's");
}

/// A sector that holds what it held some writes ago, checksums and all.
#[test]
fn every_sector_reverted() {
    for options in settings() {
        for sealed in [true, false] {
            let (start, records) = stream(&options, sealed);
            let loss = if sealed { Loss::None } else { Loss::Tail };
            let mut reverted = 0;
            for name in names(&start) {
                let file = format!("{DIR}/{name}");
                for offset in (0..start.disk_len(&file).unwrap()).step_by(512) {
                    for steps in 1..4 {
                        let damaged = start.fork();
                        if damaged.revert_sector(&file, offset, steps).unwrap() {
                            reverted += 1;
                            let what = format!("sealed {sealed}: sector at {offset} of {name}, {steps} writes ago");
                            check(&damaged, &options, &records, loss, &what);
                        }
                    }
                }
            }
            assert!(reverted > 20, "{reverted}");
        }
    }
}

/// A file that is gone: in the middle it is found, whatever the mode it is opened in.
#[test]
fn a_missing_file_is_found() {
    let options = options();
    let (start, _) = stream(&options, true);
    let damaged = start.fork();
    let io = damaged.io();
    io.remove_file(path(2).as_ref()).unwrap();
    damaged.settle();
    damaged.power_cut(&Keep::All);
    let error = open_with(&damaged.io(), &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error:?}");
    let salvage = LogOptions { recovery: Mode::Salvage, ..options };
    let (_, recovery) = open_with(&damaged.io(), &salvage).unwrap();
    assert_eq!((recovery.gaps.len(), recovery.next_seq), (1, 10));
}

/// What a later version has written is refused before anything is changed.
#[test]
fn a_later_version_is_not_touched() {
    for sealed in [true, false] {
        let (start, _) = stream(&options(), sealed);
        let file = format!("{DIR}/{}", names(&start).last().unwrap());
        // The magic of the first block, of the first copy of the file batch, of the second, of a later block.
        for offset in [3, 51, 4096 + 51, 8192 + 3] {
            let newer = start.fork();
            newer.write_on_disk(&file, offset, &[2]).unwrap();
            let before = newer.disk_bytes(&file, 0..u64::MAX).unwrap();
            let error = open_with(&newer.io(), &options()).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "at {offset}: {error}");
            newer.settle();
            assert!(newer.disk_bytes(&file, 0..u64::MAX).unwrap() == before);
            let salvage = LogOptions { recovery: Mode::Salvage, ..options() };
            assert_eq!(*open_with(&newer.io(), &salvage).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}
