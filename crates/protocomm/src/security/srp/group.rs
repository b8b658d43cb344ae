//! Powers in the 3072-bit group of RFC 5054, in constant time.
//!
//! Numbers and exponents come and go as bytes, most significant first. What a power is of is no matter here.

use zeroize::Zeroize;

use super::words::{self, MODULUS, ONE, Words};

/// The length of a number below N, in bytes.
pub const VERIFIER_LEN: usize = 384;

/// A number below N, padded with leading zeros.
pub(super) type Number = [u8; VERIFIER_LEN];

/// The length of an exponent that a [`Comb`] takes, in bytes.
const COMB_LEN: usize = 64;

/// How many teeth a [`Comb`] has, and how many bits of its exponent are between two of them.
pub(super) const TEETH: usize = 4;
pub(super) const TOOTH: usize = COMB_LEN * 8 / TEETH;

/// An element of the group. It may be a secret, and is not wiped by itself.
#[derive(Clone, Copy)]
pub(super) struct Element(Words);

/// An exponent's bits, the most significant first.
fn bits(exponent: &[u8]) -> impl Iterator<Item = u32> {
    exponent
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)))
}

/// The bit of an exponent at this place, from the least significant one.
fn bit(exponent: &[u8], place: usize) -> u32 {
    let byte = exponent[exponent.len() - 1 - place / 8];
    u32::from(byte >> (place % 8) & 1)
}

impl Element {
    /// 1
    pub(super) const ONE: Self = Self(ONE);

    /// 0
    pub(super) const ZERO: Self = Self([0; words::WORDS]);

    /// The element of this number, which is taken modulo N.
    pub(super) fn new(number: &Number) -> Self {
        Self(words::from_bytes(number))
    }

    pub(super) fn number(&self) -> Number {
        words::to_bytes(&self.0)
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        Self(words::multiply(&self.0, &other.0))
    }

    pub(super) fn square(&self) -> Self {
        Self(words::square(&self.0))
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        Self(words::add(&self.0, &other.0))
    }

    pub(super) fn sub(&self, other: &Self) -> Self {
        Self(words::subtract(&self.0, &other.0))
    }

    /// This element to the power of `exponent`, by windows of four bits. The time depends on the
    /// exponent's length only.
    pub(super) fn power(&self, exponent: &[u8]) -> Self {
        let mut powers = Comb::EMPTY;
        powers.set_powers(self);
        let result = exponent
            .iter()
            .fold(Self::ONE, |power, byte| powers.next_power(&power, *byte));
        powers.zeroize();
        result
    }

    /// This element to the power of `exponent`, of 16 bytes or more, times the comb's to the power of `of_comb`, with
    /// the squares in common. The time depends on the exponent's length only.
    #[inline(never)]
    pub(super) fn power_and(&self, exponent: &[u8], comb: &Comb, of_comb: &[u8; COMB_LEN]) -> Self {
        let mut powers = Comb::EMPTY;
        powers.set_powers(self);
        let mut result = Self::ONE;
        let places = (0..exponent.len() * 8).rev();
        let mut window = 0;
        for (place, next) in places.zip(bits(exponent)) {
            result = result.square();
            window = window << 1 | next;
            if place % 4 == 0 {
                result = result.mul(&powers.choose(window));
                window = 0;
            }
            if place < TOOTH {
                let index = (0..TEETH).fold(0, |index, tooth| {
                    index | bit(of_comb, place + tooth * TOOTH) << tooth
                });
                result = result.mul(&comb.choose(index));
            }
        }
        powers.zeroize();
        result
    }

    /// The next bit of an exponent of g, which is 5.
    pub(super) fn next_power_of_g(&self, bit: u32) -> Self {
        let mut result = self.square();
        let twice = result.add(&result);
        let five_times = twice.add(&twice).add(&result);
        words::assign_if(&mut result.0, &five_times.0, bit);
        result
    }

    /// g to the power of `exponent`, bit by bit. The time depends on the exponent's length only.
    pub(super) fn power_of_g(exponent: &[u8]) -> Self {
        bits(exponent).fold(Self::ONE, |power, bit| power.next_power_of_g(bit))
    }
}

/// The bit that comes after so many of an exponent.
pub(super) fn bit_after(exponent: &[u8], bits: usize) -> u32 {
    bit(exponent, exponent.len() * 8 - 1 - bits)
}

impl Zeroize for Element {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// Powers of an element that is known beforehand: to 2^([`TOOTH`] i) for i from 0 to 3, and their products.
#[derive(Zeroize)]
pub(super) struct Comb([Words; 1 << TEETH]);

impl Comb {
    /// Without an element: zeros, so that it takes no place in a chip's flash.
    pub(super) const EMPTY: Self = Self([[0; words::WORDS]; 1 << TEETH]);

    /// Makes it the powers of this element from 0 to 15 instead.
    pub(super) fn set_powers(&mut self, element: &Element) {
        self.0[0] = ONE;
        for i in 1..self.0.len() {
            self.0[i] = words::multiply(&self.0[i - 1], &element.0);
        }
    }

    /// A power of the element whose powers these are, with eight more bits of its exponent.
    pub(super) fn next_power(&self, power: &Element, bits: u8) -> Element {
        [bits >> 4, bits & 0x0F]
            .into_iter()
            .fold(*power, |power, window| {
                let power = power.square().square().square().square();
                power.mul(&self.choose(window.into()))
            })
    }

    fn choose(&self, index: u32) -> Element {
        Element(words::choose(&self.0, index))
    }

    /// Adds a tooth: the element to the power of 2^([`TOOTH`] `tooth`).
    pub(super) fn add_tooth(&mut self, tooth: usize, power: &Element) {
        self.0[0] = ONE;
        let (below, above) = self.0.split_at_mut(1 << tooth);
        for (product, factor) in above.iter_mut().zip(below) {
            *product = words::multiply(factor, &power.0);
        }
    }
}

/// N
pub(super) fn modulus() -> Number {
    words::plain_bytes(&MODULUS)
}

/// PAD(g)
pub(super) fn padded_generator() -> Number {
    let mut padded = [0; VERIFIER_LEN];
    padded[VERIFIER_LEN - 1] = 5;
    padded
}

/// a b + c, whose length is that of a and b together, and c's at most that.
pub(super) fn multiply_add(a: &[u8], b: &[u8], c: &[u8], sum: &mut [u8]) {
    let mut carry: u32 = 0;
    for (place, byte) in sum.iter_mut().rev().enumerate() {
        // At most 64 products of 16 bits: no overflow.
        for (i, factor) in a.iter().rev().enumerate().take(place + 1) {
            if let Some(other) = b.iter().rev().nth(place - i) {
                carry += u32::from(*factor) * u32::from(*other);
            }
        }
        carry += c.iter().rev().nth(place).map_or(0, |byte| u32::from(*byte));
        *byte = carry as u8;
        carry >>= 8;
    }
}

#[cfg(test)]
mod tests;
