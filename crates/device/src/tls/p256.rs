//! Multiplication on the curve secp256r1 (P-256) for cores of 32 bits without hardware for it, in
//! place of MbedTLS's, which takes three times as many instructions there.
//!
//! [`install`] hooks it. Time and memory accesses depend on neither scalar nor point, but for
//! scalars that nobody meets. What does not belong to it, among it all that is invalid, goes to
//! MbedTLS's own multiplication.
//!
//! It is our own because nothing that fits was found. Counted for RV32IMC with
//! `opt-level = "s"`: a product of `p256` 0.13 takes 6.2 million instructions, one of MbedTLS 11,
//! this one 3.4, with the base point 1.1. A product of numbers takes 1480 with `fiat-crypto` 0.3,
//! and 860 in [`field`]. `crrl` 0.9 does not build without `std`.

mod field;
mod hook;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use field::{Element, Entry, Mask};
pub(super) use hook::install;
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

/// The b of y^2 = x^3 - 3 x + b.
const B: Element = Element::from_montgomery([
    0x29c4_bddf,
    0xd89c_df62,
    0x7884_3090,
    0xacf0_05cd,
    0xf721_2ed6,
    0xe5a2_20ab,
    0x0487_4834,
    0xdc30_061d,
]);

/// A point, each coordinate with its most significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coordinates {
    x: [u8; 32],
    y: [u8; 32],
}

/// A point (x, y) of the curve.
#[derive(Clone, Copy)]
struct Affine {
    x: Element,
    y: Element,
}

impl Affine {
    /// None if that is no point of the curve.
    fn of(point: &Coordinates) -> Option<Self> {
        let (x, y) = (
            Element::from_bytes(&point.x)?,
            Element::from_bytes(&point.y)?,
        );
        let three_x = x.double().add(&x);
        let right = x.square().multiply(&x).subtract(&three_x).add(&B);
        let point = Self { x, y };
        y.square().subtract(&right).is_zero().then_some(point)
    }
}

impl Entry for Affine {
    const BLANK: Self = Self {
        x: Element::BLANK,
        y: Element::BLANK,
    };

    fn take_if(&mut self, mask: Mask, entry: &Self) {
        self.x.take_if(mask, &entry.x);
        self.y.take_if(mask, &entry.y);
    }
}

/// The point (x / z^2, y / z^3); with z = 0, no point that is known.
///
/// Additions with which the formulas cannot deal give z = 0, and from then on it stays.
#[derive(Clone, Copy)]
struct Jacobian {
    x: Element,
    y: Element,
    z: Element,
}

impl Jacobian {
    /// The same point with other coordinates, which nobody can foresee if `blind` is random. It
    /// must not be 0.
    fn blinded(&self, blind: &Element) -> Self {
        let square = blind.square();
        Self {
            x: self.x.multiply(&square),
            y: self.y.multiply(&square.multiply(blind)),
            z: self.z.multiply(blind),
        }
    }

    /// 2 P (Hankerson, Menezes, Vanstone: Guide to Elliptic Curve Cryptography, algorithm 3.21).
    fn double(&self) -> Self {
        let z_square = self.z.square();
        let slope = self.x.subtract(&z_square);
        let slope = slope.multiply(&self.x.add(&z_square));
        let slope = slope.double().add(&slope);
        let y2 = self.y.double();
        let y2_square = y2.square();
        let beta = y2_square.multiply(&self.x);
        let x = slope.square().subtract(&beta.double());
        let y = slope.multiply(&beta.subtract(&x));
        Self {
            x,
            y: y.subtract(&y2_square.square().halve()),
            z: y2.multiply(&self.z),
        }
    }

    /// P + Q; z = 0 if they are the same, or opposite, or either has z = 0.
    fn add(&self, other: &Self) -> Self {
        let z2_square = other.z.square();
        let u1 = self.x.multiply(&z2_square);
        let s1 = self.y.multiply(&z2_square.multiply(&other.z));
        let z = self.z.multiply(&other.z);
        self.add_scaled(&u1, &s1, &z, &other.x, &other.y)
    }

