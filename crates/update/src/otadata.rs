//! `otadata`: which slot the bootloader starts.
//!
//! Two sectors with an entry of 32 bytes each: a sequence number, 20 bytes of label, a state, and the
//! CRC of the sequence number. The valid one with the higher number tells the slot. Own code, for
//! esp-bootloader-esp-idf 0.6 knows no flash but its own, and gives up at an entry that was torn.
//!
//! Source: `esp_ota_select_entry_t` of components/bootloader_support/include/esp_flash_partitions.h, and
//! components/bootloader_support/src/bootloader_common_loader.c (espressif/esp-idf v5.4.1, 4c2820d).

use crate::checksum::crc32;
use crate::word;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 32;

/// What has become of an image, as bootloaders with rollback have it; the others pass over it, but for
/// the last two, which none starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub u32);

impl State {
    /// Not started yet.
    pub const NEW: Self = Self(0);
    /// Started once; the next start by a bootloader with rollback is of the other slot.
    pub const PENDING: Self = Self(1);
    /// It works.
    pub const VALID: Self = Self(2);
    /// Found not to work.
    pub const INVALID: Self = Self(3);
    /// A bootloader with rollback gave it up.
    pub const ABORTED: Self = Self(4);
    /// Nobody has said anything.
    pub const UNDEFINED: Self = Self(u32::MAX);
}

/// A valid entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    sequence: u32,
    /// What has become of the image.
    pub state: State,
}

impl Entry {
    /// One with this number; none if it is 0, which is no slot, or that of blank flash.
    pub fn new(sequence: u32, state: State) -> Option<Self> {
        (sequence != 0 && sequence != u32::MAX).then_some(Self { sequence, state })
    }

    /// Reads an entry; none if the bootloader would not take it.
    pub fn read(bytes: &[u8; ENTRY_LEN]) -> Option<Self> {
        let (sequence, state) = (word(bytes, 0), State(word(bytes, 24)));
        let is_valid =
            state != State::INVALID && state != State::ABORTED && word(bytes, 28) == crc(sequence);
        Self::new(sequence, state).filter(|_| is_valid)
    }

    /// The bytes. What is not said is left blank, as ESP-IDF leaves it.
    pub fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0xFF; ENTRY_LEN];
        bytes[..4].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.state.0.to_le_bytes());
        bytes[28..].copy_from_slice(&crc(self.sequence).to_le_bytes());
        bytes
    }

    /// The number, from 1.
    pub fn sequence(self) -> u32 {
        self.sequence
    }

    /// The slot that it tells, of so many.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn slot(self, of: usize) -> usize {
        (self.sequence - 1) as usize % of
    }
}

/// `bootloader_common_ota_select_crc`: Espressif's `crc32_le` inverts before and after, so it begins
/// with zeros here.
fn crc(sequence: u32) -> u32 {
    !crc32(0, &sequence.to_le_bytes())
}

/// Which of the two entries the bootloader goes by: the first of equals.
pub fn selected(entries: [Option<Entry>; 2]) -> Option<(usize, Entry)> {
    match entries {
        [Some(first), Some(second)] if second.sequence > first.sequence => Some((1, second)),
        [Some(first), _] => Some((0, first)),
        [None, Some(second)] => Some((1, second)),
        [None, None] => None,
    }
}

/// The least number that comes after `before` and tells this slot, of so many. None at the end of all
/// numbers, four thousand million updates away, or if there is no such slot.
pub fn next_sequence(before: Option<Entry>, slot: usize, of: usize) -> Option<u32> {
    if slot >= of {
        return None;
    }
    let (slot, of) = (slot as u32, of as u32);
    let last = before.map_or(0, Entry::sequence);
    // Sequence n + 1 tells slot n % of.
    let steps = (slot + of - last % of) % of;
    let next = last.checked_add(steps)?.checked_add(1)?;
    (next != u32::MAX).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u32) -> Option<Entry> {
        Entry::new(sequence, State::VALID)
    }

    #[test]
    fn the_higher_valid_number_tells_the_slot() {
        assert_eq!(selected([None, None]), None);
        let told = |a, b| selected([entry(a), entry(b)]).map(|(at, entry)| (at, entry.slot(2)));
        assert_eq!(told(1, 2), Some((1, 1)));
        assert_eq!(told(3, 2), Some((0, 0)));
        assert_eq!(told(0, 2), Some((1, 1)));
        assert_eq!(told(3, 3), Some((0, 0)));
    }

    #[test]
    fn the_next_number_tells_the_slot_that_is_wanted() {
        for of in 1..=16 {
            for before in 0..40 {
                for slot in 0..of {
                    let next = next_sequence(entry(before), slot, of).unwrap();
                    assert_eq!(entry(next).unwrap().slot(of), slot);
                    assert!(
                        next > before && next <= before + of as u32,
                        "{before} {slot} {of}"
                    );
                }
            }
        }
        assert_eq!(next_sequence(None, 2, 2), None);
        assert_eq!(next_sequence(entry(u32::MAX - 1), 0, 2), None);
    }

    #[test]
    fn an_entry_is_read_as_it_is_written_and_no_other_way() {
        let written = Entry::new(0x0102_0304, State::NEW).unwrap();
        let bytes = written.to_bytes();
        assert_eq!(Entry::read(&bytes), Some(written));
        assert_eq!(Entry::read(&[0xFF; 32]), None);
        assert_eq!(Entry::read(&[0; 32]), None);
        for byte in [0, 1, 2, 3, 28, 29, 30, 31] {
            for bit in 0..8 {
                let mut bytes = bytes;
                bytes[byte] ^= 1 << bit;
                assert_eq!(Entry::read(&bytes), None, "{byte}");
            }
        }
        for state in [State::INVALID, State::ABORTED] {
            let given_up = Entry::new(1, state).unwrap().to_bytes();
            assert_eq!(Entry::read(&given_up), None);
        }
    }
}
