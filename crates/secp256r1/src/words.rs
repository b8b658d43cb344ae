//! Numbers of eight words, the least significant first, and choices between them: without a
//! comparison that a compiler could make a branch of.

use core::hint::black_box;

/// A number below 2^256.
pub(crate) type Words = [u32; 8];

/// An array of eight words, each from an expression with its index.
macro_rules! eight {
    ($i:ident => $word:expr) => {
        [
            eight!($i 0 $word), eight!($i 1 $word), eight!($i 2 $word), eight!($i 3 $word),
            eight!($i 4 $word), eight!($i 5 $word), eight!($i 6 $word), eight!($i 7 $word),
        ]
    };
    ($i:ident $index:literal $word:expr) => {{
        const $i: usize = $index;
        $word
    }};
}
pub(crate) use eight;

/// All ones or all zeros: a choice that is made without a branch.
#[derive(Clone, Copy)]
pub(crate) struct Mask(pub(crate) u32);

impl Mask {
    /// All ones for 1, none for 0.
    #[inline(always)]
    pub(crate) fn from_bit(bit: u32) -> Self {
        // Hidden from the compiler, which would otherwise be free to branch.
        Self(black_box(0_u32.wrapping_sub(bit)))
    }

    /// Whether the numbers are the same.
    #[inline(always)]
    pub(crate) fn equal(a: u32, b: u32) -> Self {
        Self::from_bit(1 ^ is_not_zero(a ^ b))
    }

    #[inline(always)]
    fn word(self, no: u32, yes: u32) -> u32 {
        no ^ (self.0 & (no ^ yes))
    }
}

/// Whether a core has an instruction that compares two words and leaves the result in a register, as
/// RISC-V, ARM and x86 do. Where there is none, a comparison becomes a branch.
const COMPARES: bool = !cfg!(target_arch = "xtensa");

/// 1 for any number but 0.
#[inline(always)]
pub(crate) fn is_not_zero(a: u32) -> u32 {
    if COMPARES {
        u32::from(a != 0)
    } else {
        is_not_zero_by_bits(a)
    }
}

#[inline(always)]
fn is_not_zero_by_bits(a: u32) -> u32 {
    // Hidden, for compilers know this to be a comparison; and so is the bit, for they know what is
    // chosen by a sign.
    black_box((a | black_box(a.wrapping_neg())) >> 31)
}

/// The number, hidden from a compiler that would make branches of what it knows of it.
#[inline(always)]
pub(crate) fn hidden(a: u32) -> u32 {
    if COMPARES { a } else { black_box(a) }
}

/// The carry of a + b + carry, if this is their sum.
#[inline(always)]
fn carry_by_bits(a: u32, b: u32, sum: u32) -> u32 {
    ((a & b) | ((a | b) & !sum)) >> 31
}

/// The borrow of a - b - borrow, if this is their difference.
#[inline(always)]
fn borrow_by_bits(a: u32, b: u32, difference: u32) -> u32 {
    ((!a & b) | (!(a ^ b) & difference)) >> 31
}

/// a + b + carry, and the carry of it.
#[inline(always)]
pub(crate) fn add_word(a: u32, b: u32, carry: u32) -> (u32, u32) {
    if COMPARES {
        let (sum, first) = a.overflowing_add(b);
        let (sum, second) = sum.overflowing_add(carry);
        (sum, u32::from(first) | u32::from(second))
    } else {
        add_word_by_bits(a, b, carry)
    }
}

#[inline(always)]
fn add_word_by_bits(a: u32, b: u32, carry: u32) -> (u32, u32) {
    let sum = a.wrapping_add(b).wrapping_add(carry);
    (sum, carry_by_bits(a, b, sum))
}

/// a - b - borrow, and the borrow of it.
#[inline(always)]
pub(crate) fn subtract_word(a: u32, b: u32, borrow: u32) -> (u32, u32) {
    if COMPARES {
        let (difference, first) = a.overflowing_sub(b);
        let (difference, second) = difference.overflowing_sub(borrow);
        (difference, u32::from(first) | u32::from(second))
    } else {
        subtract_word_by_bits(a, b, borrow)
    }
}

#[inline(always)]
fn subtract_word_by_bits(a: u32, b: u32, borrow: u32) -> (u32, u32) {
    let difference = a.wrapping_sub(b).wrapping_sub(borrow);
    (difference, borrow_by_bits(a, b, difference))
}