    /// P + Q; z = 0 if they are the same, or opposite, or P has z = 0.
    fn add_affine(&self, other: &Affine) -> Self {
        self.add_scaled(&self.x, &self.y, &self.z, &other.x, &other.y)
    }

    /// The common part: P has been brought to the coordinates `u1` and `s1` over the other's z,
    /// and `z` is the product of both.
    fn add_scaled(
        &self,
        u1: &Element,
        s1: &Element,
        z: &Element,
        x2: &Element,
        y2: &Element,
    ) -> Self {
        let z1_square = self.z.square();
        let h = x2.multiply(&z1_square).subtract(u1);
        let r = y2.multiply(&z1_square.multiply(&self.z)).subtract(s1);
        let h_square = h.square();
        let h_cube = h_square.multiply(&h);
        let v = u1.multiply(&h_square);
        let x = r.square().subtract(&h_cube).subtract(&v.double());
        let y = r.multiply(&v.subtract(&x)).subtract(&s1.multiply(&h_cube));
        Self {
            x,
            y,
            z: z.multiply(&h),
        }
    }

    /// None for z = 0.
    fn coordinates(self) -> Option<Coordinates> {
        if self.z.is_zero() {
            return None;
        }
        let inverse = self.z.invert();
        let square = inverse.square();
        let x = self.x.multiply(&square);
        let y = self.y.multiply(&square.multiply(&inverse));
        Some(Coordinates {
            x: x.to_bytes(),
            y: y.to_bytes(),
        })
    }
}

impl Entry for Jacobian {
    const BLANK: Self = Self {
        x: Element::BLANK,
        y: Element::BLANK,
        z: Element::BLANK,
    };

    fn take_if(&mut self, mask: Mask, entry: &Self) {
        self.x.take_if(mask, &entry.x);
        self.y.take_if(mask, &entry.y);
        self.z.take_if(mask, &entry.z);
    }
}

/// The entry of a table, with all of them read.
fn look_up<T: Entry>(table: &[T; 16], index: u32) -> T {
    let mut found = T::BLANK;
    for (i, entry) in (0..).zip(table) {
        found.take_if(Mask::equal(i, index), entry);
    }
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
    let once = Jacobian {
        x: point.x,
        y: point.y,
        z: Element::ONE,
    };
    let once = once.blinded(blind);
    let twice = once.double();
    // The odd multiples, up to 31: entry i is 2 i + 1 times the point.
    let mut table = [once; 16];
    let mut multiple = once;
    for entry in table.iter_mut().skip(1) {
        multiple = multiple.add(&twice);
        *entry = multiple;
    }
    // The topmost five signs are +---- for all scalars: 16 - 15 = 1.
    let mut sum = once;
    for window in (0..SIGNS / 5 - 1).rev() {
        for _ in 0..5 {
            sum = sum.double();
        }
        let (index, negative) = signs.five(5 * window, 1);
        let mut multiple = look_up(&table, index);
        multiple.y.negate_if(negative);
        sum = sum.add(&multiple);
    }
    sum.y.negate_if(negated);
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
        let (index, negative) = signs.five(row * HALF + column, TEETH);
        let mut multiple = look_up(&table::BASE[row], index);
        multiple.y.negate_if(negative);
        multiple
    };
    let first = entry(0, HALF - 1);
    let first = Jacobian {
        x: first.x,
        y: first.y,
        z: Element::ONE,
    };
    let mut sum = first.blinded(blind).add_affine(&entry(1, HALF - 1));
    for column in (0..HALF - 1).rev() {
        sum = sum.double();
        sum = sum.add_affine(&entry(0, column));
        sum = sum.add_affine(&entry(1, column));
    }
    sum.y.negate_if(negated);
    sum.coordinates()
}
