//! A batch: a header of 64 bytes and a payload of records, each a LEB128 length and its bytes, padded with zeros to a
//! multiple of 8. What a crash keeps or loses as a whole.

use super::{Decoded, Fields, StreamId, VERSION, Writer, magic_version, varint};

/// Size of the header in bytes.
pub const HEADER_LEN: usize = 64;
/// Batches begin at multiples of this many bytes of the file's data.
pub const ALIGNMENT: u64 = 8;
const MAGIC: [u8; 3] = *b"PST";

/// What kind of batch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records that were appended one by one.
    Records,
    /// Records that were appended together: all of them, or none.
    Together,
    /// The batch that a file enters use with.
    File,
    /// A clean close: everything in front of it is durable.
    Seal,
    /// Everything in front of it is durable.
    Watermark,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Records, Self::Together, Self::File, Self::Seal, Self::Watermark];

    fn flags(self) -> u32 {
        match self {
            Self::Records => 0,
            Self::Together => 1,
            Self::File => 2,
            Self::Seal => 4,
            Self::Watermark => 8,
        }
    }

    fn of_flags(flags: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.flags() == flags)
    }
}

/// What a batch's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Position of its first byte.
    pub position: u64,
    /// Seq of its first record, or the next one's if it has none.
    pub seq: u64,
    /// Everything in front of this position was durable when the batch was written.
    pub durable_upto: u64,
    /// Wall clock in ms since 1970; never decreases within a stream.
    pub time_ms: u64,
    /// Number of records.
    pub count: u32,
    /// Bytes of payload, without the padding.
    pub payload_len: u32,
    /// Checksum of the payload.
    pub payload_checksum: u32,
    /// One more at every open for writing. For diagnosis alone.
    pub epoch: u32,
    /// Checksum of the header of the batch in front of it.
    pub previous: u32,
    /// What kind of batch it is.
    pub kind: Kind,
}

impl BatchHeader {
    /// The bytes on disk.
    #[must_use]
    pub fn encode(&self, id: StreamId) -> [u8; HEADER_LEN] {
        let [first, second, third] = MAGIC;
        Writer::<HEADER_LEN>::new()
            .put(&[first, second, third, VERSION])
            .put(&[0; 4])
            .put(&self.position.to_le_bytes())
            .put(&self.seq.to_le_bytes())
            .put(&self.durable_upto.to_le_bytes())
            .put(&self.time_ms.to_le_bytes())
            .put(&self.count.to_le_bytes())
            .put(&self.payload_len.to_le_bytes())
            .put(&self.payload_checksum.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&self.previous.to_le_bytes())
            .put(&self.kind.flags().to_le_bytes())
            .sealed(id)
    }

    /// What the bytes say, if they are the header of a batch of the stream `id` at `position`. Magic and position are
    /// compared before any checksum, so that a search at every offset of 64 MiB takes milliseconds whatever is there.
    #[must_use]
    pub fn decode(bytes: &[u8; HEADER_LEN], id: StreamId, position: u64) -> Decoded<Self> {
        let fields = &mut Fields(bytes);
        match fields.take().and_then(|magic| magic_version(magic, MAGIC)) {
            None | Some(..VERSION) => Decoded::Invalid,
            Some(VERSION) => match Self::read(fields, bytes, id, position) {
                Some(header) => Decoded::Valid(header),
                None => Decoded::Invalid,
            },
            Some(newer) => Decoded::Newer(newer),
        }
    }

    fn read(fields: &mut Fields<'_>, bytes: &[u8], id: StreamId, expected: u64) -> Option<Self> {
        let checksum = fields.u32()?;
        let position = fields.u64()?;
        if position != expected || checksum != id.checksum(bytes.get(8..)?) {
            return None;
        }
        let (seq, durable_upto, time_ms) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (count, payload_len, payload_checksum) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (epoch, previous) = (fields.u32()?, fields.u32()?);
        let kind = Kind::of_flags(fields.u32()?)?;
        Some(Self { position, seq, durable_upto, time_ms, count, payload_len, payload_checksum, epoch, previous, kind })
    }

    /// What the next batch names as its predecessor's checksum: this header's, which covers that of its payload.
    #[must_use]
    pub fn checksum(&self, id: StreamId) -> u32 {
        let bytes = self.encode(id);
        bytes.get(8..).map(|covered| id.checksum(covered)).unwrap_or_default()
    }

