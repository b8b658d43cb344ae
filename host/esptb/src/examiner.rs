//! What whoever plays a device's part needs of this process: MbedTLS, and the time.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use device::tls::Library;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

/// MbedTLS, which a process sets up once.
pub(crate) fn library() -> Result<Library<'static>> {
    let random = Box::leak(Box::new(UnwrapErr(SysRng)));
    Library::install(random).map_err(|error| anyhow!("{error}"))
}

/// Seconds since 1970, by this computer.
pub(crate) fn now_unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
