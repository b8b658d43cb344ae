//! No branch and no address depends on a secret. Valgrind's memcheck follows what was never written through all
//! arithmetic, and reports where a jump or an address depends on it; so what is secret is told to be
//! such (A. Langley: ctgrind, 2010).
//!
//! Without valgrind these tests show nothing and pass; `cargo xtask test memory` runs them under it,
//! and `what_is_undefined_is_followed` fails there if nothing is noticed.

#![cfg(target_os = "linux")]

use core::ffi::c_void;
use core::mem::size_of_val;

use crabgrind::memcheck::{MemState, mark_memory};
use crabgrind::valgrind::count_errors;

use super::*;

fn mark<T: ?Sized>(memory: &T, state: MemState) {
    let start = core::ptr::from_ref(memory).cast::<c_void>();
    // An error is that there is no valgrind.
    let _ = mark_memory(start, size_of_val(memory), state);
}

/// Jumps and addresses that depend on the secret while something is done with it.
fn found<S, R>(mut secret: S, act: impl FnOnce(&S) -> R) -> (usize, R) {
    let before = count_errors();
    mark(&secret, MemState::Undefined);
    let result = act(black_box(&secret));
    let found = count_errors() - before;
    mark(&secret, MemState::Defined);
    mark(&result, MemState::Defined);
    let _ = black_box(&mut secret);
    (found, result)
}

fn scalar() -> Scalar {
    Scalar::new(&[0x37; 32]).unwrap()
}

#[test]
fn what_is_undefined_is_followed() {
    if !crabgrind::valgrind::running_mode().is_valgrind() {
        return;
    }
    let table = [1, 2, 3, 4];
    let (jumps, _) = found([2_u32], |secret| {
        if black_box(secret[0] & 1) == 1 {
            black_box(1)
        } else {
            black_box(2)
        }
    });
    assert!(jumps > 0, "a jump was not noticed");
    let (addresses, _) = found([2_usize], |secret| black_box(&table)[secret[0] & 3]);
    assert!(addresses > 0, "an address was not noticed");
}

#[test]
fn signing_and_making_a_key() {
    let secrets = (scalar(), Blind::new(&[0x5a; 32]));
    let (found, product) = found(secrets, |(scalar, blind)| {
        let mut product = Coordinates::BASE;
        // The function above this one looks whether it is one of two scalars.
        let found = product::multiply_base(&scalar.0, &blind.0, &mut product);
        mark(&found, MemState::Defined);
        assert!(*black_box(&found));
        product
    });
    assert_eq!(found, 0);
    assert_eq!(product, times_base(&words::from_bytes(&[0x37; 32])));
}

#[test]
fn key_agreement() {
    let point = Point::new(&times_base(&[77, 0, 0, 0, 0, 0, 0, 0])).unwrap();
    let secrets = (scalar(), Blind::new(&[0x5a; 32]));
    let (found, product) = found(secrets, |(scalar, blind)| {
        let mut product = Coordinates::BASE;
        multiply(scalar, &point, blind, &mut product);
        product
    });
    assert_eq!(found, 0);
    let mut expected = Coordinates::BASE;
    multiply(&scalar(), &point, &Blind::NONE, &mut expected);
    assert_eq!(product, expected);
}

#[test]
fn the_inverse_and_the_field() {
    let number = || Blind::new(&[0xc3; 32]);
    let (errors, inverse) = found(number(), |number| number.0.invert());
    assert_eq!(errors, 0);
    assert!(
        inverse
            .multiply(&number().0)
            .subtract(&Element::ONE)
            .is_zero()
    );
    let (errors, result) = found(number(), |number| {
        let x = number.0.square().add(&number.0).halve().double();
        let mut x = x.subtract(&number.0).multiply(&Element::ONE);
        x.negate_if(words::Mask::equal(x.words()[0], 5));
        x
    });
    assert_eq!(errors, 0);
    assert!(!result.is_zero());
}

#[test]
fn blinding_and_reading_a_scalar() {
    let (errors, blind) = found([0x5a_u8; 32], Blind::new);
    assert_eq!(errors, 0);
    assert!(!blind.0.is_zero());
    // The one thing that is told: whether it is one.
    let (errors, scalar) = found([0x5a_u8; 32], Scalar::new);
    assert!(errors <= 1, "{errors}");
    assert!(scalar.is_some());
}
