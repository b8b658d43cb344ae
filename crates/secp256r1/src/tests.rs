mod comparison;
mod secrets;
mod stack;

use super::field::Element;
use super::point::Affine;
use super::signs::Signs;
use super::*;

fn bytes(hex: &str) -> [u8; 32] {
    core::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

fn point(x: &str, y: &str) -> Coordinates {
    Coordinates {
        x: bytes(x),
        y: bytes(y),
    }
}

/// Numbers without end, the same each time.
#[derive(Default)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn word(&mut self) -> u32 {
        // Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u32
    }

    fn words(&mut self) -> Words {
        core::array::from_fn(|_| self.word())
    }

    fn bytes(&mut self) -> [u8; 32] {
        to_bytes(&self.words())
    }
}

fn to_bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(words.iter().rev()) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// With a blind that shows where it is forgotten.
fn times(scalar: &Words, point: &Coordinates) -> Coordinates {
    let mut product = Coordinates::BASE;
    let scalar = Scalar::new(&to_bytes(scalar)).unwrap();
    let point = Point::new(point).unwrap();
    multiply(&scalar, &point, &Blind::new(&[0x5a; 32]), &mut product);
    product
}

fn times_base(scalar: &Words) -> Coordinates {
    let mut product = Coordinates::BASE;
    let scalar = Scalar::new(&to_bytes(scalar)).unwrap();
    multiply_base(&scalar, &Blind::new(&[0x5a; 32]), &mut product);
    product
}

