//! Products of scalars and points.
//!
//! # Additions that the formulas cannot do
//!
//! The formulas are not complete: an addition of a point to itself or to its opposite comes out as
//! z = 0 (`point.rs`). Complete ones (J. Renes, C. Costello, L. Batina: Complete addition formulas
//! for prime order elliptic curves, 2016) would take some half as many products again. Instead, here is
//! which of these additions come about. Let n be the order, and N the odd number below it whose
//! signs are used ([`Signs`]). n is an odd prime, so no double is infinity, and d P = e P only if n
//! divides d - e.
//!
//! *The table of [`multiply`].* 2 P is added to P, 3 P, ... 29 P, none of which is 2 P or -2 P.
//!
//! *The windows of [`multiply`].* Of the sum K P, 32 K P is made, and a digit d P added; d is odd, and
//! from -31 to 31. K is odd, and above 0 since the first sign is 1. An addition fails if 32 K = m n + e
//! with e = d or -d, and m > 0 since 32 K > 31. Before the last window 32 K is below n / 32 + 64; in the last 32 K
//! is N - d, so that m is 1. n is 17 modulo 32, so e is 15 or -17; but (n - 17) / 32 is even. With
//! e = 15, d is 15 or -15, and N is n + 30 or n: no such N.
//!
//! *The columns of [`multiply_base`].* With S summed up, E0 and E1 being the entries of this column
//! in the two rows, 2 S + E0 and (2 S + E0) + E1 are worked out. E0, a sum of ±2^(52 t), is odd; E1 is 2^26 times
//! such a sum. So 2 S is not E0 or -E0, nor 2 S + E0 what E1 or -E1 is, for their lowest bits differ: the two
//! could only differ by a multiple of n. |2 S| is below n / 2 + 2^236 but in the last column, E0 below
//! 2^209 and E1 below 2^235, which is not enough for it. In the last, 2 S + E0 + E1 is N, and what may be n is
//! N - 2 E0 - E1, N - E1 or N - 2 E1. These are 1088 numbers N, of which all but one have other signs
//! than those of the E0 and E1 they are made of. The one is n - 2^27 (1 + 2^52 + 2^104 + 2^156 + 2^208): the test
//! `one_addition_of_the_base_point_fails` looks at all. It and its opposite are multiplied as for any point.

use zeroize::Zeroize;

use crate::curve::Coordinates;
use crate::field::Element;
use crate::point::{Affine, Jacobian, Multiples, half_az4};
use crate::signs::{SIGNS, Signs};
use crate::table;
use crate::words::{Mask, Words};

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

/// The scalar times a point; `blind` is not 0.
#[inline(never)]
pub(crate) fn multiply(scalar: &Words, point: &Affine, blind: &Element, product: &mut Coordinates) {
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
    // As argued above, it has coordinates.
    let _ = sum.write(product);
    sum.zeroize();
}

/// The scalar times the base point; `blind` is not 0. False for the two scalars with which it does
/// not work.
#[inline(never)]
pub(crate) fn multiply_base(scalar: &Words, blind: &Element, product: &mut Coordinates) -> bool {
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
    let found = sum.write(product);
    sum.zeroize();
    found
}
