//! Where MbedTLS's randomness comes from: the source that the body installs.

#![allow(unsafe_code)]

use core::cell::RefCell;
use core::ffi::{c_int, c_uchar, c_void};

use embassy_sync::blocking_mutex::CriticalSectionMutex;
use rand_core::{CryptoRng, Rng as _};

use super::AlreadyInstalled;

/// A source that lives as long as the process.
type Source = &'static mut (dyn CryptoRng + Send);

static SOURCE: CriticalSectionMutex<RefCell<Option<Source>>> =
    CriticalSectionMutex::new(RefCell::new(None));

// What PSA's functions return (include/psa/crypto_values.h, v3.6.5); the bindings lack macros.
const PSA_SUCCESS: c_int = 0;
const PSA_ERROR_INVALID_ARGUMENT: c_int = -135;
const PSA_ERROR_INSUFFICIENT_ENTROPY: c_int = -148;

/// Makes it the source of all randomness.
pub(super) fn install(random: Source) -> Result<(), AlreadyInstalled> {
    SOURCE.lock(|source| match &mut *source.borrow_mut() {
        Some(_) => Err(AlreadyInstalled),
        none => {
            *none = Some(random);
            Ok(())
        }
    })
}

/// What MbedTLS calls for random numbers, since it is built with MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
/// (include/psa/crypto_extra.h, v3.6.5).
///
/// # Safety
///
/// `output` is null or writable for `size` bytes, `length` null or writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn mbedtls_psa_external_get_random(
    _context: *mut c_void,
    output: *mut c_uchar,
    size: usize,
    length: *mut usize,
) -> c_int {
    // SAFETY: the caller promises it.
    let Some(length) = (unsafe { length.as_mut() }) else {
        return PSA_ERROR_INVALID_ARGUMENT;
    };
    *length = 0;
    if size == 0 {
        return PSA_SUCCESS;
    }
    if output.is_null() {
        return PSA_ERROR_INVALID_ARGUMENT;
    }
    // SAFETY: not null, and writable for that long; then it is initialised, too.
    let output = unsafe {
        output.write_bytes(0, size);
        core::slice::from_raw_parts_mut(output, size)
    };
    SOURCE.lock(|source| match &mut *source.borrow_mut() {
        Some(random) => {
            random.fill_bytes(output);
            *length = size;
            PSA_SUCCESS
        }
        None => PSA_ERROR_INSUFFICIENT_ENTROPY,
    })
}
