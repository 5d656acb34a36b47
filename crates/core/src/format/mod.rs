//! Format 1 of a stream, as bytes: pure encoding and decoding, no IO and no policy. The tables are in `docs/format.md`.
//!
//! All integers are little-endian. Every checksum is CRC-32C over the stream's random id and the bytes, so that no
//! payload, and no other stream's bytes, can pass for ours.
//!
//! - `block_header`: the 48 bytes in front of each block's data
//! - `batch`: a run of records under one header, what a crash keeps or loses as a whole
//! - `file_batch`: the batch of no records that a file enters use with
//! - `cursor_slot`: where a consumer has got to, in a file of its own
//! - `varint`: the length in front of a record

pub mod batch;
pub mod block_header;
pub mod cursor_slot;
pub mod file_batch;
pub mod varint;

/// Version of the format, the last byte of every magic.
pub const VERSION: u8 = 1;

/// What lies where a header is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A header of ours, its checksum right.
    Valid(T),
    /// Zeros, other bytes, or a header that was damaged. Or one that was torn within its magic, whose last byte is the
    /// version: there is none below the first.
    Invalid,
    /// The magic of a later version of the format.
    Newer(u8),
}

/// Tells streams apart, and salts their checksums. Random, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(u64);

impl StreamId {
    /// `None` for zero, which empty space would have.
    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The checksum of `bytes` in this stream.
    #[must_use]
    pub fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.0.to_le_bytes()), bytes)
    }
}

/// Whether the four bytes are the magic with this name, of whatever version.
fn magic_version(bytes: [u8; 4], name: [u8; 3]) -> Option<u8> {
    let [first, second, third, version] = bytes;
    ([first, second, third] == name).then_some(version)
}

/// Reads fixed-size fields one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Writes fixed-size fields one after the other into an array that they fill.
struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put(mut self, field: &[u8]) -> Self {
        let end = self.at.saturating_add(field.len());
        if let Some(place) = self.bytes.get_mut(self.at..end) {
            place.copy_from_slice(field);
        }
        self.at = end;
        self
    }

    /// The array, with the checksum of everything behind offset 8 at offset 4.
    fn sealed(mut self, id: StreamId) -> [u8; N] {
        let checksum = id.checksum(self.bytes.get(8..).unwrap_or_default());
        if let Some(place) = self.bytes.get_mut(4..8) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c_of_id_and_bytes() {
        // The check value of CRC-32C is that of "123456789"; here the first eight of them are the id.
        let id = StreamId::new(u64::from_le_bytes(*b"12345678")).unwrap();
        assert_eq!(id.checksum(b"9"), 0xe306_9283);
        assert_eq!(StreamId::new(0), None);
    }
}
