//! Scalars as signs, so that no digit is ever 0 and all go the same way.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::curve::ORDER;
use crate::words::{self, Mask, Words};

/// An odd number from 1 to the order, as signs: number = sum of s(i) 2^i for i from 0 to 259, each
/// s(i) being 1 or -1.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Signs {
    /// Bit i is set where s(i) is 1, as far as there are bits: from s(256) to s(258) they are -1.
    halved: Words,
}

/// How many signs there are: windows of 5 for any point, 5 teeth of 52 for the base point.
pub(crate) const SIGNS: usize = 260;

impl Signs {
    /// Of a scalar from 1 to the order less 1, or of the order less it, which is the other that is
    /// odd; with whether it is that.
    pub(crate) fn of(scalar: &Words) -> (Self, Mask) {
        let even = Mask::from_bit(1 ^ (scalar[0] & 1));
        let (negative, _) = words::subtract(&ORDER, scalar);
        let odd = words::choose(even, scalar, &negative);
        // With s(i) = 2 bit(i + 1) - 1 and the last sign 1 the sum is the number.
        let halved = core::array::from_fn(|i| {
            let above = odd.get(i + 1).copied().unwrap_or(0);
            odd[i] >> 1 | above << 31
        });
        (Self { halved }, even)
    }

    /// 1 if s(i) is 1, or 0.
    fn bit(&self, i: usize) -> u32 {
        match self.halved.get(i / 32) {
            Some(word) => word >> (i % 32) & 1,
            None => u32::from(i == SIGNS - 1),
        }
    }

    /// Five signs `step` apart, the lowest first, as index into a table of the multiples with the
    /// last sign 1, and whether it is the opposite of that.
    pub(crate) fn five(&self, first: usize, step: usize) -> (u32, Mask) {
        let bits = (0..5).fold(0, |bits, i| bits | self.bit(first + i * step) << i);
        let negative = 1 ^ (bits >> 4);
        let opposite = 0_u32.wrapping_sub(negative);
        ((bits ^ opposite) & 15, Mask::from_bit(negative))
    }
}
