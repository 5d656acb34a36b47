//! A reader that goes on as the stream grows, and when files are released behind it.

use pstream_core::ErrorKind;
use pstream_core::stream::read::{Reader, Snapshot, Start};

use crate::harness::{Op, Stream, apply, from, path};
use crate::oracle::Oracle;

/// A stream whose files lie on the disk from the start, as they will be, and become visible step by step.
struct Growing {
    stream: Stream,
    steps: Vec<(usize, u64, u64)>,
}

fn growing() -> Growing {
    let mut oracle = Oracle::new(6, 1, 12, 6);
    let mut steps = vec![(1, oracle.end(), 0)];
    for step in 0..40_usize {
        oracle.time += 1;
        let op = match step % 8 {
            3 => Op::Watermark,
            5 => Op::Append { sizes: vec![4000 + step], together: false, aligned: true },
            7 => Op::Fill { blocks: 1 },
            _ => Op::Append { sizes: vec![step, 2], together: false, aligned: false },
        };
        apply(&mut oracle, &op);
        steps.push((oracle.files.len(), oracle.end(), oracle.next_seq()));
    }
    assert!(oracle.files.len() > 4);
    Growing { stream: Stream::of(oracle), steps }
}

impl Growing {
    fn at(&self, step: usize, released: usize) -> Snapshot {
        let (files, end, next) = self.steps[step];
        let slots = self.stream.slots().drain(released.min(files - 1)..files).collect();
        self.stream.of_slots(slots, end, next)
    }
}

fn drain(growing: &Growing, reader: &mut Reader, next: &mut u64) {
    while let Some(batch) = reader.next_batch().unwrap() {
        for (seq, data) in batch.records() {
            assert_eq!((seq, data), (*next, &growing.stream.oracle.records[*next as usize].1[..]));
            *next += 1;
        }
    }
}

#[test]
fn it_goes_on_with_every_later_snapshot() {
    let growing = growing();
    for first in 0..growing.steps.len() {
        for start in [Start::Oldest, Start::End, Start::Seq(growing.steps[first].2 + 3)] {
            let mut next = match start {
                Start::Oldest => 0,
                Start::Seq(seq) => seq.min(growing.stream.oracle.next_seq()),
                _ => growing.steps[first].2,
            };
            let mut reader = growing.at(first, 0).read(from(start)).unwrap();
            for step in (first..growing.steps.len()).step_by(1 + first % 3) {
                reader.renew(growing.at(step, 0)).unwrap();
                // An older one changes nothing.
                reader.renew(growing.at(first, 0)).unwrap();
                drain(&growing, &mut reader, &mut next);
                assert_eq!(next, growing.steps[step].2.max(next));
            }
        }
    }
}

#[test]
fn files_that_are_released_behind_it_do_no_harm() {
    let growing = growing();
    let (mut reader, mut next) = (growing.at(0, 0).read(from(Start::Oldest)).unwrap(), 0);
    for step in 0..growing.steps.len() {
        // All files but the last one are gone.
        let released = growing.steps[step].0 - 1;
        let before = growing.steps[step.saturating_sub(1)].0 - 1;
        reader.renew(growing.at(step, before.min(released))).unwrap();
        drain(&growing, &mut reader, &mut next);
        assert_eq!(next, growing.steps[step].2);
    }
}

#[test]
fn one_that_fell_behind_is_told_so() {
    let growing = growing();
    let mut reader = growing.at(3, 0).read(from(Start::Oldest)).unwrap();
    let last = growing.steps.len() - 1;
    let oldest = growing.at(last, 3).oldest_seq().unwrap();
    assert_eq!(*reader.renew(growing.at(last, 3)).unwrap_err().kind(), ErrorKind::Trimmed(oldest));
    // The file that it is in, and the next one, are open; those behind are gone.
    for index in 1..=3 {
        growing.stream.disk.io().remove_file(path(index).as_ref()).unwrap();
    }
    let mut next = 0;
    drain(&growing, &mut reader, &mut next);
    assert_eq!(next, growing.steps[3].2);
    let mut reader = growing.at(last, 0).read(from(Start::Oldest)).unwrap();
    assert_eq!(reader.seq(), oldest, "the oldest record there is");
    assert_eq!(*growing.at(last, 0).get(0).unwrap_err().kind(), ErrorKind::Trimmed(oldest));
    let mut next = oldest;
    drain(&growing, &mut reader, &mut next);
    assert_eq!(next, growing.stream.oracle.next_seq());
}

/// Released while it reads: what is open is read to its end, and then it says what is left.
#[test]
fn files_that_are_released_under_a_reader() {
    let growing = growing();
    let last = growing.steps.len() - 1;
    let oracle = &growing.stream.oracle;
    let mut reader = growing.at(last, 0).read(from(Start::Oldest)).unwrap();
    let before = growing.stream.disk.open_handles();
    for index in 1..=4 {
        growing.stream.disk.io().remove_file(path(index).as_ref()).unwrap();
    }
    let mut next = 0;
    let error = loop {
        match reader.next_batch() {
            Ok(batch) => next += batch.expect("more").count,
            Err(error) => break error,
        }
    };
    assert_eq!((next, error.kind()), (oracle.files[1].seq, &ErrorKind::Trimmed(oracle.files[4].seq)));
    assert_eq!(before, 2, "the file that is read and the next one");
    drop(reader);
    assert_eq!(growing.stream.disk.open_handles(), 0);
}