/// RFC 5903, 8.1: two keys, and what they agree upon; and the point of RFC 6979, A.2.5, SHA-256,
/// "sample", whose x is the signature's r.
#[test]
fn keys_of_the_rfcs() {
    let base = Coordinates::BASE;
    let i = words::from_bytes(&bytes(
        "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
    ));
    let gi = point(
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180",
        "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
    );
    let r = words::from_bytes(&bytes(
        "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
    ));
    let gr = point(
        "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63",
        "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
    );
    let shared = bytes("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    for product in [times_base(&i), times(&i, &base)] {
        assert_eq!((product.x, product.y), (gi.x, gi.y));
    }
    for product in [times_base(&r), times(&r, &base)] {
        assert_eq!((product.x, product.y), (gr.x, gr.y));
    }
    assert_eq!(times(&i, &gr).x, shared);
    assert_eq!(times(&r, &gi).x, shared);
    let k = bytes("a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60");
    let r = bytes("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
    assert_eq!(times_base(&words::from_bytes(&k)).x, r);
}

/// 2^bit, added or subtracted.
fn with(sum: Words, bit: usize, add: bool) -> Words {
    let mut power = [0; 8];
    power[bit / 32] = 1 << (bit % 32);
    if add {
        power = words::subtract(&[0; 8], &power).0;
    }
    words::subtract(&sum, &power).0
}

#[test]
fn the_table_has_what_it_says() {
    for (row, entries) in table::BASE.iter().enumerate() {
        for (i, entry) in entries.iter().enumerate() {
            let top = with([0; 8], 208 + 26 * row, true);
            let scalar = (0..4).fold(top, |sum, j| with(sum, 52 * j + 26 * row, i >> j & 1 == 1));
            let expected = times(&scalar, &Coordinates::BASE);
            let mut found = Coordinates::BASE;
            entry.x.write(&mut found.x);
            entry.y.write(&mut found.y);
            assert_eq!(found, expected, "row {row}, entry {i}");
        }
    }
    let base = Affine::of(&Coordinates::BASE).unwrap();
    assert!(base.x.subtract(&Affine::BASE.x).is_zero());
    assert!(base.y.subtract(&Affine::BASE.y).is_zero());
}

/// What `product.rs` says of additions: of all numbers whose last column may fail, one has the
/// signs with which it does.
#[test]
fn one_addition_of_the_base_point_fails() {
    // Entry `five` of a row's last column, `times` times.
    let entry = |sum: Words, times: u32, row: usize, five: u32| {
        (0..5).fold(sum, |sum, tooth| {
            with(
                sum,
                52 * tooth + 26 * row + (times as usize - 1),
                five >> tooth & 1 == 1,
            )
        })
    };
    let signs_of = |number: &Words, row: usize| {
        let (signs, even) = Signs::of(number);
        assert_eq!(even.0, 0);
        let (index, opposite) = signs.five(26 * row, 52);
        (index ^ opposite.0) & 15 | (opposite.0 ^ 16) & 16
    };
    let mut failing = alloc::vec::Vec::new();
    for e1 in 0..32 {
        let mut candidates = alloc::vec::Vec::new();
        for times in [1, 2] {
            candidates.push((entry(ORDER, times, 1, e1), None));
        }
        for e0 in 0..32 {
            let number = entry(entry(ORDER, 2, 0, e0), 1, 1, e1);
            candidates.push((number, Some(e0)));
        }
        for (number, e0) in candidates {
            let (_, below) = words::subtract(&number, &ORDER);
            let same = below == 1
                && signs_of(&number, 1) == e1
                && e0.is_none_or(|e0| signs_of(&number, 0) == e0);
            if same {
                failing.push(number);
            }
        }
    }
    let number = (0..5).fold(ORDER, |sum, tooth| with(sum, 52 * tooth + 27, false));
    assert_eq!(failing, [number]);
    let opposite = words::subtract(&ORDER, &number).0;
    for scalar in [number, opposite] {
        let mut product = Coordinates::BASE;
        assert!(!product::multiply_base(
            &scalar,
            &Element::ONE,
            &mut product
        ));
        assert_eq!(times_base(&scalar), times(&scalar, &Coordinates::BASE));
    }
}

#[test]
fn rules_of_arithmetic() {
    let minus_one = Element::ZERO.subtract(&Element::ONE);
    let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    assert!(Element::from_bytes(&bytes(p)).is_none());
    assert!(Element::from_bytes(&[0xff; 32]).is_none());
    let out = |number: &Element| {
        let mut bytes = [0; 32];
        number.write(&mut bytes);
        bytes
    };
    assert_eq!(
        out(&minus_one),
        bytes("ffffffff00000001000000000000000000000000fffffffffffffffffffffffe")
    );
    assert!(Element::ZERO.invert().is_zero());
    let mut random = Random::default();
    let small = Element::from_montgomery([1, 0, 0, 0, 0, 0, 0, 0]);
    let mut numbers = [Element::ZERO; 24];
    for (i, number) in numbers.iter_mut().enumerate() {
        *number = match i {
            0 => Element::ZERO,
            1 => Element::ONE,
            2 => minus_one,
            3 => minus_one.double(),
            4 => small,
            5 => Element::ZERO.subtract(&small),
            _ => Blind::new(&random.bytes()).0,
        };
    }
    let same = |a: Element, b: Element| assert_eq!(out(&a), out(&b));
    for a in &numbers {
        same(Element::from_bytes(&out(a)).unwrap(), *a);
        same(a.multiply(&Element::ONE), *a);
        same(a.square(), a.multiply(a));
        same(a.halve().double(), *a);
        if !a.is_zero() {
            same(a.multiply(&a.invert()), Element::ONE);
        }
        for b in &numbers {
            same(a.add(b), b.add(a));
            same(a.add(b).subtract(b), *a);
            same(a.multiply(b), b.multiply(a));
            for c in &numbers[..8] {
                same(a.add(b).multiply(c), a.multiply(c).add(&b.multiply(c)));
            }
        }
    }
}

/// Every digit in every window: any point's product against the base point's, which has no windows.
#[test]
fn all_digits_of_all_windows() {
    let mut rest = Random::default().words();
    rest[7] &= 0x7fff_ffff;
    for window in 0..51 {
        for digit in 0..32 {
            for odd in [0, 1] {
                let mut scalar = rest;
                // The signs of a window are the bits above its lowest.
                for bit in 0..5 {
                    let at = 5 * window + 1 + bit;
                    if at < 255 {
                        scalar[at / 32] &= !(1 << (at % 32));
                        scalar[at / 32] |= (digit >> bit & 1) << (at % 32);
                    }
                }
                scalar[0] = scalar[0] & !1 | odd;
                let expected = times_base(&scalar);
                let found = times(&scalar, &Coordinates::BASE);
                assert_eq!(found, expected, "{window} {digit}");
            }
        }
    }
}

#[test]
fn what_is_no_scalar_and_no_point_is_refused() {
    let mut above = ORDER;
    above[0] += 1;
    for none in [[0; 8], ORDER, above, [u32::MAX; 8]] {
        assert!(Scalar::new(&to_bytes(&none)).is_none(), "{none:x?}");
    }
    let mut most = ORDER;
    most[0] -= 1;
    for some in [[1, 0, 0, 0, 0, 0, 0, 0], most] {
        assert!(Scalar::new(&to_bytes(&some)).is_some(), "{some:x?}");
    }
    let Coordinates { x, mut y } = Coordinates::BASE;
    y[31] ^= 1;
    assert!(Point::new(&Coordinates { x, y }).is_none());
}
