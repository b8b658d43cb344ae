//! Multiplication on the curve secp256r1 (P-256) for cores of 32 bits without hardware for it, in
//! place of MbedTLS's, which takes more than four times as many instructions there.
//!
//! [`install`] hooks it, and the check whether a point is on the curve. Time and memory accesses
//! depend on neither scalar nor point, but for scalars that nobody meets. What does not belong to it,
//! among it all that is invalid, goes to MbedTLS's own functions.
//!
//! It is our own because nothing that fits was found. Counted for RV32IMC with
//! `opt-level = "s"`: a product of `p256` 0.13 takes 6.2 million instructions, one of MbedTLS 11,
//! this one 2.45, with the base point 0.78. A product of numbers takes 1480 with `fiat-crypto` 0.3,
//! and 806 in [`field`]. `crrl` 0.9 does not build without `std`.

mod field;
mod hook;
mod inverse;
mod point;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use field::{Element, Mask};
pub(super) use hook::install;
use point::{Affine, Coordinates, Jacobian, Multiples, half_az4};
use zeroize::Zeroizing;

/// The order of the base point, its least significant word first.
const ORDER: [u32; 8] = [
    0xfc63_2551,
    0xf3b9_cac2,
    0xa717_9e84,
    0xbce6_faad,
    0xffff_ffff,
    0xffff_ffff,
    0,
    0xffff_ffff,
];

/// The entry of a table, or the opposite of it, with all of them read.
#[inline(never)]
fn look_up(table: &[Affine; 16], (index, opposite): (u32, Mask)) -> Affine {
    let mut found = Affine {
        x: Element::ZERO,
        y: Element::ZERO,
    };
    // One after the other, so that each stays in registers.
    for (i, entry) in (0..).zip(table) {
        found.x.take_if(Mask::equal(i, index), &entry.x);
    }
    for (i, entry) in (0..).zip(table) {
        found.y.take_if(Mask::equal(i, index), &entry.y);
    }
    found.y.negate_if(opposite);
    found
}

/// An odd number from 1 to the order, as signs: number = sum of s(i) 2^i for i from 0 to 259, each
/// s(i) being 1 or -1. So no digit is ever 0, and all go the same way.
struct Signs {
    /// Bit i is set where s(i) is 1, as far as there are bits: from s(256) to s(258) they are -1.
    halved: Zeroizing<[u32; 8]>,
}

/// How many signs there are: windows of 5 for any point, 5 teeth of 52 for the base point.
const SIGNS: usize = 260;

impl Signs {
    /// Of a scalar from 1 to the order less 1, or of the order less it, which is the other that is
    /// odd; with whether it is that.
    fn of(scalar: &[u32; 8]) -> (Self, Mask) {
        let even = Mask::from_bit(1 ^ (scalar[0] & 1));
        let (negative, _) = field::subtract_words(&ORDER, scalar);
        let odd = Zeroizing::new(field::choose_words(even, scalar, &negative));
        // With s(i) = 2 bit(i + 1) - 1 and the last sign 1 the sum is the number.
        let halved = core::array::from_fn(|i| {
            let above = odd.get(i + 1).copied().unwrap_or(0);
            odd[i] >> 1 | above << 31
        });
        let halved = Zeroizing::new(halved);
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
    fn five(&self, first: usize, step: usize) -> (u32, Mask) {
        let bits = (0..5).fold(0, |bits, i| bits | self.bit(first + i * step) << i);
        let negative = 1 ^ (bits >> 4);
        let opposite = 0_u32.wrapping_sub(negative);
        ((bits ^ opposite) & 15, Mask::from_bit(negative))
    }
}

/// The scalar times a point; `blind` is random, and not 0.
///
/// None if an addition came about with which the formulas cannot deal, but none does: with K times
/// the point summed up, K odd, it is to 32 K that a digit d, odd and of 31 at most, is added. 32 K
/// is d or -d modulo the order only if it is the order and 15, for no other odd K comes so close.
/// Then 15 or -15 is the digit, and the scalar no less than the order.
fn multiply(scalar: &[u32; 8], point: &Affine, blind: &Element) -> Option<Coordinates> {
    let (signs, negated) = Signs::of(scalar);
    // All coordinates are over this z until the end, so that those in the table have none of their
    // own. For the formulas that is a curve with another a.
    let Multiples { table, z } = Multiples::of(point, blind);
    let half_a = half_az4(&z);
    // The topmost five signs are +---- for all scalars: 16 - 15 = 1.
    let mut sum = Jacobian {
        affine: table[0],
        z: Element::ONE,
    };
    for window in (0..SIGNS / 5 - 1).rev() {
        let mut half_az4 = sum.z.square().square().multiply(&half_a);
        for left in (0..5).rev() {
            let same = sum.double(&half_az4);
            if left > 0 {
                half_az4 = half_az4.multiply(&same.y);
            }
        }
        sum.add(&look_up(&table, signs.five(5 * window, 1)));
    }
    sum.z = sum.z.multiply(&z);
    sum.affine.y.negate_if(negated);
    sum.coordinates()
}

/// The scalar times the base point; `blind` is random, and not 0.
///
/// None if an addition came about with which the formulas cannot deal. One in 2^240 scalars, if any,
/// leads there.
fn multiply_base(scalar: &[u32; 8], blind: &Element) -> Option<Coordinates> {
    const TEETH: usize = SIGNS / 5;
    const HALF: usize = TEETH / 2;
    let (signs, negated) = Signs::of(scalar);
    let entry = |row: usize, column: usize| {
        look_up(&table::BASE[row], signs.five(row * HALF + column, TEETH))
    };
    let first = entry(0, HALF - 1);
    let mut sum = Jacobian::blinded(&first, blind);
    sum.add(&entry(1, HALF - 1));
    for column in (0..HALF - 1).rev() {
        sum.double(&half_az4(&sum.z));
        sum.add(&entry(0, column));
        sum.add(&entry(1, column));
    }
    sum.affine.y.negate_if(negated);
    sum.coordinates()
}
