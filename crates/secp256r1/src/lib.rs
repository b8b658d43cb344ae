#![doc = include_str!("../README.md")]
#![no_std]
#![warn(missing_docs)]

#[cfg(test)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod curve;
mod field;
mod inverse;
mod point;
mod product;
mod signs;
mod table;
#[cfg(test)]
mod tests;
mod words;

use core::hint::black_box;

pub use curve::Coordinates;
use curve::ORDER;
use field::Element;
use words::Words;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A point of the curve, but not infinity.
#[derive(Clone, Copy)]
pub struct Point(point::Affine);

impl Point {
    /// None if there is no such point. The time tells which: a point is public.
    pub fn new(coordinates: &Coordinates) -> Option<Self> {
        point::Affine::of(coordinates).map(Self)
    }
}

/// A secret number from 1 to the order less 1. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Scalar(Words);

impl Scalar {
    /// Of a number with its most significant byte first; none if it is 0 or not below the order.
    /// Only that can be told from the time.
    pub fn new(bytes: &[u8; 32]) -> Option<Self> {
        let scalar = Self(words::from_bytes(bytes));
        let (_, below) = words::subtract(&scalar.0, &ORDER);
        let valid = below & words::is_not_zero(scalar.0.iter().fold(0, |all, word| all | word));
        (black_box(valid) == 1).then_some(scalar)
    }
}

/// A number that nobody can foresee, by which coordinates are multiplied while they are worked on.
/// Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Blind(Element);

impl Blind {
    /// For where nothing is secret.
    pub const NONE: Self = Self(Element::ONE);

    /// Of random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        let mut words = words::from_bytes(random);
        // Below 2^255, so below p; and odd, so not 0.
        words[7] &= 0x7fff_ffff;
        words[0] |= 1;
        let blind = Self(Element::from_montgomery(words));
        words.zeroize();
        blind
    }
}

/// Puts the scalar times a point into `product`.
pub fn multiply(scalar: &Scalar, point: &Point, blind: &Blind, product: &mut Coordinates) {
    product::multiply(&scalar.0, &point.0, &blind.0, product);
    wipe_stack();
}

/// Puts the scalar times the base point into `product`.
pub fn multiply_base(scalar: &Scalar, blind: &Blind, product: &mut Coordinates) {
    if !product::multiply_base(&scalar.0, &blind.0, product) {
        // One scalar in 2^255, so nobody meets it, nor the time that this takes.
        product::multiply(&scalar.0, &point::Affine::BASE, &blind.0, product);
    }
    wipe_stack();
}

/// How many bytes of stack a multiplication takes at most.
const STACK: usize = 5120;

/// Overwrites the stack where the functions that the caller called before had theirs, for the
/// compiler keeps words of secrets wherever it likes. Both multiplications end with it; it is for
/// who has secrets on his way there.
#[inline(never)]
pub fn wipe_stack() {
    black_box(&mut [0_u8; STACK]);
}
