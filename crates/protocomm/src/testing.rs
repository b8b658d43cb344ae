//! What the unit tests share.

use rand::{SeedableRng, rngs::StdRng};

/// Numbers from a seed: the same in every run.
pub(crate) fn noise(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// The bytes of a hex string.
pub(crate) fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N);
    core::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}
