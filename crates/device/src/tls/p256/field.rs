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

use super::inverse;

/// p, its least significant word first.
const P: [u32; 8] = [
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

/// All ones or all zeros: a choice that is made without a branch.
#[derive(Clone, Copy)]
pub(super) struct Mask(u32);

impl Mask {
    /// All ones for 1, none for 0.
    #[inline(always)]
    pub(super) fn from_bit(bit: u32) -> Self {
        // Hidden from the compiler, which would otherwise be free to branch.
        Self(black_box(0_u32.wrapping_sub(bit)))
    }

    /// Whether the numbers are the same.
    #[inline(always)]
    pub(super) fn equal(a: u32, b: u32) -> Self {
        let difference = a ^ b;
        Self::from_bit(1 ^ ((difference | difference.wrapping_neg()) >> 31))
    }

    #[inline(always)]
    fn word(self, no: u32, yes: u32) -> u32 {
        no ^ (self.0 & (no ^ yes))
    }
}

/// `yes` where the mask is set, otherwise `no`.
#[inline(always)]
pub(super) fn choose_words(mask: Mask, no: &[u32; 8], yes: &[u32; 8]) -> [u32; 8] {
    eight!(I => mask.word(no[I], yes[I]))
}

/// a + b + carry, and the carry of it.
#[inline(always)]
fn add_word(a: u32, b: u32, carry: u32) -> (u32, u32) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry);
    (sum, u32::from(first) | u32::from(second))
}

/// a - b - borrow, and the borrow of it.
#[inline(always)]
fn subtract_word(a: u32, b: u32, borrow: u32) -> (u32, u32) {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(borrow);
    (difference, u32::from(first) | u32::from(second))
}

/// a + b modulo 2^256, and bit 256 of it.
#[inline(always)]
fn add_words(a: &[u32; 8], b: &[u32; 8]) -> ([u32; 8], u32) {
    let mut carry = 0;
    let sum = eight!(I => {
        let (word, next) = add_word(a[I], b[I], carry);
        carry = next;
        word
    });
    (sum, carry)
}

/// a - b modulo 2^256, and whether it was negative.
#[inline(always)]
pub(super) fn subtract_words(a: &[u32; 8], b: &[u32; 8]) -> ([u32; 8], u32) {
    let mut borrow = 0;
    let difference = eight!(I => {
        let (word, next) = subtract_word(a[I], b[I], borrow);
        borrow = next;
        word
    });
    (difference, borrow)
}

/// A number modulo p.
#[derive(Clone, Copy)]
pub(super) struct Element([u32; 8]);

