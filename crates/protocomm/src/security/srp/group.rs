//! Arithmetic in the 3072-bit group of RFC 5054, in constant time.
//!
//! Numbers and exponents come and go as bytes, most significant first. The multiplication is
//! `crypto-bigint`'s; the exponentiations are made of it here, because the library's own takes
//! 15 KB of stack where this takes 8, and does not know that multiplying by 5 is cheap.

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{Choice, CtAssign, CtEq, U3072, const_monty_params};
use zeroize::Zeroize;

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
    "The modulus of RFC 5054's 3072-bit group."
);

/// The length of a number below N, in bytes.
pub const VERIFIER_LEN: usize = 384;

/// A number below N, padded with leading zeros.
pub(super) type Number = [u8; VERIFIER_LEN];

type Form = ConstMontyForm<N3072, { U3072::LIMBS }>;

/// An element of the group. It may be a secret, and is not wiped by itself.
#[derive(Clone, Copy)]
pub(super) struct Element(Form);

impl Element {
    /// The element of this number, which is taken modulo N.
    pub(super) fn new(number: &Number) -> Self {
        Self(Form::new(&U3072::from_be_slice(number)))
    }

    pub(super) fn number(&self) -> Number {
        let mut number = [0; VERIFIER_LEN];
        number.copy_from_slice(self.0.retrieve().to_be_bytes().as_ref());
        number
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        Self(self.0.mul(&other.0))
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        Self(self.0.add(&other.0))
    }

    pub(super) fn sub(&self, other: &Self) -> Self {
        Self(self.0.sub(&other.0))
    }

    /// This element to the power of `exponent`, by windows of four bits. The time depends on the
    /// exponent's length only.
    pub(super) fn power(&self, exponent: &[u8]) -> Self {
        const WINDOW: usize = 1 << 4;
        let mut powers = [Form::ONE; WINDOW];
        for i in 1..WINDOW {
            powers[i] = powers[i - 1].mul(&self.0);
        }
        let mut result = Form::ONE;
        let mut factor = Form::ONE;
        for window in exponent.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]) {
            for _ in 0..4 {
                result = result.square();
            }
            // All powers are read, so that the cache does not tell which one was meant.
            for (i, power) in (0_u8..).zip(&powers) {
                factor.ct_assign(power, i.ct_eq(&window));
            }
            result = result.mul(&factor);
        }
        powers.zeroize();
        factor.zeroize();
        Self(result)
    }

    /// g, which is 5, to the power of `exponent`, bit by bit. The time depends on the exponent's
    /// length only.
    pub(super) fn power_of_g(exponent: &[u8]) -> Self {
        let mut result = Form::ONE;
        let bits = exponent
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        for bit in bits {
            result = result.square();
            let five_times = result.double().double().add(&result);
            result.ct_assign(&five_times, Choice::from_u8_lsb(bit));
        }
        Self(result)
    }
}

impl Zeroize for Element {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// N
pub(super) fn modulus() -> Number {
    let mut number = [0; VERIFIER_LEN];
    let modulus = <N3072 as ConstMontyParams<{ U3072::LIMBS }>>::PARAMS.modulus();
    number.copy_from_slice(modulus.as_ref().to_be_bytes().as_ref());
    number
}

/// PAD(g)
pub(super) fn padded_generator() -> Number {
    let mut padded = [0; VERIFIER_LEN];
    padded[VERIFIER_LEN - 1] = 5;
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use rand_core::Rng;

    #[test]
    fn powers_are_the_librarys() {
        let g = Element::new(&padded_generator());
        let mut noise = noise(1);
        for len in [1, 2, 32, 64] {
            let mut exponent = [0; 64];
            noise.fill_bytes(&mut exponent[64 - len..]);
            for exponent in [exponent, [0; 64], [0xFF; 64]] {
                let exponent = &exponent[64 - len..];
                let mut wide = [0; VERIFIER_LEN];
                wide[VERIFIER_LEN - len..].copy_from_slice(exponent);
                let wide = U3072::from_be_slice(&wide);
                let expected = Element(g.0.pow(&wide)).number();
                assert_eq!(g.power(exponent).number(), expected);
                assert_eq!(Element::power_of_g(exponent).number(), expected);
                let base = Element::new(&expected);
                let expected = Element(base.0.pow(&wide)).number();
                assert_eq!(base.power(exponent).number(), expected);
            }
        }
    }

    #[test]
    fn arithmetic_is_modulo_n() {
        let mut n_minus_1 = modulus();
        n_minus_1[VERIFIER_LEN - 1] -= 1;
        let minus_one = Element::new(&n_minus_1);
        let one = minus_one.mul(&minus_one);
        let mut expected = [0; VERIFIER_LEN];
        expected[VERIFIER_LEN - 1] = 1;
        assert_eq!(one.number(), expected);
        assert_eq!(one.add(&minus_one).number(), [0; VERIFIER_LEN]);
        assert_eq!(one.sub(&one).sub(&one).number(), n_minus_1);
        assert_eq!(Element::new(&modulus()).number(), [0; VERIFIER_LEN]);
    }
}
