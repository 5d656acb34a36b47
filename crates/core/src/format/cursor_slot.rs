//! A slot of a cursor's file: where a consumer has got to. A file has two, in sectors of their own, written in turn, so that
//! a write that goes wrong leaves the other one.

use super::{Decoded, Fields, StreamId, VERSION, Writer, magic_version};

/// Size in bytes.
pub const LEN: usize = 40;
const MAGIC: [u8; 3] = *b"PSC";

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorSlot {
    /// Seq of the next record to be handled.
    pub position: u64,
    /// One more with each slot that is written: the higher one is the newer one.
    pub counter: u64,
    /// Wall clock when it was written, in ms since 1970.
    pub time_ms: u64,
}

impl CursorSlot {
    /// The bytes on disk.
    #[must_use]
    pub fn encode(&self, id: StreamId) -> [u8; LEN] {
        let [first, second, third] = MAGIC;
        Writer::<LEN>::new()
            .put(&[first, second, third, VERSION])
            .put(&[0; 4])
            .put(&id.get().to_le_bytes())
            .put(&self.position.to_le_bytes())
            .put(&self.counter.to_le_bytes())
            .put(&self.time_ms.to_le_bytes())
            .sealed(id)
    }

    /// What the bytes say, and of which stream: its own checksum tells a slot of another stream from a damaged one.
    #[must_use]
    pub fn decode(bytes: &[u8; LEN]) -> Decoded<(StreamId, Self)> {
        let fields = &mut Fields(bytes);
        match fields.take().and_then(|magic| magic_version(magic, MAGIC)) {
            None | Some(..VERSION) => Decoded::Invalid,
            Some(VERSION) => match Self::read(fields, bytes) {
                Some(slot) => Decoded::Valid(slot),
                None => Decoded::Invalid,
            },
            Some(newer) => Decoded::Newer(newer),
        }
    }

    fn read(fields: &mut Fields<'_>, bytes: &[u8]) -> Option<(StreamId, Self)> {
        let checksum = fields.u32()?;
        let id = StreamId::new(fields.u64()?)?;
        if checksum != id.checksum(bytes.get(8..)?) {
            return None;
        }
        let (position, counter, time_ms) = (fields.u64()?, fields.u64()?, fields.u64()?);
        Some((id, Self { position, counter, time_ms }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot() -> (StreamId, CursorSlot) {
        let id = StreamId::new(0x0123_4567_89ab_cdef).unwrap();
        (id, CursorSlot { position: 77, counter: 9, time_ms: 1_700_000_000_123 })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(id in 1_u64.., position: u64, counter: u64, time_ms: u64) {
            let (id, slot) = (StreamId::new(id).unwrap(), CursorSlot { position, counter, time_ms });
            prop_assert_eq!(CursorSlot::decode(&slot.encode(id)), Decoded::Valid((id, slot)));
        }

        #[test]
        fn any_bytes_are_taken(bytes: [u8; LEN]) {
            prop_assert!(!matches!(CursorSlot::decode(&bytes), Decoded::Valid(_)));
        }
    }

    #[test]
    fn any_bit_is_noticed() {
        let (id, slot) = slot();
        let bytes = slot.encode(id);
        for bit in 0..LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(CursorSlot::decode(&damaged), Decoded::Valid(_)), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let (id, slot) = slot();
        let mut bytes = slot.encode(id);
        bytes[3] = 2;
        assert_eq!(CursorSlot::decode(&bytes), Decoded::Newer(2));
        bytes[3] = 0;
        assert_eq!(CursorSlot::decode(&bytes), Decoded::Invalid);
        assert_eq!(CursorSlot::decode(&[0; LEN]), Decoded::Invalid);
    }
}
