//! What is kept of a renewal: two places for values, and one number that says which of them is proven.
//!
//! ```text
//! value:   0   generation, 32-bit little-endian, from 1
//!          4   origin, 32 bytes: the SHA-256 of what the renewal began from
//!         36   what is kept
//! ```
//!
//! The number is the proven value's generation, or 0 for none; a value of generation g is in place g mod 2.
//! A value of a later generation is a candidate; one of an earlier generation is over, and is to be wiped.
//! So a candidate is there or not with one write, it is proven with one write, and at any time there is
//! either the old one or the new one: whoever writes a value or the number must only see to it that a
//! write counts whole or not at all, as NVS does.
//!
//! A value whose origin is not that of the files which came by cable is over, too: whoever was at the board
//! gave it another identity.

use alloc::vec::Vec;

use zeroize::Zeroizing;

const GENERATION: core::ops::Range<usize> = 0..4;
const ORIGIN: core::ops::Range<usize> = 4..36;

/// Which of two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// That of even generations.
    Even,
    /// That of odd ones.
    Odd,
}

impl Place {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Even, Self::Odd];

    /// That of a generation.
    #[must_use]
    pub fn of(generation: u32) -> Self {
        match generation & 1 {
            0 => Self::Even,
            _ => Self::Odd,
        }
    }
}

/// A value as it is kept.
#[must_use]
pub fn write(generation: u32, origin: &[u8; 32], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // At its full size from the start: a vector that grows leaves copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(ORIGIN.end + length));
    value.extend_from_slice(&generation.to_le_bytes());
    value.extend_from_slice(origin);
    for part in parts {
        value.extend_from_slice(part);
    }
    value
}

/// What is kept in a value.
#[must_use]
pub fn content(value: &[u8]) -> &[u8] {
    value.get(ORIGIN.end..).unwrap_or_default()
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the one that counts.
    Proven,
    /// It is to be tried, or waits for more.
    Candidate {
        /// Its generation.
        generation: u32,
    },
    /// It is to be wiped.
    Over,
}

/// What a value in this place is, with this number and of files of this origin.
#[must_use]
pub fn standing(value: &[u8], place: Place, proven: u32, origin: &[u8; 32]) -> Standing {
    let generation = value
        .get(GENERATION)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_le_bytes);
    let Some(generation) = generation.filter(|generation| Place::of(*generation) == place) else {
        return Standing::Over;
    };
    if value.get(ORIGIN) != Some(origin) || generation == 0 {
        return Standing::Over;
    }
    match generation.cmp(&proven) {
        core::cmp::Ordering::Less => Standing::Over,
        core::cmp::Ordering::Equal => Standing::Proven,
        core::cmp::Ordering::Greater => Standing::Candidate { generation },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: [u8; 32] = [7; 32];

    #[test]
    fn a_value_is_candidate_proven_and_over_in_turn() {
        let value = write(3, &ORIGIN, &[b"key", b"chain"]);
        assert_eq!(content(&value), b"keychain");
        let at = |proven| standing(&value, Place::Odd, proven, &ORIGIN);
        assert_eq!(at(2), Standing::Candidate { generation: 3 });
        assert_eq!(at(0), Standing::Candidate { generation: 3 });
        assert_eq!(at(3), Standing::Proven);
        assert_eq!(at(4), Standing::Over);
    }

    #[test]
    fn what_belongs_elsewhere_is_over() {
        let value = write(3, &ORIGIN, &[]);
        let over = |value: &[u8], place, origin| {
            assert_eq!(standing(value, place, 3, origin), Standing::Over);
        };
        over(&value, Place::Even, &ORIGIN);
        over(&value, Place::Odd, &[8; 32]);
        over(&write(0, &ORIGIN, &[]), Place::Even, &ORIGIN);
        for cut in 0..value.len() {
            over(&value[..cut], Place::Odd, &ORIGIN);
            assert!(content(&value[..cut]).is_empty());
        }
    }
}
