//! The vitals: what the device measures of itself. When the server is told of it, the schedule says.

/// Which of the vitals go with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals(u8);

impl Vitals {
    /// None.
    pub const NONE: Self = Self(0);
    /// The chip's temperature.
    pub const CHIP_TEMPERATURE: Self = Self(1);
    /// The strength of the access point.
    pub const RSSI: Self = Self(2);
    /// The free heap.
    pub const HEAP_FREE: Self = Self(4);
    /// The least heap that was ever free.
    pub const HEAP_LEAST: Self = Self(8);
    /// The time since boot, and how many samples were dropped.
    pub const COUNTERS: Self = Self(16);
    /// The largest free block of the heap.
    pub const HEAP_LARGEST: Self = Self(32);
    /// All of them.
    pub const ALL: Self = Self(63);

    /// As a byte.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// From [a byte](Self::bits).
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
