//! The header of a block: 48 bytes in front of its data, written once, with the first bytes of its block.
//!
//! With it, a search by seq, by time and by position needs no index, and a reader finds its feet again behind damage.

use super::{Decoded, Fields, StreamId, VERSION, Writer, magic_version};

/// Size in bytes.
pub const LEN: usize = 48;
const MAGIC: [u8; 3] = *b"PSB";

/// Where in a block its first batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// At the start of the block's data: nothing crosses into it.
    None,
    /// Behind the batch that crosses into the block, which ends at this offset of the block's data.
    EndsAt(u32),
    /// Nowhere: the batch that crosses into the block fills it.
    Fills,
}

const FILLS: u32 = u32::MAX;

/// What a block's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Position of the block's first data byte.
    pub position: u64,
    /// Seq of the first record of the batch in which the block begins.
    pub seq: u64,
    /// Wall clock when the block was begun, in ms since 1970; never decreases within a stream.
    pub time_ms: u64,
    /// Where the block's first batch begins.
    pub crossing: Crossing,
    /// One more at every open for writing. For diagnosis alone.
    pub epoch: u32,
}

impl BlockHeader {
    /// The bytes on disk.
    #[must_use]
    pub fn encode(&self, id: StreamId) -> [u8; LEN] {
        let crossing = match self.crossing {
            Crossing::None => 0,
            Crossing::EndsAt(offset) => offset,
            Crossing::Fills => FILLS,
        };
        let [first, second, third] = MAGIC;
        Writer::<LEN>::new()
            .put(&[first, second, third, VERSION])
            .put(&[0; 4])
            .put(&id.get().to_le_bytes())
            .put(&self.position.to_le_bytes())
            .put(&self.seq.to_le_bytes())
            .put(&self.time_ms.to_le_bytes())
            .put(&crossing.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .sealed(id)
    }

    /// What the bytes say, if they are a header of the stream `id`.
    #[must_use]
    pub fn decode(bytes: &[u8; LEN], id: StreamId) -> Decoded<Self> {
        let fields = &mut Fields(bytes);
        match fields.take().and_then(|magic| magic_version(magic, MAGIC)) {
            None | Some(..VERSION) => Decoded::Invalid,
            Some(VERSION) => match Self::read(fields, bytes, id) {
                Some(header) => Decoded::Valid(header),
                None => Decoded::Invalid,
            },
            Some(newer) => Decoded::Newer(newer),
        }
    }

    fn read(fields: &mut Fields<'_>, bytes: &[u8], id: StreamId) -> Option<Self> {
        let checksum = fields.u32()?;
        let stream = fields.u64()?;
        if stream != id.get() || checksum != id.checksum(bytes.get(8..)?) {
            return None;
        }
        let (position, seq, time_ms) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let crossing = match fields.u32()? {
            0 => Crossing::None,
            FILLS => Crossing::Fills,
            offset => Crossing::EndsAt(offset),
        };
        Some(Self { position, seq, time_ms, crossing, epoch: fields.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> StreamId {
        StreamId::new(0x0123_4567_89ab_cdef).unwrap()
    }

    fn header() -> BlockHeader {
        BlockHeader {
            position: 65_488,
            seq: 77,
            time_ms: 1_700_000_000_123,
            crossing: Crossing::EndsAt(4096),
            epoch: 3,
        }
    }

    fn crossings() -> impl Strategy<Value = Crossing> {
        prop_oneof![Just(Crossing::None), Just(Crossing::Fills), (1..u32::MAX).prop_map(Crossing::EndsAt)]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            position: u64, seq: u64, time_ms: u64, crossing in crossings(), epoch: u32,
        ) {
            let header = BlockHeader { position, seq, time_ms, crossing, epoch };
            prop_assert_eq!(BlockHeader::decode(&header.encode(id()), id()), Decoded::Valid(header));
        }

        #[test]
        fn whatever_is_not_ours_is_invalid(bytes: [u8; LEN]) {
            prop_assert_ne!(BlockHeader::decode(&bytes, id()), Decoded::Valid(header()));
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let bytes = header().encode(id());
        for bit in 0..LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            let decoded = BlockHeader::decode(&damaged, id());
            // In the version byte a flipped bit is another version; there is none below ours, only torn writes.
            let expected =
                if bit / 8 == 3 && damaged[3] > VERSION { Decoded::Newer(damaged[3]) } else { Decoded::Invalid };
            assert_eq!(decoded, expected, "bit {bit}");
        }
    }

    #[test]
    fn another_streams_header_is_not_ours() {
        let other = StreamId::new(1).unwrap();
        assert_eq!(BlockHeader::decode(&header().encode(other), id()), Decoded::Invalid);
        assert_eq!(BlockHeader::decode(&[0; LEN], id()), Decoded::Invalid);
    }
}