impl Element {
    pub(super) const ZERO: Self = Self([0; 8]);
    pub(super) const ONE: Self = Self::from_montgomery([
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
    pub(super) const fn from_montgomery(words: [u32; 8]) -> Self {
        Self(words)
    }

    /// Of a number, most significant byte first; none if it is not below p.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let words = words(bytes);
        let (_, below) = subtract_words(&words, &P);
        (below == 1).then(|| Self(words).multiply(&R_SQUARED))
    }

    /// The number, most significant byte first.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        // The product with 1 that is not in Montgomery's form leaves it.
        let words = self.multiply(&Self([1, 0, 0, 0, 0, 0, 0, 0])).0;
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(words.iter().rev()) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Takes over a value, word by word: for 32 bytes the compiler would call a function, which takes
    /// three times as long.
    #[inline(always)]
    pub(super) fn set(&mut self, value: &Self) {
        eight!(I => self.0[I] = value.0[I]);
    }

    #[inline(never)]
    pub(super) fn add(&self, other: &Self) -> Self {
        let (sum, carry) = add_words(&self.0, &other.0);
        below_p(sum, carry)
    }

    #[inline(never)]
    pub(super) fn subtract(&self, other: &Self) -> Self {
        let (difference, borrow) = subtract_words(&self.0, &other.0);
        Self(add_p_if(Mask::from_bit(borrow), &difference).0)
    }

    pub(super) fn double(&self) -> Self {
        self.add(self)
    }

    /// The number of which this is the double.
    #[inline(never)]
    pub(super) fn halve(&self) -> Self {
        let odd = Mask::from_bit(self.0[0] & 1);
        let (even, carry) = add_p_if(odd, &self.0);
        Self(eight!(I => even[I] >> 1 | if I < 7 { even[(I + 1) % 8] } else { carry } << 31))
    }

    #[inline(never)]
    pub(super) fn multiply(&self, other: &Self) -> Self {
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
    pub(super) fn square(&self) -> Self {
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
    pub(super) fn invert(&self) -> Self {
        // Of x 2^256, so that two factors of 2^256 are missing.
        let inverse = Self(inverse::invert(&self.0));
        inverse.multiply(&R_SQUARED).multiply(&R_SQUARED)
    }

    /// -x where the mask is set, otherwise x.
    pub(super) fn negate_if(&mut self, mask: Mask) {
        let negative = Self::ZERO.subtract(self);
        self.set(&Self(choose_words(mask, &self.0, &negative.0)));
    }

    /// Takes over a number where the mask is set; it must be 0 yet.
    #[inline(always)]
    pub(super) fn take_if(&mut self, mask: Mask, number: &Self) {
        eight!(I => self.0[I] |= mask.0 & number.0[I]);
    }

    /// Whether it is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }
}

/// a * b + c + d, which two words hold: the lower and the upper one.
#[inline(always)]
fn multiply_add(a: u32, b: u32, c: u32, d: u32) -> (u32, u32) {
    let sum = u64::from(a) * u64::from(b) + u64::from(c) + u64::from(d);
    (sum as u32, (sum >> 32) as u32)
}

/// The words of a number, the least significant first.
pub(super) fn words(bytes: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().rev().zip(bytes.chunks_exact(4)) {
        *word = chunk
            .iter()
            .fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    words
}

/// p where the mask is set, otherwise 0.
#[inline(always)]
fn p_if(mask: Mask) -> [u32; 8] {
    eight!(I => P[I] & mask.0)
}

/// The number, with p added where the mask is set, and bit 256 of it.
#[inline(always)]
fn add_p_if(mask: Mask, number: &[u32; 8]) -> ([u32; 8], u32) {
    add_words(number, &p_if(mask))
}

/// A number below 2p, made one below p; `carry` is its bit 256.
#[inline(always)]
fn below_p(number: [u32; 8], carry: u32) -> Element {
    let [n0, n1, n2, n3, n4, n5, n6, n7] = number;
    // The borrow if p is subtracted, from word to word: there are three that are all ones, three 0,
    // a 1, and all ones again.
    let borrow = u32::from(n0 & n1 & n2 != u32::MAX);
    let borrow = borrow & u32::from(n3 | n4 | n5 == 0);
    let borrow = u32::from(n6 < 1 + borrow);
    let borrow = borrow | u32::from(n7 != u32::MAX);
    // It was below p if p cannot be subtracted.
    let p = p_if(Mask::from_bit((borrow ^ 1) | carry));
    Element(subtract_words(&number, &p).0)
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
fn divide_by_four_words(t: &[u32; 12]) -> ([u32; 8], u32) {
    let [m0, m1, m2, t3, ..] = *t;
    let (m3, carry) = add_word(t3, m0, 0);
    let (t4, carry) = add_word(t[4], m1, carry);
    let (t5, carry) = add_word(t[5], m2, carry);
    let mut carry = i64::from(carry);
    macro_rules! word { ($i:literal $(+ $plus:ident)+ $(- $minus:ident)*) => {{
        carry += i64::from(t[$i]) $(+ i64::from($plus))+ $(- i64::from($minus))*;
        let word = carry as u32;
        carry >>= 32;
        word
    }} }
    let t6 = word!(6 + m0 + m3);
    let t7 = word!(7 + m1 - m0);
    let t8 = word!(8 + m0 + m2 - m1);
    let t9 = word!(9 + m1 + m3 - m2);
    let t10 = word!(10 + m2 - m3);
    let t11 = word!(11 + m3);
    ([t4, t5, t6, t7, t8, t9, t10, t11], carry as u32)
}
