//! Every bit flipped, every sector zeroed, blocks swapped, older, or of another stream: an error, a gap, or harmless,
//! and never a wrong record. A gap is no wider than it must be.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use pstream_core::format::StreamId;
use pstream_core::stream::Mark;
use pstream_core::stream::read::{ReadOptions, Slot, Snapshot, Start};
use pstream_core::{CachePolicy, ErrorKind};
use pstream_sim::SimDisk;

use crate::harness::{
    Op, Stream, apply, assert_dense, assert_true, from, ops, path, read, read_with_gaps, sampler, search, verify,
};
use crate::oracle::Oracle;

/// Whatever happened to the disk, what is given is true, and damage is told. The seqs that are lost.
fn check(stream: &Stream, snapshot: &Snapshot, what: &str) -> Vec<u64> {
    let oracle = &stream.oracle;
    let (records, gaps) = read_with_gaps(snapshot, Start::Oldest);
    let lost = assert_dense(oracle, &records, &gaps);
    let (strict, error) = read(snapshot, ReadOptions::default());
    assert_true(oracle, &strict);
    match error {
        None => assert!(gaps.is_empty() && strict.len() as u64 == oracle.next_seq(), "{what}"),
        Some(seqs) => {
            assert_eq!(strict.len() as u64, seqs.start, "{what}");
            assert_eq!(gaps.first(), Some(&seqs), "{what}");
        }
    }
    lost
}

fn check_seeks(stream: &Stream, snapshot: &Snapshot, lost: &[u64], what: &str) {
    let oracle = &stream.oracle;
    for seq in 0..oracle.next_seq() {
        match snapshot.get(seq) {
            Ok(record) => assert!(record.is_some_and(|record| record.data == oracle.records[seq as usize].1), "{what}"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt(_)));
                assert!(
                    lost.contains(&seq) && error.seqs().unwrap().contains(&seq),
                    "{what}: get {seq} of {lost:?}: {error}, {:?}",
                    error.seqs()
                );
            }
        }
        let (records, gaps) = read_with_gaps(snapshot, Start::Seq(seq));
        assert_true(oracle, &records);
        let read: BTreeSet<u64> = records.iter().map(|record| record.0).collect();
        let gone: BTreeSet<u64> = gaps.iter().cloned().flatten().collect();
        assert!((seq..oracle.next_seq()).all(|seq| read.contains(&seq) != gone.contains(&seq)), "{what}, from {seq}");
        assert!(gone.iter().all(|seq| lost.contains(seq)), "{what}, from {seq}: {gaps:?}, lost {lost:?}");
        let time = oracle.records[seq as usize].0;
        assert_true(oracle, &read_with_gaps(snapshot, Start::Time(time)).0);
        let found = search(snapshot, |at, data| {
            assert_eq!(data, oracle.records[at as usize].1);
            at < seq
        });
        match found {
            Ok(found) => assert_eq!(found, seq, "{what}"),
            Err(error) => assert!(!lost.is_empty() && matches!(error.kind(), ErrorKind::Corrupt(_)), "{what}: {error}"),
        }
    }
}

