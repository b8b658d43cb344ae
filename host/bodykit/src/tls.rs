//! MbedTLS, which a process sets up once, for all devices in it.

use std::sync::OnceLock;

use device::tls::Library;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

/// The TLS library, with the operating system's randomness.
///
/// # Panics
///
/// If somebody else in this process has set it up.
pub fn library() -> Library<'static> {
    static LIBRARY: OnceLock<Library<'static>> = OnceLock::new();
    *LIBRARY.get_or_init(|| {
        let random = Box::leak(Box::new(UnwrapErr(SysRng)));
        Library::install(random).expect("nobody else in this process uses MbedTLS")
    })
}
