//! Points of secp256r1, y^2 = x^3 + a x + b.

#[cfg(test)]
mod tests;

use zeroize::Zeroize;

use crate::curve::Coordinates;
use crate::field::Element;

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

/// A point (x, y) of the curve.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Affine {
    pub(crate) x: Element,
    pub(crate) y: Element,
}

impl Affine {
    /// The base point.
    pub(crate) const BASE: Self = Self {
        x: Element::from_montgomery([
            0x18a9_143c,
            0x79e7_30d4,
            0x5fed_b601,
            0x75ba_95fc,
            0x7762_2510,
            0x79fb_732b,
            0xa537_55c6,
            0x1890_5f76,
        ]),
        y: Element::from_montgomery([
            0xce95_560a,
            0xddf2_5357,
            0xba19_e45c,
            0x8b4a_b8e4,
            0xdd21_f325,
            0xd2e8_8688,
            0x2588_5d85,
            0x8571_ff18,
        ]),
    };

    /// None if that is no point of the curve.
    pub(crate) fn of(point: &Coordinates) -> Option<Self> {
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
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Jacobian {
    pub(crate) affine: Affine,
    pub(crate) z: Element,
}

impl Jacobian {
    /// A point of the curve, with coordinates that nobody can foresee if `blind` is random. It must
    /// not be 0.
    pub(crate) fn blinded(point: &Affine, blind: &Element) -> Self {
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
    pub(crate) fn double(&mut self, half_az4: &Element) -> Affine {
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
    pub(crate) fn add(&mut self, other: &Affine) {
        let mut other = other.scaled(&self.z);
        let factor = self.affine.add(&mut other);
        self.z.set(&self.z.multiply(&factor));
    }

    /// Writes the coordinates; false for z = 0, which has none.
    pub(crate) fn write(&self, coordinates: &mut Coordinates) -> bool {
        let Affine { x, y } = self.affine.scaled(&self.z.invert());
        x.write(&mut coordinates.x);
        y.write(&mut coordinates.y);
        !self.z.is_zero()
    }
}

/// The odd multiples of a point up to 31: entry `i` is 2 i + 1 times the point, over `z`.
pub(crate) struct Multiples {
    pub(crate) table: [Affine; 16],
    pub(crate) z: Element,
}

impl Multiples {
    /// Of any point but infinity.
    pub(crate) fn of(point: &Affine, blind: &Element) -> Self {
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
pub(crate) fn half_az4(z: &Element) -> Element {
    z.square().square().multiply(&HALF_A)
}
