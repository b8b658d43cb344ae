//! A sample, and the bytes as which it waits.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 6 | milliseconds since boot: 48 bits are nine thousand years |
//! | 6 | 4 | free heap |
//! | 10 | 4 | the least heap that was ever free |
//! | 14 | 2 | the largest free block of the heap, in blocks of 16 bytes |
//! | 16 | 2 | the chip's temperature |
//! | 18 | 1 | strength of the access point |
//! | 19 | 1 | which vitals the server is told |
//! | 20 | | the [readings](Readings::bytes), as many bytes as the product's schema says |
//!
//! All numbers have their low byte first; of the vitals each range's far end, which nothing measures,
//! stands for "none".

#[cfg(feature = "backlog")]
mod kept;

use core::fmt;
use core::ops::Range;

use product::{Readings, Schema};

use super::Vitals;

/// What the product measured at one moment, and the device of itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// When it was taken, in milliseconds since boot.
    pub uptime_ms: u64,
    /// What the product measured.
    pub readings: Readings,
    /// The chip's own temperature, in tenths of a degree Celsius.
    pub chip_temperature_decicelsius: Option<i16>,
    /// Strength of the access point, in dBm.
    pub rssi_dbm: Option<i8>,
    /// Free heap in bytes.
    pub heap_free: Option<u32>,
    /// The least heap that was ever free, in bytes.
    pub heap_least: Option<u32>,
    /// The largest free block of the heap in bytes, in whole blocks of 16: beside what is free, it tells
    /// how much the heap is in pieces. Only where [`vitals`](Self::vitals) has it.
    pub heap_largest: Option<u32>,
    /// Which of the device's own measurements the server is told.
    pub vitals: Vitals,
}

const UPTIME: Range<usize> = 0..6;
const HEAP_FREE: Range<usize> = 6..10;
const HEAP_LEAST: Range<usize> = 10..14;
const HEAP_LARGEST: Range<usize> = 14..16;
const CHIP: Range<usize> = 16..18;
const RSSI: usize = 18;
const VITALS: usize = 19;
const READINGS: usize = 20;

/// What the largest free block is counted in, in bytes.
const BLOCK: u32 = 16;

/// How many bytes a sample of these series takes while it waits.
pub(super) const fn waiting_bytes(schema: Schema) -> usize {
    READINGS + schema.bytes()
}

impl Sample {
    /// Writes the bytes as which it waits, of which there are [`waiting_bytes`].
    pub(super) fn pack(&self, bytes: &mut [u8]) {
        let (own, readings) = bytes.split_at_mut(READINGS);
        own[UPTIME].copy_from_slice(&self.uptime_ms.to_le_bytes()[..6]);
        own[HEAP_FREE].copy_from_slice(&self.heap_free.unwrap_or(u32::MAX).to_le_bytes());
        own[HEAP_LEAST].copy_from_slice(&self.heap_least.unwrap_or(u32::MAX).to_le_bytes());
        let largest = self.heap_largest.map_or(u16::MAX, |bytes| {
            (bytes / BLOCK).min(u32::from(u16::MAX) - 1) as u16
        });
        own[HEAP_LARGEST].copy_from_slice(&largest.to_le_bytes());
        let chip = self.chip_temperature_decicelsius.unwrap_or(i16::MIN);
        own[CHIP].copy_from_slice(&chip.to_le_bytes());
        own[RSSI] = self.rssi_dbm.unwrap_or(i8::MIN) as u8;
        own[VITALS] = self.vitals.bits();
        // A sample of other series than those of the queue has none in it.
        let packed = self.readings.bytes();
        if packed.len() == readings.len() {
            readings.copy_from_slice(packed);
        } else {
            readings.fill(0);
        }
    }

    /// Reads what [`pack`](Self::pack) wrote.
    pub(super) fn unpack(bytes: &[u8], schema: Schema) -> Self {
        fn present<T: PartialEq>(value: T, none: T) -> Option<T> {
            (value != none).then_some(value)
        }
        let (own, readings) = bytes.split_at(READINGS);
        let number = |range: Range<usize>| {
            let mut number = [0; 8];
            number[..range.len()].copy_from_slice(&own[range]);
            u64::from_le_bytes(number)
        };
        Self {
            uptime_ms: number(UPTIME),
            readings: Readings::from_bytes(schema, readings),
            chip_temperature_decicelsius: present(number(CHIP) as i16, i16::MIN),
            rssi_dbm: present(own[RSSI] as i8, i8::MIN),
            heap_free: present(number(HEAP_FREE) as u32, u32::MAX),
            heap_least: present(number(HEAP_LEAST) as u32, u32::MAX),
            heap_largest: present(number(HEAP_LARGEST) as u16, u16::MAX)
                .map(|blocks| u32::from(blocks) * BLOCK),
            vitals: Vitals::from_bits(own[VITALS]),
        }
    }
}

/// What people read of it.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (about, steps) in self.readings.iter() {
            if let Some(steps) = steps {
                write!(f, "{} ", about.shown(steps))?;
            }
        }
        if let Some(rssi) = self.rssi_dbm {
            write!(f, "{rssi} dBm ")?;
        }
        if let Some(heap) = self.heap_free {
            write!(f, "{heap} B free ")?;
        }
        write!(f, "at {} ms", self.uptime_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Room, readings};
    use alloc::string::ToString;

    const SCHEMA: Schema = Schema::of::<Room>();

    #[test]
    fn a_sample_comes_out_as_it_went_in() {
        let full = Sample {
            uptime_ms: 0xFFFF_FFFF_FFFF,
            readings: readings(Some(-400), Some(0)),
            chip_temperature_decicelsius: Some(i16::MAX),
            rssi_dbm: Some(-127),
            heap_free: Some(0),
            heap_least: Some(u32::MAX - 1),
            heap_largest: Some(0xFFFE * 16),
            vitals: Vitals::ALL,
        };
        let empty = Sample {
            readings: Readings::absent(SCHEMA),
            ..Sample::default()
        };
        for sample in [full, empty] {
            let mut bytes = [0xee; waiting_bytes(SCHEMA)];
            sample.pack(&mut bytes);
            assert_eq!(Sample::unpack(&bytes, SCHEMA), sample);
        }
    }

    #[test]
    fn a_sample_of_two_series_of_tenths_waits_in_23_bytes() {
        assert_eq!(waiting_bytes(SCHEMA), 23);
    }

    #[test]
    fn a_sample_is_shown_with_the_units_of_its_series() {
        let sample = Sample {
            uptime_ms: 1_000,
            readings: readings(Some(-5), Some(451)),
            rssi_dbm: Some(-60),
            ..Sample::default()
        };
        assert_eq!(sample.to_string(), "-0.5 °C 45.1 % -60 dBm at 1000 ms");
    }
}
