//! The index of a file in its sequence: a 16-bit number that wraps.

use std::fmt;

/// Counts from 1 and wraps through 0xffff to 0. Two indexes can be compared while they are near enough: the signed
/// difference `d` must satisfy `-16384 < d <= 16383`, the bounds of the Rust crate `pstream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Index(u16);

/// The most files that a sequence can hold, so that any two of its indexes, and the one past the end, can be compared.
pub const MAX_FILES: u16 = (1 << 14) - 1;

impl Index {
    /// Of the first file ever.
    pub const FIRST: Self = Self(1);

    /// The index as a number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// The one behind it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The one `count` behind it.
    #[must_use]
    pub(crate) fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far `self` is behind `other`; negative if it is in front of it, `None` if they are too far apart.
    #[must_use]
    pub fn distance(self, other: Self) -> Option<i16> {
        const BOUND: i16 = 1 << 14;
        let distance = self.0.wrapping_sub(other.0).cast_signed();
        (distance > -BOUND && distance < BOUND).then_some(distance)
    }

    /// How many steps `self` is behind `start`, going forward.
    pub(crate) fn steps_from(self, start: Self) -> u16 {
        self.0.wrapping_sub(start.0)
    }
}

impl From<u16> for Index {
    fn from(index: u16) -> Self {
        Self(index)
    }
}

impl fmt::LowerHex for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// The run of indexes in use: from `start` to (excluding) `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: Index,
    pub(crate) end: Index,
}

impl Window {
    pub(crate) const EMPTY: Self = Self { start: Index::FIRST, end: Index::FIRST };

    /// Number of indexes in it.
    pub(crate) fn len(self) -> u16 {
        self.end.steps_from(self.start)
    }

    pub(crate) fn contains(self, index: Index) -> bool {
        index.steps_from(self.start) < self.len()
    }

    /// Both ends in one number, for an atomic.
    pub(crate) fn pack(self) -> u32 {
        u32::from(self.start.0) << 16 | u32::from(self.end.0)
    }

    pub(crate) fn unpack(packed: u32) -> Self {
        let [_, _, start_high, start_low] = (packed >> 16).to_be_bytes();
        let [_, _, end_high, end_low] = packed.to_be_bytes();
        let index = |high, low| Index(u16::from_be_bytes([high, low]));
        Self { start: index(start_high, start_low), end: index(end_high, end_low) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_defined_up_to_16383_either_way() {
        let table: [(u16, u16, Option<i16>); 12] = [
            (1, 1, Some(0)),
            (2, 1, Some(1)),
            (0, 0xffff, Some(1)),
            (0xffff, 0, Some(-1)),
            (1, 0xffff, Some(2)),
            (0x3fff, 0, Some(16383)),
            (0, 0x3fff, Some(-16383)),
            (0x4000, 0, None),
            (0, 0x4000, None),
            (0x8000, 0, None),
            (0x3ffe, 0xffff, Some(16383)),
            (0x3fff, 0xffff, None),
        ];
        for (left, right, expected) in table {
            assert_eq!(Index(left).distance(Index(right)), expected, "{left:#x} {right:#x}");
        }
    }

    #[test]
    fn a_window_wraps() {
        let window = Window { start: Index(0xfffe), end: Index(2) };
        assert_eq!(window.len(), 4);
        for index in [0xfffe, 0xffff, 0, 1] {
            assert!(window.contains(Index(index)));
        }
        for index in [0xfffd, 2, 0x8000] {
            assert!(!window.contains(Index(index)));
        }
        assert_eq!(Window::unpack(window.pack()), window);
        assert!(!Window::EMPTY.contains(Index::FIRST));
    }
}
