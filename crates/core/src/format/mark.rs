//! The mark: a note of the writer, for readers in other processes, of up to where the stream is durable. Written plainly and
//! never synced, so that it is right while the machine runs and void behind a power cut: it names the boot.

use super::{Decoded, Fields, StreamId, VERSION, Writer, magic_version};

/// Size in bytes.
pub const LEN: usize = 80;
const NAME: [u8; 3] = *b"PSM";
/// Room for the boot id: a UUID as text takes 36 bytes.
const BOOT_LEN: usize = 40;

/// What changes with every boot of the machine, as the system spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId([u8; BOOT_LEN]);

impl BootId {
    /// `None` for what is empty or longer than 40 bytes: no mark can name that.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; BOOT_LEN];
        bytes.get_mut(..text.len()).filter(|place| !place.is_empty())?.copy_from_slice(text.as_bytes());
        Some(Self(bytes))
    }
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The stream.
    pub id: StreamId,
    /// Everything in front of this position is durable. The end of a batch.
    pub position: u64,
    /// Seq of the record that is next there.
    pub seq: u64,
    /// Of the writer.
    pub epoch: u32,
    /// Index of the file that it lies in.
    pub index: u16,
    /// The boot under which it was written, and is good.
    pub boot: BootId,
}

impl Mark {
    /// The bytes on disk.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let [first, second, third] = NAME;
        Writer::<LEN>::new()
            .put(&[first, second, third, VERSION])
            .put(&[0; 4])
            .put(&self.id.get().to_le_bytes())
            .put(&self.position.to_le_bytes())
            .put(&self.seq.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&self.index.to_le_bytes())
            .put(&[0; 2])
            .put(&self.boot.0)
            .sealed(self.id)
    }

    /// What the bytes say, of whatever stream and boot.
    #[must_use]
    pub fn decode(bytes: &[u8; LEN]) -> Decoded<Self> {
        let fields = &mut Fields(bytes);
        match fields.take().and_then(|magic| magic_version(magic, NAME)) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Decoded::Newer(version),
            _ => return Decoded::Invalid,
        }
        Self::read(bytes, fields).map_or(Decoded::Invalid, Decoded::Valid)
    }

    fn read(bytes: &[u8; LEN], fields: &mut Fields<'_>) -> Option<Self> {
        let checksum = fields.u32()?;
        let id = StreamId::new(fields.u64()?)?;
        let (position, seq, epoch) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let (index, reserved) = (fields.u16()?, fields.u16()?);
        let boot = BootId(fields.take()?);
        let right = id.checksum(bytes.get(8..)?) == checksum && reserved == 0;
        right.then_some(Self { id, position, seq, epoch, index, boot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        let boot = BootId::new("3f0c2a9e-5b1d-4c77-9a10-1122334455aa").unwrap();
        Mark { id: StreamId::new(77).unwrap(), position: 1 << 40, seq: 12, epoch: 3, index: 0xfffe, boot }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(Mark::decode(&mark().encode()), Decoded::Valid(mark()));
    }

    #[test]
    fn no_bit_may_change() {
        for bit in 0..LEN * 8 {
            let mut bytes = mark().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Mark::decode(&bytes), Decoded::Valid(mark()), "bit {bit}");
            assert!(!matches!(Mark::decode(&bytes), Decoded::Valid(_)), "bit {bit}");
        }
        assert_eq!(Mark::decode(&[0; LEN]), Decoded::Invalid);
    }

    #[test]
    fn a_later_version_is_told() {
        let mut bytes = mark().encode();
        bytes[3] = 2;
        assert_eq!(Mark::decode(&bytes), Decoded::Newer(2));
    }

    #[test]
    fn boot_ids_have_their_limits() {
        assert_eq!(BootId::new(""), None);
        assert_eq!(BootId::new(&"x".repeat(41)), None);
        assert!(BootId::new(&"x".repeat(40)).is_some());
        assert_ne!(BootId::new("a"), BootId::new("b"));
    }
}
