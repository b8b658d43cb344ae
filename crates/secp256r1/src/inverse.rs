//! 1 / x modulo p, in time that does not depend on x: by steps that look at the lowest bits alone
//! (D. J. Bernstein, B.-Y. Yang: Fast constant-time gcd computation and modular inversion, 2019), in
//! the form that libsecp256k1 gave them (doc/safegcd_implementation.md, v0.4.0). Thirty are done on
//! the lowest words, and then on the whole numbers at once; with delta = 1/2 in the beginning 590 do
//! for 256 bits. It takes a fifth of the instructions of x^(p - 2), and no more room.
//!
//! On Xtensa the sums of 64 bits have branches, for that core has no comparison that leaves its result
//! in a register. What is inverted is blinded (`point.rs`): a random number, whatever the scalar is.

use core::hint::black_box;

use crate::words::Words;

/// Bits of a limb.
const BITS: u32 = 30;
const MASK: i32 = (1 << BITS) - 1;

/// Thirty steps each time; 600 in all.
const TIMES: usize = 20;

/// Limbs of 30 bits, the least significant first. All but the last are from 0 to 2^30 - 1 where
/// nothing else is said; the last has the sign.
#[derive(Clone, Copy)]
struct Signed([i32; 9]);

/// p.
const P: Signed = Signed([
    0x3fff_ffff,
    0x3fff_ffff,
    0x3fff_ffff,
    0x0000_003f,
    0x0000_0000,
    0x0000_0000,
    0x0000_1000,
    0x3fff_c000,
    0x0000_ffff,
]);

/// What thirty steps make of f and g: (u f + v g) / 2^30 and (q f + r g) / 2^30.
struct Matrix {
    u: i32,
    v: i32,
    q: i32,
    r: i32,
}

