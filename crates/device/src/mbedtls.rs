//! What the two modules that call MbedTLS's C functions share, certificates in
//! [`crate::credentials`] and sessions in [`crate::tls`]: its structures, owned, and the function
//! by which it asks for random numbers.
//!
//! MbedTLS keeps pointers to some of its structures and does not promise that any can be moved, so
//! each lives on the heap, behind a raw pointer, from its initialisation to its end.

#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ffi::{c_int, c_uchar, c_void};
use core::ops::Deref;
use core::ptr::NonNull;

use mbedtls_rs_sys as sys;
use rand_core::CryptoRng;

/// A structure with MbedTLS's pair of functions for beginning and end.
///
/// # Safety
///
/// The functions must be those of this structure: after `init` it can be passed to `free`, and to
/// whatever else MbedTLS has for it.
pub(crate) unsafe trait Structure: Default {
    /// Initialises it.
    const INIT: unsafe extern "C" fn(*mut Self);
    /// Frees what it holds, and wipes secrets.
    const FREE: unsafe extern "C" fn(*mut Self);
}

macro_rules! structure {
    ($type:ident, $init:ident, $free:ident) => {
        // SAFETY: the pair of functions belongs to the structure by MbedTLS's naming.
        unsafe impl Structure for sys::$type {
            const INIT: unsafe extern "C" fn(*mut Self) = sys::$init;
            const FREE: unsafe extern "C" fn(*mut Self) = sys::$free;
        }
    };
}

structure!(
    mbedtls_x509_crt,
    mbedtls_x509_crt_init,
    mbedtls_x509_crt_free
);
structure!(mbedtls_pk_context, mbedtls_pk_init, mbedtls_pk_free);
structure!(
    mbedtls_ssl_config,
    mbedtls_ssl_config_init,
    mbedtls_ssl_config_free
);
structure!(mbedtls_ssl_context, mbedtls_ssl_init, mbedtls_ssl_free);
structure!(
    mbedtls_ssl_session,
    mbedtls_ssl_session_init,
    mbedtls_ssl_session_free
);

#[cfg(test)]
structure!(mbedtls_mpi, mbedtls_mpi_init, mbedtls_mpi_free);
#[cfg(test)]
structure!(
    mbedtls_ecp_point,
    mbedtls_ecp_point_init,
    mbedtls_ecp_point_free
);
#[cfg(test)]
structure!(
    mbedtls_ecp_group,
    mbedtls_ecp_group_init,
    mbedtls_ecp_group_free
);

/// An initialised structure, freed when dropped. Not shared between threads.
pub(crate) struct Owned<T: Structure>(NonNull<T>);

impl<T: Structure> Owned<T> {
    pub(crate) fn new() -> Self {
        let pointer = NonNull::from(Box::leak(Box::<T>::default()));
        // SAFETY: it is memory for such a structure, which this initialises.
        unsafe { T::INIT(pointer.as_ptr()) };
        Self(pointer)
    }

    /// For C functions that read.
    pub(crate) fn as_ptr(&self) -> *const T {
        self.0.as_ptr()
    }

    /// For C functions that write.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T: Structure> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the structure lives as long as `self`. It is written to only through
        // `as_mut_ptr`, whose pointers are not used while a reference from here lives.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Structure> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new` and freed once; then the memory itself goes back to where
        // `new` took it from.
        unsafe {
            T::FREE(self.0.as_ptr());
            drop(Box::from_raw(self.0.as_ptr()));
        }
    }
}

/// Whether a signature (DER) is that of a key on an elliptic curve (`SubjectPublicKeyInfo` in DER) of what
/// has this SHA-256. What MbedTLS cannot read, nobody has signed.
pub(crate) fn is_signed(key: &[u8], digest: &[u8; 32], signature: &[u8]) -> bool {
    let mut context = Owned::<sys::mbedtls_pk_context>::new();
    // SAFETY: the context is initialised; all bytes are readable for their lengths.
    unsafe {
        sys::mbedtls_pk_parse_public_key(context.as_mut_ptr(), key.as_ptr(), key.len()) == 0
            && sys::mbedtls_pk_verify(
                context.as_mut_ptr(),
                sys::mbedtls_md_type_t_MBEDTLS_MD_SHA256,
                digest.as_ptr(),
                digest.len(),
                signature.as_ptr(),
                signature.len(),
            ) == 0
    }
}

/// The function by which MbedTLS asks for random numbers, wherever it wants one: they come from
/// the source to which it is given a pointer, or, for null, from the one that the
/// [library](crate::tls::Library) was installed with.
///
/// # Safety
///
/// `source` is null or points to a `&mut dyn CryptoRng` that is not used elsewhere meanwhile;
/// `bytes` is writable for `length`.
pub(crate) unsafe extern "C" fn random(
    source: *mut c_void,
    bytes: *mut c_uchar,
    length: usize,
) -> c_int {
    // SAFETY: the caller's promise. The bytes are initialised before they are lent.
    unsafe {
        match source.cast::<&mut dyn CryptoRng>().as_mut() {
            None => sys::psa_generate_random(bytes, length),
            Some(source) => {
                bytes.write_bytes(0, length);
                source.fill_bytes(core::slice::from_raw_parts_mut(bytes, length));
                0
            }
        }
    }
}
