//! Numbers of 3072 bits in words of 32, and their products modulo N, in Montgomery's form.
//!
//! What is computed with them is no matter here. No branch and no address depends on a number.
//!
//! A library's is not taken, for this is most of what a session costs a chip, and the crate `crypto-bigint` 0.7 needs
//! twice the instructions on a core of 32 bits: two rows of a product are added at a time here, so that each word is
//! loaded and stored half as often; a square takes half the products; and N, whose lowest 64 bits are ones, is
//! -1 modulo 2^64, so that two words are reduced at once and by themselves: with Q = (N + 1) / 2^64,
//! `T + T_0 N = T - T_0 + T_0 Q 2^64`, whose lowest two words are zero.
//!
//! Where a core has no instruction that compares into a register (Xtensa), a carry may be a branch, as with the
//! library.

use core::hint::black_box;

/// How many words a number has.
pub(super) const WORDS: usize = 96;

const HALF: usize = WORDS / 2;

/// A number, the least significant word first.
pub(super) type Words = [u32; WORDS];

/// The modulus of RFC 5054's 3072-bit group.
pub(super) const MODULUS: Words = words(
    b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
      020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
      4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
      EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
      98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
      9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
      E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
      3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33\
      A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
      ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864\
      D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2\
      08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
);

/// 2^6144 modulo N, which brings a number into Montgomery's form.
const SQUARE_OF_RADIX: Words = words(
    b"5AC8B4FB51DF35DA44C4E4E431AD0295A332E8E3E0669E0F84895A7C5542F96C\
      2AD479FE69695C75FAE1CD10648BEE54FA022336F28DE7725CAA69009FBF543F\
      9875D4C167DB7EDCAA05DA05C27FDD33AF0EC45CDC3960862276CB40571F2C1C\
      49CD9D705DA184D57139D0AB24B7E495A5DAF736BC8D5E9E109D099E16FD7568\
      77A5C747D85B0A838C6CBD34D5965134A73D01032C4B8E907DED489E670D9C6F\
      19C2883EEFC802AF0672A33D61E37F747CDA502EC043F99C9A678BF4439F12EB\
      5A7795D86ECC498719CC8D59563706FBB41A05F078024208BFD961D538D6FCDD\
      4F12768256E88B53785483C608108C0C3EFEF29DC3C0B3F41B9D01271D18F0C8\
      1CAEFC188A59BC7FB186424B83DF2859AF80D4B5443561C6FEA5187FA77DEDDA\
      1D93075AA993D1471EF22571E41A52B28AA61391ABB0B76ABC2B64CF26E335D7\
      682AAB9A15B17FFAFC1187A5FA8406ABAE1284023C6ED6A34335AACB64894D96\
      95823215B15BA5774F30B920E5C1DB663587F06960E7F1382697CA9138D241CD",
);

/// 2^3072 modulo N: 1 in Montgomery's form.
pub(super) const ONE: Words = {
    // 2^3072 - N
    let mut one = [0; WORDS];
    let mut i = 0;
    while i < WORDS {
        one[i] = !MODULUS[i];
        i += 1;
    }
    one[0] += 1;
    one
};

/// Q: above its lowest two words, N + 1.
const QUOTIENT: [u32; WORDS - 2] = {
    let mut quotient = [0; WORDS - 2];
    let mut i = 0;
    while i < WORDS - 2 {
        quotient[i] = MODULUS[i + 2];
        i += 1;
    }
    quotient[0] += 1;
    quotient
};

/// The words of a number in hexadecimal digits.
const fn words(digits: &[u8; 8 * WORDS]) -> Words {
    let mut words = [0; WORDS];
    let mut i = 0;
    while i < digits.len() {
        let digit = match digits[i] {
            letter @ b'A'..=b'F' => letter - b'A' + 10,
            digit => digit - b'0',
        };
        let word = &mut words[WORDS - 1 - i / 8];
        *word = *word << 4 | digit as u32;
        i += 1;
    }
    words
}

/// a b + c + d, which two words hold: the lower and the upper one.
#[inline(always)]
fn multiply_add(a: u32, b: u32, c: u32, d: u32) -> (u32, u32) {
    let sum = u64::from(a) * u64::from(b) + u64::from(c) + u64::from(d);
    (sum as u32, (sum >> 32) as u32)
}

#[inline(always)]
fn add_word(a: u32, b: u32, carry: u32) -> (u32, u32) {
    let sum = u64::from(a) + u64::from(b) + u64::from(carry);
    (sum as u32, (sum >> 32) as u32)
}

#[inline(always)]
fn subtract_word(a: u32, b: u32, borrow: u32) -> (u32, u32) {
    let difference = u64::from(a)
        .wrapping_sub(u64::from(b))
        .wrapping_sub(u64::from(borrow));
    (difference as u32, (difference >> 32) as u32 & 1)
}

