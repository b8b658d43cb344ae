//! What a device works out of security 2 before a client comes: a secret exponent b, the B that belongs to it, and
//! powers of v^b. Good for one handshake.
//!
//! When it goes on with that is its caller's matter; what is missing when a client comes is worked out then.

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::group::{Comb, Element, Number, TEETH, TOOTH, bit_after};
use super::{MAX_DRAWS, SECRET_LEN, Secret, SrpVerifier, public_of_device};
use crate::security::Rejected;

/// Squares in a piece of work: a good million instructions on a core of 32 bits.
const PIECE: usize = 8;

/// What is worked out.
#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
enum Stage {
    /// Nothing: the next is to draw b.
    Start,
    /// g^b: so many bits of b are in it.
    OfGenerator(usize),
    /// v^b: so many bytes of b are in it.
    OfVerifier(usize),
    /// The comb of v^b: so many squares.
    Comb(usize),
    /// All.
    Ready,
}

/// See the [module](self). Wiped when dropped, and when it was used.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Ahead {
    stage: Stage,
    secret: Secret,
    /// B
    public: Number,
    /// The power that is worked out.
    power: Element,
    /// Powers of v from 0 to 15 while v^b is worked out; then its comb.
    comb: Comb,
    /// How many exponents in a row were not fit.
    unfit: usize,
}

/// What is good for one handshake.
pub(super) struct Once<'a> {
    pub(super) secret: &'a Secret,
    pub(super) public: &'a Number,
    /// Of v^b.
    pub(super) comb: &'a Comb,
}

impl Ahead {
    pub(crate) const fn new() -> Self {
        Self {
            stage: Stage::Start,
            secret: [0; SECRET_LEN],
            public: [0; super::VERIFIER_LEN],
            power: Element::ZERO,
            comb: Comb::EMPTY,
            unfit: 0,
        }
    }

    /// Works on: a good million instructions on a core of 32 bits. Whether there is more to do.
    pub(crate) fn work<R: CryptoRng + ?Sized>(
        &mut self,
        verifier: &SrpVerifier,
        rng: &mut R,
    ) -> bool {
        self.stage = match self.stage {
            Stage::Start if self.unfit < MAX_DRAWS => {
                rng.fill_bytes(&mut self.secret);
                self.power = Element::ONE;
                Stage::OfGenerator(0)
            }
            Stage::Start | Stage::Ready => return false,
            Stage::OfGenerator(bits) if bits < SECRET_LEN * 8 => {
                for bit in bits..bits + PIECE {
                    self.power = self.power.next_power_of_g(bit_after(&self.secret, bit));
                }
                Stage::OfGenerator(bits + PIECE)
            }
            Stage::OfGenerator(_) => {
                let v = Element::new(&verifier.verifier);
                self.public = public_of_device(&self.power, &v);
                if self.public[0] == 0 {
                    self.unfit += 1;
                    Stage::Start
                } else {
                    self.comb.set_powers(&v);
                    self.power = Element::ONE;
                    Stage::OfVerifier(0)
                }
            }
            Stage::OfVerifier(bytes) if bytes < SECRET_LEN => {
                self.power = self.comb.next_power(&self.power, self.secret[bytes]);
                Stage::OfVerifier(bytes + 1)
            }
            Stage::OfVerifier(_) => {
                self.comb = Comb::EMPTY;
                Stage::Comb(0)
            }
            Stage::Comb(squares) => {
                if squares % TOOTH == 0 {
                    self.comb.add_tooth(squares / TOOTH, &self.power);
                }
                if squares == (TEETH - 1) * TOOTH {
                    Stage::Ready
                } else {
                    for _ in 0..PIECE {
                        self.power = self.power.square();
                    }
                    Stage::Comb(squares + PIECE)
                }
            }
        };
        true
    }

    /// Uses what was worked out, once; what is missing is worked out now.
    pub(super) fn spend<R: CryptoRng + ?Sized, T>(
        &mut self,
        verifier: &SrpVerifier,
        rng: &mut R,
        work: impl FnOnce(Once<'_>) -> T,
    ) -> Result<T, Rejected> {
        while self.work(verifier, rng) {}
        let result = if self.stage == Stage::Ready {
            Ok(work(Once {
                secret: &self.secret,
                public: &self.public,
                comb: &self.comb,
            }))
        } else {
            Err(Rejected::NoRandomness)
        };
        self.zeroize();
        self.stage = Stage::Start;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Salt;
    use crate::testing::noise;

    #[test]
    fn what_was_used_is_gone() {
        let salt = Salt::new(&[9; 16]).unwrap();
        let verifier = SrpVerifier::generate(b"wifiprov", b"abcd1234", salt);
        let (mut ahead, mut rng) = (Ahead::new(), noise(1));
        let mut publics = [[0; super::super::VERIFIER_LEN]; 3];
        for public in &mut publics {
            while ahead.work(&verifier, &mut rng) {}
            ahead
                .spend(&verifier, &mut rng, |once| *public = *once.public)
                .unwrap();
            assert_eq!(ahead.secret, [0; SECRET_LEN]);
            assert!(ahead.stage == Stage::Start);
        }
        assert!(publics[0] != publics[1] && publics[1] != publics[2] && publics[2] != publics[0]);
    }
}
