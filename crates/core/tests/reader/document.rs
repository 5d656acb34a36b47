//! `docs/format.md` is the truth: its tables are whole, and its example is what the product reads and writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pstream_core::format::batch::{BatchHeader, Kind, Records, push_record};
use pstream_core::format::block_header::{BlockHeader, Crossing};
use pstream_core::format::cursor_slot::CursorSlot;
use pstream_core::format::file_batch::{FileBatch, Stamp};
use pstream_core::format::mark::{self, BootId, Mark};
use pstream_core::format::{Decoded, StreamId};
use pstream_core::stream::cursor::Folder;
use pstream_sim::SimDisk;

use crate::{golden, oracle};

const TEXT: &str = include_str!("../../../../docs/format.md");

/// The rows of the first table behind a heading, as cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let behind = TEXT.split_once(&format!("\n## {heading}\n")).expect("the heading").1;
    let lines = behind.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

fn number(text: &str) -> u64 {
    text.strip_prefix("0x").map_or_else(|| text.parse().unwrap(), |hex| u64::from_str_radix(hex, 16).unwrap())
}

/// The bytes of the example, by their offset in the file.
fn example() -> BTreeMap<u64, u8> {
    example_in("Example")
}

fn example_in(heading: &str) -> BTreeMap<u64, u8> {
    let behind = TEXT.split_once(&format!("\n## {heading}\n")).expect("the heading").1;
    let dump = behind.split_once("```hex\n").unwrap().1.split_once("```").unwrap().0;
    let rows = golden::parse_rows(dump).into_iter();
    rows.flat_map(|(offset, row)| (offset as u64..).zip(row)).collect()
}

fn bytes<const N: usize>(example: &BTreeMap<u64, u8>, at: u64) -> [u8; N] {
    std::array::from_fn(|byte| example[&(at + byte as u64)])
}

#[test]
fn the_tables_leave_no_byte_out() {
    for (heading, size) in [("Block header", 48), ("Batch", 64), ("File batch", 40), ("Mark", 80), ("Cursor", 40)] {
        let mut end = 0;
        for row in table(heading) {
            assert_eq!(number(&row[0]), end, "{heading}: {row:?}");
            end += number(&row[1]);
        }
        assert_eq!(end, size, "{heading}");
    }
}

#[test]
fn the_values_of_the_example_are_those_in_its_bytes() {
    for (heading, least) in [("Example", 20), ("Example of a mark", 6), ("Example of a cursor", 8)] {
        let (example, rows) = (example_in(heading), table(heading));
        assert!(rows.len() >= least);
        for row in rows {
            let (at, size, value) = (number(&row[0]), number(&row[1]), number(&row[2]));
            let found = (at..at + size).rev().fold(0, |value, at| value << 8 | u64::from(example[&at]));
            assert_eq!(found, value, "{row:?}");
        }
    }
}

/// The mark of the example, put together again.
#[test]
fn the_mark_of_the_example_is_what_is_written() {
    let bytes = bytes::<{ mark::LEN }>(&example_in("Example of a mark"), 0);
    let Decoded::Valid(found) = Mark::decode(&bytes) else { panic!("it is not valid") };
    let boot = BootId::new("3f0c2a9e-5b1d-4c77-9a10-1122334455aa").unwrap();
    let id = StreamId::new(0x0123_4567_89ab_cdef).unwrap();
    assert_eq!(found, Mark { id, position: 4224, seq: 2, epoch: 1, index: 1, boot });
    assert_eq!(found.encode(), bytes);
}

#[test]
fn the_example_is_the_golden_file() {
    let file = golden::file(0);
    let example = example();
    assert!(example.len() > 200 && example.keys().any(|at| *at >= 4096));
    for (at, byte) in example {
        assert_eq!(file[at as usize], byte, "at {at:#x}");
    }
}

#[test]
fn the_example_is_taken_apart_and_put_together() {
    let example = example();
    let id = StreamId::new(0x0123_4567_89ab_cdef).unwrap();
    let (time_ms, epoch) = (1_700_000_000_000, 1);
    let payload: [u8; 40] = bytes(&example, 112);
    let batch = FileBatch { id, index: 1, block_shift: 12, block_count: 8, position: 0, seq: 0, before: 0 };
    assert_eq!((FileBatch::decode(&payload, 0), batch.payload()), (Some(batch), payload));
    assert_eq!(bytes::<40>(&example, 4096 + 112), payload);
    let copies = batch.headers(Stamp { time_ms, epoch }, 4048);
    for (number, copy) in (0..).zip(copies) {
        let head = BlockHeader { position: number * 4048, seq: 0, time_ms, crossing: Crossing::None, epoch };
        let on_disk = bytes(&example, number * 4096);
        assert_eq!((BlockHeader::decode(&on_disk, id), head.encode(id)), (Decoded::Valid(head), on_disk));
        let on_disk = bytes(&example, number * 4096 + 48);
        assert_eq!(BatchHeader::decode(&on_disk, id, number * 4048), Decoded::Valid(copy));
        assert_eq!(copy.encode(id), on_disk);
    }
    let mut records = Vec::new();
    for record in [&b"hello"[..], b""] {
        push_record(record, &mut records);
    }
    let header = BatchHeader {
        position: 4152,
        seq: 0,
        durable_upto: 4152,
        time_ms,
        count: 2,
        payload_len: 7,
        payload_checksum: id.checksum(&records),
        epoch,
        previous: copies[1].checksum(id),
        kind: Kind::Records,
    };
    let at = 4096 + 48 + 104;
    assert_eq!(header.encode(id), bytes(&example, at));
    let payload: [u8; 7] = bytes(&example, at + 64);
    assert_eq!((&payload[..], oracle::checksum(id.get(), &payload)), (&records[..], header.payload_checksum));
    assert!(Records::of(&payload).map(Option::unwrap).eq([&b"hello"[..], b""]));
    assert_eq!(bytes::<1>(&example, at + 71), [0], "padding");
}

/// As the product writes it.
#[test]
fn the_cursor_of_the_example_is_taken_apart_and_put_together() {
    let example = example_in("Example of a cursor");
    assert_eq!(example.len(), 80);
    let id = StreamId::new(0x0123_4567_89ab_cdef).unwrap();
    for (at, position, counter, time_ms) in [(0, 3, 2, 1_700_000_002_000), (4096, 2, 1, 1_700_000_001_000)] {
        let slot = CursorSlot { position, counter, time_ms };
        let on_disk: [u8; 40] = bytes(&example, at);
        assert_eq!((CursorSlot::decode(&on_disk), slot.encode(id)), (Decoded::Valid((id, slot)), on_disk));
        assert_eq!(
            u64::from(oracle::checksum(id.get(), &on_disk[8..])),
            u64::from(u32::from_le_bytes(bytes(&example, at + 4)))
        );
    }
    let disk = SimDisk::new(1);
    disk.io().create_dir(Path::new("/d")).unwrap();
    let folder = Folder::new(disk.io(), Path::new("/d"), "s");
    let at = |seconds| disk.set_now(Duration::from_secs(seconds));
    at(1_700_000_001);
    let mut cursor = folder.open("c", id, || Ok(2)).unwrap();
    at(1_700_000_002);
    cursor.commit(2, 3).unwrap();
    let bytes = disk.disk_bytes("/d/s.meta/cursors/cursor.c", 0..8192).unwrap();
    assert_eq!(bytes.len(), 8192);
    for (at, byte) in bytes.into_iter().enumerate() {
        assert_eq!(byte, example.get(&(at as u64)).copied().unwrap_or(0), "at {at:#x}");
    }
}