/// Adds two words times a number, which has an even number of words, to a sum of as many; returns what is above them.
#[inline(never)]
fn add_rows(sum: &mut [u32], [first, second]: [u32; 2], number: &[u32]) -> [u32; 2] {
    let (mut below, mut carry, mut carry_of_second) = (0, 0, 0);
    let pairs = number.as_chunks::<2>().0;
    for ([low, high], [a, b]) in sum.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
        let word;
        (word, carry) = multiply_add(first, *a, *low, carry);
        (*low, carry_of_second) = multiply_add(second, below, word, carry_of_second);
        let word;
        (word, carry) = multiply_add(first, *b, *high, carry);
        (*high, carry_of_second) = multiply_add(second, *a, word, carry_of_second);
        below = *b;
    }
    let (low, high) = multiply_add(second, below, carry, carry_of_second);
    [low, high]
}

/// A product of two numbers.
type Product = [u32; 2 * WORDS];

/// Divides by 2^3072 modulo N.
fn reduced(product: &mut Product) -> Words {
    let mut carry = 0;
    for i in (0..WORDS).step_by(2) {
        let (done, rest) = product[i..].split_at_mut(2);
        let top = add_rows(&mut rest[..WORDS - 2], [done[0], done[1]], &QUOTIENT);
        for (word, top) in rest[WORDS - 2..].iter_mut().zip(top) {
            (*word, carry) = add_word(*word, top, carry);
        }
    }
    let mut result = [0; WORDS];
    result.copy_from_slice(&product[WORDS..]);
    below_modulus(&mut result, carry);
    result
}

/// Subtracts N, if the number with this carry is not below it.
fn below_modulus(number: &mut Words, carry: u32) {
    let mut less = [0; WORDS];
    let mut borrow = 0;
    for ((word, &a), b) in less.iter_mut().zip(number.iter()).zip(MODULUS) {
        (*word, borrow) = subtract_word(a, b, borrow);
    }
    assign_if(number, &less, carry | (1 ^ borrow));
}

/// Takes the other number for this one if the bit is 1.
pub(super) fn assign_if(number: &mut Words, other: &Words, bit: u32) {
    // Hidden from the compiler, which would otherwise be free to branch.
    let mask = black_box(0_u32.wrapping_sub(bit));
    for (word, other) in number.iter_mut().zip(other) {
        *word ^= mask & (*word ^ other);
    }
}

/// The one of 16 numbers with this index; all are read, so that the cache does not tell which one was meant.
pub(super) fn choose(numbers: &[Words; 16], index: u32) -> Words {
    // Below zero for this one only, of 0 to 15: all ones by the sign.
    let masks: [u32; 16] = core::array::from_fn(|i| {
        black_box(((i as u32 ^ index).wrapping_sub(1) as i32 >> 31) as u32)
    });
    let mut chosen = [0; WORDS];
    for (half, pairs) in masks
        .as_chunks::<4>()
        .0
        .iter()
        .zip(numbers.as_chunks::<4>().0)
    {
        let [a, b, c, d] = pairs;
        let words = a.iter().zip(b).zip(c.iter().zip(d));
        for (word, ((a, b), (c, d))) in chosen.iter_mut().zip(words) {
            *word |= half[0] & a | half[1] & b | half[2] & c | half[3] & d;
        }
    }
    chosen
}

/// A product of two numbers of half the words.
fn multiply_halves(a: &[u32], b: &[u32], product: &mut [u32]) {
    product[..HALF].fill(0);
    for (i, &row) in (0..).step_by(2).zip(a.as_chunks::<2>().0) {
        let top = add_rows(&mut product[i..i + HALF], row, b);
        product[i + HALF..i + HALF + 2].copy_from_slice(&top);
    }
}

/// The difference of the halves of a number without its sign, and all ones if it is below zero.
fn difference(first: &[u32], second: &[u32]) -> ([u32; HALF], u32) {
    let mut difference = [0; HALF];
    let mut borrow = 0;
    for ((word, &a), &b) in difference.iter_mut().zip(first).zip(second) {
        (*word, borrow) = subtract_word(a, b, borrow);
    }
    let mask = black_box(0_u32.wrapping_sub(borrow));
    let mut carry = borrow;
    for word in &mut difference {
        (*word, carry) = add_word(*word ^ mask, 0, carry);
    }
    (difference, mask)
}

