//! Owned structures of MbedTLS, for the two modules that call its C functions: certificates in
//! [`crate::credentials`] and sessions in [`crate::tls`].
//!
//! MbedTLS keeps pointers to some of its structures and does not promise that any can be moved, so
//! each lives on the heap, behind a raw pointer, from its initialisation to its end.

#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ops::Deref;
use core::ptr::NonNull;

use mbedtls_rs_sys as sys;

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
