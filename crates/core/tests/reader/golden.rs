//! The files of format 1 that every later version must read. They are never written anew: what changes them has changed
//! the format.
//!
//! `<index>.hex` holds the rows of a file that are not all zeros, `records.txt` the seq, time and bytes of each record;
//! `zeros:<n>` stands for a record of so many zeros.

use std::fmt::Write;

use pstream_core::stream::read::{ReadOptions, Start};

use crate::harness::{Stream, from, read, verify};
use crate::oracle::{Oracle, SEAL, TOGETHER, WATERMARK};

const FILES: [(u16, &str); 2] =
    [(1, include_str!("../golden/format-1/1.hex")), (2, include_str!("../golden/format-1/2.hex"))];
const RECORDS: &str = include_str!("../golden/format-1/records.txt");
const ROW: usize = 32;
const FILE_LEN: usize = 8 << 12;

/// What the golden files hold, from the oracle.
pub fn stream() -> Oracle {
    let mut oracle = Oracle::new(0x0123_4567_89ab_cdef, 1, 12, 8);
    let text = |text: &str| text.as_bytes().to_vec();
    oracle.append(0, &[text("hello"), text("")], false);
    oracle.time += 1;
    oracle.append(TOGETHER, &[text("all"), text("or"), text("none")], false);
    oracle.mark(WATERMARK);
    oracle.time += 10;
    oracle.append(0, &[text("in a sector of its own")], true);
    oracle.append(0, &[vec![0; 4100]], false);
    let filling = oracle.filling(0, 0).len();
    oracle.append(0, &[vec![0; filling]], false);
    oracle.roll(12, 8);
    oracle.time += 100;
    oracle.append(0, &[text("in the second file")], false);
    oracle.append(0, &[vec![0; 9000], text("behind it")], false);
    oracle.mark(SEAL);
    oracle.epoch += 1;
    oracle.time += 1000;
    oracle.append(0, &[text("after a reopen")], false);
    oracle
}

fn rows(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, row) in bytes.chunks(ROW).enumerate().filter(|(_, row)| row.iter().any(|byte| *byte != 0)) {
        write!(text, "{:08x} ", number * ROW).unwrap();
        for byte in row {
            write!(text, " {byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Offset and bytes of each row of a dump.
pub fn parse_rows(text: &str) -> Vec<(usize, Vec<u8>)> {
    let row = |line: &str| {
        let (offset, bytes) = line.split_once("  ").unwrap();
        let bytes = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
        (usize::from_str_radix(offset, 16).unwrap(), bytes.collect())
    };
    text.lines().map(row).collect()
}

/// The bytes of a golden file.
pub fn file(number: usize) -> Vec<u8> {
    let mut bytes = vec![0; FILE_LEN];
    for (offset, row) in parse_rows(FILES[number].1) {
        bytes[offset..offset + row.len()].copy_from_slice(&row);
    }
    bytes
}

fn records(oracle: &Oracle) -> String {
    let mut text = String::new();
    for (seq, (time, data)) in oracle.records.iter().enumerate() {
        let zeros = !data.is_empty() && data.iter().all(|byte| *byte == 0);
        let data = if zeros { format!("zeros:{}", data.len()) } else { String::from_utf8(data.clone()).unwrap() };
        writeln!(text, "{seq} {time} {data}").unwrap();
    }
    text
}

fn parse_records() -> Vec<(u64, u64, Vec<u8>)> {
    let record = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().unwrap();
        let (seq, time, data) = (next().parse().unwrap(), next().parse().unwrap(), next());
        let data = match data.strip_prefix("zeros:") {
            Some(len) => vec![0; len.parse().unwrap()],
            None => data.as_bytes().to_vec(),
        };
        (seq, time, data)
    };
    RECORDS.lines().map(record).collect()
}

#[test]
fn the_golden_files_are_read() {
    let mut oracle = stream();
    for number in 0..2 {
        oracle.files[number].bytes = file(number);
    }
    let stream = Stream::of(oracle);
    let (read_back, error) = read(&stream.snapshot(), ReadOptions::default());
    assert_eq!(error, None);
    assert!(read_back == parse_records());
    assert!(verify(&stream.snapshot()).ok());
    for (seq, time, data) in parse_records() {
        assert!(stream.snapshot().get(seq).unwrap().unwrap().data == data);
        let (by_time, _) = read(&stream.snapshot(), from(Start::Time(time)));
        assert_eq!(by_time[0].1, time);
    }
}

#[test]
fn they_are_made_again_byte_for_byte() {
    let oracle = stream();
    for (file, (index, text)) in oracle.files.iter().zip(FILES) {
        assert_eq!((file.index, file.bytes.len()), (index, FILE_LEN));
        assert!(rows(&file.bytes).lines().eq(text.lines()), "file {index} is now:\n{}", rows(&file.bytes));
    }
    assert!(records(&oracle).lines().eq(RECORDS.lines()), "the records are now:\n{}", records(&oracle));
}

/// The product's own encoder makes the same bytes of what it decodes.
#[test]
fn the_product_encodes_what_it_decodes() {
    use pstream_core::format::batch::BatchHeader;
    use pstream_core::format::block_header::BlockHeader;
    use pstream_core::format::{Decoded, StreamId};

    let oracle = stream();
    let id = StreamId::new(oracle.id).unwrap();
    let mut headers = 0;
    for made in &oracle.files {
        let bytes = file(usize::from(made.index) - 1);
        for batch in made.placed.iter().filter(|batch| batch.at % made.data() + 64 <= made.data()) {
            let at = made.offset(batch.at) as usize;
            let header: &[u8; 64] = bytes[at..at + 64].try_into().unwrap();
            let Decoded::Valid(decoded) = BatchHeader::decode(header, id, made.start + batch.at) else {
                panic!("batch at {}", batch.at)
            };
            assert_eq!(decoded.encode(id), *header);
            headers += 1;
        }
        for block in (0..bytes.len()).step_by(4096).filter(|block| bytes[*block] != 0) {
            let header: &[u8; 48] = bytes[block..block + 48].try_into().unwrap();
            let Decoded::Valid(decoded) = BlockHeader::decode(header, id) else { panic!("block at {block}") };
            assert_eq!(decoded.encode(id), *header);
            headers += 1;
        }
    }
    assert!(headers > 18, "{headers}");
}
