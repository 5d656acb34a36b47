//! Decoders: whatever is decoded is encoded the same, and what was not is not taken for a header of ours.

use pstream_core::format::batch::{self, BatchHeader, Kind, Records};
use pstream_core::format::block_header::{self, BlockHeader};
use pstream_core::format::cursor_slot::{self, CursorSlot};
use pstream_core::format::file_batch::{self, FileBatch, Stamp};
use pstream_core::format::{Decoded, StreamId, VERSION, varint};

use crate::forge::seal;
use crate::input::Input;

/// Headers of blocks, of batches, slots of cursors and file batches: as they are, and with a right checksum.
pub(crate) fn headers(bytes: &[u8]) {
    let mut input = Input(bytes);
    let id = StreamId::new(u64::from(input.u8()) + 1).unwrap();
    let sealed = input.u8() % 2 == 1;
    block(input.clone().array(), id, sealed);
    batch(input.clone().array(), id, sealed, input.clone().u64());
    cursor(input.clone().array(), id, sealed);
    file(&mut input, id);
}

fn cursor(mut bytes: [u8; cursor_slot::LEN], id: StreamId, sealed: bool) {
    if sealed {
        bytes[..4].copy_from_slice(b"PSC\x01");
        bytes[8..16].copy_from_slice(&id.get().to_le_bytes());
        seal(&mut bytes, id);
    }
    match CursorSlot::decode(&bytes) {
        Decoded::Valid((stream, slot)) => {
            assert_eq!(slot.encode(stream), bytes);
            assert!(stream == id || !sealed);
        }
        Decoded::Newer(version) => assert!(version > VERSION && bytes[..3] == *b"PSC" && !sealed),
        Decoded::Invalid => assert!(!sealed, "a sealed slot is valid whatever its fields say"),
    }
}

fn block(mut bytes: [u8; block_header::LEN], id: StreamId, sealed: bool) {
    if sealed {
        bytes[..4].copy_from_slice(b"PSB\x01");
        bytes[8..16].copy_from_slice(&id.get().to_le_bytes());
        seal(&mut bytes, id);
    }
    match BlockHeader::decode(&bytes, id) {
        Decoded::Valid(header) => assert_eq!(header.encode(id), bytes),
        Decoded::Newer(version) => assert!(version > VERSION && bytes[..3] == *b"PSB" && !sealed),
        Decoded::Invalid => assert!(!sealed, "a sealed header is valid whatever its fields say"),
    }
}

fn batch(mut bytes: [u8; batch::HEADER_LEN], id: StreamId, sealed: bool, position: u64) {
    if sealed {
        bytes[..4].copy_from_slice(b"PST\x01");
        bytes[8..16].copy_from_slice(&position.to_le_bytes());
        seal(&mut bytes, id);
    }
    match BatchHeader::decode(&bytes, id, position) {
        Decoded::Valid(header) => {
            assert_eq!((header.encode(id), header.position), (bytes, position));
            assert_eq!(header.checksum(id).to_le_bytes(), bytes[4..8]);
            assert!(header.total_len() >= 64 && header.total_len().is_multiple_of(batch::ALIGNMENT));
            assert!(header.next_seq() >= header.seq);
        }
        Decoded::Newer(version) => assert!(version > VERSION && bytes[..3] == *b"PST" && !sealed),
        // But for the kind, whose other numbers are reserved.
        Decoded::Invalid => assert!(!sealed || ![0, 1, 2, 4, 8].contains(&bytes[60]) || bytes[61..] != [0; 3]),
    }
}

fn file(input: &mut Input<'_>, id: StreamId) {
    let payload: [u8; file_batch::PAYLOAD_LEN] = input.array();
    let seq = input.u64();
    let Some(start) = FileBatch::decode(&payload, seq) else { return };
    assert_eq!((start.payload(), FileBatch::stream_of(&payload), start.seq), (payload, Some(start.id), seq));
    let stamp = Stamp { time_ms: input.u64(), epoch: u32::from(input.u16()) };
    let apart = input.u64();
    let [first, second] = start.headers(stamp, apart);
    assert_eq!((first.kind, second.kind, first.count), (Kind::File, Kind::File, 0));
    assert_eq!(second.previous, first.checksum(start.id));
    for header in [first, second] {
        assert_eq!(BatchHeader::decode(&header.encode(start.id), start.id, header.position), Decoded::Valid(header));
        if start.id != id {
            assert_eq!(BatchHeader::decode(&header.encode(start.id), id, header.position), Decoded::Invalid);
        }
    }
}

/// Records, and the lengths in front of them.
pub(crate) fn records(bytes: &[u8]) {
    if let Some((value, size)) = varint::decode(bytes) {
        let mut out = Vec::new();
        varint::encode(value, &mut out);
        assert_eq!((out.as_slice(), varint::len(value)), (&bytes[..size], size));
    }
    let mut records = Records::of(bytes);
    let mut again = Vec::new();
    let mut left = records.left();
    assert_eq!(left, bytes.len());
    while let Some(record) = records.next() {
        let Some(record) = record else {
            assert_eq!(records.next(), None, "it ends with what is no record");
            return assert!(bytes.starts_with(&again));
        };
        assert!(records.left() < left, "each record takes a byte at least");
        left = records.left();
        batch::push_record(record, &mut again);
    }
    assert_eq!((again.as_slice(), left), (bytes, 0), "the same bytes, all of them");
}