/// 1 / x modulo p, or 0 for 0; x is below p. Words with the least significant first.
pub(crate) fn invert(x: &Words) -> Words {
    // f = d x and g = e x modulo p, at all times.
    let mut d = Signed([0; 9]);
    let mut e = Signed([1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut f = P;
    let mut g = Signed::of(x);
    // -(delta + 1/2).
    let mut zeta = -1;
    for _ in 0..TIMES {
        let matrix = thirty_steps(&mut zeta, f.0[0], g.0[0]);
        matrix.apply_modulo_p(&mut d, &mut e);
        matrix.apply(&mut f, &mut g);
    }
    // Now g = 0, and f = 1 or -1, or p if x = 0.
    d.below_p(f.0[8] >> 31).words()
}

/// A mask that the compiler cannot make a branch of.
fn hidden(mask: i32) -> i32 {
    black_box(mask)
}

/// Thirty steps, of which these are the lowest bits of f and g.
fn thirty_steps(zeta: &mut i32, f: i32, g: i32) -> Matrix {
    let (mut f, mut g) = (f, g);
    let (mut u, mut v, mut q, mut r) = (1_i32, 0_i32, 0_i32, 1_i32);
    for _ in 0..BITS {
        // Whether delta > 0, and whether g is odd.
        let positive = hidden(*zeta >> 31);
        let odd = hidden(-(g & 1));
        let negate = |x: i32| (x ^ positive).wrapping_sub(positive) & odd;
        g = g.wrapping_add(negate(f));
        q = q.wrapping_add(negate(u));
        r = r.wrapping_add(negate(v));
        // Both: then f becomes what g was.
        let swap = positive & odd;
        *zeta = (*zeta ^ swap) - 1;
        f = f.wrapping_add(g & swap);
        u = u.wrapping_add(q & swap) << 1;
        v = v.wrapping_add(r & swap) << 1;
        // Its upper bits are not known, and do not matter.
        g >>= 1;
    }
    Matrix { u, v, q, r }
}

impl Matrix {
    fn products(&self, f: i32, g: i32) -> (i64, i64) {
        let product = |a: i32, b: i32| i64::from(a) * i64::from(b);
        (
            product(self.u, f) + product(self.v, g),
            product(self.q, f) + product(self.r, g),
        )
    }

    /// On f and g, which it divides without remainder.
    fn apply(&self, f: &mut Signed, g: &mut Signed) {
        let (mut carry_f, mut carry_g) = (0, 0);
        for i in 0..9 {
            let (sum_f, sum_g) = self.products(f.0[i], g.0[i]);
            carry_f += sum_f;
            carry_g += sum_g;
            if i > 0 {
                f.0[i - 1] = carry_f as i32 & MASK;
                g.0[i - 1] = carry_g as i32 & MASK;
            }
            carry_f >>= BITS;
            carry_g >>= BITS;
        }
        f.0[8] = carry_f as i32;
        g.0[8] = carry_g as i32;
    }

    /// On d and e, from -2 p to p, to which it adds multiples of p so that they are divided without
    /// remainder, and stay in that range.
    fn apply_modulo_p(&self, d: &mut Signed, e: &mut Signed) {
        let (sign_d, sign_e) = (hidden(d.0[8] >> 31), hidden(e.0[8] >> 31));
        let (mut carry_d, mut carry_e) = self.products(d.0[0], e.0[0]);
        let multiple = |first: i32, second: i32, lowest: i64| {
            let multiple = (first & sign_d) + (second & sign_e);
            // p is -1 modulo 2^30.
            multiple - (multiple.wrapping_sub(lowest as i32) & MASK)
        };
        let times_d = i64::from(multiple(self.u, self.v, carry_d));
        let times_e = i64::from(multiple(self.q, self.r, carry_e));
        carry_d += times_d * i64::from(P.0[0]);
        carry_e += times_e * i64::from(P.0[0]);
        carry_d >>= BITS;
        carry_e >>= BITS;
        for i in 1..9 {
            let (sum_d, sum_e) = self.products(d.0[i], e.0[i]);
            carry_d += sum_d + times_d * i64::from(P.0[i]);
            carry_e += sum_e + times_e * i64::from(P.0[i]);
            d.0[i - 1] = carry_d as i32 & MASK;
            e.0[i - 1] = carry_e as i32 & MASK;
            carry_d >>= BITS;
            carry_e >>= BITS;
        }
        d.0[8] = carry_d as i32;
        e.0[8] = carry_e as i32;
    }
}

impl Signed {
    fn of(words: &Words) -> Self {
        let mut limbs = [0; 9];
        let (mut bits, mut known) = (0_u64, 0);
        let mut words = words.iter();
        for limb in &mut limbs {
            if known < BITS {
                bits |= u64::from(words.next().copied().unwrap_or(0)) << known;
                known += 32;
            }
            *limb = bits as i32 & MASK;
            bits >>= BITS;
            known -= BITS;
        }
        Self(limbs)
    }

    /// Of a number from 0 to 2^256 - 1.
    fn words(&self) -> Words {
        let mut words = [0; 8];
        let (mut bits, mut known) = (0_u64, 0);
        let mut limbs = self.0.iter();
        for word in &mut words {
            while known < 32 {
                bits |= (limbs.next().copied().unwrap_or(0) as u64) << known;
                known += BITS;
            }
            *word = bits as u32;
            bits >>= 32;
            known -= 32;
        }
        words
    }

    /// Of a number from -2 p to p, or of the opposite where `sign` is all ones, what is equal modulo
    /// p and from 0 to p - 1.
    fn below_p(mut self, sign: i32) -> Self {
        self.add_p_if_negative();
        for limb in &mut self.0 {
            *limb = (*limb ^ hidden(sign)) - hidden(sign);
        }
        self.carry();
        self.add_p_if_negative();
        self.carry();
        self
    }

    /// Leaves the limbs larger.
    fn add_p_if_negative(&mut self) {
        let negative = hidden(self.0[8] >> 31);
        for (limb, p) in self.0.iter_mut().zip(P.0) {
            *limb += p & negative;
        }
    }

    /// Brings all limbs but the last to their range.
    fn carry(&mut self) {
        let mut carry = 0;
        for limb in &mut self.0[..8] {
            carry += *limb;
            *limb = carry & MASK;
            carry >>= BITS;
        }
        self.0[8] += carry;
    }
}
