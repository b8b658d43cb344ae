//! The hooks by which MbedTLS multiplies, and tells points from what is none.

#![allow(unsafe_code)]

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
use zeroize::Zeroizing;

use super::field::{Element, subtract_words, words};
use super::point::{Affine, Coordinates};
use super::{ORDER, multiply, multiply_base};

/// The base point (SEC 2, 2.4.2).
pub(super) const BASE: Coordinates = Coordinates {
    x: [
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
        0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98,
        0xc2, 0x96,
    ],
    y: [
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
        0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf,
        0x51, 0xf5,
    ],
};

/// Installs the hooks, for good. A body with hardware for the curve installs its own afterwards.
pub(in crate::tls) fn install() {
    // SAFETY: called before any session exists, as MbedTLS wants; the hooks are a static that is
    // never taken away.
    unsafe {
        hook_ecp_mul(Some(&Curve));
        hook_ecp_verify(Some(&Curve));
    }
}

/// The curve, as MbedTLS calls it.
pub(super) struct Curve;

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
        if group.id == SECP256R1
            // SAFETY: the two belong together, and are valid as long as the call takes: the
            // caller promises it.
            && let Some(product) =
                product(scalar, point, || unsafe { blind(random, random_context) })?
        {
            return write_point(result, &product);
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
        if group.id == SECP256R1 && coordinates(point).and_then(|at| Affine::of(&at)).is_some() {
            return Ok(());
        }
        // It says what is wrong.
        ecp_check_pubkey_soft(group, point)
    }
}

/// The product's coordinates; none if it is MbedTLS's to say what is wrong, or to deal with it.
fn product(
    scalar: &mbedtls_mpi,
    point: &mbedtls_ecp_point,
    blind: impl FnOnce() -> Result<Element, MbedtlsError>,
) -> Result<Option<Coordinates>, MbedtlsError> {
    // SAFETY: the number is initialised.
    let positive = unsafe { mbedtls_mpi_cmp_int(scalar, 1) >= 0 };
    let (Some(scalar), Some(point)) = (to_bytes(scalar), coordinates(point)) else {
        return Ok(None);
    };
    let scalar = Zeroizing::new(words(&scalar));
    let (_, below_order) = subtract_words(&scalar, &ORDER);
    if !positive || below_order == 0 {
        return Ok(None);
    }
    if point == BASE {
        return Ok(multiply_base(&scalar, &blind()?));
    }
    let Some(point) = Affine::of(&point) else {
        return Ok(None);
    };
    Ok(multiply(&scalar, &point, &blind()?))
}

/// A random number that is not 0; 1 where MbedTLS brings no randomness, as it does where nothing
/// is secret (library/ecp.c, mbedtls_ecp_muladd_restartable, v3.6.5).
///
/// # Safety
///
/// The function can be called with the context.
unsafe fn blind(random: MbedtlsFRng, context: *mut c_void) -> Result<Element, MbedtlsError> {
    let Some(random) = random else {
        return Ok(Element::ONE);
    };
    let mut bytes = Zeroizing::new([0; 32]);
    // SAFETY: the bytes are writable for their length; the rest is the caller's promise.
    merr!(unsafe { random(context, bytes.as_mut_ptr(), bytes.len()) })?;
    // Below 2^255, so below p; and no more than odd, so not 0.
    bytes[0] &= 0x7f;
    bytes[31] |= 1;
    Ok(Element::from_bytes(&bytes).unwrap_or(Element::ONE))
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
