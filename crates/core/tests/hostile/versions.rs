//! A later version of the format, with a right checksum, in each place that tells the version.

use pstream_core::ErrorKind;

use crate::common::streams::{read, record};
use crate::sim::{disk, files, headers, open, options, refused, rest, salvage, seal, write};

#[test]
fn in_the_last_file() {
    let start = disk(21);
    write(&start, 0..14);
    let (file, bytes) = files(&start).pop().unwrap();
    let mut refusals = 0;
    for at in headers(&bytes) {
        let mut newer = bytes.clone();
        newer[at + 3] = 2;
        seal(&mut newer, at);
        let disk = start.fork();
        disk.install(&file, &newer).unwrap();
        let what = format!("version 2 at {at}");
        match open(&disk.fork(), &options()) {
            Err(_) => {
                refused(&disk, "PSTREAM_UNSUPPORTED", &what);
                refusals += 1;
            }
            // A batch that the open has no need to look at; who reads it is told.
            Ok((log, _)) => {
                assert!(bytes[at..].starts_with(b"PST"), "{what}");
                let (records, gaps) = read(&log).unwrap();
                assert!(!gaps.is_empty() && records.iter().all(|(seq, data)| *data == record(*seq)), "{what}");
            }
        }
    }
    assert!(refusals >= 6, "{refusals}");
}

/// Where the next batch would be.
#[test]
fn behind_the_end() {
    let start = disk(22);
    write(&start, 0..9);
    let (file, mut bytes) = files(&start).pop().unwrap();
    let last = *headers(&bytes).last().unwrap();
    assert!(bytes[last..].starts_with(b"PST\x01") && bytes[last + 60] == 4, "the seal");
    let next = last + 64;
    bytes.copy_within(last..last + 64, next);
    bytes[next + 3] = 7;
    seal(&mut bytes, next);
    start.install(&file, &bytes).unwrap();
    refused(&start, "PSTREAM_UNSUPPORTED", "behind the end");
}

/// A file that was left long ago: the stream goes on, whoever reads that file is told, and it is not touched.
#[test]
fn in_a_file_that_was_left() {
    let start = disk(23);
    write(&start, 0..30);
    let (file, bytes) = files(&start).swap_remove(0);
    for at in headers(&bytes) {
        let mut newer = bytes.clone();
        newer[at + 3] = 2;
        seal(&mut newer, at);
        for options in [options(), salvage()] {
            let disk = start.fork();
            disk.install(&file, &newer).unwrap();
            let (log, recovery) = open(&disk, &options).unwrap();
            assert_eq!(recovery.next_seq, 30);
            match read(&log) {
                Ok((records, _)) => assert!(records.iter().all(|(seq, data)| *data == record(*seq)), "at {at}"),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Corrupt(_)), "at {at}: {error}");
                }
            }
            drop(log);
            rest(&disk);
            assert!(files(&disk).contains(&(file.clone(), newer.clone())), "at {at}");
        }
    }
}
