//! Bytes as a source of decisions: what is beyond their end is zeros, so that every input means something.

/// What is left of an input.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Eight bytes, or one of the numbers at which something changes, with little of the input.
    pub(crate) fn u64(&mut self) -> u64 {
        let small = u64::from(self.u8());
        match self.u8() % 6 {
            0 => small,
            1 => small << 12,
            2 => u64::MAX - small,
            3 => (1 << 32) - 1 - small,
            4 => (1 << 53) - small,
            _ => u64::from_le_bytes(self.array()),
        }
    }

    /// So many bytes, or as many as there are.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        front
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let front = self.bytes(N);
        array[..front.len()].copy_from_slice(front);
        array
    }
}