#[test]
fn every_bit() {
    let stream = Stream::of(sampler(77));
    let (mut flips, mut reported) = (0_u64, 0_u64);
    for file in &stream.oracle.files {
        let used = file.offset(file.at - 1) + 200;
        for offset in 0..used {
            for bit in 0..8 {
                stream.disk.flip_bit(path(file.index), offset, bit).unwrap();
                let what = format!("bit {bit} of byte {offset} of file {:#x}", file.index);
                let snapshot = stream.snapshot();
                let lost = check(&stream, &snapshot, &what);
                // No more is lost than the records of the batch that was hit.
                let hit = file.batch_at(offset).map_or(0..0, |batch| batch.seq..batch.seq + batch.count);
                assert!(lost.iter().all(|seq| hit.contains(seq)), "{what}: lost {lost:?} of {hit:?}");
                if bit == (offset % 8) as u32 && offset % 16 < 2 {
                    check_seeks(&stream, &snapshot, &lost, &what);
                }
                let report = verify(&snapshot);
                assert_eq!(report.records, stream.oracle.next_seq() - lost.len() as u64, "{what}");
                // Whatever was written is covered, but for padding.
                let head = offset % file.block() < 48 && offset / file.block() * file.data() < file.at;
                let batch = file.batch_at(offset).is_some_and(|batch| {
                    let padding = file.offset(batch.at + batch.len - 1) + 1 - batch.padding;
                    offset < padding
                });
                assert_eq!(report.ok(), !head && !batch, "{what}");
                (flips, reported) = (flips + 1, reported + u64::from(!report.ok()));
                stream.disk.flip_bit(path(file.index), offset, bit).unwrap();
            }
        }
    }
    assert!(flips > 100_000 && reported > 80_000, "{flips}, {reported}");
}

#[test]
fn every_sector() {
    let stream = Stream::of(sampler(78));
    let mut lost_any = 0;
    for file in &stream.oracle.files {
        for size in [512, 4096] {
            for start in (0..file.bytes.len() as u64).step_by(size as usize) {
                for noise in [false, true] {
                    let before = stream.disk.disk_bytes(path(file.index), start..start + size).unwrap();
                    if noise {
                        stream.disk.garble_on_disk(path(file.index), start..start + size).unwrap();
                    } else {
                        stream.disk.zero_on_disk(path(file.index), start..start + size).unwrap();
                    }
                    let what = format!("{size} bytes at {start} of file {:#x}", file.index);
                    let snapshot = stream.snapshot();
                    let lost = check(&stream, &snapshot, &what);
                    check_seeks(&stream, &snapshot, &lost, &what);
                    lost_any += lost.len();
                    stream.disk.write_on_disk(path(file.index), start, &before).unwrap();
                }
            }
        }
    }
    assert!(lost_any > 0);
    assert_eq!(check(&stream, &stream.snapshot(), "healed"), []);
}

#[test]
fn blocks_in_the_place_of_others() {
    let stream = Stream::of(sampler(79));
    // Of the same shape and length, in another stream; and with the same id, by a writer that went another way.
    let mut others = vec![sampler(80)];
    let mut other = Oracle::new(79, 0xffff, 12, 6);
    for op in [
        Op::Append { sizes: vec![9, 9, 9], together: false, aligned: false },
        Op::Roll { shift: 12, blocks: 8 },
        Op::Append { sizes: vec![3, 11_000], together: false, aligned: false },
    ] {
        apply(&mut other, &op);
    }
    others.push(other);
    others.push(stream.oracle.clone());
    let mut swaps = 0;
    for file in &stream.oracle.files {
        for to in (0..file.bytes.len()).step_by(4096) {
            for (other, donor) in
                others.iter().enumerate().flat_map(|(other, oracle)| oracle.files.iter().map(move |file| (other, file)))
            {
                for at in (0..donor.bytes.len()).step_by(4096) {
                    let block = &donor.bytes[at..at + 4096];
                    stream.disk.write_on_disk(path(file.index), to as u64, block).unwrap();
                    let what = format!("block at {at} of {other} at {to} of file {:#x}", file.index);
                    let snapshot = stream.snapshot();
                    if other == 1 {
                        check_diverged(&stream, &snapshot, &what);
                    } else {
                        let lost = check(&stream, &snapshot, &what);
                        check_seeks(&stream, &snapshot, &lost, &what);
                    }
                    swaps += 1;
                    stream.disk.write_on_disk(path(file.index), to as u64, &file.bytes[to..to + 4096]).unwrap();
                }
            }
        }
    }
    assert!(swaps > 300, "{swaps}");
}

