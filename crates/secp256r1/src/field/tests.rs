//! Against long division, where carries and borrows go as far as they can.

use alloc::vec::Vec;

use super::*;
use crate::tests::Random;

/// What a carry is likely to get wrong.
const EXTREMES: [u32; 5] = [0, 1, 2, u32::MAX - 1, u32::MAX];

fn is_below_p(words: &[u32; 8]) -> bool {
    words.iter().rev().lt(P.iter().rev())
}

/// The remainder of a number of any length by p, bit by bit.
fn remainder(words: &[u32]) -> [u32; 8] {
    let mut rest = [0; 8];
    for word in words.iter().rev() {
        for bit in (0..32).rev() {
            let (twice, carry) = add(&rest, &rest);
            rest = twice;
            rest[0] |= word >> bit & 1;
            if carry == 1 || !is_below_p(&rest) {
                rest = subtract(&rest, &P).0;
            }
        }
    }
    rest
}

fn product(a: &[u32; 8], b: &[u32; 8]) -> [u32; 16] {
    let mut product = [0; 16];
    for (i, &a) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, &b) in b.iter().enumerate() {
            (product[i + j], carry) = multiply_add(a, b, product[i + j], carry);
        }
        product[i + 8] = carry;
    }
    product
}

/// Numbers below p: those next to 0 and p, those with words all the same but one, and random ones
/// with words of these.
fn numbers() -> Vec<[u32; 8]> {
    let mut numbers = Vec::new();
    for small in 0..4 {
        let mut words = [0; 8];
        words[0] = small;
        numbers.push(words);
        words[0] = small + 1;
        numbers.push(subtract(&P, &words).0);
    }
    for many in EXTREMES {
        for one in EXTREMES {
            for at in 0..8 {
                let mut words = [many; 8];
                words[at] = one;
                numbers.push(words);
            }
        }
    }
    let mut random = Random::default();
    for _ in 0..100 {
        numbers.push(core::array::from_fn(|_| {
            let word = random.word();
            let extreme = EXTREMES.get(word as usize % 8);
            extreme.copied().unwrap_or(word)
        }));
    }
    numbers.retain(is_below_p);
    numbers
}

#[test]
fn products_are_those_of_long_division() {
    let numbers = numbers();
    assert!(numbers.len() > 200, "{}", numbers.len());
    let check = |a: &[u32; 8], b: &[u32; 8], found: Element| {
        assert!(is_below_p(&found.0), "{a:x?} {b:x?}");
        // Times 2^256, since the product was divided by that.
        let mut shifted = [0; 16];
        shifted[8..].copy_from_slice(&found.0);
        let expected = remainder(&product(a, b));
        assert_eq!(remainder(&shifted), expected, "{a:x?} {b:x?}");
    };
    for (i, a) in numbers.iter().enumerate() {
        check(a, a, Element(*a).square());
        for b in numbers.iter().skip(i % 7).step_by(7) {
            check(a, b, Element(*a).multiply(&Element(*b)));
        }
    }
}

#[test]
fn sums_and_differences_are_below_p() {
    let numbers = numbers();
    for a in &numbers {
        let half = Element(*a).halve();
        assert!(is_below_p(&half.0), "{a:x?}");
        assert_eq!(half.add(&half).0, *a, "{a:x?}");
        for b in &numbers {
            let (sum, carry) = add(a, b);
            let mut longer = [0; 9];
            longer[..8].copy_from_slice(&sum);
            longer[8] = carry;
            let sum = Element(*a).add(&Element(*b));
            assert_eq!(sum.0, remainder(&longer), "{a:x?} {b:x?}");
            assert_eq!(sum.subtract(&Element(*b)).0, *a, "{a:x?} {b:x?}");
        }
    }
}

#[test]
fn inverses_are_none_but_of_0() {
    let ones = [u32::MAX >> 2, u32::MAX << 30, u32::MAX >> 31];
    for mut words in numbers() {
        // Also with limbs of 30 bits at their ends.
        for word in [words[0], ones[0], ones[1], ones[2]] {
            words[0] = word;
            let number = Element(words);
            if !is_below_p(&words) {
                continue;
            }
            let inverse = number.invert();
            assert!(is_below_p(&inverse.0), "{words:x?}");
            let expected = if number.is_zero() {
                Element::ZERO
            } else {
                Element::ONE
            };
            assert_eq!(number.multiply(&inverse).0, expected.0, "{words:x?}");
            assert_eq!(inverse.invert().0, number.0, "{words:x?}");
        }
    }
}

/// All numbers with these words, as far as they are below 2 p.
#[test]
fn what_is_not_below_p_is_made_so() {
    let mut words = [0; 8];
    for number in 0..EXTREMES.len().pow(8) {
        let mut digits = number;
        for word in &mut words {
            *word = EXTREMES[digits % EXTREMES.len()];
            digits /= EXTREMES.len();
        }
        let (less, _) = subtract(&words, &P);
        let expected = if is_below_p(&words) { words } else { less };
        assert_eq!(below_p(words, 0).0, expected, "{words:x?}");
        // With 2^256 above them, they are below 2p if they are below 2p - 2^256.
        if is_below_p(&less) {
            assert_eq!(below_p(words, 1).0, less, "{words:x?}");
        }
    }
}

#[test]
fn words_are_made_zero_whatever_they_are() {
    for number in 0..EXTREMES.len().pow(4) {
        let mut t = [u32::MAX; 12];
        let mut digits = number;
        for word in &mut t[..4] {
            *word = EXTREMES[digits % EXTREMES.len()];
            digits /= EXTREMES.len();
        }
        for above in EXTREMES {
            t[4..].fill(above);
            let (quotient, carry) = divide_by_four_words(&t);
            assert!(carry <= 1);
            let mut shifted = [0; 13];
            shifted[4..12].copy_from_slice(&quotient);
            shifted[12] = carry;
            assert_eq!(remainder(&shifted), remainder(&t), "{t:x?}");
        }
    }
}