/// a b / 2^3072 modulo N, of numbers below N: by three products of halves (Karatsuba's).
pub(super) fn multiply(a: &Words, b: &Words) -> Words {
    let mut product = [0; 2 * WORDS];
    let ((a_low, a_high), (b_low, b_high)) = (a.split_at(HALF), b.split_at(HALF));
    let (low, high) = product.split_at_mut(WORDS);
    multiply_halves(a_low, b_low, low);
    multiply_halves(a_high, b_high, high);
    let (of_a, a_sign) = difference(a_low, a_high);
    let (of_b, b_sign) = difference(b_high, b_low);
    let mut middle = [0; WORDS];
    multiply_halves(&of_a, &of_b, &mut middle);
    // low + high + (a_low - a_high) (b_high - b_low), which is not below zero.
    let sign = a_sign ^ b_sign;
    let (mut sums, mut carry, mut carry_of_middle) = (0, 0, sign & 1);
    for ((word, &low), &high) in middle.iter_mut().zip(&*low).zip(&*high) {
        let signed;
        (signed, carry_of_middle) = add_word(*word ^ sign, 0, carry_of_middle);
        let sum;
        (sum, sums) = add_word(low, high, sums);
        (*word, carry) = add_word(sum, signed, carry);
    }
    let mut above = carry + sums + carry_of_middle;
    above = above.wrapping_sub(sign & 1);
    let mut carry = 0;
    let mut words = product[HALF..].iter_mut();
    for (middle, word) in middle.into_iter().zip(words.by_ref()) {
        (*word, carry) = add_word(*word, middle, carry);
    }
    for word in words {
        (*word, carry) = add_word(*word, core::mem::take(&mut above), carry);
    }
    reduced(&mut product)
}

/// a^2 / 2^3072 modulo N.
pub(super) fn square(a: &Words) -> Words {
    let mut product = [0; 2 * WORDS];
    let pairs = a.as_chunks::<2>().0;
    // What stands on both sides of the diagonal, once.
    for (i, &pair) in (0..).step_by(2).zip(pairs) {
        let top = add_rows(&mut product[2 * i + 2..i + WORDS], pair, &a[i + 2..]);
        product[i + WORDS..i + WORDS + 2].copy_from_slice(&top);
    }
    // Twice that, and the diagonal.
    let (mut shifted, mut carry) = (0, 0);
    for (words, [low, high]) in product.as_chunks_mut::<4>().0.iter_mut().zip(pairs) {
        let (first, upper) = multiply_add(*low, *low, 0, 0);
        let (cross, cross_upper) = multiply_add(*low, *high, 0, 0);
        let (third, top) = multiply_add(*high, *high, 0, 0);
        let (second, next) = add_word(upper, cross << 1, 0);
        let (third, next) = add_word(third, cross_upper << 1 | cross >> 31, next);
        let fourth = top + (cross_upper >> 31) + next;
        for (word, square) in words.iter_mut().zip([first, second, third, fourth]) {
            let twice = *word << 1 | shifted;
            shifted = *word >> 31;
            (*word, carry) = add_word(twice, square, carry);
        }
    }
    reduced(&mut product)
}

/// a + b modulo N.
pub(super) fn add(a: &Words, b: &Words) -> Words {
    let mut sum = *a;
    let mut carry = 0;
    for (word, &other) in sum.iter_mut().zip(b) {
        (*word, carry) = add_word(*word, other, carry);
    }
    below_modulus(&mut sum, carry);
    sum
}

/// a - b modulo N.
pub(super) fn subtract(a: &Words, b: &Words) -> Words {
    let mut difference = *a;
    let mut borrow = 0;
    for (word, &other) in difference.iter_mut().zip(b) {
        (*word, borrow) = subtract_word(*word, other, borrow);
    }
    let mut again = difference;
    let mut carry = 0;
    for (word, other) in again.iter_mut().zip(MODULUS) {
        (*word, carry) = add_word(*word, other, carry);
    }
    assign_if(&mut difference, &again, borrow);
    difference
}

/// A number of 384 bytes, most significant first, modulo N and in Montgomery's form.
pub(super) fn from_bytes(bytes: &[u8; 4 * WORDS]) -> Words {
    let mut number = [0; WORDS];
    for (word, bytes) in number.iter_mut().rev().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    below_modulus(&mut number, 0);
    multiply(&number, &SQUARE_OF_RADIX)
}

/// The bytes of a number in Montgomery's form.
pub(super) fn to_bytes(number: &Words) -> [u8; 4 * WORDS] {
    let mut product = [0; 2 * WORDS];
    product[..WORDS].copy_from_slice(number);
    plain_bytes(&reduced(&mut product))
}

/// The bytes of a number that is not in Montgomery's form.
pub(super) fn plain_bytes(number: &Words) -> [u8; 4 * WORDS] {
    let mut all = [0; 4 * WORDS];
    for (bytes, word) in all
        .as_chunks_mut::<4>()
        .0
        .iter_mut()
        .zip(number.iter().rev())
    {
        *bytes = word.to_be_bytes();
    }
    all
}