    /// Bytes that the batch takes on disk: header, payload, padding.
    #[must_use]
    pub fn total_len(&self) -> u64 {
        total_len(u64::from(self.payload_len))
    }

    /// Seq of the record behind its last one.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.seq.saturating_add(u64::from(self.count))
    }
}

/// Bytes that a batch with so long a payload takes.
#[must_use]
pub fn total_len(payload_len: u64) -> u64 {
    const HEADER: u64 = 64;
    payload_len.saturating_add(HEADER).checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX)
}

/// Bytes that a record of `len` bytes takes in a payload.
#[must_use]
pub fn record_len(len: u64) -> u64 {
    len.saturating_add(u64::try_from(varint::len(len)).unwrap_or(u64::MAX))
}

/// Appends a record to a payload.
pub fn push_record(record: &[u8], payload: &mut Vec<u8>) {
    varint::encode(u64::try_from(record.len()).unwrap_or(u64::MAX), payload);
    payload.extend_from_slice(record);
}

/// The records of a payload, in order. An item of `None` says that the rest is no record: of a payload whose checksum is
/// right it means that its writer was wrong.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Of a whole payload, without the padding.
    #[must_use]
    pub fn of(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    fn split(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (len, prefix) = varint::decode(self.rest)?;
        let rest = self.rest.get(prefix..)?;
        rest.split_at_checked(usize::try_from(len).ok()?)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((record, rest)) = self.split() else {
            self.rest = &[];
            return Some(None);
        };
        self.rest = rest;
        Some(Some(record))
    }
}

#[cfg(test)]
#[allow(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "tests say what they expect by panicking, and sizes are small"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> StreamId {
        StreamId::new(0x0123_4567_89ab_cdef).unwrap()
    }

    fn header(kind: Kind) -> BatchHeader {
        BatchHeader {
            position: 8 * 512,
            seq: 42,
            durable_upto: 8 * 500,
            time_ms: 1_700_000_000_000,
            count: 3,
            payload_len: 11,
            payload_checksum: 0xdead_beef,
            epoch: 7,
            previous: 0x1234_5678,
            kind,
        }
    }

    #[test]
    fn every_kind_is_decoded_as_it_was_encoded() {
        for kind in Kind::ALL {
            let header = header(kind);
            assert_eq!(BatchHeader::decode(&header.encode(id()), id(), header.position), Decoded::Valid(header));
        }
    }

    #[test]
    fn a_header_elsewhere_is_none() {
        let header = header(Kind::Records);
        assert_eq!(BatchHeader::decode(&header.encode(id()), id(), header.position + 8), Decoded::Invalid);
        let other = StreamId::new(9).unwrap();
        assert_eq!(BatchHeader::decode(&header.encode(other), id(), header.position), Decoded::Invalid);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let bytes = header(Kind::Records).encode(id());
        for bit in 0..HEADER_LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            let decoded = BatchHeader::decode(&damaged, id(), 8 * 512);
            let expected =
                if bit / 8 == 3 && damaged[3] > VERSION { Decoded::Newer(damaged[3]) } else { Decoded::Invalid };
            assert_eq!(decoded, expected, "bit {bit}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_on_disk() {
        let header = header(Kind::Together);
        let on_disk = header.encode(id());
        assert_eq!(header.checksum(id()).to_le_bytes(), on_disk[4..8]);
    }

    #[test]
    fn sizes_are_padded_to_eight() {
        assert_eq!((total_len(0), total_len(1), total_len(8), total_len(9)), (64, 72, 72, 80));
        assert_eq!((record_len(0), record_len(127), record_len(128)), (1, 128, 130));
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_pushed(records: Vec<Vec<u8>>) {
            let mut payload = Vec::new();
            for record in &records {
                push_record(record, &mut payload);
            }
            let len: u64 = records.iter().map(|record| record_len(record.len() as u64)).sum();
            prop_assert_eq!(payload.len() as u64, len);
            let read: Option<Vec<Vec<u8>>> = Records::of(&payload).map(|record| record.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(read, Some(records));
        }

        /// Hostile payloads end; what is read of them lies within them.
        #[test]
        fn any_payload_ends(payload: Vec<u8>) {
            let records: Vec<Option<&[u8]>> = Records::of(&payload).collect();
            prop_assert!(records.len() <= payload.len());
            prop_assert!(records.iter().rev().skip(1).all(Option::is_some));
        }
    }
}
