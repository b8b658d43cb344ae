//! Points where the formulas are at their ends.

use super::*;
use crate::words::Mask;

const BASE: Coordinates = Coordinates::BASE;

fn base() -> Affine {
    Affine::of(&BASE).unwrap()
}

/// Any number that is not 0 or 1.
fn blind() -> Element {
    Element::ONE.add(&Element::ONE).invert()
}

fn coordinates(point: &Jacobian) -> Option<Coordinates> {
    let mut coordinates = BASE;
    point.write(&mut coordinates).then_some(coordinates)
}

fn doubled(point: &Jacobian) -> Jacobian {
    let mut twice = *point;
    twice.double(&half_az4(&point.z));
    twice
}

#[test]
fn doubling_returns_the_point_over_the_new_z() {
    for z in [Element::ONE, blind()] {
        let once = Jacobian::blinded(&base(), &z);
        let mut twice = once;
        let same = twice.double(&half_az4(&z));
        let same = Jacobian {
            affine: same,
            z: twice.z,
        };
        assert_eq!(coordinates(&same), Some(BASE));
        // As it is told: what is to be handed over for the next time.
        let next = half_az4(&z).multiply(&same.affine.y);
        assert!(next.subtract(&half_az4(&twice.z)).is_zero());
    }
}

#[test]
fn a_sum_is_a_double_and_a_point() {
    let twice = doubled(&Jacobian::blinded(&base(), &blind()));
    let twice = Affine::of(&coordinates(&twice).unwrap()).unwrap();
    // 2 P + 2 P + P and 2 (2 P) + P.
    let mut five = doubled(&Jacobian::blinded(&twice, &blind()));
    five.add(&base());
    let mut sum = Jacobian::blinded(&twice, &Element::ONE);
    sum.add(&base());
    sum.add(&twice);
    assert_eq!(coordinates(&sum), coordinates(&five));
    assert!(coordinates(&sum).is_some());
}

#[test]
fn what_the_formulas_cannot_add_is_no_point() {
    let mut opposite = base();
    opposite.y.negate_if(Mask::from_bit(1));
    for other in [base(), opposite] {
        for z in [Element::ONE, blind()] {
            let mut sum = Jacobian::blinded(&base(), &z);
            sum.add(&other);
            assert_eq!(coordinates(&sum), None);
            // From then on.
            sum.add(&base());
            assert_eq!(coordinates(&sum), None);
            assert_eq!(coordinates(&doubled(&sum)), None);
        }
    }
}

#[test]
fn the_multiples_are_over_the_same_z() {
    for z in [Element::ONE, blind(), Element::ZERO.subtract(&Element::ONE)] {
        let Multiples { table, z } = Multiples::of(&base(), &z);
        let twice = doubled(&Jacobian::blinded(&base(), &Element::ONE));
        let twice = Affine::of(&coordinates(&twice).unwrap()).unwrap();
        let mut expected = Jacobian::blinded(&base(), &Element::ONE);
        for (i, affine) in table.into_iter().enumerate() {
            if i > 0 {
                expected.add(&twice);
            }
            let found = Jacobian { affine, z };
            assert_eq!(coordinates(&found), coordinates(&expected), "{i}");
        }
    }
}

#[test]
fn points_off_the_curve_are_none() {
    let mut off = BASE;
    off.y[31] ^= 1;
    assert!(Affine::of(&off).is_none());
    assert!(
        Affine::of(&Coordinates {
            x: BASE.y,
            y: BASE.x
        })
        .is_none()
    );
    assert!(
        Affine::of(&Coordinates {
            x: [0; 32],
            y: [0; 32]
        })
        .is_none()
    );
}
