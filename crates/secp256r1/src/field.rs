//! Numbers modulo the prime of secp256r1, p = 2^256 - 2^224 + 2^192 + 2^96 - 1, for cores of 32
//! bits: in Montgomery's form, always below p, in time that does not depend on their values.
//!
//! Products are unrolled, for only so are the words kept in registers, and with
//! `opt-level = "s"` the compiler would not do it. Pairs of their rows are held apart by
//! [`black_box`]: otherwise it multiplies everything first, and spends a fifth of the time on
//! storing that.

#[cfg(test)]
mod tests;

use core::hint::black_box;

use zeroize::Zeroize;

use crate::inverse;
use crate::words::{
    self, Mask, Sum, Words, add, add_word, choose, eight, hidden, is_not_zero, multiply_add,
    subtract, subtract_word,
};

/// p, its least significant word first.
const P: Words = [
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0,
    0,
    0,
    1,
    0xffff_ffff,
];

/// 2^512 mod p, which brings a number into Montgomery's form.
const R_SQUARED: Element = Element([
    3,
    0,
    0xffff_ffff,
    0xffff_fffb,
    0xffff_fffe,
    0xffff_ffff,
    0xffff_fffd,
    4,
]);

/// A number modulo p.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Element(Words);

impl Element {
    pub(crate) const ZERO: Self = Self([0; 8]);
    pub(crate) const ONE: Self = Self::from_montgomery([
        1,
        0,
        0,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_fffe,
        0,
    ]);

    /// Of words that are in Montgomery's form already, and below p.
    pub(crate) const fn from_montgomery(words: Words) -> Self {
        Self(words)
    }

    /// Of a number, most significant byte first; none if it is not below p.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let words = words::from_bytes(bytes);
        let (_, below) = subtract(&words, &P);
        (below == 1).then(|| Self(words).multiply(&R_SQUARED))
    }

    /// Writes the number, most significant byte first.
    pub(crate) fn write(&self, bytes: &mut [u8; 32]) {
        // The product with 1 that is not in Montgomery's form leaves it.
        let words = self.multiply(&Self([1, 0, 0, 0, 0, 0, 0, 0])).0;
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(words.iter().rev()) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
    }

    #[cfg(test)]
    pub(crate) fn words(&self) -> &Words {
        &self.0
    }

    /// Takes over a value, word by word: for 32 bytes the compiler would call a function, which takes
    /// three times as long.
    #[inline(always)]
    pub(crate) fn set(&mut self, value: &Self) {
        eight!(I => self.0[I] = value.0[I]);
    }

    #[inline(never)]
    pub(crate) fn add(&self, other: &Self) -> Self {
        let (sum, carry) = add(&self.0, &other.0);
        below_p(sum, carry)
    }

    #[inline(never)]
    pub(crate) fn subtract(&self, other: &Self) -> Self {
        let (difference, borrow) = subtract(&self.0, &other.0);
        Self(add_p_if(Mask::from_bit(borrow), &difference).0)
    }

    pub(crate) fn double(&self) -> Self {
        self.add(self)
    }

    /// The number of which this is the double.
    #[inline(never)]
    pub(crate) fn halve(&self) -> Self {
        let odd = Mask::from_bit(self.0[0] & 1);
        let (even, carry) = add_p_if(odd, &self.0);
        Self(eight!(I => even[I] >> 1 | if I < 7 { even[(I + 1) % 8] } else { carry } << 31))
    }

    #[inline(never)]
    pub(crate) fn multiply(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        let mut t = [0; 8];
        let mut carry = 0;
        macro_rules! four_rows { ($($i:literal)+) => {{
            let [t0, t1, t2, t3, t4, t5, t6, t7] = t;
            let mut t12 = [t0, t1, t2, t3, t4, t5, t6, t7, carry, 0, 0, 0];
            $(row!(t12 $i: 0 1 2 3 4 5 6 7);)+
            (t, carry) = divide_by_four_words(&t12);
        }} }
        macro_rules! row { ($t:ident $i:literal: $($j:literal)+) => {{
            let mut a = a[$i];
            if $i % 2 == 1 {
                (a, $t[$i % 4 + 7]) = black_box((a, $t[$i % 4 + 7]));
            }
            let mut next = 0;
            $(($t[$i % 4 + $j], next) = multiply_add(a, b[$j], $t[$i % 4 + $j], next);)+
            // What was there is the carry: below 2p and a word's multiple of b, which is below p,
            // are below 2^288 together.
            $t[$i % 4 + 8] += next;
        }} }
        four_rows!(0 1 2 3);
        four_rows!(4 5 6 7);
        below_p(t, carry)
    }

    #[inline(never)]
    pub(crate) fn square(&self) -> Self {
        let a = &self.0;
        let mut t = [0; 16];
        macro_rules! row { ($i:literal: $($j:literal)+) => {{
            let mut word = a[$i];
            if $i % 2 == 1 {
                (word, t[$i + 7]) = black_box((word, t[$i + 7]));
            }
            let mut next = 0;
            $((t[$i + $j], next) = multiply_add(word, a[$j], t[$i + $j], next);)+
            t[$i + 8] = next;
        }} }
        row!(0: 1 2 3 4 5 6 7);
        row!(1: 2 3 4 5 6 7);
        row!(2: 3 4 5 6 7);
        row!(3: 4 5 6 7);
        row!(4: 5 6 7);
        row!(5: 6 7);
        row!(6: 7);
        let mut carry = 0;
        let mut above = 0;
        macro_rules! twice { ($($i:literal)+) => {$(
            let square = u64::from(a[$i]) * u64::from(a[$i]);
            let (low, high) = (t[2 * $i], t[2 * $i + 1]);
            (t[2 * $i], carry) = add_word(low << 1 | above, square as u32, carry);
            (t[2 * $i + 1], carry) = add_word(high << 1 | low >> 31, (square >> 32) as u32, carry);
            above = high >> 31;
        )+} }
        twice!(0 1 2 3 4 5 6 7);
        let _ = (carry, above);
        divide(&t)
    }

    /// 1 / x; 0 for 0.
    pub(crate) fn invert(&self) -> Self {
        // Of x 2^256, so that two factors of 2^256 are missing.
        let inverse = Self(inverse::invert(&self.0));
        inverse.multiply(&R_SQUARED).multiply(&R_SQUARED)
    }

    /// -x where the mask is set, otherwise x.
    pub(crate) fn negate_if(&mut self, mask: Mask) {
        let negative = Self::ZERO.subtract(self);
        self.set(&Self(choose(mask, &self.0, &negative.0)));
    }

    /// Takes over a number where the mask is set; it must be 0 yet.
    #[inline(always)]
    pub(crate) fn take_if(&mut self, mask: Mask, number: &Self) {
        eight!(I => self.0[I] |= mask.0 & number.0[I]);
    }

    /// Whether it is 0. All words are looked at, but what is done with the answer may be seen.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }
}

