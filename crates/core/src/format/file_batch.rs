//! The batch that a file enters use with: no records, in two copies, each in a sector of its own. A file that was merely
//! prepared has none and proves nothing; one in use proves all that came before it, and one that was cut shorter is
//! found out.

use super::batch::{BatchHeader, Kind};
use super::{Fields, StreamId, Writer};

/// Size of the payload in bytes.
pub const PAYLOAD_LEN: usize = 40;
const PAYLOAD: u32 = 40;

/// What a file's first batch says of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileBatch {
    /// The stream.
    pub id: StreamId,
    /// Index in the sequence.
    pub index: u16,
    /// Binary logarithm of the block size.
    pub block_shift: u32,
    /// Number of blocks.
    pub block_count: u64,
    /// Position at which the file starts.
    pub position: u64,
    /// Seq of the first record behind it.
    pub seq: u64,
    /// Checksum of the last batch in front of the file; 0 for the first file.
    pub before: u32,
}

/// What the two copies share beside the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Wall clock in ms since 1970.
    pub time_ms: u64,
    /// Of the writer.
    pub epoch: u32,
}

impl FileBatch {
    /// The payload on disk, the same in both copies: whichever is readable tells all of the other.
    #[must_use]
    pub fn payload(&self) -> [u8; PAYLOAD_LEN] {
        Writer::<PAYLOAD_LEN>::new()
            .put(&self.id.get().to_le_bytes())
            .put(&self.index.to_le_bytes())
            .put(&[0; 2])
            .put(&self.block_shift.to_le_bytes())
            .put(&self.block_count.to_le_bytes())
            .put(&self.position.to_le_bytes())
            .put(&self.before.to_le_bytes())
            .put(&[0; 4])
            .bytes
    }

    /// The headers of the first copy, at the start of the file's data, and of the second one `apart` bytes behind it.
    #[must_use]
    pub fn headers(&self, stamp: Stamp, apart: u64) -> [BatchHeader; 2] {
        let first = BatchHeader {
            position: self.position,
            seq: self.seq,
            durable_upto: self.position,
            time_ms: stamp.time_ms,
            count: 0,
            payload_len: PAYLOAD,
            payload_checksum: self.id.checksum(&self.payload()),
            epoch: stamp.epoch,
            previous: self.before,
            kind: Kind::File,
        };
        let position = self.position.saturating_add(apart);
        [first, BatchHeader { position, previous: first.checksum(self.id), ..first }]
    }

    /// The stream that a payload says it belongs to: before it is known, and before any checksum can be.
    #[must_use]
    pub fn stream_of(payload: &[u8]) -> Option<StreamId> {
        StreamId::new(Fields(payload).u64()?)
    }

    /// What a payload says; `seq` comes from its header.
    #[must_use]
    pub fn decode(payload: &[u8], seq: u64) -> Option<Self> {
        if payload.len() != PAYLOAD_LEN {
            return None;
        }
        let fields = &mut Fields(payload);
        let id = StreamId::new(fields.u64()?)?;
        let index = fields.u16()?;
        let reserved = fields.u16()?;
        let block_shift = fields.u32()?;
        let (block_count, position, before) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let batch = Self { id, index, block_shift, block_count, position, seq, before };
        (reserved == 0 && fields.u32()? == 0).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> FileBatch {
        let id = StreamId::new(77).unwrap();
        FileBatch {
            id,
            index: 0xffff,
            block_shift: 16,
            block_count: 64,
            position: 1 << 40,
            seq: 5,
            before: 0xabcd_ef01,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let payload = batch().payload();
        assert_eq!(FileBatch::stream_of(&payload), Some(batch().id));
        assert_eq!(FileBatch::decode(&payload, 5), Some(batch()));
        assert_eq!(FileBatch::decode(&payload[..39], 5), None);
        assert_eq!(FileBatch::decode(&[0; PAYLOAD_LEN], 5), None);
    }

    #[test]
    fn the_second_copy_names_the_first() {
        let [first, second] = batch().headers(Stamp { time_ms: 9, epoch: 2 }, 4048);
        assert_eq!((first.previous, first.durable_upto), (0xabcd_ef01, first.position));
        assert_eq!((second.position, second.previous), (first.position + 4048, first.checksum(batch().id)));
        assert_eq!(second.durable_upto, first.position, "nothing is known of the first copy yet");
    }
}