/// A copy of the stream that went on by itself has the same id: a block of it that follows the same batch is as good as
/// ours, and what gives it away is the batch behind it. It does not pass unnoticed.
fn check_diverged(stream: &Stream, snapshot: &Snapshot, what: &str) {
    let (records, _) = read_with_gaps(snapshot, Start::Oldest);
    let wrong = records.iter().any(|(seq, _, data)| *data != stream.oracle.records[*seq as usize].1);
    assert!(!wrong || !verify(snapshot).ok(), "{what}");
}

/// What a block was at every earlier moment: as after a disk has lost the later writes of it.
#[test]
fn older_versions_of_every_block() {
    let stream = Stream::of(sampler(81));
    let mut versions: Vec<Oracle> = Vec::new();
    let mut oracle = Oracle::new(81, 0xffff, 12, 6);
    // The sampler's own steps, one more each time.
    for steps in 0.. {
        let Some(older) = crate::harness::sampler_upto(81, steps) else { break };
        versions.push(std::mem::replace(&mut oracle, older));
    }
    let mut checked = 0;
    for older in versions {
        for (old, file) in older.files.iter().zip(&stream.oracle.files) {
            for to in (0..file.bytes.len()).step_by(4096) {
                if old.bytes[to..to + 4096] == file.bytes[to..to + 4096] {
                    continue;
                }
                stream.disk.write_on_disk(path(file.index), to as u64, &old.bytes[to..to + 4096]).unwrap();
                let what = format!("an older block at {to} of file {:#x}", file.index);
                let snapshot = stream.snapshot();
                let lost = check(&stream, &snapshot, &what);
                check_seeks(&stream, &snapshot, &lost, &what);
                checked += 1;
                stream.disk.write_on_disk(path(file.index), to as u64, &file.bytes[to..to + 4096]).unwrap();
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn readers_can_go_to_other_threads() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    sent::<pstream_core::stream::read::Reader>();
    shared::<Snapshot>();
}

#[test]
fn every_length() {
    let oracle = sampler(82);
    for (number, file) in oracle.files.iter().enumerate() {
        for blocks in 1..file.bytes.len() / 4096 {
            let mut cut = oracle.clone();
            cut.files[number].bytes.truncate(blocks * 4096);
            let stream = Stream::of(cut);
            let next = oracle.files.get(number + 1).map_or(oracle.next_seq(), |next| next.seq);
            let lost = check(&stream, &stream.snapshot(), "cut");
            assert_eq!(lost, (file.seq..next).collect::<Vec<_>>(), "a shorter file is not what its batch says");
            check_seeks(&stream, &stream.snapshot(), &lost, "cut");
            assert!(!verify(&stream.snapshot()).ok());
        }
    }
}

#[test]
fn what_belongs_to_another_place_is_found_out() {
    let stream = Stream::of(sampler(83));
    let (end, next) = (stream.oracle.end(), stream.oracle.next_seq());
    let slots = stream.slots();
    let begin = stream.oracle.files[1].seq;
    let other = Stream::of(sampler(84)).slots();
    let moved = Slot::new(stream.disk.io(), 7, path(0).into(), 12, CachePolicy::Drop);
    // What each of them loses, in order.
    let wrong = [
        (vec![slots[0].clone(), other[1].clone()], begin..next),
        (vec![other[0].clone(), slots[1].clone()], 0..begin),
        (vec![slots[0].clone(), slots[0].clone()], begin..next),
        (vec![slots[0].clone(), Arc::new(moved)], begin..next),
    ];
    for (files, lost) in wrong {
        let snapshot = stream.of_slots(files, end, next);
        let (records, gaps) = read_with_gaps(&snapshot, Start::Oldest);
        assert_eq!(assert_dense(&stream.oracle, &records, &gaps), lost.collect::<Vec<_>>());
        assert!(!verify(&snapshot).ok());
    }
    let backwards = stream.of_slots(vec![slots[1].clone(), slots[0].clone()], end, next);
    assert_true(&stream.oracle, &read_with_gaps(&backwards, Start::Oldest).0);
    for (end, next) in [(u64::MAX, next), (0, next), (end, 0)] {
        let (records, error) = read(&stream.of_slots(slots.clone(), end, next), ReadOptions::default());
        assert_true(&stream.oracle, &records);
        assert!(error.is_some(), "{end}, {next}");
    }
    let none = Snapshot::new(StreamId::new(83).unwrap(), Vec::new(), Mark::default());
    assert_eq!(*none.unwrap_err().kind(), ErrorKind::InvalidInput);
    // More seqs, or a longer stream, than there is.
    for (end, next) in [(end, next + 5), (end + 64, next), (end + 64, next + 5)] {
        let snapshot = stream.of_slots(stream.slots(), end, next);
        let (records, error) = read(&snapshot, ReadOptions::default());
        assert_eq!((records.len() as u64, error), (stream.oracle.next_seq(), Some(stream.oracle.next_seq()..next)));
    }
}

/// A file that is missing in the middle is a gap.
#[test]
fn a_missing_file_is_a_gap() {
    let mut oracle = sampler(85);
    let begin = oracle.files[1].seq;
    apply(&mut oracle, &Op::Roll { shift: 14, blocks: 6 });
    let end = oracle.next_seq();
    apply(&mut oracle, &Op::Append { sizes: vec![1, 2], together: false, aligned: false });
    let stream = Stream::of(oracle);
    let mut slots = stream.slots();
    assert_eq!(slots.len(), 3);
    let lost: Vec<u64> = (begin..end).collect();
    // One that should be there and is not, and one that is not in the list: the first file seems to reach to the third.
    stream.disk.io().remove_file(path(stream.oracle.files[1].index).as_ref()).unwrap();
    for _ in 0..2 {
        let snapshot = stream.of_slots(slots.clone(), stream.oracle.end(), stream.oracle.next_seq());
        assert_eq!(check(&stream, &snapshot, "missing"), lost);
        check_seeks(&stream, &snapshot, &lost, "missing");
        slots = vec![slots[0].clone(), slots[slots.len() - 1].clone()];
    }
}

#[test]
fn a_header_of_a_later_version_is_not_ours_to_read() {
    let stream = Stream::of(sampler(86));
    let file = &stream.oracle.files[0];
    for at in [0, file.own(1)] {
        stream.disk.write_on_disk(path(file.index), file.offset(at) + 3, &[2]).unwrap();
    }
    let error = stream.snapshot().read(ReadOptions::default()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_reader_that_was_refused_once_goes_on_when_the_disk_does() {
    let stream = Stream::of(sampler(87));
    let snapshot = stream.snapshot();
    let mut reader = snapshot.read(from(Start::Oldest)).unwrap();
    stream.disk.inject(pstream_sim::Fault::new(pstream_sim::Effect::EIO).kind(pstream_sim::CallKind::Read));
    assert_eq!(*reader.next_batch().unwrap_err().kind(), ErrorKind::Io);
    stream.disk.clear_faults();
    let mut next = 0;
    while let Some(batch) = reader.next_batch().unwrap() {
        assert_eq!(batch.seq, next);
        next += batch.count;
    }
    assert_eq!(next, stream.oracle.next_seq());
}

fn rot(disk: &SimDisk, name: &str, at: u64, kind: u8) {
    match kind % 3 {
        0 => disk.flip_bit(name, at, u32::from(kind) % 8).unwrap(),
        1 => disk.zero_on_disk(name, at / 512 * 512..at / 512 * 512 + 512).unwrap(),
        _ => disk.garble_on_disk(name, at..at + u64::from(kind)).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Damage in many places of any stream.
    #[test]
    fn any_damage(
        shift in 12_u32..=16, ops in ops(), hits in proptest::collection::vec((any::<usize>(), any::<u64>(), any::<u8>()), 1..12),
    ) {
        let mut oracle = Oracle::new(9, 1, shift, 8);
        for op in &ops {
            apply(&mut oracle, op);
        }
        let stream = Stream::of(oracle);
        for (file, at, kind) in &hits {
            let file = &stream.oracle.files[file % stream.oracle.files.len()];
            rot(&stream.disk, &path(file.index), at % (file.offset(file.at - 1) + 1), *kind);
        }
        let snapshot = stream.snapshot();
        if snapshot.oldest_seq().is_err() {
            prop_assert!(snapshot.read(ReadOptions::default()).is_err() && snapshot.verify().is_err());
            return Ok(());
        }
        let lost = check(&stream, &snapshot, "any damage");
        prop_assert_eq!(verify(&snapshot).records, stream.oracle.next_seq() - lost.len() as u64);
        for seq in (0..stream.oracle.next_seq()).step_by(5) {
            assert_true(&stream.oracle, &read_with_gaps(&snapshot, Start::Seq(seq)).0);
            if let Ok(record) = snapshot.get(seq) {
                prop_assert_eq!(&record.unwrap().data, &stream.oracle.records[seq as usize].1);
            }
        }
    }
}

/// A stream of the same shapes as every other one of this kind, with records of its own. Blocks are filled exactly.
fn history(salt: u64) -> Oracle {
    let mut oracle = Oracle::new(90, 1, 12, 12);
    for round in 0..6 {
        for size in [30, 400, 9, 0, 700] {
            let record = crate::oracle::pattern(size, salt + round * 10 + size as u64);
            oracle.append(0, &[record], false);
        }
        let filling = oracle.filling(0, salt + round);
        oracle.append(0, &[filling], false);
    }
    oracle
}

/// The batches of a block that took another way are whole, and right in themselves: what they name is not.
#[test]
fn a_block_of_another_history_is_never_read() {
    let stream = Stream::of(history(1000));
    let other = history(2000);
    let file = &stream.oracle.files[0];
    let blocks = file.at / file.data();
    assert!(blocks >= 6 && file.at.is_multiple_of(file.data()));
    // Nothing but what follows tells the very first batches apart, and nothing follows the very last ones.
    for block in 2..blocks - 1 {
        let range = (block * 4096) as usize..(block * 4096 + 4096) as usize;
        stream.disk.write_on_disk(path(1), block * 4096, &other.files[0].bytes[range.clone()]).unwrap();
        let snapshot = stream.snapshot();
        let lost = check(&stream, &snapshot, "another history");
        let hit = file.placed.iter().filter(|batch| batch.at / file.data() == block);
        let hit: Vec<u64> = hit.flat_map(|batch| batch.seq..batch.seq + batch.count).collect();
        assert_eq!(lost, hit, "block {block}");
        check_seeks(&stream, &snapshot, &lost, "another history");
        stream.disk.write_on_disk(path(1), block * 4096, &file.bytes[range]).unwrap();
    }
}

/// A batch that says that it is one record further on, all checksums right.
#[test]
fn a_seq_that_was_passed_over_is_a_gap() {
    let mut oracle = Oracle::new(91, 1, 12, 6);
    oracle.append(0, &[vec![1; 4]], false);
    let lost = oracle.next_seq();
    oracle.records.push((oracle.time, vec![9]));
    oracle.append(0, &[vec![2; 4]], false);
    let stream = Stream::of(oracle);
    assert_eq!(check(&stream, &stream.snapshot(), "a seq too far"), [lost]);
}

#[test]
fn two_copies_that_say_different_things_do_not_pass_unnoticed() {
    let stream = Stream::of(sampler(92));
    let (file, other) = (&stream.oracle.files[0], sampler(93));
    stream.disk.write_on_disk(path(file.index), 4096, &other.files[0].bytes[4096..8192]).unwrap();
    // With the second copy the batches behind it in its block are gone, too.
    check(&stream, &stream.snapshot(), "two copies");
    assert!(!verify(&stream.snapshot()).ok());
}
