//! LEB128: seven bits a byte, the lowest first, the high bit set on all but the last.

/// The most bytes that a `u64` takes.
pub const MAX_LEN: usize = 10;

/// How many bytes `value` takes.
#[must_use]
pub fn len(value: u64) -> usize {
    // Seven bits a byte; zero takes one byte too.
    let bits = 64_u32.saturating_sub(value.leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).unwrap_or(MAX_LEN)
}

/// Appends `value` to `out`.
pub fn encode(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// The value at the start of `bytes` and how many bytes it takes. `None` if it does not end within them, exceeds 64
/// bits, or is longer than it need be: there is one spelling of each value.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().copied().take(MAX_LEN).enumerate() {
        let shift = u32::try_from(at).ok()?.checked_mul(7)?;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || at == 0;
            return shortest.then_some((value, at.saturating_add(1)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        let table: [(u64, &[u8]); 6] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::from(u32::MAX), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ];
        for (value, bytes) in table {
            let mut out = Vec::new();
            encode(value, &mut out);
            assert_eq!((out.as_slice(), len(value)), (bytes, bytes.len()));
            assert_eq!(decode(bytes), Some((value, bytes.len())));
        }
    }

    #[test]
    fn what_is_not_a_value_is_refused() {
        let bad: [&[u8]; 6] = [
            &[],
            &[0x80],
            &[0x80, 0],
            &[0xff, 0x80, 0],
            &[0xff; 10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ];
        for bytes in bad {
            assert_eq!(decode(bytes), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(value: u64, behind: Vec<u8>) {
            let mut out = Vec::new();
            encode(value, &mut out);
            let size = out.len();
            prop_assert_eq!(size, len(value));
            out.extend(behind);
            prop_assert_eq!(decode(&out), Some((value, size)));
        }

        #[test]
        fn whatever_is_decoded_is_encoded_the_same(bytes: Vec<u8>) {
            if let Some((value, size)) = decode(&bytes) {
                let mut out = Vec::new();
                encode(value, &mut out);
                prop_assert_eq!(out.as_slice(), &bytes[..size]);
            }
        }
    }
}
