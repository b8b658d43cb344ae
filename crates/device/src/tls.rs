//! TLS 1.2 and 1.3 with mutual authentication, over any byte stream.
//!
//! MbedTLS does the work; here is what it asks of its surroundings and what the device asks of it:
//!
//! - [`Library`]: MbedTLS has global state. A body installs its randomness once, before the first
//!   device runs, and hands the library to [`run()`](crate::run()).
//! - The time. MbedTLS asks a global hook for the date, but devices that share a process have
//!   each its own clock. So a handshake brings the date along, and the hook answers only while
//!   that handshake is being polled; at any other time there is no date, and certificates are
//!   refused.
//! - [`Resumption`]: what is kept of a session so that the next connection spares the handshake.
//! - [`TlsError`]: MbedTLS's codes in words, apart from who must act.
//!
//! MbedTLS is not built for threads: all devices of a process live on one.

mod alert;
mod authority;
mod buffers;
mod bytes;
mod clock;
mod error;
mod guard;
#[cfg(feature = "p256")]
mod p256;
mod random;
mod session;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

use core::fmt;
use core::marker::PhantomData;

use rand_core::CryptoRng;

pub use alert::Alert;
pub use error::{CertificateFault, TlsError};
pub use guard::Violation;
pub use stream::{Client, Resumption, Stream};

/// MbedTLS, set up. Copies are the same library.
#[derive(Clone, Copy)]
pub struct Library<'a> {
    _installed: PhantomData<&'a ()>,
}

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

/// The library was installed before, in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadyInstalled;

impl fmt::Display for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the TLS library is installed already: hand on the first one")
    }
}

impl core::error::Error for AlreadyInstalled {}

impl Library<'static> {
    /// Sets MbedTLS up for the rest of the process, with `random` as its source of randomness for
    /// keys.
    ///
    /// # Errors
    ///
    /// [`AlreadyInstalled`], for there is one source only.
    pub fn install(random: &'static mut (dyn CryptoRng + Send)) -> Result<Self, AlreadyInstalled> {
        random::install(random)?;
        clock::install();
        #[cfg(feature = "p256")]
        p256::install();
        Ok(Self {
            _installed: PhantomData,
        })
    }
}
