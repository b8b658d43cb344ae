//! The curve P-256 by [`secp256r1`], in place of MbedTLS's own arithmetic, which takes more than four times
//! as many instructions on a core of 32 bits.
//!
//! [`install`] hooks MbedTLS's multiplication, and its check whether a point is on the curve. What
//! does not belong to the curve, among it all that is invalid, goes to MbedTLS's own functions. Left
//! out without the feature `p256`: then MbedTLS does it all, or a body's hardware.
//!
//! It is our own because nothing that fits was found. Counted for RV32IMC with
//! `opt-level = "s"`: a product of `p256` 0.13 takes 6.2 million instructions, one of MbedTLS 11,
//! this one 2.42, with the base point 0.77. p256-m, which comes with MbedTLS (3rdparty/p256-m, v3.6.5),
//! is small rather than fast: 28.1 million for agreeing on a key and 28.0 for making one, 13.3 each where
//! it may multiply to 64 bits (clang 14, `-Os`). `crrl` 0.9 does not build without `std`.

#![allow(unsafe_code)]

#[cfg(test)]
mod against_mbedtls;
#[cfg(test)]
mod wycheproof;

use core::ffi::c_void;
use core::ptr;

use mbedtls_rs_sys::hook::ecp::{
    MbedtlsEcpMul, MbedtlsEcpRestartCtx, MbedtlsEcpVerify, MbedtlsFRng, ecp_check_pubkey_soft,
    ecp_mul_soft, hook_ecp_mul, hook_ecp_verify,
};
use mbedtls_rs_sys::{
    MbedtlsError, mbedtls_ecp_group, mbedtls_ecp_group_id_MBEDTLS_ECP_DP_SECP256R1 as SECP256R1,
    mbedtls_ecp_point, mbedtls_mpi, mbedtls_mpi_cmp_int, mbedtls_mpi_lset, mbedtls_mpi_read_binary,
    mbedtls_mpi_write_binary, merr,
};
use secp256r1::{Blind, Coordinates, Point, Scalar, multiply, multiply_base, wipe_stack};
use zeroize::Zeroizing;

/// Installs the hooks, for good. A body with hardware for the curve installs its own afterwards.
pub(super) fn install() {
    // SAFETY: called before any session exists, as MbedTLS wants; the hooks are a static that is
    // never taken away.
    unsafe {
        hook_ecp_mul(Some(&Curve));
        hook_ecp_verify(Some(&Curve));
    }
}

/// The curve, as MbedTLS calls it.
struct Curve;

impl MbedtlsEcpMul for Curve {
    unsafe fn mul(
        &self,
        group: &mut mbedtls_ecp_group,
        result: &mut mbedtls_ecp_point,
        scalar: &mbedtls_mpi,
        point: &mbedtls_ecp_point,
        random: MbedtlsFRng,
        random_context: *mut c_void,
        restart: *mut MbedtlsEcpRestartCtx,
    ) -> Result<(), MbedtlsError> {
        if group.id == SECP256R1 {
            // SAFETY: randomness and its context belong together, and are valid as long as the
            // call takes: the caller promises it.
            let blind = || unsafe { blind(random, random_context) };
            let done = product(result, scalar, point, blind);
            wipe_stack();
            if done? {
                return Ok(());
            }
        }
        // SAFETY: as the caller promises for its arguments, which are handed on.
        unsafe {
            ecp_mul_soft(
                group,
                result,
                scalar,
                point,
                random,
                random_context,
                restart,
            )
        }
    }
}

impl MbedtlsEcpVerify for Curve {
    fn check_pubkey(
        &self,
        group: &mbedtls_ecp_group,
        point: &mbedtls_ecp_point,
    ) -> Result<(), MbedtlsError> {
        if group.id == SECP256R1 && coordinates(point).and_then(|at| Point::new(&at)).is_some() {
            return Ok(());
        }
        // It says what is wrong.
        ecp_check_pubkey_soft(group, point)
    }
}

/// Multiplies; false if it is MbedTLS's to say what is wrong.
///
/// Never inlined, so that what it leaves on the stack can be wiped.
#[inline(never)]
fn product(
    result: &mut mbedtls_ecp_point,
    scalar: &mbedtls_mpi,
    point: &mbedtls_ecp_point,
    blind: impl FnOnce() -> Result<Blind, MbedtlsError>,
) -> Result<bool, MbedtlsError> {
    let (Some(scalar), Some(at)) = (to_bytes(scalar), coordinates(point)) else {
        return Ok(false);
    };
    let Some(scalar) = Scalar::new(&scalar) else {
        return Ok(false);
    };
    let mut product = Zeroizing::new(Coordinates {
        x: [0; 32],
        y: [0; 32],
    });
    if at == Coordinates::BASE {
        multiply_base(&scalar, &blind()?, &mut product);
    } else if let Some(point) = Point::new(&at) {
        multiply(&scalar, &point, &blind()?, &mut product);
    } else {
        return Ok(false);
    }
    write_point(result, &product)?;
    Ok(true)
}

/// What coordinates are blinded with; nothing where MbedTLS brings no randomness, as it does where
/// nothing is secret (library/ecp.c, mbedtls_ecp_muladd_restartable, v3.6.5).
///
/// # Safety
///
/// The function can be called with the context.
unsafe fn blind(random: MbedtlsFRng, context: *mut c_void) -> Result<Blind, MbedtlsError> {
    let Some(random) = random else {
        return Ok(Blind::NONE);
    };
    let mut bytes = Zeroizing::new([0; 32]);
    // SAFETY: the bytes are writable for their length; the rest is the caller's promise.
    merr!(unsafe { random(context, bytes.as_mut_ptr(), bytes.len()) })?;
    Ok(Blind::new(&bytes))
}

/// A point's coordinates; none if it has a z but 1, or coordinates of more than 32 bytes.
fn coordinates(point: &mbedtls_ecp_point) -> Option<Coordinates> {
    // SAFETY: the number is initialised.
    let affine = unsafe { mbedtls_mpi_cmp_int(&point.private_Z, 1) == 0 };
    let (x, y) = (to_bytes(&point.private_X)?, to_bytes(&point.private_Y)?);
    affine.then_some(Coordinates { x: *x, y: *y })
}

/// A number's bytes, the most significant first; none if it is below 0 or has more than 32.
fn to_bytes(number: &mbedtls_mpi) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    // SAFETY: the number is initialised; the bytes are writable for their length.
    let written = unsafe { mbedtls_mpi_write_binary(number, bytes.as_mut_ptr(), bytes.len()) };
    (written == 0 && number.private_s >= 0).then_some(bytes)
}

fn write_point(
    point: &mut mbedtls_ecp_point,
    Coordinates { x, y }: &Coordinates,
) -> Result<(), MbedtlsError> {
    for (number, bytes) in [(&mut point.private_X, x), (&mut point.private_Y, y)] {
        // SAFETY: the number is initialised; the bytes are readable for their length.
        merr!(unsafe { mbedtls_mpi_read_binary(number, bytes.as_ptr(), bytes.len()) })?;
    }
    // SAFETY: the number is initialised.
    merr!(unsafe { mbedtls_mpi_lset(ptr::from_mut(&mut point.private_Z), 1) })?;
    Ok(())
}
