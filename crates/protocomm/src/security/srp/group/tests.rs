use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{U3072, const_monty_params};
use rand_core::Rng;

use super::*;
use crate::testing::noise;

const_monty_params!(
    N3072,
    U3072,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
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
    "The modulus as the library is told it."
);

/// The same numbers by the crate `crypto-bigint`, which shares no code with ours.
type Form = ConstMontyForm<N3072, { U3072::LIMBS }>;

fn theirs(number: &Number) -> Form {
    Form::new(&U3072::from_be_slice(number))
}

fn number(form: &Form) -> Number {
    let mut number = [0; VERIFIER_LEN];
    number.copy_from_slice(form.retrieve().to_be_bytes().as_ref());
    number
}

/// Numbers at the ends, with words of ones and of zeros, and at random: some not below N.
fn numbers() -> impl Iterator<Item = Number> {
    let near = [(383, 1), (383, 2), (0, 0x80), (8, 1), (376, 1), (375, 1)].map(|(place, value)| {
        let mut near = [0; VERIFIER_LEN];
        near[place] = value;
        near
    });
    let mut below = modulus();
    below[VERIFIER_LEN - 1] -= 1;
    let ends = [[0; VERIFIER_LEN], [0xFF; VERIFIER_LEN], modulus(), below];
    let mut noise = noise(3);
    let random = (0..16).map(move |i| {
        let mut random = [0; VERIFIER_LEN];
        noise.fill_bytes(&mut random);
        // In every other one, words of ones and of zeros, which carry furthest.
        for word in random.chunks_exact_mut(4).filter(|_| i % 2 == 0) {
            match word[0] % 4 {
                0 => word.fill(0),
                1 | 2 => word.fill(0xFF),
                _ => {}
            }
        }
        random
    });
    near.into_iter().chain(ends).chain(random)
}

#[test]
fn arithmetic_is_the_librarys() {
    assert_eq!(modulus(), {
        let mut modulus = [0; VERIFIER_LEN];
        let theirs = <N3072 as ConstMontyParams<{ U3072::LIMBS }>>::PARAMS.modulus();
        modulus.copy_from_slice(theirs.as_ref().to_be_bytes().as_ref());
        modulus
    });
    for a in numbers() {
        let (ours, form) = (Element::new(&a), theirs(&a));
        assert_eq!(ours.number(), number(&form));
        assert_eq!(ours.square().number(), number(&form.square()));
        for b in numbers() {
            let (other, other_form) = (Element::new(&b), theirs(&b));
            assert_eq!(ours.mul(&other).number(), number(&form.mul(&other_form)));
            assert_eq!(ours.add(&other).number(), number(&form.add(&other_form)));
            assert_eq!(ours.sub(&other).number(), number(&form.sub(&other_form)));
        }
    }
}

#[test]
fn powers_are_the_librarys() {
    let g = theirs(&padded_generator());
    let mut noise = noise(1);
    for len in [1, 2, 32, 64] {
        let mut exponent = [0; 64];
        noise.fill_bytes(&mut exponent[64 - len..]);
        for exponent in [exponent, [0; 64], [0xFF; 64]] {
            let exponent = &exponent[64 - len..];
            let mut wide = [0; VERIFIER_LEN];
            wide[VERIFIER_LEN - len..].copy_from_slice(exponent);
            let wide = U3072::from_be_slice(&wide);
            let expected = number(&g.pow(&wide));
            let ours = Element::new(&padded_generator());
            assert_eq!(ours.power(exponent).number(), expected);
            assert_eq!(Element::power_of_g(exponent).number(), expected);
            let base = Element::new(&expected);
            let expected = number(&theirs(&expected).pow(&wide));
            assert_eq!(base.power(exponent).number(), expected);
        }
    }
}

/// The comb of an element.
fn comb(element: &Element) -> Comb {
    let (mut comb, mut power) = (Comb::EMPTY, *element);
    for tooth in 0..TEETH {
        comb.add_tooth(tooth, &power);
        for _ in 0..TOOTH {
            power = power.square();
        }
    }
    comb
}

#[test]
fn two_powers_with_their_squares_in_common_are_the_product_of_both() {
    let mut noise = noise(2);
    let mut random = || {
        let mut number = [0; VERIFIER_LEN];
        noise.fill_bytes(&mut number);
        number
    };
    let (a, v) = (random(), random());
    let comb = comb(&Element::new(&v));
    for fill in [None, Some(0), Some(0xFF)] {
        let (mut exponent, mut of_comb) = ([0; 32], [0; COMB_LEN]);
        exponent.copy_from_slice(&random()[..32]);
        of_comb.copy_from_slice(&random()[..COMB_LEN]);
        if let Some(fill) = fill {
            exponent.fill(fill);
            of_comb.fill(fill);
        }
        let ours = Element::new(&a).power_and(&exponent, &comb, &of_comb);
        let wide = |exponent: &[u8]| {
            let mut wide = [0; VERIFIER_LEN];
            wide[VERIFIER_LEN - exponent.len()..].copy_from_slice(exponent);
            U3072::from_be_slice(&wide)
        };
        let expected = theirs(&a).pow(&wide(&exponent));
        let expected = expected.mul(&theirs(&v).pow(&wide(&of_comb)));
        assert_eq!(ours.number(), number(&expected));
    }
}

#[test]
fn products_of_exponents_are_whole() {
    let mut sum = [0; 128];
    multiply_add(&[0xFF; 64], &[0xFF; 64], &[0xFF; 32], &mut sum);
    let wide = |bytes: &[u8]| {
        let mut wide = [0; VERIFIER_LEN];
        wide[VERIFIER_LEN - bytes.len()..].copy_from_slice(bytes);
        U3072::from_be_slice(&wide)
    };
    let ones = wide(&[0xFF; 64]);
    let expected = ones.wrapping_mul(&ones).wrapping_add(&wide(&[0xFF; 32]));
    assert_eq!(wide(&sum), expected);
}
