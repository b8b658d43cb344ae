//! Points of secp256r1, y^2 = x^3 + a x + b.

#[cfg(test)]
mod tests;

use super::field::Element;

/// b.
const B: Element = Element::from_montgomery([
    0x29c4_bddf,
    0xd89c_df62,
    0x7884_3090,
    0xacf0_05cd,
    0xf721_2ed6,
    0xe5a2_20ab,
    0x0487_4834,
    0xdc30_061d,
]);

/// a / 2; a is -3.
const HALF_A: Element = Element::from_montgomery([
    0xffff_fffe,
    0xffff_ffff,
    0xffff_ffff,
    0x0000_0001,
    0x0000_0000,
    0x0000_0000,
    0x0000_0002,
    0x7fff_fffe,
]);

/// A point, each coordinate with its most significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coordinates {
    pub(super) x: [u8; 32],
    pub(super) y: [u8; 32],
}

/// A point (x, y) of the curve.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) x: Element,
    pub(super) y: Element,
}

impl Affine {
    /// None if that is no point of the curve.
    pub(super) fn of(point: &Coordinates) -> Option<Self> {
        let (x, y) = (
            Element::from_bytes(&point.x)?,
            Element::from_bytes(&point.y)?,
        );
        let three_x = x.double().add(&x);
        let right = x.square().multiply(&x).subtract(&three_x).add(&B);
        let point = Self { x, y };
        y.square().subtract(&right).is_zero().then_some(point)
    }

    /// The point (x, y) over some z as it is over `factor` times that z.
    #[inline(never)]
    fn scaled(&self, factor: &Element) -> Self {
        let square = factor.square();
        Self {
            x: self.x.multiply(&square),
            y: self.y.multiply(&square.multiply(factor)),
        }
    }

    /// Adds Q to P, if both are over the same z: 0 if they are the same or opposite. The sum is over
    /// another z, as then is Q, too: z times what is returned (N. Meloni: New point addition formulae
    /// for ECC applications, 2007).
    #[inline(never)]
    fn add(&mut self, other: &mut Self) -> Element {
        let factor = self.x.subtract(&other.x);
        let square = factor.square();
        let x = self.x.multiply(&square);
        other.x.set(&other.x.multiply(&square));
        let slope = self.y.subtract(&other.y);
        other.y.set(&other.y.multiply(&x.subtract(&other.x)));
        self.x.set(&slope.square().subtract(&x).subtract(&other.x));
        let y = slope.multiply(&other.x.subtract(&self.x));
        self.y.set(&y.subtract(&other.y));
        factor
    }
}

/// The point (x / z^2, y / z^3); with z = 0, no point that is known.
///
/// Additions with which the formulas cannot deal give z = 0, and from then on it stays.
#[derive(Clone, Copy)]
pub(super) struct Jacobian {
    pub(super) affine: Affine,
    pub(super) z: Element,
}

impl Jacobian {
    /// A point of the curve, with coordinates that nobody can foresee if `blind` is random. It must
    /// not be 0.
    pub(super) fn blinded(point: &Affine, blind: &Element) -> Self {
        Self {
            affine: point.scaled(blind),
            z: *blind,
        }
    }

    /// Doubles the point, and returns it as it was, over its new z.
    ///
    /// `half_az4` is a z^4 / 2. The formulas are those that double again and again (Hankerson,
    /// Menezes, Vanstone: Guide to Elliptic Curve Cryptography, algorithm 3.23), with z halved. For
    /// the next time `half_az4` must be multiplied by the y that is returned, the fourth power of
    /// the one that was.
    pub(super) fn double(&mut self, half_az4: &Element) -> Affine {
        let Affine { x, y } = &mut self.affine;
        let x_square = x.square();
        let slope = x_square.halve().add(&x_square).add(half_az4);
        let y_square = y.square();
        let same = Affine {
            x: x.multiply(&y_square),
            y: y_square.square(),
        };
        self.z.set(&self.z.multiply(y));
        x.set(&slope.square().subtract(&same.x).subtract(&same.x));
        let product = slope.multiply(&same.x.subtract(x));
        y.set(&product.subtract(&same.y));
        same
    }

    /// Adds a point; z = 0 if they are the same, or opposite, or z was 0.
    pub(super) fn add(&mut self, other: &Affine) {
        let mut other = other.scaled(&self.z);
        let factor = self.affine.add(&mut other);
        self.z.set(&self.z.multiply(&factor));
    }

    /// None for z = 0.
    pub(super) fn coordinates(self) -> Option<Coordinates> {
        if self.z.is_zero() {
            return None;
        }
        let Affine { x, y } = self.affine.scaled(&self.z.invert());
        Some(Coordinates {
            x: x.to_bytes(),
            y: y.to_bytes(),
        })
    }
}

/// The odd multiples of a point up to 31: entry `i` is 2 i + 1 times the point, over `z`.
pub(super) struct Multiples {
    pub(super) table: [Affine; 16],
    pub(super) z: Element,
}

impl Multiples {
    /// Of any point but infinity.
    pub(super) fn of(point: &Affine, blind: &Element) -> Self {
        let mut twice = Jacobian::blinded(point, blind);
        let once = twice.double(&half_az4(blind));
        let mut table = [once; 16];
        let mut factors = [Element::ONE; 16];
        // Each sum is over another z, as is what was added to it.
        let mut last = once;
        for (entry, factor) in table.iter_mut().zip(&mut factors).skip(1) {
            *factor = last.add(&mut twice.affine);
            *entry = last;
        }
        // All are brought to the last one's.
        let mut product = Element::ONE;
        for (entry, factor) in table.iter_mut().zip(&factors).rev() {
            *entry = entry.scaled(&product);
            product = product.multiply(factor);
        }
        Self {
            table,
            z: twice.z.multiply(&product),
        }
    }
}

/// a z^4 / 2, which [`Jacobian::double`] needs.
pub(super) fn half_az4(z: &Element) -> Element {
    z.square().square().multiply(&HALF_A)
}
