//! Power that goes on command, and what it leaves of a word or a sector.

use super::{SECTOR, WORD};

/// When the power goes.
pub(super) struct PowerCut {
    /// Words that can still be written and sectors erased before.
    pub(super) operations_left: u64,
    /// How the operation after these is left half done; none if it is not begun.
    pub(super) amid: Option<u64>,
}

impl PowerCut {
    /// Whether nothing can be done any more.
    pub(super) fn is_over(&self) -> bool {
        self.operations_left == 0 && self.amid.is_none()
    }

    /// Begins an operation, if there is power for it. If there is not, the seed says how it is left
    /// half done: that happens once.
    pub(super) fn spend(&mut self) -> Result<(), Option<u64>> {
        self.operations_left = self
            .operations_left
            .checked_sub(1)
            .ok_or_else(|| self.amid.take())?;
        Ok(())
    }
}

/// A word that should have become `wanted`, cut off amid that.
pub(super) fn half_write(word: &mut [u8; WORD], wanted: [u8; WORD], seed: u64, at: usize) {
    *word = torn(*word, wanted, some_bits(seed, at, 1));
}

/// A sector, which lies at `from`, erased in part.
pub(super) fn half_erase(sector: &mut [u8; SECTOR], seed: u64, from: usize) {
    let zeros = some_bits(seed, from, 1) as usize % SECTOR;
    let words = sector.as_chunks_mut::<WORD>().0;
    for (index, word) in words.iter_mut().enumerate() {
        let at = from + index * WORD;
        *word = match seed % 4 {
            0 if index * WORD < zeros => [0; WORD],
            0 => *word,
            1 => torn(*word, [0xff; WORD], some_bits(seed, at, 7)),
            2 => torn(*word, [0xff; WORD], some_bits(seed, at, 1)),
            _ => torn(*word, [0xff; WORD], !some_bits(seed, at, 7)),
        };
    }
}

/// What has become of a word that should have become `wanted`: of the bits that differ, those in
/// `done` have changed.
fn torn(present: [u8; WORD], wanted: [u8; WORD], done: u32) -> [u8; WORD] {
    let (present, wanted) = (u32::from_le_bytes(present), u32::from_le_bytes(wanted));
    (present ^ ((present ^ wanted) & done)).to_le_bytes()
}

/// Random bits of which 1 in 2^`rarity` is set, for a word of the flash (SplitMix64).
fn some_bits(seed: u64, word: usize, rarity: u32) -> u32 {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (word as u64) << 8;
    let mut bits = u32::MAX;
    for _ in 0..rarity {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits &= (z ^ (z >> 31)) as u32;
    }
    bits
}
