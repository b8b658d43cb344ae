#![doc = include_str!("../README.md")]
#![no_std]
#![warn(missing_docs)]

#[cfg(test)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod field;
mod inverse;
mod point;
mod product;
mod signs;
mod table;
#[cfg(test)]
mod tests;
mod words;

use core::fmt;
use core::hint::black_box;

use field::Element;
use words::Words;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The order of the base point, its least significant word first.
const ORDER: Words = [
    0xfc63_2551,
    0xf3b9_cac2,
    0xa717_9e84,
    0xbce6_faad,
    0xffff_ffff,
    0xffff_ffff,
    0,
    0xffff_ffff,
];

/// A point's coordinates, each with its most significant byte first. `Debug` does not show them, for
/// x may be a secret that was agreed upon.
#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
pub struct Coordinates {
    /// x.
    pub x: [u8; 32],
    /// y.
    pub y: [u8; 32],
}

impl Coordinates {
    /// The base point (SEC 2, 2.4.2).
    pub const BASE: Self = Self {
        x: [
            0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
            0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45,
            0xd8, 0x98, 0xc2, 0x96,
        ],
        y: [
            0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f,
            0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68,
            0x37, 0xbf, 0x51, 0xf5,
        ],
    };
}

impl fmt::Debug for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinates").finish_non_exhaustive()
    }
}

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
