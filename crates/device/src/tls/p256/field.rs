//! Numbers modulo the prime of secp256r1, p = 2^256 - 2^224 + 2^192 + 2^96 - 1, for cores of 32
//! bits: in Montgomery's form, always below p, in time that does not depend on their values.
//!
//! Products are unrolled, for only so are the words kept in registers, and with
//! `opt-level = "s"` the compiler would not do it. Their rows are held apart by [`black_box`]:
//! otherwise it multiplies everything first, and spends a fifth of the time on storing that.

use core::hint::black_box;

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

/// What a table holds.
pub(super) trait Entry {
    /// All words 0.
    const BLANK: Self;

    /// Takes over the entry where the mask is set. It must be blank yet.
    fn take_if(&mut self, mask: Mask, entry: &Self);
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

    #[inline(never)]
    pub(super) fn add(&self, other: &Self) -> Self {
        let (sum, carry) = add_words(&self.0, &other.0);
        below_p(sum, carry)
    }

    #[inline(never)]
    pub(super) fn subtract(&self, other: &Self) -> Self {
        let (difference, borrow) = subtract_words(&self.0, &other.0);
        Self(add_words(&difference, &p_if(Mask::from_bit(borrow))).0)
    }

    pub(super) fn double(&self) -> Self {
        self.add(self)
    }

    /// The number of which this is the double.
    pub(super) fn halve(&self) -> Self {
        let odd = Mask::from_bit(self.0[0] & 1);
        let (even, carry) = add_words(&self.0, &p_if(odd));
        Self(eight!(I => even[I] >> 1 | if I < 7 { even[(I + 1) % 8] } else { carry } << 31))
    }

    #[inline(never)]
    pub(super) fn multiply(&self, other: &Self) -> Self {
        let b = &other.0;
        let mut t = [0; 8];
        let mut carry = 0;
        macro_rules! row { ($i:literal: $($j:literal)+) => {{
            let (a, carry_in) = black_box((self.0[$i], carry));
            let mut next = 0;
            $((t[$j], next) = multiply_add(a, b[$j], t[$j], next);)+
            (t, carry) = divide_by_word((t, carry_in), next);
        }} }
        row!(0: 0 1 2 3 4 5 6 7);
        row!(1: 0 1 2 3 4 5 6 7);
        row!(2: 0 1 2 3 4 5 6 7);
        row!(3: 0 1 2 3 4 5 6 7);
        row!(4: 0 1 2 3 4 5 6 7);
        row!(5: 0 1 2 3 4 5 6 7);
        row!(6: 0 1 2 3 4 5 6 7);
        row!(7: 0 1 2 3 4 5 6 7);
        below_p(t, carry)
    }

    #[inline(never)]
    pub(super) fn square(&self) -> Self {
        let a = &self.0;
        let mut t = [0; 16];
        macro_rules! row { ($i:literal: $($j:literal)+) => {{
            let (word, first) = black_box((a[$i], t[$i + 7]));
            t[$i + 7] = first;
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
            let (word, held) = black_box((a[$i], above));
            let square = u64::from(word) * u64::from(word);
            let (low, high) = (t[2 * $i], t[2 * $i + 1]);
            (t[2 * $i], carry) = add_word(low << 1 | held, square as u32, carry);
            (t[2 * $i + 1], carry) = add_word(high << 1 | low >> 31, (square >> 32) as u32, carry);
            above = high >> 31;
        )+} }
        twice!(0 1 2 3 4 5 6 7);
        let _ = (carry, above);
        reduce(&t)
    }

    /// Squares `times` times.
    fn squared(&self, times: usize) -> Self {
        (0..times).fold(*self, |power, _| power.square())
    }

    /// 1 / x; 0 for 0. It is x^(p - 2), by Fermat.
    pub(super) fn invert(&self) -> Self {
        // x_n is x to the power of 2^n - 1, n ones in binary.
        let x1 = *self;
        let x2 = x1.square().multiply(&x1);
        let x4 = x2.squared(2).multiply(&x2);
        let x8 = x4.squared(4).multiply(&x4);
        let x16 = x8.squared(8).multiply(&x8);
        let x32 = x16.squared(16).multiply(&x16);
        // p - 2 in words: ffffffff 00000001 00000000 00000000 00000000 ffffffff ffffffff fffffffd.
        let upper = x32.squared(32).multiply(&x1);
        let upper = upper.squared(128).multiply(&x32);
        let upper = upper.squared(32).multiply(&x32);
        // fffffffd has 30 ones, a zero and a one.
        let x24 = x16.squared(8).multiply(&x8);
        let x28 = x24.squared(4).multiply(&x4);
        let x30 = x28.squared(2).multiply(&x2);
        upper.squared(30).multiply(&x30).squared(2).multiply(&x1)
    }

    /// -x where the mask is set, otherwise x.
    pub(super) fn negate_if(&mut self, mask: Mask) {
        let negative = Self::ZERO.subtract(self);
        self.0 = choose_words(mask, &self.0, &negative.0);
    }

    /// Whether it is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }
}

impl Entry for Element {
    const BLANK: Self = Self::ZERO;

    #[inline(always)]
    fn take_if(&mut self, mask: Mask, entry: &Self) {
        eight!(I => self.0[I] |= mask.0 & entry.0[I]);
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

/// A number below 2p, made one below p; `carry` is its bit 256.
#[inline(always)]
fn below_p(number: [u32; 8], carry: u32) -> Element {
    let (reduced, borrow) = subtract_words(&number, &P);
    // It was below p if p could not be subtracted.
    let mask = Mask::from_bit(borrow & (carry ^ 1));
    Element(choose_words(mask, &reduced, &number))
}

/// A product below p^2, divided by 2^256 modulo p.
#[inline(always)]
fn reduce(product: &[u32; 16]) -> Element {
    let [t0, t1, t2, t3, t4, t5, t6, t7, rest @ ..] = *product;
    let window = ([t0, t1, t2, t3, t4, t5, t6, t7], 0);
    let window = divide_by_word(window, rest[0]);
    let window = divide_by_word(window, rest[1]);
    let window = divide_by_word(window, rest[2]);
    let window = divide_by_word(window, rest[3]);
    let window = divide_by_word(window, rest[4]);
    let window = divide_by_word(window, rest[5]);
    let window = divide_by_word(window, rest[6]);
    let (number, carry) = divide_by_word(window, rest[7]);
    below_p(number, carry)
}

/// Adds to eight words, which the word `next` and a carry onto it follow, the multiple of p that
/// makes the lowest 0, and leaves that out. It is `m * p` with `m` the lowest word, since p is -1
/// modulo 2^32.
#[inline(always)]
fn divide_by_word((t, carry_in): ([u32; 8], u32), next: u32) -> ([u32; 8], u32) {
    let m = t[0];
    // (2^32 - 1) m at 2^224; 2^96 m and 2^192 m; and -m, which cancels the lowest word.
    let low = m.wrapping_neg();
    let high = m.wrapping_sub(u32::from(m != 0));
    let (t3, carry) = add_word(t[3], m, 0);
    let (t4, carry) = add_word(t[4], 0, carry);
    let (t5, carry) = add_word(t[5], 0, carry);
    let (t6, carry) = add_word(t[6], m, carry);
    let (t7, carry) = add_word(t[7], low, carry);
    // At most 2^33 - 1 in all, so that one bit is carried.
    let (t8, first) = add_word(next, high, carry);
    let (t8, second) = add_word(t8, 0, carry_in);
    ([t[1], t[2], t3, t4, t5, t6, t7, t8], first + second)
}