/// p where the mask is set, otherwise 0.
#[inline(always)]
fn p_if(mask: Mask) -> Words {
    eight!(I => P[I] & mask.0)
}

/// The number, with p added where the mask is set, and bit 256 of it.
#[inline(always)]
fn add_p_if(mask: Mask, number: &Words) -> (Words, u32) {
    add(number, &p_if(mask))
}

/// A number below 2p, made one below p; `carry` is its bit 256.
#[inline(always)]
fn below_p(number: Words, carry: u32) -> Element {
    let [n0, n1, n2, n3, n4, n5, n6, n7] = number;
    // The borrow if p is subtracted, from word to word: there are three that are all ones, three 0,
    // a 1, and all ones again.
    let borrow = is_not_zero(!(n0 & n1 & n2));
    let borrow = borrow & (1 ^ is_not_zero(n3 | n4 | n5));
    let (_, borrow) = subtract_word(n6, hidden(1), borrow);
    let borrow = borrow | is_not_zero(!n7);
    // It was below p if p cannot be subtracted.
    let p = p_if(Mask::from_bit((borrow ^ 1) | carry));
    Element(subtract(&number, &p).0)
}

/// A product below p^2, divided by 2^256 modulo p.
#[inline(always)]
fn divide(product: &[u32; 16]) -> Element {
    let [low @ .., t12, t13, t14, t15] = product;
    let (t, carry) = divide_by_four_words(low);
    let (t12, carry) = add_word(*t12, carry, 0);
    let (t13, carry) = add_word(*t13, carry, 0);
    let (t14, carry) = add_word(*t14, carry, 0);
    // No more than the product and multiples of p are together, which is below 2^512.
    let t15 = t15 + carry;
    let [t4, t5, t6, t7, t8, t9, t10, t11] = t;
    let (number, carry) =
        divide_by_four_words(&[t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15]);
    below_p(number, carry)
}

/// Adds the multiple of p that makes the lowest four words 0, and leaves these out: what remains,
/// and the carry onto the word that follows.
///
/// With p = 2^256 - 2^224 + 2^192 + 2^96 - 1 the multiple is m p with m = t (1 + 2^96) modulo 2^128:
/// its -m cancels three words, and with its 2^96 m the fourth.
#[inline(always)]
fn divide_by_four_words(t: &[u32; 12]) -> (Words, u32) {
    let [m0, m1, m2, t3, ..] = *t;
    let (m3, carry) = add_word(t3, m0, 0);
    let (t4, carry) = add_word(t[4], m1, carry);
    let (t5, carry) = add_word(t[5], m2, carry);
    let mut sum = Sum::of(carry);
    macro_rules! word { ($i:literal $(+ $plus:ident)+ $(- $minus:ident)*) => {{
        sum = sum.plus(t[$i]) $(.plus($plus))+ $(.minus($minus))*;
        sum.take_word()
    }} }
    let t6 = word!(6 + m0 + m3);
    let t7 = word!(7 + m1 - m0);
    let t8 = word!(8 + m0 + m2 - m1);
    let t9 = word!(9 + m1 + m3 - m2);
    let t10 = word!(10 + m2 - m3);
    let t11 = word!(11 + m3);
    ([t4, t5, t6, t7, t8, t9, t10, t11], sum.take_word())
}