/// a * b + c + d, which two words hold: the lower and the upper one.
#[inline(always)]
pub(crate) fn multiply_add(a: u32, b: u32, c: u32, d: u32) -> (u32, u32) {
    if COMPARES {
        let sum = u64::from(a) * u64::from(b) + u64::from(c) + u64::from(d);
        (sum as u32, (sum >> 32) as u32)
    } else {
        multiply_add_by_bits(a, b, c, d)
    }
}

#[inline(always)]
fn multiply_add_by_bits(a: u32, b: u32, c: u32, d: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    let (low, first) = add_word_by_bits(product as u32, c, 0);
    let (low, second) = add_word_by_bits(low, d, 0);
    (low, (product >> 32) as u32 + first + second)
}

/// A sum of words, some of them subtracted, of which there are a few only.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    low: u32,
    high: u32,
}

impl Sum {
    #[inline(always)]
    pub(crate) fn of(word: u32) -> Self {
        Self { low: word, high: 0 }
    }

    #[inline(always)]
    pub(crate) fn plus(self, word: u32) -> Self {
        let (low, carry) = add_word(self.low, word, 0);
        let high = self.high.wrapping_add(carry);
        Self { low, high }
    }

    #[inline(always)]
    pub(crate) fn minus(self, word: u32) -> Self {
        let (low, borrow) = subtract_word(self.low, word, 0);
        let high = self.high.wrapping_sub(borrow);
        Self { low, high }
    }

    /// The lowest word; what is above it stays.
    #[inline(always)]
    pub(crate) fn take_word(&mut self) -> u32 {
        let word = self.low;
        self.low = self.high;
        // It is -8 to 8: the sign is continued.
        self.high = ((self.high as i32) >> 31) as u32;
        word
    }
}

/// a + b modulo 2^256, and bit 256 of it.
#[inline(always)]
pub(crate) fn add(a: &Words, b: &Words) -> (Words, u32) {
    let mut carry = 0;
    let sum = eight!(I => {
        let (word, next) = add_word(a[I], b[I], carry);
        carry = next;
        word
    });
    (sum, carry)
}

/// a - b modulo 2^256, and 1 if it was negative.
#[inline(always)]
pub(crate) fn subtract(a: &Words, b: &Words) -> (Words, u32) {
    let mut borrow = 0;
    let difference = eight!(I => {
        let (word, next) = subtract_word(a[I], b[I], borrow);
        borrow = next;
        word
    });
    (difference, borrow)
}

/// `yes` where the mask is set, otherwise `no`.
#[inline(always)]
pub(crate) fn choose(mask: Mask, no: &Words, yes: &Words) -> Words {
    eight!(I => mask.word(no[I], yes[I]))
}

/// The words of a number that has its most significant byte first.
pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Words {
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().rev().zip(bytes.chunks_exact(4)) {
        *word = chunk
            .iter()
            .fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTREMES: [u32; 7] = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX];

    /// What cores without comparisons do is what the others do.
    #[test]
    fn bits_tell_what_comparisons_tell() {
        for a in EXTREMES {
            assert_eq!(is_not_zero_by_bits(a), is_not_zero(a));
            for b in EXTREMES {
                for carry in [0, 1] {
                    let case = (a, b, carry);
                    let sum = add_word_by_bits(a, b, carry);
                    assert_eq!(sum, add_word(a, b, carry), "{case:x?}");
                    let difference = subtract_word_by_bits(a, b, carry);
                    assert_eq!(difference, subtract_word(a, b, carry), "{case:x?}");
                }
                for (c, d) in EXTREMES.iter().flat_map(|c| EXTREMES.map(|d| (*c, d))) {
                    let sum = multiply_add_by_bits(a, b, c, d);
                    assert_eq!(sum, multiply_add(a, b, c, d), "{a:x} {b:x} {c:x} {d:x}");
                    let mut sum = Sum::of(a).plus(b).minus(c).minus(d);
                    let expected = i64::from(a) + i64::from(b) - i64::from(c) - i64::from(d);
                    assert_eq!(sum.take_word(), expected as u32);
                    assert_eq!(sum.take_word(), (expected >> 32) as u32);
                    assert_eq!(sum.take_word(), (expected >> 63) as u32);
                }
            }
        }
    }
}
