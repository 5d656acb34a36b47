//! Files of other streams, of other times, and in the place of others.

use pstream_core::ErrorKind;

use crate::common::streams::{commit, read, record};
use crate::sim::{disk, files, headers, open, options, path, refused, rest, salvage, seal, write};

/// One that went on in either of two files with one index would find the other one at the next open.
#[test]
fn two_files_of_one_index() {
    let start = disk(31);
    write(&start, 0..14);
    for (file, bytes) in files(&start) {
        for name in [file.replace("-12", "-13"), file.replace("s.0", "s.").replace("-12", "-012")] {
            let twin = start.fork();
            twin.install(&name, &bytes).unwrap();
            refused(&twin, "PSTREAM_SEQUENCE_DUPLICATE", &name);
        }
    }
}

/// No writer makes one: believed by one open, it kept the next from opening.
#[test]
fn a_batch_that_calls_durable_what_lies_behind_it() {
    let disk = disk(32);
    let (mut log, _) = open(&disk, &options()).unwrap();
    commit(&mut log, &[record(0)]).unwrap();
    drop(log);
    rest(&disk);
    let (file, mut bytes) = files(&disk).pop().unwrap();
    let last = *headers(&bytes).last().unwrap();
    assert!(bytes[last..].starts_with(b"PST"));
    bytes[last + 24..last + 32].copy_from_slice(&20_000_u64.to_le_bytes());
    seal(&mut bytes, last);
    disk.install(&file, &bytes).unwrap();
    let before = files(&disk);
    let error = open(&disk, &options()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
    disk.settle();
    assert!(files(&disk) == before);
}

/// A file, or a block, of a stream with another id and the same records.
#[test]
fn of_another_stream() {
    let (ours, theirs) = (disk(33), disk(34));
    write(&ours, 0..30);
    write(&theirs, 0..30);
    let (mut found, mut read_as_gap) = (0, 0);
    for (number, ((file, bytes), (_, other))) in files(&ours).into_iter().zip(files(&theirs)).enumerate() {
        for block in 0..=bytes.len() / 4096 {
            let mut spliced = other.clone();
            if block < bytes.len() / 4096 {
                spliced = bytes.clone();
                spliced[block * 4096..][..4096].copy_from_slice(&other[block * 4096..][..4096]);
            }
            if spliced == bytes {
                continue;
            }
            let disk = ours.fork();
            disk.install(&file, &spliced).unwrap();
            let what = format!("block {block} of file {number}");
            match open(&disk, &options()) {
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{what}: {error}");
                    found += 1;
                }
                Ok((log, recovery)) => {
                    assert_eq!(recovery.next_seq, 30, "{what}");
                    match read(&log) {
                        Ok((records, gaps)) => {
                            assert!(records.iter().all(|(seq, data)| *data == record(*seq)), "{what}");
                            assert!(records.len() == 30 || !gaps.is_empty(), "{what}");
                            read_as_gap += usize::from(records.len() < 30);
                        }
                        Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{what}: {error}"),
                    }
                }
            }
        }
    }
    println!("another stream's: {found} found by the open, {read_as_gap} by who reads");
    assert!(found > 3 && read_as_gap > 3, "{found} {read_as_gap}");
}

/// A copy of a file that was made earlier, put back. Of a file that others follow it is found, by whoever reads it; of
/// the last one nothing is left that could tell.
#[test]
fn an_older_copy() {
    let disk = disk(35);
    write(&disk, 0..4);
    let older = files(&disk);
    write(&disk, 4..30);
    let newer = files(&disk);
    assert!(older.len() == 1 && newer.len() > 2, "{} {}", older.len(), newer.len());
    // Of the first file, with others behind it.
    let first = disk.fork();
    first.install(path(1), &older[0].1).unwrap();
    let (log, recovery) = open(&first, &options()).unwrap();
    assert_eq!(recovery.next_seq, 30);
    let (records, gaps) = read(&log).unwrap();
    assert_eq!((gaps.len(), gaps[0].start), (1, 4));
    assert_eq!(records.len() as u64, 30 - (gaps[0].end - gaps[0].start));
    assert!(records.iter().all(|(seq, data)| *data == record(*seq)));
    // Of the last one: what it held later is gone, and cannot be missed.
    let (last, bytes) = newer.last().unwrap().clone();
    write(&disk, 30..31);
    let later = files(&disk).pop().unwrap();
    assert!(later.0 == last && later.1 != bytes);
    disk.install(&last, &bytes).unwrap();
    assert_eq!(open(&disk, &options()).unwrap().1.next_seq, 30);
}

/// The last file is gone as if it had never been; one in the middle is missed.
#[test]
fn a_file_that_is_gone() {
    let start = disk(36);
    write(&start, 0..30);
    let count = files(&start).len() as u16;
    for index in 1..=count {
        let disk = start.fork();
        disk.io().remove_file(path(index).as_ref()).unwrap();
        rest(&disk);
        match open(&disk, &options()) {
            Ok((log, recovery)) => {
                assert!(index == 1 || index == count, "{index}");
                let (records, gaps) = read(&log).unwrap();
                assert!(gaps.is_empty() && recovery.oldest_seq == records.first().map(|(seq, _)| *seq));
                assert!(records.iter().all(|(seq, data)| *data == record(*seq)));
                assert_eq!(recovery.next_seq == 30, index == 1, "{index}");
            }
            Err(error) => {
                assert!(index != 1 && index != count, "{index}: {error}");
                assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{index}: {error}");
                assert!(error.to_string().contains("is missing"), "{error}");
            }
        }
    }
}

/// A write of another stream that went to the wrong place: by its copy of the file batch all of the file looked torn, and
/// was zeroed.
#[test]
fn the_first_sector_of_another_stream() {
    let (ours, theirs) = (disk(37), disk(38));
    write(&ours, 0..5);
    write(&theirs, 0..5);
    let (one, other) = (files(&ours), files(&theirs));
    assert!(one.len() == 1 && one[0].0 == other[0].0 && one[0].1 != other[0].1);
    for sector in [0, 4096] {
        let disk = ours.fork();
        disk.write_on_disk(path(1), sector, &other[0].1[sector as usize..][..4096]).unwrap();
        let before = files(&disk);
        let strict = disk.fork();
        let error = open(&strict, &options()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "sector at {sector}: {error}");
        strict.settle();
        assert!(files(&strict) == before, "sector at {sector}: something was changed");
        // What most of the file says is how a salvage goes on, in a file of its own.
        let (_, recovery) = open(&disk, &salvage()).unwrap();
        assert_eq!((recovery.next_seq, recovery.gaps.len()), (5, 1), "sector at {sector}");
        disk.settle();
        assert!(files(&disk)[0] == before[0], "sector at {sector}: a damaged file was written to");
    }
}
