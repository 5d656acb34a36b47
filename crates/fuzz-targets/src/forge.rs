//! Checksums made right again behind changed bytes: so that a fuzzer, which cannot guess them, gets past them.

use pstream_core::format::StreamId;
use pstream_core::format::batch::HEADER_LEN;
use pstream_core::format::block_header::LEN;

const ALIGNMENT: usize = 8;

/// Writes the checksum of everything behind offset 8 at offset 4.
pub(crate) fn seal(header: &mut [u8], id: StreamId) {
    let checksum = id.checksum(&header[8..]);
    header[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Where the headers of blocks and batches are in a file, by their magic.
pub(crate) fn headers(bytes: &[u8]) -> Vec<usize> {
    let is_header = |at: &usize| matches!(bytes.get(*at..*at + 4), Some(b"PSB\x01" | b"PST\x01"));
    (0..bytes.len()).step_by(ALIGNMENT).filter(is_header).collect()
}

/// The bytes of the header at `at`, if they do not reach beyond the end.
pub(crate) fn header(bytes: &mut [u8], at: usize) -> Option<&mut [u8]> {
    let len = if bytes.get(at..at + 3)? == b"PSB" { LEN } else { HEADER_LEN };
    bytes.get_mut(at..at + len)
}

/// Makes the header at `at` valid as what it says it is; of a batch whose payload lies in the same block, that too.
pub(crate) fn seal_at(bytes: &mut [u8], at: usize, id: StreamId, with_payload: bool) {
    let is_batch = bytes[at..].starts_with(b"PST");
    if is_batch && with_payload {
        let len = bytes.get(at + 44..at + 48).map(|len| u32::from_le_bytes(len.try_into().unwrap()) as usize);
        let payload = len.and_then(|len| bytes.get(at + HEADER_LEN..(at + HEADER_LEN).checked_add(len)?));
        let checksum = payload.map(|payload| id.checksum(payload));
        if let Some(checksum) = checksum {
            bytes[at + 48..at + 52].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    if let Some(header) = header(bytes, at) {
        seal(header, id);
    }
}
